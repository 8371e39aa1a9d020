# SPDX-License-Identifier: Apache-2.0
"""The link against the fake board on a real pty."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import statistics
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avatar_motor.link import (
    BoardReset,
    Changed,
    Down,
    Link,
    LinkConfig,
    LinkEvent,
    TargetExpired,
    Up,
)
from avatar_node.testing import Lines, wait_for

NEUTRAL = (1500, 1500)
CP210X = 'usb-Silicon_Labs_CP2102N_USB_to_UART_Bridge_Controller_%s-if00-port0'


class Driver:
    """A link, its events with their times, and a control loop that repeats its target."""

    def __init__(self, config: LinkConfig) -> None:
        self.events: list[tuple[float, LinkEvent]] = []
        self.link = Link(config, lambda event: self.events.append((time.monotonic(), event)))
        self.target = (0, 0)
        self._ended = threading.Event()
        self._loop = threading.Thread(target=self._repeat, daemon=True)
        self.link.start()
        self._loop.start()

    def _repeat(self) -> None:
        while not self._ended.wait(0.05):
            self.link.drive(*self.target)

    def drive(self, left: int, right: int) -> float:
        self.target = (left, right)
        self.link.drive(left, right)
        return time.monotonic()

    def seen(self, kind: type) -> list[float]:
        return [t for t, event in self.events if type(event) is kind]

    def until_up(self, timeout_s: float = 8.0) -> None:
        wait_for(lambda: self.link.state.connected, timeout_s, f'up; {self.link.state}')

    def until_reason(self, code: str, timeout_s: float = 4.0) -> str:
        wait_for(lambda: self.link.state.reason_code == code, timeout_s,
                 f'{code}; {self.link.state}')  # fmt: skip
        return self.link.state.reason

    def end(self) -> None:
        self._ended.set()
        self._loop.join()
        self.link.close()


@pytest.fixture
def make_driver() -> Iterator[Callable[..., Driver]]:
    drivers: list[Driver] = []

    def make(port: str = '', **options: object) -> Driver:
        drivers.append(Driver(LinkConfig(port=port, **options)))  # type: ignore[arg-type]
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.end()


@pytest.fixture
def pair(make_board, make_driver):
    """A board that boots fast, and a driver that is connected to it."""
    board = make_board('--boot-s', '0.4')
    driver = make_driver(board.port)
    driver.until_up()
    return board, driver


@pytest.fixture
def by_id(tmp_path: Path) -> Path:
    folder = tmp_path / 'by-id'
    folder.mkdir()
    return folder


class Stranger:
    """A serial device that is no board; it keeps every byte it gets."""

    def __init__(self, link: Path, answer: bytes = b'') -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.device = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self.master, False)
        link.symlink_to(self.device)
        self.got = b''
        self._answer = answer
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(0.01):
            with contextlib.suppress(OSError):
                data = os.read(self.master, 4096)
                self.got += data
                if data and self._answer:
                    os.write(self.master, self._answer)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self.master)


# ---- finding and opening


def test_the_only_bridge_is_found_by_its_link(make_board, make_driver, by_id):
    board = make_board('--boot-s', '0.4')
    link = by_id / (CP210X % '0001')
    link.symlink_to(board.port)
    driver = make_driver(by_id_dir=str(by_id))
    driver.until_up()
    state = driver.link.state
    assert state.port == str(link) and state.dialect == 'v2' and state.has_watchdog
    assert state.firmware == 'ESP32_CRAWLER 2.0' and state.settled and state.reason == ''
    lines = [line for _, line in board.lines()]
    assert lines[-1] == 'STATUS' and set(lines[:-1]) == {'STOP'}


def test_nothing_plugged_in_says_so_and_is_found_later(make_board, make_driver, by_id):
    driver = make_driver(by_id_dir=str(by_id))
    assert 'plug the board in' in driver.until_reason('no_port')
    board = make_board('--boot-s', '0.4')
    (by_id / (CP210X % '0001')).symlink_to(board.port)
    driver.until_up()


def test_two_bridges_get_no_byte_and_are_listed_until_one_is_named(
    make_board, make_driver, by_id, tmp_path
):
    board = make_board('--boot-s', '0.4')
    mine = by_id / (CP210X % '0001')
    mine.symlink_to(board.port)
    modem = Stranger(by_id / 'usb-1a86_USB_Serial-if00-port0', b'OK\r\n')
    try:
        driver = make_driver(by_id_dir=str(by_id))
        reason = driver.until_reason('several_ports')
        assert str(mine) in reason and 'usb-1a86' in reason and modem.device in reason
        time.sleep(1.2)
        assert modem.got == b'' and board.lines() == []
        driver.end()
        for named in (mine.name, str(mine)):
            driver = make_driver(named, by_id_dir=str(by_id))
            driver.until_up()
            driver.drive(80, 80)
            board.until((1656, 1656))
            driver.end()
        assert modem.got == b''
    finally:
        modem.end()


def test_what_is_left_after_the_board_was_unplugged_gets_no_byte(make_board, make_driver, by_id):
    board = make_board('--boot-s', '0.4')
    mine = by_id / (CP210X % '0001')
    mine.symlink_to(board.port)
    driver = make_driver(by_id_dir=str(by_id))
    driver.until_up()
    modem = Stranger(by_id / 'usb-1a86_USB_Serial-if00-port0', b'OK\r\n')
    try:
        mine.unlink()
        board.ask('unplug', s=1.0)
        assert str(mine) in driver.until_reason('other_port')
        time.sleep(1.2)  # two more looks for the board
        assert modem.got == b''
        driver.link.reconnect()  # a person says that this one is meant
        wait_for(lambda: b'STOP' in modem.got, 5, 'a STOP for the other adapter')
    finally:
        modem.end()


def test_a_modem_alone_gets_no_byte(make_driver, by_id):
    modem = Stranger(by_id / 'usb-Quectel_EG25-G-if02-port0', b'OK\r\n')
    try:
        driver = make_driver(by_id_dir=str(by_id))
        driver.until_reason('no_port')
        time.sleep(1.0)
        assert modem.got == b''
    finally:
        modem.end()


def test_what_answers_but_is_no_board_is_never_ready(make_driver, tmp_path):
    modem = Stranger(tmp_path / 'modem', b'\r\nERROR\r\n')
    try:
        driver = make_driver(str(tmp_path / 'modem'))
        driver.drive(80, 80)
        driver.until_reason('handshake')
        assert 'like a motor board' in driver.until_reason('no_answer', 8)
        assert not driver.seen(Up)
        assert set(modem.got.split()) == {b'STOP'}  # and never a drive line
    finally:
        modem.end()


def test_a_held_port_is_named_not_touched_and_taken_when_free(make_board, make_driver):
    board = make_board('--boot-s', '0.4')
    code = 'import sys; held = open(sys.argv[1], "rb"); print(flush=True); sys.stdin.read()'
    with subprocess.Popen(
        [sys.executable, '-c', code, board.port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        Lines(holder.stdout).next()
        driver = make_driver(board.port)
        reason = driver.until_reason('port_held')
        assert f'pid {holder.pid} (' in reason and board.port in reason
        time.sleep(1.2)
        assert board.lines() == []
        holder.kill()
    driver.until_up()


def test_the_port_is_ours_alone_until_closed(pair):
    board, driver = pair
    code = (
        'import serial, sys\n'
        'try: serial.Serial(sys.argv[1], exclusive=True)\n'
        'except serial.SerialException as error: print("refused", error)\n'
        'else: print("opened")\n'
    )

    def try_it() -> str:
        run = [sys.executable, '-c', code, board.port]
        return subprocess.run(run, capture_output=True, text=True, check=True).stdout

    assert try_it().startswith('refused')
    driver.end()
    assert try_it() == 'opened\n'


def test_a_board_that_resets_when_opened_is_awaited(make_board, make_driver):
    board = make_board('--reset-on-open')
    driver = make_driver(board.port)
    driver.until_up(8)
    driver.drive(80, 80)
    board.until((1656, 1656))


# ---- driving


def test_drives_and_releases_within_100_ms(pair):
    board, driver = pair
    for left, right, pulses in ((80, 80, (1656, 1656)), (80, -80, (1656, 1155))) * 5:
        driver.drive(left, right)
        board.until(pulses)
        wait_for(lambda: driver.link.state.settled, 1, 'settled')
        released_at = driver.drive(0, 0)
        assert board.until(NEUTRAL) - released_at < 0.1


def test_emergency_stop_is_stop_and_stays(pair):
    board, driver = pair
    driver.drive(80, 80)
    board.until((1656, 1656))
    stopped_at = time.monotonic()
    driver.link.emergency_stop()  # the control loop goes on asking for 80 80
    assert driver.link.state.stop_owed
    assert board.until(NEUTRAL) - stopped_at < 0.1
    assert board.trace()[-1]['cause'] == 'STOP'
    wait_for(lambda: not driver.link.state.stop_owed, 1, 'the answer to STOP')
    time.sleep(0.7)
    assert board.pulses == NEUTRAL
    driver.drive(0, 0)
    driver.drive(80, 80)
    board.until((1656, 1656))


def test_a_target_nobody_repeats_ends(pair):
    board, driver = pair
    driver.drive(80, 80)
    board.until((1656, 1656))
    driver._ended.set()
    driver._loop.join()
    ended_at = time.monotonic()
    assert board.until(NEUTRAL) - ended_at < 0.4
    wait_for(lambda: driver.seen(TargetExpired), 1, 'TargetExpired')
    driver.link.drive(80, 80)
    time.sleep(0.2)
    assert board.pulses == NEUTRAL


def test_lights_while_moving_and_after_a_reset(pair):
    board, driver = pair
    driver.drive(80, 80)
    driver.link.lights('front', True)
    wait_for(lambda: board.ask('state')['front_lights'], 1, 'front lights')
    wait_for(lambda: driver.link.state.front_lights, 1, 'front lights confirmed')
    board.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: driver.seen(BoardReset), 1, 'BoardReset')
    driver.until_up()
    wait_for(lambda: board.ask('state')['front_lights'], 2, 'front lights again')
    time.sleep(0.5)
    assert board.pulses == NEUTRAL  # still held: nothing moves before it was let go
    driver.drive(0, 0)
    driver.drive(80, 80)
    board.until((1656, 1656))


def test_state_changes_are_told_once(pair):
    board, driver = pair
    assert [type(event) for _, event in driver.events if not isinstance(event, Changed)] == [Up]
    time.sleep(2.5)  # polled meanwhile
    before = len(driver.events)
    time.sleep(2.0)
    assert len(driver.events) == before
    assert driver.link.state.last_reply_age_s < 1.5


def test_an_error_of_the_listener_does_not_end_the_link(make_board):
    board = make_board('--boot-s', '0.4')

    def listener(event: LinkEvent) -> None:
        raise RuntimeError('listener')

    link = Link(LinkConfig(port=board.port), listener)
    link.start()
    try:
        wait_for(lambda: link.state.connected, 5, 'up')
        link.drive(80, 80)
        board.until((1656, 1656))
        board.until(NEUTRAL)  # by itself
    finally:
        link.close()
    assert link.state.reason_code == 'closed'


def test_a_failure_of_the_thread_stops_the_tracks(make_board, caplog):
    board = make_board('--boot-s', '0.4')
    failing = threading.Event()

    def clock() -> float:
        if failing.is_set() and threading.current_thread().name == 'serial link':
            failing.clear()
            raise RuntimeError('a fault in the link')
        return time.monotonic()

    link = Link(LinkConfig(port=board.port), lambda event: None, clock)
    link.start()
    wait_for(lambda: link.state.connected, 5, 'up')
    link.drive(80, 80)
    board.until((1656, 1656))
    failing.set()
    failed_at = time.monotonic()
    link.drive(80, 80)
    link.reconnect()  # wakes the thread
    assert board.until(NEUTRAL) - failed_at < 0.3
    wait_for(lambda: link.state.reason_code == 'link_failed', 1, 'link_failed')
    assert 'a fault in the link' in caplog.text
    link.close()


# ---- faults


@pytest.mark.parametrize('rename', [False, True], ids=['same', 'renumbered'])
def test_unplugged_while_moving_it_is_down_at_once_and_comes_back(pair, rename):
    board, driver = pair
    for _ in range(3):
        driver.drive(80, 80)
        board.until((1656, 1656))
        ups, downs = len(driver.seen(Up)), len(driver.seen(Down))
        device = os.readlink(board.port)
        pulled_at = time.monotonic()
        board.ask('unplug', s=0.3, rename=rename)
        wait_for(lambda before=downs: len(driver.seen(Down)) > before, 1, 'Down')
        assert driver.seen(Down)[-1] - pulled_at < 0.1
        assert driver.link.state.left == 0 and not driver.link.state.settled
        wait_for(lambda before=ups: len(driver.seen(Up)) > before, 4, 'Up')
        assert (os.readlink(board.port) != device) or not rename
        time.sleep(0.3)
        assert board.pulses == NEUTRAL  # still held
        driver.drive(0, 0)


def test_a_board_that_hangs_is_down_and_comes_back_neutral(pair):
    board, driver = pair
    driver.drive(80, 80)
    board.until((1656, 1656))
    board.ask('hang', s=3.0)
    assert 'does not answer' in driver.until_reason('no_answer')
    assert driver.seen(Down)
    driver.until_up(8)
    assert board.pulses == NEUTRAL


def test_a_board_process_that_sleeps_and_wakes(pair):
    board, driver = pair
    driver.drive(80, 80)
    board.until((1656, 1656))
    board.process.send_signal(signal.SIGSTOP)
    try:
        driver.until_reason('no_answer')
    finally:
        board.process.send_signal(signal.SIGCONT)
    driver.until_up(8)
    board.until(NEUTRAL)


HOST = """
import sys, threading, time
from avatar_motor.link import Changed, Link, LinkConfig
def tell(event):
    if not isinstance(event, Changed):
        print(type(event).__name__, flush=True)
link = Link(LinkConfig(port=sys.argv[1]), tell)
link.start()
while not link.state.connected:
    time.sleep(0.05)
threading.Thread(target=sys.stdin.read, daemon=True).start()
while threading.active_count() > 2:
    if sys.argv[2] == 'drive':
        link.drive(80, 80)
    time.sleep(0.05)
link.close()
"""


@pytest.fixture
def host(make_board):
    """A process with a link of its own, ended by closing its standard input."""
    board = make_board('--boot-s', '0.4')

    @contextlib.contextmanager
    def run(what: str):
        with subprocess.Popen(
            [sys.executable, '-c', HOST, board.port, what],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            told = Lines(process.stdout)
            try:
                assert told.next() == 'Up'
                yield board, process, told
            finally:
                process.send_signal(signal.SIGCONT)
                process.stdin.close()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise

    return run


def test_a_host_that_sleeps_is_stopped_by_the_watchdog_and_does_not_drive_on(host):
    with host('drive') as (board, process, told):
        board.until((1656, 1656))
        process.send_signal(signal.SIGSTOP)
        asleep_at = time.monotonic()
        assert board.until(NEUTRAL, 3.0) - asleep_at < 2.1
        assert board.trace()[-1]['cause'] == 'watchdog'
        changes = len(board.trace())
        process.send_signal(signal.SIGCONT)
        # Either of its threads may wake first: a target that the board's word has already cut
        # off does not expire as well.
        news = [told.next(5)]
        if news == ['TargetExpired']:
            news.append(told.next(5))
        assert news[-1] == 'WatchdogTripped'
        time.sleep(1.5)
        assert len(board.trace()) == changes


def test_a_killed_host_is_stopped_by_the_watchdog_and_the_next_one_starts_neutral(host):
    with host('drive') as (board, process, _):
        board.until((1656, 1656))
        process.kill()
        process.wait()
        killed_at = time.monotonic()
        assert board.until(NEUTRAL, 3.0) - killed_at < 2.1
    with host('stand') as (board, _, _):
        assert board.pulses == NEUTRAL


@pytest.mark.parametrize('fault', ['drop_replies', 'double_replies', 'delay_replies'])
def test_bad_replies_do_not_keep_it_moving(pair, fault):
    board, driver = pair
    for attempt in range(5):
        driver.drive(80, 80)
        board.until((1656, 1656))
        wait_for(lambda: driver.link.state.settled, 1, 'settled')
        board.ask(fault, n=1, s=0.15)
        driver.drive(90, 80)
        time.sleep(0.01 * attempt)
        released_at = driver.drive(0, 0)
        time.sleep(0.25)
        assert board.until(NEUTRAL) - released_at < 0.25
        wait_for(lambda: driver.link.state.settled, 2, 'settled')


def test_garbage_neither_moves_nor_ends_it(pair):
    board, driver = pair
    for _ in range(50):
        board.ask('garbage', n=4000)
        time.sleep(0.01)
    assert board.pulses == NEUTRAL
    driver.until_up()
    driver.drive(0, 0)
    driver.drive(80, 80)
    board.until((1656, 1656), 3.0)
    for _ in range(50):
        board.ask('garbage', n=4000)
        time.sleep(0.01)
    driver.drive(0, 0)
    board.until(NEUTRAL)


def test_reconnect_on_request(pair):
    board, driver = pair
    driver.drive(80, 80)
    board.until((1656, 1656))
    asked_at = time.monotonic()
    driver.link.reconnect()
    assert board.until(NEUTRAL) - asked_at < 0.2
    wait_for(lambda: len(driver.seen(Up)) == 2, 4, 'Up again')
    assert len(driver.seen(Down)) == 1


def test_close_stops_the_tracks(pair):
    board, driver = pair
    driver.drive(80, 80)
    board.until((1656, 1656))
    driver._ended.set()
    driver._loop.join()
    began = time.monotonic()
    driver.link.close()
    assert time.monotonic() - began < 0.7
    assert board.until(NEUTRAL) - began < 0.1
    driver.link.close()  # twice is fine
    driver.link.drive(80, 80)  # and so is a late call
    assert driver.link.state.reason_code == 'closed'


@pytest.mark.parametrize('dialect', ['v1', 'v0'])
def test_older_boards(make_board, make_driver, dialect):
    board = make_board('--dialect', dialect, '--boot-s', '0.4')
    driver = make_driver(board.port)
    driver.until_up()
    state = driver.link.state
    assert state.dialect == dialect and not state.has_watchdog
    assert state.can_drive is (dialect == 'v0')
    driver.drive(51, 51)
    if dialect == 'v0':
        board.until((1600, 1600))
        assert driver.link.state.voltage_v == 11.85
    else:
        time.sleep(0.3)
    driver.link.emergency_stop()
    board.until(NEUTRAL)
    wait_for(lambda: driver.link.state.settled, 1, 'settled')
    assert not any(line.startswith('MOTOR') for _, line in board.lines())


# ---- cost


def test_a_drive_is_written_before_the_call_returns(make_board, make_driver):
    """With the line idle there is no thread between the caller and the wire."""
    board = make_board('--boot-s', '0.4', '--no-blink')
    driver = make_driver(board.port, pace_s=0.012)
    driver.until_up()
    took = []
    for duty in range(20, 80):
        wait_for(lambda: driver.link.state.settled, 1, 'settled')
        time.sleep(0.03)
        began = time.monotonic()
        driver.drive(duty, duty)
        took.append(time.monotonic() - began)
    sent = {f'PWM {duty} {duty}' for duty in range(20, 80)}
    wait_for(lambda: sent <= {line for _, line in board.lines()}, 1, 'all lines received')
    assert statistics.median(took) < 0.001


def test_standing_costs_next_to_nothing(host, idle_cpu):
    with host('stand') as (_, process, _):
        # Its main thread wakes 20 times a second for nothing, which is in this figure.
        assert idle_cpu(process.pid, 4.0) < 0.015
