# SPDX-License-Identifier: Apache-2.0
"""One lease: how it is taken, lost, given back; never two in control."""

import random

from avatar_motor import deadlines
from avatar_motor.limits import Limits
from avatar_web.driving.driving import Driving
from avatar_web.driving.freshness import Why
from avatar_web.driving.lease import Event, Holder, Lease, State

ANN = Holder(1, 's-ann', 'ann')
BOB = Holder(2, 's-bob', 'bob')
ANN_AGAIN = Holder(3, 's-ann', 'ann')


def held():
    lease = Lease()
    lease.take(ANN, 0.0)
    return lease


def test_taking_and_taking_over():
    lease = Lease()
    assert lease.state is State.FREE
    change = lease.take(ANN, 0.0)
    assert (change.event, change.before, change.after) == (Event.TAKEN, None, ANN)
    assert lease.take(ANN, 0.1) is None
    change = lease.take(BOB, 0.2)
    assert (change.before, change.after) == (ANN, BOB)
    assert lease.is_held_by(2)
    assert not lease.is_held_by(1)


def test_only_the_holder_releases_gives_and_allows():
    lease = held()
    assert lease.release(2) is lease.give(2, BOB, 0.0) is lease.allow(2, True) is None
    assert lease.allow(1, True).event is Event.ALLOWED
    assert lease.allow_cmd_vel
    assert lease.give(1, BOB, 0.0).after == BOB
    assert not lease.allow_cmd_vel
    assert lease.release(2).event is Event.RELEASED
    assert lease.state is State.FREE


def test_a_second_of_silence_loses_it_and_a_frame_brings_it_back():
    lease = held()
    assert lease.poll(deadlines.GHOST_S) is None
    change = lease.poll(deadlines.GHOST_S + 0.01)
    assert (change.event, change.before) == (Event.LOST, ANN)
    assert lease.state is State.AWAY
    assert not lease.is_held_by(1)
    assert lease.heard(2, 1.5) is None
    assert lease.heard(1, 1.5).event is Event.REGAINED
    assert lease.is_held_by(1)


def test_the_session_regains_it_on_another_socket_within_ten_seconds():
    lease = held()
    assert lease.closed(1, 5.0).event is Event.LOST
    assert lease.connected(BOB, 6.0) is None
    change = lease.connected(ANN_AGAIN, 14.9)
    assert (change.event, change.after) == (Event.REGAINED, ANN_AGAIN)
    assert lease.is_held_by(3)


def test_after_ten_seconds_it_is_free():
    lease = held()
    lease.closed(1, 5.0)
    assert lease.poll(14.9) is None
    assert lease.poll(15.1).event is Event.EXPIRED
    assert lease.state is State.FREE
    assert lease.connected(ANN_AGAIN, 15.2) is None


def test_even_without_a_poll_it_is_not_given_back_too_late():
    lease = held()
    lease.closed(1, 5.0)
    assert lease.connected(ANN_AGAIN, 15.1).event is Event.EXPIRED
    assert lease.state is State.FREE


def test_who_took_it_meanwhile_keeps_it():
    lease = held()
    lease.closed(1, 5.0)
    lease.take(BOB, 6.0)
    assert lease.connected(ANN_AGAIN, 7.0) is None
    assert lease.heard(1, 7.0) is None
    assert lease.is_held_by(2)


def test_who_is_not_let_in_again_leaves_it_free():
    lease = held()
    assert lease.closed(1, 5.0, returns=False).event is Event.LOST
    assert lease.state is State.FREE
    lease = held()
    lease.closed(1, 5.0)
    assert lease.closed(1, 6.0, returns=False).event is Event.EXPIRED
    assert lease.state is State.FREE


def test_the_leave_to_use_cmd_vel_ends_with_the_lease():
    for end in (lambda lease: lease.closed(1, 1.0), lambda lease: lease.take(BOB, 1.0),
                lambda lease: lease.release(1), lambda lease: lease.poll(2.0)):
        lease = held()
        lease.allow(1, True)
        end(lease)
        assert not lease.allow_cmd_vel


def test_ten_thousand_random_events_never_put_two_in_control():
    rng = random.Random(7)
    lease, driving, now = Lease(), Driving(Limits()), 0.0
    driver = None
    # Whether the driver let go since control changed or a stop, and when it last pressed.
    let_go, pressed_s = False, now
    for _ in range(10_000):
        now += rng.choice([0.0, 0.01, 0.05, 0.05, 0.3, 1.5])
        socket = rng.randint(1, 4)
        who = Holder(socket, f's{socket % 2}', f'n{socket % 2}')
        event = rng.choice(['take', 'release', 'give', 'allow', 'heard', 'closed', 'connected',
                            'poll', 'drive', 'drive', 'drive', 'zero', 'late', 'e_stop'])
        published, change = None, None
        if event == 'take':
            change = lease.take(who, now)
        elif event == 'give':
            change = lease.give(socket, Holder(socket % 4 + 1, 's', 'n'), now)
        elif event == 'release':
            change = lease.release(socket)
        elif event == 'allow':
            change = lease.allow(socket, rng.random() < 0.5)
        elif event == 'closed':
            change = lease.closed(socket, now, returns=rng.random() < 0.8)
        elif event in ('heard', 'connected'):
            change = (lease.heard(socket, now) if event == 'heard'
                      else lease.connected(who, now))
        elif event == 'poll':
            change = lease.poll(now)
            published = driving.poll(now)
        elif event == 'e_stop':
            published = driving.neutral_first(now)
            assert not driving.moving
            let_go, pressed_s = False, now
        else:
            x = 0.0 if event == 'zero' else 0.3
            fresh = Why.LATE if event == 'late' else Why.FRESH
            holds = lease.is_held_by(socket)
            answer = driving.command((x, 0, 0), (0, 0, 0), holds, fresh, now)
            published = answer.publish
            if published is not None and not published.is_zero:
                assert holds
                assert fresh is Why.FRESH
                assert socket == driver
                assert let_go or now - pressed_s >= deadlines.MOTOR_CMD_TIMEOUT_S
                let_go = True
            elif holds and event == 'zero':
                let_go = True
            elif holds:
                pressed_s = now
        if change is not None and change.event is not Event.ALLOWED:
            zero = driving.neutral_first(now)
            assert not driving.moving
            assert zero is None or zero.is_zero
            let_go, pressed_s = False, now
            driver = change.after.socket if change.after else None
        assert published is None or event not in ('late', 'e_stop') or published.is_zero
        holders = [s for s in range(1, 5) if lease.is_held_by(s)]
        assert len(holders) <= 1
        assert holders == ([driver] if driver is not None and lease.state is State.HELD else [])
        assert not (lease.allow_cmd_vel and lease.state is not State.HELD)
