# SPDX-License-Identifier: Apache-2.0
"""The host's dialogue against the real firmware model, both in one virtual time."""

from __future__ import annotations

import os
import random
import tracemalloc

import pytest

from avatar_motor.dialogue import HALT, Dialogue, Happening, Phase
from avatar_motor.fake_board.board import Board, Switches
from avatar_motor.fake_board.firmware_old import FirmwareV0, FirmwareV1
from avatar_motor.fake_board.firmware_v2 import FirmwareV2
from avatar_motor.fake_board.wire import Wire
from avatar_motor.protocol import Decoder, Dialect

SCENARIOS = int(os.environ.get('DIALOGUE_SCENARIOS', '120'))


class Bench:
    """One board, one host, one clock that jumps from event to event."""

    def __init__(self, firmware: type[Board] = FirmwareV2, **switches: object) -> None:
        self.now = 100.0
        self.pulses: list[tuple[float, int, int]] = []
        self.lines: list[tuple[float, bytes]] = []
        self.happened: list[tuple[float, Happening]] = []
        self.board = firmware(Switches(**switches))  # type: ignore[arg-type]
        self.board.on_outputs = lambda t, left, right, cause: self.pulses.append((t, left, right))
        self.wire = Wire()
        self.dialogue = Dialogue()
        self.decoder = Decoder()
        self.held: tuple[int, int] = HALT  # what the control loop repeats every 50 ms
        self._control_at = self.now
        self.checks = True
        self.board.power_on(self.now)
        self.dialogue.opened(self.now)

    def drive(self, left: int, right: int) -> None:
        self.held = (left, right)
        self.dialogue.drive(left, right, self.now)
        self._host()

    def stop(self) -> None:
        self.held = HALT
        self.dialogue.emergency_stop()
        self._host()

    def _host(self) -> None:
        self.dialogue.check_silence(self.now)
        line = self.dialogue.next_line(self.now)
        if line is not None:
            self.lines.append((self.now, line))
            self.board.receive(line, self.now)
        self.happened += [(self.now, one) for one in self.dialogue.happened()]

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            due = min(
                self.board.next_wake(), self.wire.due(), self.dialogue.due(), self._control_at
            )
            self.now = max(self.now, min(due, end))
            if self.now >= self._control_at:
                self._control_at = self.now + 0.05
                self.dialogue.drive(*self.held, self.now)
            self.board.advance(self.now)
            while self.board.sent:
                self.wire.put(self.board.sent.popleft())
            while (data := self.wire.take(self.now)) is not None:
                for event in self.decoder.feed(data):
                    self.dialogue.received(event, self.now)
            self._host()
            if self.checks:
                self.check()
            if due > end:
                return

    def check(self) -> None:
        """What the dialogue calls settled neutral is neutral, and stays it."""
        if self.dialogue.settled and self.dialogue.wanted == HALT:
            assert self.neutral, f'{self.now}: settled, but the tracks turn'

    @property
    def neutral(self) -> bool:
        return (self.board.left_us, self.board.right_us) == (1500, 1500)

    def until(self, condition: object, seconds: float, what: str) -> float:
        began = self.now
        while not condition():  # type: ignore[operator]
            assert self.now - began < seconds, f'{what}: not within {seconds} s'
            self.run(0.001)
        return self.now - began

    def until_ready(self) -> float:
        return self.until(lambda: self.dialogue.phase is Phase.READY, 6.0, 'ready')


@pytest.fixture
def ready() -> Bench:
    bench = Bench()
    bench.until_ready()
    return bench


def test_first_line_is_stop_until_answered_then_status():
    bench = Bench()
    took = bench.until_ready()
    kinds = [line for _, line in bench.lines]
    assert kinds[-1] == b'STATUS\n' and set(kinds[:-1]) == {b'STOP\n'}
    assert took < 3.8
    assert bench.dialogue.firmware == 'ESP32_CRAWLER 2.0'


def test_a_turning_board_is_stopped_by_the_first_line():
    bench = Bench()
    bench.until_ready()
    bench.drive(200, 200)
    bench.run(0.5)
    assert not bench.neutral
    bench.held = HALT
    bench.checks = False
    bench.dialogue = Dialogue()  # a host that was started anew
    bench.dialogue.opened(bench.now)
    assert bench.until(lambda: bench.neutral, 0.2, 'neutral') < 0.1
    assert bench.lines[-1][1] == b'STOP\n'


@pytest.mark.parametrize('phase_ms', range(0, 130, 3))
@pytest.mark.parametrize('way', ['release', 'emergency'])
def test_a_stop_is_done_in_100_ms_whatever_the_line_does(ready: Bench, phase_ms, way):
    ready.drive(80, 80)
    ready.run(0.3)
    ready.drive(90, 80)  # a fresh line, and the stop `phase_ms` after it
    ready.dialogue.lights('front', True)
    ready.run(phase_ms / 1000)
    if way == 'release':
        ready.drive(0, 0)
    else:
        ready.stop()
    assert ready.until(lambda: ready.neutral, 0.3, 'neutral') <= 0.09
    ready.until(lambda: ready.dialogue.settled, 0.2, 'settled')


@pytest.mark.parametrize('phase_ms', range(0, 130, 3))
@pytest.mark.parametrize('way', ['release', 'emergency'])
@pytest.mark.parametrize('fault', ['lost', 'late', 'doubled'])
def test_a_lost_late_or_doubled_reply_costs_no_more_than_250_ms(ready, phase_ms, way, fault):
    ready.drive(80, 80)
    ready.run(0.3)
    faults = ready.wire.faults
    if fault == 'lost':
        faults.drop = 1
    elif fault == 'doubled':
        faults.double = 1
    else:
        faults.delay, faults.delay_s = 1, 0.15
    ready.drive(90, 80)
    ready.run(phase_ms / 1000)
    if way == 'release':
        ready.drive(0, 0)
    else:
        ready.stop()
    assert ready.until(lambda: ready.neutral, 0.5, 'neutral') <= 0.25
    ready.until(lambda: ready.dialogue.settled, 1.0, 'settled')


def test_a_release_whose_own_reply_is_lost_is_said_again(ready: Bench):
    ready.drive(80, 80)
    ready.run(0.3)
    ready.wire.faults.drop = 1
    ready.drive(0, 0)
    ready.run(0.3)
    assert [line for _, line in ready.lines[-2:]] == [b'PWM 0 0\n'] * 2
    assert ready.lines[-1][0] - ready.lines[-2][0] == pytest.approx(0.08, abs=0.002)
    assert ready.dialogue.settled and ready.dialogue.lost_replies == 1


def test_stop_is_repeated_after_350_ms(ready: Bench):
    ready.wire.faults.drop = 1
    ready.stop()
    ready.run(0.6)
    assert [line for _, line in ready.lines[-2:]] == [b'STOP\n'] * 2
    assert ready.lines[-1][0] - ready.lines[-2][0] == pytest.approx(0.35, abs=0.002)
    ready.until(lambda: ready.dialogue.settled, 0.3, 'settled')


def test_a_swallowed_emergency_stop_is_said_again_at_once(ready: Bench):
    """A board that hangs for a moment glues `PWM 90 80` and `STOP`, and drives on."""
    ready.drive(80, 80)
    ready.run(0.3)
    ready.board.hang(ready.now, 0.12)
    ready.drive(90, 80)
    ready.stop()
    assert ready.until(lambda: ready.neutral, 0.5, 'neutral') < 0.25
    ready.until(lambda: ready.dialogue.settled, 0.5, 'settled')


def test_a_drive_line_without_answer_is_said_again_after_250_ms(ready: Bench):
    ready.wire.faults.drop = 1
    ready.drive(80, 80)
    ready.run(0.4)
    (first, _), (second, line) = ready.lines[-2:]
    assert line == b'PWM 80 80\n' and second - first == pytest.approx(0.25, abs=0.002)
    assert ready.dialogue.settled and ready.dialogue.lost_replies == 1


def test_a_drive_line_waits_until_the_board_has_blinked_for_stop(ready: Bench):
    ready.drive(80, 80)
    ready.run(0.3)
    ready.stop()
    ready.until(lambda: ready.dialogue.settled, 0.2, 'settled')
    answered_at = ready.now
    ready.drive(0, 0)
    ready.drive(80, 80)
    ready.run(0.5)
    assert ready.lines[-1][1] == b'PWM 80 80\n'
    assert 0.31 < ready.lines[-1][0] - answered_at < 0.33


@pytest.mark.parametrize('firmware', [FirmwareV2, FirmwareV0])
@pytest.mark.parametrize('again_ms', range(65, 200, 5))
def test_an_old_reply_with_fitting_values_is_not_the_answer(firmware, again_ms):
    """Release, drive, release: late answers to the first release must not end the second."""
    bench = Bench(firmware)
    bench.until_ready()
    bench.drive(80, 80)
    bench.run(0.3)
    bench.wire.faults.delay, bench.wire.faults.delay_s = 4, 0.3
    bench.drive(0, 0)
    bench.until(lambda: bench.dialogue.settled, 0.5, 'settled')
    bench.drive(80, 80)  # while answers to the repeats of the release are under way
    bench.run(again_ms / 1000)
    bench.drive(0, 0)
    bench.run(2.0)  # the bench checks at every event
    assert bench.dialogue.settled and bench.neutral


def test_a_line_that_meets_the_tripping_watchdog_is_not_forgotten(ready: Bench):
    ready.drive(80, 80)
    ready.run(0.3)
    last_line_at = ready.lines[-1][0]
    while not ready.neutral:  # the host sleeps until the very moment
        ready.now += 0.001
        ready.board.advance(ready.now)
    assert ready.now - last_line_at < 2.1
    ready.dialogue.drive(0, 0, ready.now)
    ready._control_at = ready.now
    ready.drive(80, 80)
    assert ready.lines[-1] == (ready.now, b'PWM 80 80\n')
    ready.run(3.0)
    assert ready.neutral and ready.dialogue.settled
    assert Happening.WATCHDOG in [what for _, what in ready.happened]


def test_unchanged_is_repeated_each_500_ms_and_standing_is_polled(ready: Bench):
    ready.drive(80, 80)
    began = ready.now
    ready.run(3.0)
    drives = [t - began for t, line in ready.lines if line == b'PWM 80 80\n']
    gaps = [later - sooner for sooner, later in zip(drives, drives[1:], strict=False)]
    assert all(gap == pytest.approx(0.5, abs=0.03) for gap in gaps) and len(drives) == 6
    assert {line for t, line in ready.lines if t > began} == {b'PWM 80 80\n'}
    ready.drive(0, 0)
    before = len(ready.lines)
    ready.run(3.3)
    assert [line for _, line in ready.lines[before:]] == [b'STATUS\n'] * 3


def test_paced_lines_never_meet(ready: Bench):
    """At 50 changes a second each line is answered by its own values: none was glued."""
    for duty in range(1, 200):
        ready.drive(duty, duty)
        ready.run(0.02)
    assert ready.dialogue.lost_replies == 0
    replies = [t for t, line in ready.lines if line.startswith(b'PWM')]
    assert all(later - sooner > 0.062 for sooner, later in zip(replies, replies[1:], strict=False))


def test_lights_go_between_drive_lines_and_come_back_after_a_reset(ready: Bench):
    ready.drive(80, 80)
    ready.dialogue.lights('front', True)
    ready.dialogue.lights('back', True)
    for duty in range(80, 100):
        ready.drive(duty, 80)
        ready.run(0.05)
    sent = [line[:3] for _, line in ready.lines]
    assert all(pair != (b'LIG', b'LIG') for pair in zip(sent, sent[1:], strict=False))
    assert ready.board.front_lights and ready.board.back_lights
    assert ready.dialogue.lamps == {'front': True, 'back': True}
    ready.board.power_on(ready.now)
    ready.run(0.5)
    assert not ready.board.front_lights
    ready.run(4.0)
    assert ready.board.front_lights and ready.board.back_lights
    assert Happening.BOARD_RESET in [what for _, what in ready.happened]


def test_after_a_reset_nothing_moves_before_it_was_let_go(ready: Bench):
    ready.drive(80, 80)
    ready.run(0.3)
    ready.board.power_on(ready.now)
    ready.run(6.0)  # the control loop still asks for 80 80
    assert ready.dialogue.phase is Phase.READY and ready.neutral
    ready.drive(0, 0)
    ready.drive(80, 80)
    ready.run(0.1)
    assert not ready.neutral


def test_a_reset_without_banner_is_told_by_the_uptime(ready: Bench):
    ready.drive(80, 80)
    ready.run(0.3)
    ready.board.power_on(ready.now)
    ready.board.advance(ready.now + 3.5)
    ready.board.sent.clear()  # nothing of its boot was heard
    ready.now += 3.5
    ready.run(0.2)
    assert Happening.BOARD_RESET in [what for _, what in ready.happened]
    ready.run(1.0)
    assert ready.neutral and ready.dialogue.phase is Phase.READY


def test_a_target_that_is_not_repeated_ends(ready: Bench):
    ready.drive(80, 80)
    ready.run(0.2)
    ready._control_at = ready.now + 100  # the control loop hangs
    at = ready.now
    ready.until(lambda: ready.neutral, 1.0, 'neutral')
    assert ready.now - at < 0.4
    assert Happening.TARGET_EXPIRED in [what for _, what in ready.happened]
    ready.dialogue.drive(80, 80, ready.now)  # it goes on: not before it let go
    ready.run(0.2)
    assert ready.neutral


def test_a_host_that_slept_does_not_drive_on(ready: Bench):
    """SIGSTOP for 5 s: the board's watchdog acts, and nothing moves after SIGCONT."""
    ready.drive(80, 80)
    ready.run(0.3)
    asleep_at = ready.now
    ready.board.advance(ready.now + 5.0)
    assert ready.neutral and ready.pulses[-1][0] - asleep_at < 2.05
    ready.now += 5.0
    ready.checks = False
    ready.drive(80, 80)  # the first thing its control loop does
    for _ in range(100):
        ready.run(0.02)
        assert ready.neutral


def test_a_silent_board_is_down_and_comes_back(ready: Bench):
    ready.drive(80, 80)
    ready.run(0.3)
    ready.checks = False
    ready.board.hang(ready.now, 3.0)
    ready.run(1.6)
    assert Happening.SILENT in [what for _, what in ready.happened]
    ready.run(2.5)
    assert ready.dialogue.phase is Phase.READY and ready.neutral


@pytest.mark.parametrize(
    ('firmware', 'dialect'), [(FirmwareV1, Dialect.V1), (FirmwareV0, Dialect.V0)]
)
def test_older_boards_are_recognised_and_stopped(firmware, dialect):
    bench = Bench(firmware)
    bench.until_ready()
    assert bench.dialogue.dialect is dialect and not bench.dialogue.watchdog_ms
    bench.drive(80, 80)
    bench.run(0.4)
    assert bench.neutral is (dialect is Dialect.V1)  # MOTOR: is never used to drive
    assert not any(line.startswith(b'MOTOR') for _, line in bench.lines)
    bench.drive(0, 0)
    bench.run(0.3)
    bench.stop()
    bench.run(0.5)
    assert bench.neutral and bench.dialogue.settled
    assert (bench.dialogue.voltage_v is not None) is (dialect is Dialect.V0)


@pytest.mark.parametrize('seed', range(SCENARIOS))
def test_whatever_happens_settled_means_settled_and_stops_get_through(seed):
    """Random driving and random faults: the checks of the bench hold at every event."""
    dice = random.Random(seed)
    bench = Bench(boot_s=0.5)
    bench.until_ready()
    for _ in range(dice.randrange(5, 60)):
        what = dice.random()
        faults = bench.wire.faults
        if what < 0.55:
            bench.drive(dice.choice([0, 60, 80, 200]), dice.choice([0, 0, 80, -128]))
        elif what < 0.65:
            bench.drive(0, 0)
        elif what < 0.70:
            bench.stop()
        elif what < 0.75:
            bench.dialogue.lights(dice.choice(['front', 'back']), dice.random() < 0.5)
        elif what < 0.80:
            faults.drop = dice.randrange(1, 4)
        elif what < 0.85:
            faults.double = dice.randrange(1, 4)
        elif what < 0.92:
            faults.delay, faults.delay_s = dice.randrange(1, 4), dice.uniform(0, 0.4)
        elif what < 0.95:
            bench.board.hang(bench.now, dice.uniform(0, 0.5))
        elif what < 0.97:
            for event in bench.decoder.feed(dice.randbytes(dice.randrange(200))):
                bench.dialogue.received(event, bench.now)
        else:
            bench.board.power_on(bench.now)
        bench.run(dice.choice([0.001, 0.01, 0.03, 0.07, 0.2, 0.7]))
    bench.wire.faults.drop = bench.wire.faults.delay = 0
    bench.drive(0, 0)
    bench.run(1.5)  # a hang or a boot may still have lines in the board's buffer
    for _ in range(10):
        assert bench.neutral
        bench.run(0.1)
    bench.until(lambda: bench.dialogue.settled, 5.0, 'settled')


@pytest.mark.parametrize('kind', ['random', 'flipped'])
def test_a_megabyte_of_damage_moves_nothing(ready: Bench, kind):
    dice = random.Random(7)
    good = b'\r\n'.join([
        b'{"ok":true,"cmd":"PWM","left":80,"right":80,"uptime":5000}',
        b'{"ok":true,"cmd":"STOP","reason":"command","uptime":6000}',
        b'{"ok":true,"status":{"left":0,"right":0,"front_lights":"on","back_lights":"off",'
        b'"uptime":7000,"last_cmd":0,"watchdog_timeout":2000}}',
        b'{"heartbeat":true,"left":80,"right":80,"uptime":8000}',
        b'{"emergency":true,"reason":"watchdog_timeout","uptime":9000}',
        b'{"status":"initialized","ok":true}', b'MOTOR_STOPPED', b'{"err":"bad_cmd"}', b'',
    ])  # fmt: skip
    data = bytearray(dice.randbytes(1_000_000) if kind == 'random' else good * 2000)
    if kind == 'flipped':
        for _ in range(len(data) // 30):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    tracemalloc.start()
    for at in range(0, len(data), 2000):
        for event in ready.decoder.feed(bytes(data[at : at + 2000])):
            ready.dialogue.received(event, ready.now)
            ready._host()
        ready.now += 0.01
        ready.board.advance(ready.now)
        ready.board.sent.clear()
        assert ready.neutral
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 5_000_000
    assert {line for _, line in ready.lines} <= {b'STOP\n', b'STATUS\n', b'PWM 0 0\n'} | {
        b'LIGHTS %s %s\n' % (which, on) for which in (b'FRONT', b'BACK') for on in (b'ON', b'OFF')
    }
    ready.decoder.feed(b'\n')
    ready.run(10.0)
    assert ready.dialogue.phase is Phase.READY and ready.dialogue.settled
