# SPDX-License-Identifier: Apache-2.0
"""Promise 1 at the gateway: what becomes `operator/cmd_vel`, and when it must be zero."""

import os
import signal
import time

import pytest

from avatar_motor import deadlines
from avatar_node.testing import wait_for


def test_a_command_of_the_holder_reaches_the_graph(gateway):
    ann = gateway.connect()
    ann.take()
    ann.drive(0.2, 0.5, topic='/cmd_vel')
    wait_for(lambda: gateway.velocity == (0.2, 0.5), 2, 'the velocity')
    assert gateway.lease == {
        'state': 'held', 'holder': 'ann', 'allow_cmd_vel': 'false', 'gateways': '1'}


def test_the_lease_is_published_at_5_hz_and_at_once(gateway):
    ann = gateway.connect()
    before = len(gateway.leases)
    time.sleep(2.0)
    assert 8 <= len(gateway.leases) - before <= 12
    ann.send(op='lease', action='take')
    start = time.monotonic()
    wait_for(lambda: gateway.lease['state'] == 'held', 1, 'the lease', 0.002)
    assert gateway.leases[-1][0] - start < 0.1


def test_without_the_lease_nothing_moves(gateway):
    ann = gateway.connect()
    ann.hold(0.3, 0.5)
    assert ann.last('drive')['why'] == 'no_lease'
    assert gateway.velocities == []


def test_a_viewer_gets_no_lease(gateway):
    vic = gateway.connect('vic', 'viewer')
    vic.send(op='lease', action='take')
    vic.status('needs the role driver')
    vic.hold(0.3, 0.5)
    assert gateway.velocities == []
    assert gateway.lease['state'] == 'free'


def test_a_silent_driver_is_stopped_once(gateway):
    ann = gateway.connect().take()
    last = ann.hold(0.3, 0.5)
    stopped = gateway.wait_velocity(0.0)
    assert deadlines.GATEWAY_CMD_TIMEOUT_S - 0.01 <= stopped - last < 0.33
    time.sleep(1.0)
    # One zero, then silence: cmd_vel may want to drive.
    assert [v[1] for v in gateway.velocities[-2:]] == [0.3, 0.0]


@pytest.mark.parametrize('how', ['close', 'abort'])
def test_a_closed_socket_stops_at_once(gateway, how):
    ann = gateway.connect().take()
    ann.hold(0.3, 0.3)
    ann.drive(0.3)
    gateway.wait_velocity(0.3)
    start = time.monotonic()
    getattr(ann, how)()
    assert gateway.wait_velocity(0.0) - start < 0.1
    assert wait_for(lambda: gateway.lease['state'] == 'away', 1, 'the lease lost')


def test_neutral_first_after_taking_the_lease(gateway):
    ann = gateway.connect()
    ann.send(op='lease', action='take')
    ann.wait(lambda m: m['op'] == 'lease' and m['mine'], 'the lease')
    ann.hold(0.3, 0.6)
    assert ann.last('drive')['why'] == 'waiting_neutral'
    assert gateway.velocities == []
    # A silence is as good as a zero.
    time.sleep(0.35)
    ann.drive(0.3)
    gateway.wait_velocity(0.3)
    wait_for(lambda: ann.last('drive')['why'] == '', 1, 'the reason gone')


@pytest.mark.parametrize('message', [
    '{"op":"publish","topic":"cmd_vel","msg":{"linear":{"x":NaN}}}',
    '{"op":"publish","topic":"cmd_vel","msg":{"linear":{"x":1e999}}}',
    '{"op":"publish","topic":"cmd_vel","msg":{"linear":{"x":1e308}}}',
    '{"op":"publish","topic":"cmd_vel","msg":{"linear":{"x":2.1}}}',
    '{"op":"publish","topic":"cmd_vel","msg":{"linear":{"x":"0.1"}}}',
    '{"op":"publish","topic":"cmd_vel","msg":{"linear":{"x":true}}}',
    '{"op":"publish","topic":"cmd_vel","msg":{"linear":{"x":null}}}',
    '{"op":"publish","topic":"cmd_vel","msg":{"linear":{"x":' + '9' * 400 + '}}}',
    '{"op":"publish","topic":"cmd_vel","msg":"forward"}',
    '{"op":"publish","topic":"cmd_vel"}',
    '{"op":"publish","topic":"cmd_vel","msg":{"linear":{"x":0.1}}',
    '[' * 100_000,
    'forward',
])
def test_a_command_without_a_meaning_is_neutral_at_once(shared_gateway, message):
    gateway = shared_gateway
    ann = gateway.connect().take()
    ann.hold(0.3, 0.2)
    ann.drive(0.3)
    gateway.wait_velocity(0.3)
    start = time.monotonic()
    ann.text(message)
    assert gateway.wait_velocity(0.0) - start < 0.1
    ann.wait(lambda m: m['op'] == 'drive' and m['why'] == 'bad_command', 'the reason')
    ann.drive(0.3)
    gateway.wait_velocity(0.3)


def test_up_to_four_times_a_limit_is_clamped(gateway):
    ann = gateway.connect().take()
    ann.drive(1.9, -5.9)
    wait_for(lambda: gateway.velocity == (0.5, -1.5), 2, 'the limits')


def test_take_over_stops_the_loser_and_waits_for_neutral(gateway):
    ann, bob = gateway.connect('ann').take(), gateway.connect('bob')
    ann.hold(0.3, 0.2)
    bob.send(op='lease', action='take')
    bob.wait(lambda m: m['op'] == 'lease' and m['mine'], 'the lease')
    gateway.wait_velocity(0.0)
    ann.wait(lambda m: m['op'] == 'lease' and m['holder'] == 'bob' and not m['mine'], 'the news')
    ann.hold(0.3, 0.3)
    assert ann.last('drive')['why'] == 'no_lease'
    assert gateway.velocity == (0.0, 0.0)
    bob.drive(0.0)
    bob.drive(0.2)
    gateway.wait_velocity(0.2)


def test_a_ghost_loses_the_lease_within_a_second_and_its_socket_within_five(gateway):
    ann, bob = gateway.connect('ann').take(), gateway.connect('bob')
    ann.hold(0.3, 0.2)
    ann.answers = False
    start = time.monotonic()
    wait_for(lambda: gateway.lease['state'] == 'away', 2, 'the lease lost')
    assert gateway.leases[-1][0] - start < 1.3
    assert gateway.velocity == (0.0, 0.0)
    bob.wait(lambda m: m['op'] == 'lease' and m['state'] == 'away', 'the news')
    wait_for(ann.closed.is_set, 6, 'the socket closed')
    assert 4.5 < time.monotonic() - start < 5.8


def test_a_session_gets_its_lease_back_after_a_broken_link_neutral_first(gateway):
    ann = gateway.connect(session='s1').take()
    ann.hold(0.3, 0.2)
    ann.abort()
    wait_for(lambda: gateway.lease['state'] == 'away', 1, 'the lease lost')
    again = gateway.connect(session='s1')
    assert again.wait(lambda m: m['op'] == 'lease', 'the lease')['mine']
    assert gateway.lease['state'] == 'held'
    again.hold(0.3, 0.5)
    assert gateway.velocity == (0.0, 0.0)
    again.drive(0.0)
    again.drive(0.2)
    gateway.wait_velocity(0.2)


def test_the_lease_comes_to_a_newer_socket_when_the_old_one_falls_silent(gateway):
    old = gateway.connect(session='s1').take()
    old.answers = False
    time.sleep(0.2)
    new = gateway.connect(session='s1')
    assert not new.last('lease')['mine']
    new.wait(lambda m: m['op'] == 'lease' and m['mine'], 'the lease')


def test_another_session_does_not_get_the_lease_by_itself(gateway):
    gateway.connect('ann', session='s1').take().abort()
    wait_for(lambda: gateway.lease['state'] == 'away', 1, 'the lease lost')
    bob = gateway.connect('bob', session='s2')
    assert not bob.last('lease')['mine']
    bob.take()
    assert gateway.connect('ann', session='s1').last('lease')['holder'] == 'bob'


def test_who_is_removed_is_out_and_the_lease_is_free(gateway):
    ann = gateway.connect('ann').take()
    ann.hold(0.3, 0.2)
    start = time.monotonic()
    gateway.get('/end?name=ann', 'POST')
    gateway.wait_velocity(0.0)
    wait_for(ann.closed.is_set, 2, 'the socket closed')
    assert time.monotonic() - start < 1.0
    assert ann.close_code == 4401
    wait_for(lambda: gateway.lease['state'] == 'free', 1, 'the lease free')


def test_before_the_machine_ends_the_wheels_stand_and_nobody_has_the_lease(gateway):
    ann = gateway.connect('ann', session='s1').take()
    ann.hold(0.3, 0.2)
    gateway.wait_velocity(0.3)
    assert gateway.get('/stand?name=root', 'POST') == ''
    gateway.wait_velocity(0.0)
    wait_for(lambda: gateway.lease['state'] == 'free', 1, 'the lease free')
    # A key that is still held moves nothing, and a link that breaks now brings nothing back.
    ann.hold(0.3, 0.3)
    ann.abort()
    again = gateway.connect('ann', session='s1')
    assert not again.last('lease')['mine']
    assert gateway.velocity == (0.0, 0.0)
    assert any('root restarts the robot' in one['msg'] for one in ann.all('status'))


def test_before_the_machine_ends_who_may_come_back_may_no_more(gateway):
    gateway.connect('ann', session='s1').take().abort()
    wait_for(lambda: gateway.lease['state'] == 'away', 1, 'the lease lost')
    gateway.get('/stand?name=root', 'POST')
    wait_for(lambda: gateway.lease['state'] == 'free', 1, 'the lease free')
    assert not gateway.connect('ann', session='s1').last('lease')['mine']


def test_release_give_and_allow(gateway):
    ann, bob = gateway.connect('ann').take(), gateway.connect('bob')
    ann.send(op='lease', action='allow', cmd_vel=True)
    wait_for(lambda: gateway.lease['allow_cmd_vel'] == 'true', 1, 'cmd_vel allowed')
    bob.send(op='lease', action='allow', cmd_vel=False)
    bob.status('only the holder')
    ann.send(op='lease', action='give', to='session-of-bob')
    bob.wait(lambda m: m['op'] == 'lease' and m['mine'], 'the lease')
    wait_for(lambda: gateway.lease['holder'] == 'bob', 1, 'the new holder')
    assert gateway.lease['allow_cmd_vel'] == 'false'
    bob.send(op='lease', action='release')
    wait_for(lambda: gateway.lease['state'] == 'free', 1, 'the lease free')
    assert gateway.lease['holder'] == ''


def test_the_lease_is_not_given_to_a_viewer(gateway):
    ann = gateway.connect('ann').take()
    gateway.connect('vic', 'viewer')
    ann.send(op='lease', action='give', to='session-of-vic')
    ann.status('needs the role driver')
    assert gateway.lease['holder'] == 'ann'


@pytest.mark.parametrize('pause_s', [0.22, 1.5])
def test_what_waited_while_the_gateway_slept_is_thrown_away(gateway, pause_s):
    ann = gateway.connect().take()
    ann.hold(0.3, 0.3)
    # Right after a ping: the short pause is then within the 250 ms that pings alone allow.
    before = ann.pinged_s
    wait_for(lambda: ann.drive(0.3) and ann.pinged_s > before, 1, 'a ping', 0.005)
    # The last of these must not be on its way through the gateway when that stops.
    time.sleep(0.01)
    os.kill(gateway.process.pid, signal.SIGSTOP)
    woken = ann.pinged_s + pause_s
    # What was published before is still on its way to this process.
    time.sleep(0.03)
    seen = len(gateway.velocities)
    # All of these lie in the socket's buffers when the gateway wakes; none is old then in
    # any clock of its own.
    while time.monotonic() < woken - 0.02:
        ann.drive(0.4)
        time.sleep(0.02)
    time.sleep(max(0.0, woken - time.monotonic()))
    os.kill(gateway.process.pid, signal.SIGCONT)
    # The key stays down.
    ann.hold(0.45, 0.6)
    after = [v[1] for v in gateway.velocities[seen:]]
    assert 0.4 not in after
    if pause_s < deadlines.LATE_NEUTRAL_S:
        assert after[0] == 0.0
        assert after[-1] == 0.45
        return
    # After more than a second DDS has forgotten the gateway, and may miss its zero.
    assert set(after) <= {0.0}
    assert ann.last('drive')['why'] == 'waiting_neutral'

    def let_go_and_press():
        ann.hold(0.0, 0.15)
        ann.hold(0.45, 0.15)
        return ann.last('drive')['why'] == ''
    # More than once only where this machine is so busy that the gateway is late again.
    wait_for(let_go_and_press, 10, 'the drive')
