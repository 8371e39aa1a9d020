# SPDX-License-Identifier: Apache-2.0
"""
The motor loop: one thread that owns the Drive and tells the Link what to do.

Others only hand over what arrived, with its time of receipt, and wake the loop. The loop calls
nothing of ROS that could wait, so nothing that ROS does can hold it up; and it measures its own
delay, because a process that slept takes old messages for new ones.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol

from avatar_motor import reverse
from avatar_motor.arbitration import Lease, Source
from avatar_motor.attention import ASK_PERIOD_S
from avatar_motor.drive import Board, Drive, Settings, Wanted
from avatar_motor.latch import Latch
from avatar_motor.link_events import (
    BoardReset,
    Changed,
    Down,
    LinkEvent,
    LinkState,
    TargetExpired,
    Up,
    WatchdogTripped,
)
from avatar_motor.permit import Permit
from avatar_motor.protocol import Reverse
from avatar_motor.report import Report

LARGEST_QUEUE = 1000
SAY_LATE_S = 10.0

_log = logging.getLogger(__name__)


class Line(Protocol):
    """What the loop needs of the Link."""

    def drive(self, left: int, right: int) -> None:
        """Set the duties on the wire."""

    def emergency_stop(self) -> None:
        """Send STOP at once, and until it is answered."""


@dataclass(frozen=True)
class Answer:
    """What a service answers."""

    success: bool
    message: str


class Control:
    """Everything but `start` and `close` may be called from any thread, and returns at once."""

    def __init__(
        self,
        line: Line,
        permit: Permit,
        settings: Settings,
        on_report: Callable[[Report], None],
        ask_receiver: Callable[[], None],
        on_end: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Read the permit; `start` starts the loop.

        ask_receiver: let whoever calls `on_command` call `on_attention`, where it would do so.
        on_end: the loop ended by an error.
        """
        self._line, self._folder, self._clock = line, permit.folder, clock
        self._on_report, self._on_end = on_report, on_end
        self._ask_receiver = ask_receiver
        self._latch = Latch(permit)
        self._answer = reverse.load_answer(self._folder)
        self._settings = settings
        now_s = clock()
        self._drive = Drive(self._with_answer(settings), self._latch.stop, now_s)
        self._drive.on_storage(self._latch.problem, now_s)
        self._link = LinkState()
        self._queue: deque[Callable[[float], None]] = deque()
        self._woken = threading.Condition()
        self._closing = False
        self._line_lock = threading.Lock()
        self._stops_under_way = 0  # sent to the line, not yet taken by the loop
        self._asked_s = now_s - ASK_PERIOD_S
        self._is_asked = False
        self._due_s = now_s
        self._passed_s = now_s
        self._say_late_s = now_s
        self._reported = Report()
        self._thread = threading.Thread(target=self._run, name='motor control', daemon=True)

    # ---- life

    def start(self) -> None:
        """Start the loop."""
        self._due_s = self._clock() + 1.0
        self._thread.start()

    def loop_age_s(self) -> float:
        """Return how long ago the last whole pass began; there are ten a second and more."""
        return self._clock() - self._passed_s

    def close(self) -> None:
        """End the loop; the tracks stand when this returns."""
        with self._woken:
            self._closing = True
            self._woken.notify()
        if self._thread.is_alive():
            self._thread.join()

    # ---- what arrives

    def on_command(
        self, source: Source, linear: Sequence[float], angular: Sequence[float], at_s: float
    ) -> None:
        """Hand over the vectors of a Twist received at at_s."""
        if len(self._queue) < LARGEST_QUEUE:
            self._put(lambda _: self._drive.on_command(source, linear, angular, at_s))

    def on_lease(self, lease: Lease, at_s: float) -> None:
        """Hand over a message of the gateway."""
        self._put(lambda _: self._drive.on_lease(lease, at_s))

    def on_publishers(self, count: int) -> None:
        """Hand over how many live publishers there are of what only one gateway may publish."""
        self._put(lambda now_s: self._drive.on_publishers(count, now_s))

    def on_attention(self, at_s: float) -> None:
        """Hand over that whoever receives the commands was there at at_s, being asked."""
        self._put(lambda _: self._note_attention(at_s))

    def on_held_up(self, late_s: float) -> None:
        """Note that whoever receives was held up, so that what it delivers now is old."""
        self._put(lambda now_s: self._note_late(late_s, now_s))

    def on_link(self, event: LinkEvent) -> None:
        """Hand over an event of the link."""
        self._put(lambda now_s: self._take(event, now_s))

    def configure(self, settings: Settings) -> None:
        """Hand over new parameters."""
        def apply(now_s: float) -> None:
            self._settings = settings
            self._drive.configure(self._with_answer(settings), now_s)
        self._put(apply)

    # ---- what is asked

    def trigger(self) -> 'Future[Answer]':
        """Stop at once, before anything else, and stay stopped."""
        with self._line_lock:
            self._stops_under_way += 1
            self._line.emergency_stop()
        return self._ask(self._trigger)

    def reset(self) -> 'Future[Answer]':
        """Lift the emergency stop, if that may be."""
        return self._ask(self._reset)

    def self_test(self) -> 'Future[Answer]':
        """Start the self-test, if that may be."""
        return self._ask(self._start_self_test)

    def confirm_reverse(self, first_was_faster: bool) -> 'Future[Answer]':
        """Take a person's answer to the question of the self-test."""
        return self._ask(lambda now_s: self._confirm_reverse(first_was_faster, now_s))

    def _ask(self, what: Callable[[float], Answer]) -> 'Future[Answer]':
        future: Future[Answer] = Future()
        self._put(lambda now_s: future.set_result(what(now_s)))
        return future

    def _put(self, item: Callable[[float], None]) -> None:
        with self._woken:
            self._queue.append(item)
            self._woken.notify()

    # ---- the loop

    def _run(self) -> None:
        in_order = False
        try:
            while not self._closing:
                self._pass()
                with self._woken:
                    if not self._queue and not self._closing:
                        self._woken.wait(max(0.0, self._due_s - self._clock()))
            in_order = True
        finally:
            self._line.emergency_stop()
            if not in_order:
                # The traceback is printed by threading; what is left is to end in order.
                self._on_end()

    def _pass(self) -> None:
        now_s = self._clock()
        self._note_late(now_s - self._due_s, now_s)
        # Only what is there now: a flood must not keep the loop from its step.
        for _ in range(len(self._queue)):
            self._queue.popleft()(now_s)
        wanted = self._drive.step(now_s)
        with self._line_lock:
            if not self._stops_under_way:
                self._line.drive(*wanted.wire)
        self._due_s = min(wanted.until_s, self._ask_for_attention(now_s))
        self._report(wanted)
        self._tend_latch(now_s)
        self._passed_s = now_s

    def _ask_for_attention(self, now_s: float) -> float:
        """Ask the receiver whether it listens, if silence could open a gate; return when next."""
        if self._is_asked or not self._drive.arbitration.waits_for_silence:
            return math.inf
        due_s = self._asked_s + ASK_PERIOD_S
        if now_s >= due_s:
            self._asked_s, self._is_asked = now_s, True
            self._ask_receiver()
            return math.inf
        return due_s

    def _note_attention(self, at_s: float) -> None:
        self._is_asked = False
        self._drive.on_attention(self._asked_s, at_s)

    def _note_late(self, late_s: float, now_s: float) -> None:
        if self._drive.on_late_pass(late_s, now_s) and now_s >= self._say_late_s:
            self._say_late_s = now_s + SAY_LATE_S
            _log.warning('held up for %.2f s (%d times since the start): what arrived meanwhile '
                         'is thrown away', late_s, self._drive.late_passes)

    def _report(self, wanted: Wanted) -> None:
        drive = self._drive
        lease = drive.arbitration.lease
        now_s = self._clock()
        run = drive.self_test.at(now_s) if drive.self_test else None
        report = Report(
            why=wanted.why, source=wanted.source, efforts=wanted.efforts, link=self._link,
            e_stop=drive.e_stop.latched, stop_number=drive.e_stop.number,
            storage_problem=drive.storage_problem, holder=lease.holder if lease else '',
            gate_reason=drive.arbitration.gate_reason, last_bad=drive.last_bad,
            held=' '.join(source.value for source in drive.held(now_s)),
            bad_commands=drive.bad_commands, late_passes=drive.late_passes,
            reverse=drive.reverse, self_test=drive.self_test_says,
            self_test_run=run[0].says if run else '',
            reverse_was_shown=drive.reverse_was_shown,
            max_speed_mps=drive.settings.limits.max_speed_mps,
            max_turn_radps=drive.settings.limits.max_turn_radps,
        )
        if report != self._reported:
            self._reported = report
            self._on_report(report)

    # ---- board

    def _take(self, event: LinkEvent, now_s: float) -> None:
        if isinstance(event, (Up, Changed)):
            self._set_link(event.state, now_s)
            return
        if isinstance(event, Down):
            self._set_link(
                replace(self._link, connected=False, settled=False, left=0, right=0,
                        reason_code=event.code, reason=event.reason), now_s)
        reason = {
            Down: 'the motor board was gone',
            BoardReset: 'the motor board restarted',
            WatchdogTripped: 'the watchdog of the motor board stopped it',
            TargetExpired: 'the motor node was held up',
        }[type(event)]
        self._drive.on_board_trouble(reason, now_s)

    def _set_link(self, state: LinkState, now_s: float) -> None:
        self._link = state
        self._drive.on_board(
            Board(state.connected, state.has_watchdog, state.can_drive, state.dialect), now_s)

    # ---- emergency stop and its permit

    def _trigger(self, now_s: float) -> Answer:
        number = self._drive.trigger(now_s)
        self._latch.trigger_was_taken(now_s)
        with self._line_lock:
            self._stops_under_way -= 1
        return Answer(True, f'emergency stop {number}')

    def _reset(self, now_s: float) -> Answer:
        stop = self._latch.stop
        if not stop.latched:
            return Answer(True, 'there is no emergency stop')
        refusal = self._drive.reset_refusal(now_s) or self._latch.grant()
        if refusal:
            return Answer(False, refusal)
        if self._stops_under_way:  # it came while the permit was written, and takes it back
            return Answer(False, 'a newer emergency stop came: look again, then reset')
        self._drive.reset(self._clock())
        return Answer(True, f'emergency stop {stop.number} was reset')

    def _tend_latch(self, now_s: float) -> None:
        """Let the disk know, after the line does."""
        vanished = self._latch.tend(now_s)
        self._drive.on_storage(self._latch.problem, now_s)
        if vanished:
            _log.error('the permit to drive disappeared: emergency stop')
            self._line.emergency_stop()
            self._drive.trigger(now_s)

    # ---- self-test

    def _start_self_test(self, now_s: float) -> Answer:
        refusal = self._drive.start_self_test(now_s)
        if refusal:
            return Answer(False, refusal)
        return Answer(True, 'the self-test runs; keep the tracks off the ground and watch them')

    def _confirm_reverse(self, first_was_faster: bool, now_s: float) -> Answer:
        if not self._drive.reverse_was_shown:
            return Answer(False, 'run motor/self_test to its end first, and watch the tracks')
        answer = Reverse.INVERTED if first_was_faster else Reverse.STRAIGHT
        try:
            reverse.save_answer(self._folder, answer)
        except OSError as error:
            return Answer(False, f'the answer cannot be stored: {error}')
        self._answer = answer
        self._drive.reverse_was_shown = False
        self._drive.configure(self._with_answer(self._settings), now_s)
        if self._settings.reverse is not Reverse.UNCONFIRMED:
            return Answer(True, f'stored: reverse is {answer.value}; but the parameter '
                                f'reverse_confirmed is set and goes first')
        return Answer(True, f'stored: reverse is {answer.value}')

    def _with_answer(self, settings: Settings) -> Settings:
        """Return the settings with what a person found, unless the parameters know."""
        if settings.reverse is not Reverse.UNCONFIRMED:
            return settings
        return replace(settings, reverse=self._answer)
