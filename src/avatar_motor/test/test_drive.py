# SPDX-License-Identifier: Apache-2.0
"""The core of the motor node: what blocks, what stops, how it starts, and how fast."""

import math
from dataclasses import replace

import pytest

from avatar_motor.arbitration import SETTLE_S, Lease, LeaseState, Source
from avatar_motor.drive import DISCARD_S, TICK_MOVING_S, Board, Drive, Settings
from avatar_motor.e_stop import EmergencyStop
from avatar_motor.kinematics import STANDSTILL, Efforts
from avatar_motor.limits import Limits
from avatar_motor.protocol import Dialect, Reverse
from avatar_motor.self_test import QUESTION, runs
from avatar_motor.why import Why

V2 = Board(True, True, True, Dialect.V2)
V1 = Board(True, False, False, Dialect.V1)
V0 = Board(True, False, True, Dialect.V0)
AT_ONCE = Settings(max_accel_mps2=1e6, max_turn_accel_radps2=1e6, reverse=Reverse.INVERTED)


class Bench:
    """A drive with a clock, past its start, connected, allowed to drive, no gateway."""

    def __init__(self, settings: Settings = AT_ONCE, board: Board = V2) -> None:
        self.now_s = 1000.0
        self.drive = Drive(settings, EmergencyStop(False, 0), self.now_s)
        self.drive.on_board(board, self.now_s)
        self.step()
        self.pass_time(SETTLE_S + 0.5)

    def step(self):
        return self.drive.step(self.now_s)

    def pass_time(self, seconds: float, **held: float) -> None:
        for _ in range(round(seconds / 0.05)):
            self.now_s += 0.05
            for name, speed in held.items():
                self.send(speed, source=name)
            self.drive.on_attention(self.now_s, self.now_s)
            self.step()

    def send(self, speed: float, turn: float = 0.0, source: str = 'cmd_vel') -> Efforts:
        self.drive.on_command(
            Source(source), (speed, 0.0, 0.0), (0.0, 0.0, turn), self.now_s)
        return self.step().efforts


@pytest.fixture
def bench():
    return Bench()


def test_a_command_drives_and_silence_stops(bench):
    assert bench.send(0.5) == Efforts(128, 128)
    wanted = bench.step()
    assert (wanted.wire, wanted.source, wanted.why) == ((128, 128), Source.CMD_VEL, Why.FREE)
    bench.now_s += 0.298
    assert bench.step().efforts == Efforts(128, 128)
    # Asked to step exactly when the command is too old, not a tick later.
    assert bench.step().until_s == pytest.approx(bench.now_s + 0.002)
    bench.now_s += 0.003
    assert bench.step().efforts == STANDSTILL


def test_a_zero_stops_at_once(bench):
    bench.send(0.5, 1.0)
    assert bench.send(0.0) == STANDSTILL
    assert bench.step().wire == (0, 0)


@pytest.mark.parametrize('bad', [
    (math.nan, 0.0), (0.0, math.inf), (-math.inf, 0.0), (1e308, 0.0), (2.01, 0.0), (0.0, 6.1),
])
def test_no_velocity_means_standstill_and_is_counted(bench, bad):
    bench.send(0.5)
    assert bench.send(*bad) == STANDSTILL
    assert bench.step().why is Why.BAD_COMMAND
    assert bench.drive.bad_commands == 1 and 'cmd_vel' in bench.drive.last_bad
    assert not bench.drive.e_stop.latched
    assert bench.send(0.5) == Efforts(128, 128)


def test_up_to_four_times_a_limit_is_clamped(bench):
    assert bench.send(2.0) == bench.send(0.5)


def test_limits_can_change_while_running(bench):
    bench.drive.configure(replace(AT_ONCE, limits=Limits(0.2, 0.5)), bench.now_s)
    assert bench.send(0.5) == Efforts(51, 51)


def test_switching_the_reading_of_reverse_is_neutral_first(bench):
    bench.pass_time(1.0, cmd_vel=-0.3)
    bench.drive.configure(replace(AT_ONCE, reverse=Reverse.STRAIGHT), bench.now_s)
    bench.pass_time(1.0, cmd_vel=-0.3)
    assert bench.step().why is Why.WAITING_NEUTRAL


# ---- acceleration


def test_acceleration_is_limited_but_the_first_step_is_visible():
    bench = Bench(Settings(max_accel_mps2=1.0))
    first = bench.send(0.5)
    assert first == Efforts(13, 13)  # 1 m/s2 for one tick of 50 ms
    assert bench.send(0.5) == first  # no time passed
    seen = []
    while bench.step().efforts != Efforts(128, 128):
        bench.now_s += TICK_MOVING_S
        seen.append(bench.send(0.5).left)
    assert len(seen) in (9, 10)
    assert all(0 <= b - a <= 13 for a, b in zip(seen, seen[1:], strict=False))


@pytest.mark.parametrize('then', [0.0, 0.1])
def test_slowing_down_is_never_limited(then):
    bench = Bench(Settings(max_accel_mps2=1.0))
    bench.pass_time(2.0, cmd_vel=0.5)
    bench.now_s += 0.001
    assert bench.send(then).left == round(then * 255)


def test_a_reversal_starts_from_standstill():
    bench = Bench(Settings(max_accel_mps2=1.0, reverse=Reverse.STRAIGHT))
    bench.pass_time(2.0, cmd_vel=0.5)
    bench.now_s += 0.05
    assert bench.send(-0.5) == Efforts(-13, -13)


def test_after_a_stop_it_accelerates_from_zero():
    bench = Bench(Settings(max_accel_mps2=1.0))
    bench.pass_time(2.0, cmd_vel=0.5)
    bench.send(0.0)
    assert bench.send(0.5) == Efforts(13, 13)


# ---- what blocks


def test_not_connected(bench):
    bench.pass_time(1.0, cmd_vel=0.5)
    bench.drive.on_board(Board(), bench.now_s)
    assert bench.step().efforts == STANDSTILL and bench.step().why is Why.NOT_CONNECTED
    bench.drive.on_board(V2, bench.now_s)
    bench.pass_time(1.0, cmd_vel=0.5)
    assert bench.step().why is Why.WAITING_NEUTRAL
    bench.send(0.0)
    assert bench.send(0.5) == Efforts(128, 128)


@pytest.mark.parametrize('reason', ['the motor board restarted', 'its watchdog stopped it'])
def test_a_board_that_began_anew_is_neutral_first(bench, reason):
    bench.pass_time(1.0, cmd_vel=0.5)
    bench.drive.on_board_trouble(reason, bench.now_s)
    bench.pass_time(1.0, cmd_vel=0.5)
    assert bench.step().why is Why.WAITING_NEUTRAL
    assert bench.drive.arbitration.gate_reason == reason
    bench.pass_time(0.35)
    assert bench.send(0.5) == Efforts(128, 128)


@pytest.mark.parametrize('board', [V0, V1, Board(True), Board(True, False, True, Dialect.V2)])
def test_without_a_watchdog_it_does_not_drive(board):
    bench = Bench(board=board)
    assert bench.send(0.5) == STANDSTILL
    assert bench.step().why is Why.NO_WATCHDOG


def test_a_board_that_went_and_came_between_two_steps_is_neutral_first(bench):
    bench.pass_time(1.0, cmd_vel=0.5)
    bench.drive.on_board(Board(), bench.now_s)
    bench.drive.on_board(V2, bench.now_s)
    assert bench.step().efforts == STANDSTILL
    assert bench.drive.arbitration.gate_reason == 'the motor board came back'


def test_without_a_watchdog_it_drives_slowly_if_asked_to():
    slow = Settings(max_accel_mps2=1e6, allow_no_watchdog=True, no_watchdog_max_duty=60)
    bench = Bench(slow, V0)
    assert bench.send(0.5) == Efforts(60, 60)
    # V0 reads reverse straight, whatever is configured for firmware 2.0.
    bench.now_s += 0.05
    assert bench.send(-0.5) == Efforts(-60, -60)
    assert bench.step().wire == (-60, -60)
    # V1 has only the MOTOR: form, which loses the right track.
    assert Bench(slow, V1).send(0.5) == STANDSTILL


def test_a_folder_that_cannot_be_written(bench):
    bench.pass_time(1.0, cmd_vel=0.5)
    bench.drive.on_storage('cannot write /x: read-only', bench.now_s)
    assert bench.step().efforts == STANDSTILL
    assert bench.step().why is Why.STATE_UNWRITABLE
    assert bench.drive.reset_refusal(bench.now_s) == 'cannot write /x: read-only'
    bench.drive.on_storage('', bench.now_s)
    bench.pass_time(1.0, cmd_vel=0.5)
    assert bench.step().why is Why.WAITING_NEUTRAL


# ---- reverse


def test_reverse_is_compensated():
    bench = Bench()
    assert bench.send(-0.5) == Efforts(-128, -128)
    assert bench.step().wire == (-128, -128)
    assert bench.send(-1.0 * 100 / 255, 0.0) == Efforts(-100, -100)
    assert bench.step().wire == (-156, -156)


@pytest.mark.parametrize('speed', [-0.05, -0.5])
def test_unconfirmed_a_reversing_track_gets_the_middle_only(speed):
    bench = Bench(Settings(max_accel_mps2=1e6, max_turn_accel_radps2=1e6))
    assert bench.send(speed) == Efforts(-128, -128)
    assert bench.step().wire == (-128, -128)
    assert bench.send(0.0, 1.0) == Efforts(-128, 32)


# ---- emergency stop


def test_an_emergency_stop_stays(bench):
    bench.pass_time(1.0, cmd_vel=0.5)
    assert bench.drive.trigger(bench.now_s) == 1
    assert bench.step().efforts == STANDSTILL and bench.step().why is Why.E_STOP
    bench.pass_time(5.0)
    assert bench.send(0.5) == STANDSTILL


def test_reset_is_refused_within_a_second_and_while_anything_is_held(bench):
    bench.drive.trigger(bench.now_s)
    bench.now_s += 0.95
    assert 'emergency stop 1 is less than 1 s old' in bench.drive.reset_refusal(bench.now_s)
    bench.now_s += 0.1
    assert bench.drive.reset_refusal(bench.now_s) == ''
    for source in ('operator', 'cmd_vel'):
        bench.send(0.1, source=source)
        bench.now_s += 0.29
        assert f'still held on {source}' in bench.drive.reset_refusal(bench.now_s)
        assert bench.drive.held(bench.now_s) == [source]
        bench.send(math.nan, source=source)
        assert f'still held on {source}' in bench.drive.reset_refusal(bench.now_s)
        assert bench.drive.held(bench.now_s) == [source]
        bench.send(0.0, source=source)
        assert bench.drive.reset_refusal(bench.now_s) == ''
    bench.drive.trigger(bench.now_s)
    assert bench.drive.reset_refusal(bench.now_s) != ''


def test_after_a_reset_neutral_first(bench):
    bench.drive.trigger(bench.now_s)
    bench.now_s += 1.1
    bench.drive.reset(bench.now_s)
    bench.pass_time(1.0, cmd_vel=0.5)
    assert bench.step().efforts == STANDSTILL and bench.step().why is Why.WAITING_NEUTRAL
    bench.send(0.0)
    assert bench.send(0.5) == Efforts(128, 128)


def test_stop_numbers_grow_and_no_more_than_one_is_ahead_of_the_disk():
    stop = EmergencyStop(False, 7)
    assert stop.trigger(1.0) == 8 and stop.needs_storing
    assert stop.trigger(2.0) == 8  # the disk does not know 8 yet
    stop.stored()
    assert stop.number == 9 and stop.needs_storing  # the second one gets its own
    stop.stored()
    assert not stop.needs_storing
    assert stop.trigger(3.0) == 10


def test_a_stop_found_on_a_disk_that_refuses_is_to_be_stored():
    stop = EmergencyStop(True, 7, stored=False)
    assert stop.needs_storing and stop.number == 7
    stop.stored()
    assert not stop.needs_storing and stop.number == 7


# ---- late


def test_a_little_late_is_nothing(bench):
    assert not bench.drive.on_late_pass(0.1, bench.now_s)


def test_late_what_arrives_right_after_is_thrown_away(bench):
    bench.pass_time(0.5, cmd_vel=0.2)
    bench.now_s += 0.2
    assert bench.drive.on_late_pass(0.15, bench.now_s)
    # What was obeyed before goes on until its own timeout.
    assert bench.send(0.5) == Efforts(51, 51)
    bench.now_s += DISCARD_S + 0.01
    assert bench.step().efforts == STANDSTILL
    assert bench.send(0.5) == Efforts(128, 128)


def test_late_a_zero_still_stops(bench):
    bench.pass_time(0.5, cmd_vel=0.2)
    bench.now_s += 0.2
    bench.drive.on_late_pass(0.15, bench.now_s)
    assert bench.send(0.0) == STANDSTILL


def test_very_late_is_neutral_first(bench):
    bench.pass_time(0.5, cmd_vel=0.2)
    bench.now_s += 1.5
    bench.drive.on_late_pass(1.45, bench.now_s)
    # Neither an old zero nor an old command that DDS delivers now counts.
    bench.send(0.0)
    assert bench.send(0.5) == STANDSTILL
    bench.pass_time(3.0, cmd_vel=0.5)
    assert bench.step().efforts == STANDSTILL
    bench.send(0.0)
    assert bench.send(0.5) == Efforts(128, 128)


def test_a_lease_delivered_late_is_not_believed(bench):
    bench.drive.on_lease(Lease(LeaseState.HELD, 'ana'), bench.now_s)
    bench.now_s += 1.5
    bench.drive.on_late_pass(1.45, bench.now_s)
    bench.drive.on_lease(Lease(LeaseState.FREE), bench.now_s + 0.01)
    assert bench.drive.arbitration.lease == Lease(LeaseState.HELD, 'ana')
    bench.now_s += 0.05
    assert bench.step().why is Why.LATE


# ---- self-test


def wires(bench: Bench) -> list[tuple[int, int]]:
    """Let the self-test run and return the distinct duties in order."""
    seen: list[tuple[int, int]] = []
    while bench.drive.self_test:
        wire = bench.step().wire
        if wire not in seen[-1:]:
            seen.append(wire)
        bench.now_s += 0.05
    return seen


def test_the_self_test_ends_by_itself_and_shows_both_readings(bench):
    start_s = bench.now_s
    assert bench.drive.start_self_test(bench.now_s) == ''
    assert bench.step().source is Source.SELF_TEST
    assert wires(bench) == [
        (100, 0), (0, 0), (0, 100), (0, 0), (-64, -64), (0, 0), (-192, -192), (0, 0)]
    assert bench.now_s - start_s < 6.0
    assert bench.drive.self_test_says == 'done'
    assert 'faster' in QUESTION
    bench.pass_time(0.4)
    assert bench.send(0.5) == Efforts(128, 128)


def test_the_self_test_of_a_board_without_watchdog_is_slow_and_asks_nothing():
    slow = Settings(allow_no_watchdog=True, no_watchdog_max_duty=60)
    bench = Bench(slow, V0)
    assert bench.drive.start_self_test(bench.now_s) == ''
    assert max(abs(duty) for pair in wires(bench) for duty in pair) == 60
    assert all(run.left >= -60 for run in runs(False, 60))


@pytest.mark.parametrize(('event', 'says'), [
    (lambda b: b.drive.trigger(b.now_s), 'emergency stop'),
    (lambda b: b.send(0.3), 'a command arrived on cmd_vel'),
    (lambda b: b.send(0.0, source='operator'), 'a command arrived on operator'),
    (lambda b: b.send(math.nan), 'a command arrived on cmd_vel'),
    (lambda b: b.drive.on_board(Board(), b.now_s), 'not_connected'),
    (lambda b: b.drive.on_board_trouble('the motor board restarted', b.now_s), 'restarted'),
    (lambda b: b.drive.on_storage('full', b.now_s), 'state_unwritable'),
    (lambda b: b.drive.on_publishers(2, b.now_s), 'two_publishers'),
    (lambda b: b.drive.on_lease(Lease(LeaseState.HELD, 'bob'), b.now_s), 'control changed'),
    (lambda b: b.drive.on_late_pass(0.44, b.now_s), 'held up for 0.4 s'),
])
def test_anything_ends_the_self_test(bench, event, says):
    bench.drive.start_self_test(bench.now_s)
    assert bench.step().wire == (100, 0)
    event(bench)
    assert bench.step().wire == (0, 0)
    assert says in bench.drive.self_test_says
    bench.now_s += 1.0
    assert bench.step().wire == (0, 0)


def test_the_self_test_does_not_start_while_somebody_drives_or_blocked(bench):
    bench.send(0.3)
    assert 'held' in bench.drive.start_self_test(bench.now_s)
    bench.pass_time(0.5)
    assert bench.drive.start_self_test(bench.now_s) == ''
    assert 'already' in bench.drive.start_self_test(bench.now_s)
    bench.drive.trigger(bench.now_s)
    assert 'e_stop' in bench.drive.start_self_test(bench.now_s)
