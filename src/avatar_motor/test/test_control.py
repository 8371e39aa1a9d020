# SPDX-License-Identifier: Apache-2.0
"""The motor loop with a real serial line: its stops, its delays, its disk."""

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from avatar_motor.arbitration import SETTLE_S, Lease, LeaseState, Source
from avatar_motor.control import Control
from avatar_motor.drive import Settings
from avatar_motor.link import Link, LinkConfig
from avatar_motor.permit import Permit
from avatar_motor.protocol import Reverse
from avatar_motor.testing import BoardProcess
from avatar_motor.why import Why
from avatar_node import store
from avatar_node.testing import TIMEOUT_SCALE, wait_for

STOP_S = 0.1 * TIMEOUT_SCALE
SETTINGS = Settings(max_accel_mps2=50.0, max_turn_accel_radps2=500.0, reverse=Reverse.INVERTED)


class Robot:
    """Fake board, link and loop; commands come from a thread, as long as they are held."""

    def __init__(self, state: Path, *board_args: str, settings: Settings = SETTINGS) -> None:
        self.state = state
        self.board = BoardProcess(state, '--boot-s', '0.3', *board_args)
        self.reports = []
        self.ended = threading.Event()
        self.held = 0.0
        self.beats = threading.Thread(target=self._beat, daemon=True)
        self.closing = threading.Event()
        self.up(settings)
        self.beats.start()

    def up(self, settings: Settings = SETTINGS) -> None:
        """Start loop and link."""
        self.link = Link(LinkConfig(port=str(self.board.tty)), lambda e: self.control.on_link(e))
        self.listens = True
        self.control = Control(self.link, Permit(self.state), settings, self.reports.append,
                               self.answer, self.ended.set)
        self.control.start()
        self.link.start()

    def down(self) -> None:
        """End loop and link."""
        self.control.close()
        self.link.close()

    def close(self) -> None:
        self.closing.set()
        self.beats.join()
        self.down()
        self.board.end()

    def answer(self) -> None:
        """Say that commands are received, as the executor does as long as it runs."""
        if self.listens:
            self.control.on_attention(time.monotonic())

    def answer_again(self) -> None:
        """Answer what was asked meanwhile, too."""
        self.listens = True
        self.answer()

    def _beat(self) -> None:
        """Publish as a person does: at 20 Hz while held, and the lease."""
        while not self.closing.wait(0.05):
            self.control.on_lease(Lease(LeaseState.HELD, 'ana'), time.monotonic())
            if self.held:
                self.send(self.held)

    def send(self, speed: float) -> float:
        now_s = time.monotonic()
        self.control.on_command(Source.OPERATOR, (speed, 0.0, 0.0), (0.0, 0.0, 0.0), now_s)
        return now_s

    def hold(self, speed: float = 0.3) -> None:
        self.held = speed

    def release(self) -> float:
        """Stop publishing, send the zero; return when."""
        self.held = 0.0
        time.sleep(0.06)
        return self.send(0.0)

    def wait_why(self, why: Why) -> None:
        wait_for(lambda: self.reports and self.reports[-1].why is why, 8.0, f'why {why.name}')

    def ready(self) -> None:
        """Let go until a command would be obeyed."""
        def free() -> bool:
            self.release()
            return bool(self.reports) and self.reports[-1].why is Why.FREE
        wait_for(free, 8.0, 'ready to drive')

    def drive(self, speed: float = 0.3) -> None:
        """Hold a command and wait until the tracks turn."""
        self.ready()
        self.hold(speed)
        self.board.wait_moving()

    def held_stays_still(self, why: str, seconds: float = 0.7) -> None:
        """The key is still held: nothing may move; let go once, and it must."""
        self.board.assert_still(seconds, why)
        self.drive()


@pytest.fixture
def make(tmp_path):
    robots = []

    def make_robot(*board_args: str, settings: Settings = SETTINGS) -> Robot:
        robots.append(Robot(tmp_path / 'state', *board_args, settings=settings))
        return robots[-1]

    yield make_robot
    for robot in robots:
        robot.close()


@pytest.fixture
def robot(make):
    robot = make()
    robot.ready()
    return robot


def test_drives_and_a_zero_stops(robot):
    robot.drive()
    assert robot.board.stop_time_s(robot.release()) < STOP_S
    assert robot.reports[-1].values()['left'] == 0


def test_silence_stops_after_the_timeout(robot):
    robot.drive()
    robot.held = 0.0
    last_s = time.monotonic()
    assert 0.15 < robot.board.stop_time_s(last_s) < 0.3 + STOP_S


def test_an_emergency_stop_stops_and_survives_a_restart(robot):
    robot.drive()
    event_s = time.monotonic()
    answer = robot.control.trigger()
    assert robot.board.stop_time_s(event_s) < STOP_S
    assert answer.result(2.0).message == 'emergency stop 1'
    wait_for(lambda: robot.reports[-1].e_stop_confirmed, 2.0, 'the answer of the board')
    wait_for(lambda: not (robot.state / 'motor/permit.json').exists(), 2.0, 'no permit')
    robot.board.assert_still(0.5, 'emergency stop')
    robot.down()
    robot.up()
    robot.wait_why(Why.E_STOP)
    assert robot.reports[-1].stop_number >= 1
    robot.board.assert_still(0.5, 'after a restart')
    refused = robot.control.reset().result(2.0)
    assert not refused.success and 'still held on operator' in refused.message
    robot.release()
    assert robot.control.reset().result(2.0).success
    robot.drive()
    robot.held = 0.0
    robot.down()
    robot.up()
    robot.drive()


def test_a_reset_within_a_second_is_refused_and_later_it_is_neutral_first(robot):
    robot.control.trigger()
    refused = robot.control.reset().result(2.0)
    assert not refused.success and 'less than 1 s old' in refused.message
    time.sleep(1.05)
    assert robot.control.reset().result(2.0).success
    robot.hold()
    robot.held_stays_still('held right after the reset')


def test_a_stop_goes_out_while_the_loop_is_held_up(robot):
    """The STOP is written by whoever triggers, whatever the loop is doing."""
    robot.drive()
    go_on = threading.Event()
    robot.control._put(lambda _: go_on.wait(5.0))
    event_s = time.monotonic()
    answer = robot.control.trigger()
    assert robot.board.stop_time_s(event_s) < STOP_S
    assert not answer.done()
    go_on.set()
    assert answer.result(2.0).message == 'emergency stop 1'
    robot.board.assert_still(0.5, 'stopped')


def test_a_decision_under_way_does_not_overtake_a_stop(robot):
    """Between the STOP, even an answered one, and the loop's knowing of it, nothing drives."""
    decided, go_on = threading.Event(), threading.Event()
    step = robot.control._drive.step

    def slow_step(now_s):
        wanted = step(now_s)
        if not wanted.efforts.is_zero:
            decided.set()
            go_on.wait(5.0)
        return wanted

    robot.control._drive.step = slow_step
    robot.hold()
    assert decided.wait(2.0)
    drive, told = robot.link.drive, []
    robot.link.drive = lambda left, right: (told.append((left, right)), drive(left, right))
    answer = robot.control.trigger()
    wait_for(lambda: not robot.link.state.stop_owed, 2.0, 'the answer to STOP')
    robot.control._drive.step = step
    go_on.set()
    assert answer.result(2.0).success
    robot.board.assert_still(0.5, 'stopped')
    assert told and set(told) == {(0, 0)}  # the link would catch it too, by its own rules


def test_a_loop_held_up_is_neutral_first(robot):
    robot.drive()
    robot.control._put(lambda _: time.sleep(0.6))
    robot.board.stop_time_s(time.monotonic())
    robot.held_stays_still('held up for 0.6 s')
    assert robot.reports[-1].late_passes > 0


def test_a_receiver_held_up_is_neutral_first(robot):
    """A slow service holds up those who receive: what they deliver next is old."""
    robot.drive()
    robot.control.on_held_up(0.5)
    robot.board.stop_time_s(time.monotonic())
    robot.held_stays_still('the receiver was held up')


def test_the_silence_of_a_receiver_that_does_not_listen_opens_no_gate(robot):
    robot.drive()
    robot.control.on_held_up(0.5)
    robot.wait_why(Why.WAITING_NEUTRAL)
    robot.listens, robot.held = False, 0.0  # held by a person, received by nobody
    robot.board.assert_still(SETTLE_S + 0.7, 'nobody listens')
    robot.hold()
    robot.board.assert_still(0.3, 'the held command is heard again')
    robot.answer_again()
    robot.held_stays_still('somebody listens again')


def test_a_loop_that_hangs_stops_by_the_link(robot):
    robot.drive()
    go_on = threading.Event()
    event_s = time.monotonic()
    robot.control._put(lambda _: go_on.wait(5.0))
    assert robot.board.stop_time_s(event_s) < 0.35 + STOP_S
    go_on.set()
    robot.held_stays_still('the loop hung')


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_a_loop_that_fails_stops_and_ends_the_node(robot):
    robot.drive()
    event_s = time.monotonic()
    robot.control._put(lambda _: 1 / 0)
    assert robot.ended.wait(2.0)
    assert robot.board.stop_time_s(event_s) < STOP_S


@pytest.mark.parametrize('fault', [
    {'what': 'reset'}, {'what': 'unplug', 's': 0.5}, {'what': 'unplug', 's': 0.5, 'rename': True},
], ids=str)
def test_a_board_that_was_gone_is_neutral_first(robot, fault):
    robot.drive()
    robot.board.do(fault.pop('what'), **fault)
    wait_for(lambda: robot.reports[-1].why is not Why.FREE, 3.0, 'noticed')
    robot.wait_why(Why.WAITING_NEUTRAL)
    robot.held_stays_still('the board came back')


def test_a_hung_board_is_neutral_first(robot):
    robot.drive()
    robot.board.do('hang', s=2.5)
    wait_for(lambda: robot.reports[-1].why is not Why.FREE, 3.0, 'noticed')
    robot.wait_why(Why.WAITING_NEUTRAL)
    robot.board.stop_time_s(time.monotonic())
    robot.held_stays_still('the board hung')


# ---- disk


def test_without_a_writable_folder_nothing_drives(tmp_path):
    board = BoardProcess(tmp_path, '--boot-s', '0.3')
    reports = []
    link = Link(LinkConfig(port=str(board.tty)), lambda event: control.on_link(event))
    control = Control(link, Permit(Path('/proc/avatar')), SETTINGS, reports.append, lambda: None)
    control.start()
    link.start()
    try:
        wait_for(lambda: link.state.connected, 8.0, 'the board')
        time.sleep(SETTLE_S)
        for _ in range(10):
            control.on_command(Source.CMD_VEL, (0.0,) * 3, (0.0,) * 3, time.monotonic())
            control.on_command(Source.CMD_VEL, (0.3, 0, 0), (0.0,) * 3, time.monotonic())
            time.sleep(0.05)
        assert reports[-1].why is Why.STATE_UNWRITABLE
        assert 'cannot write /proc/avatar/motor' in reports[-1].sentence()
        refused = control.reset().result(2.0)
        assert not refused.success and 'cannot write' in refused.message
        board.assert_still(0.1, 'not writable')
    finally:
        control.close()
        link.close()
        board.end()


@pytest.mark.parametrize('garbage', [b'', b'\xff\x00', b'{"permit": "no"}'])
def test_a_garbage_permit_is_a_stop(make, tmp_path, garbage):
    Permit(tmp_path / 'state').load()
    (tmp_path / 'state/motor/permit.json').write_bytes(garbage)
    robot = make()
    robot.wait_why(Why.E_STOP)
    assert robot.control.reset().result(2.0).success
    robot.drive()


def test_a_folder_that_vanishes_stops_and_its_return_is_neutral_first(robot):
    robot.drive()
    (robot.state / 'motor').rename(robot.state / 'gone')
    robot.wait_why(Why.STATE_UNWRITABLE)
    assert robot.board.stop_time_s(time.monotonic()) < STOP_S
    (robot.state / 'gone').rename(robot.state / 'motor')
    robot.wait_why(Why.WAITING_NEUTRAL)
    robot.held_stays_still('the folder came back')


def test_a_permit_that_vanishes_is_an_emergency_stop(robot):
    robot.drive()
    (robot.state / 'motor/permit.json').unlink()
    robot.wait_why(Why.E_STOP)
    assert robot.board.stop_time_s(time.monotonic()) < STOP_S


def test_removing_the_permit_is_tried_until_it_works(robot, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    permit = robot.state / 'motor/permit.json'
    with monkeypatch.context() as disk:
        disk.setattr(Path, 'unlink', refuse)
        disk.setattr('builtins.open', refuse)
        robot.drive()
        event_s = time.monotonic()
        assert robot.control.trigger().result(2.0).message == 'emergency stop 1'
        assert robot.board.stop_time_s(event_s) < STOP_S
        robot.wait_why(Why.STATE_UNWRITABLE)
        assert robot.reports[-1].e_stop and permit.exists()
        # A second one while the first is not on disk shares its number, until it is.
        assert robot.control.trigger().result(2.0).message == 'emergency stop 1'
        robot.release()
        time.sleep(1.1)
        assert not robot.control.reset().result(2.0).success
    wait_for(lambda: not permit.exists(), 3.0, 'no permit')
    wait_for(lambda: robot.reports[-1].stop_number == 2, 3.0, 'a number of its own')
    wait_for(lambda: store.read(robot.state / 'motor/stop.json')['number'] == 2, 2.0, 'stored')
    robot.wait_why(Why.E_STOP)


def test_a_stop_that_was_never_stored_survives_a_restart_without_a_disk(make, monkeypatch):
    """Stopped while the disk refuses, killed, started: the old permit must not come back."""
    def refuse(*_args, **_options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    robot = make()
    robot.ready()
    robot.down()
    permit = robot.state / 'motor/permit.json'
    with monkeypatch.context() as disk:
        disk.setattr(store, 'write', refuse)
        disk.setattr(Path, 'unlink', refuse)
        robot.up()
        robot.wait_why(Why.STATE_UNWRITABLE)
        assert robot.reports[-1].e_stop and permit.exists()
    wait_for(lambda: not permit.exists(), 5.0, 'the permit taken back')
    robot.wait_why(Why.E_STOP)
    robot.down()
    robot.up()
    robot.wait_why(Why.E_STOP)


def test_a_stop_while_the_permit_is_written_wins(robot, monkeypatch):
    robot.control.trigger().result(2.0)
    time.sleep(1.1)
    write, answers = store.write, []

    def write_and_stop(path, value):
        if path.name == 'permit.json':
            answers.append(robot.control.trigger())
        write(path, value)

    monkeypatch.setattr(store, 'write', write_and_stop)
    refused = robot.control.reset().result(2.0)
    monkeypatch.undo()
    assert not refused.success and 'newer' in refused.message
    assert answers[0].result(2.0).message == 'emergency stop 2'
    wait_for(lambda: not (robot.state / 'motor/permit.json').exists(), 2.0, 'no permit')
    robot.board.assert_still(0.3, 'stopped')


# ---- reverse


def test_the_self_test_and_its_answer(make):
    unknown = Settings(max_accel_mps2=50.0)
    robot = make('--no-blink', settings=unknown)
    robot.ready()
    refused = robot.control.confirm_reverse(True).result(2.0)
    assert not refused.success and 'self_test' in refused.message
    robot.drive(-0.1)
    wait_for(lambda: robot.board.pulses() == (1249, 1249), 2.0, 'half power')
    robot.release()
    robot.board.stop_time_s(time.monotonic())
    time.sleep(0.4)
    wait_for(lambda: robot.control.self_test().result(2.0).success, 3.0, 'a self-test')
    robot.board.wait_moving()
    wait_for(lambda: robot.reports[-1].self_test == 'done', 10.0, 'the end of the self-test')
    seen = {o[1:] for o in robot.board.outputs()}
    # Firmware 2.0: the first backward run (-64) is the faster one.
    fast, slow = min(o[0] for o in seen), min(o[0] for o in seen if 1300 < o[0] < 1500)
    assert fast < 1200 and slow > 1350
    assert 'faster' in robot.reports[-1].sentence()
    assert robot.control.confirm_reverse(True).result(2.0).success
    robot.drive(-0.1)
    wait_for(lambda: robot.board.pulses()[0] in range(1445, 1456), 2.0, 'slowly backward')
    robot.release()
    robot.down()
    robot.up(unknown)
    robot.ready()
    assert robot.reports[-1].reverse is Reverse.INVERTED


def test_a_board_without_watchdog(make):
    robot = make('--dialect', 'v0')
    robot.wait_why(Why.NO_WATCHDOG)
    assert 'allow_no_watchdog' in robot.reports[-1].sentence()
    robot.hold()
    robot.board.assert_still(0.5, 'no watchdog')
    robot.release()
    robot.control.configure(Settings(
        max_accel_mps2=50.0, allow_no_watchdog=True, no_watchdog_max_duty=60))
    robot.drive(0.5)
    wait_for(lambda: 1500 < max(robot.board.pulses()) <= 1620, 2.0, 'slowly')
