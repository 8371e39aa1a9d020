# SPDX-License-Identifier: Apache-2.0
"""
The core of the motor node: what the tracks shall do now, and why they stand.

Pure: no clock, no threads, no I/O. Every time is a monotonic time of receipt, in seconds.
`step` is asked again at the latest when it said so, and after every event.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from avatar_motor import kinematics, reverse
from avatar_motor.arbitration import Arbitration, Decision, Lease, Source
from avatar_motor.deadlines import (
    LATE_DISCARD_S,
    LATE_NEUTRAL_S,
    MOTOR_CMD_TIMEOUT_S,
)
from avatar_motor.e_stop import EmergencyStop
from avatar_motor.kinematics import STANDSTILL, Calibration, Efforts
from avatar_motor.limits import NEUTRAL, BadCommand, Limits, Velocity, judge
from avatar_motor.protocol import Dialect, Reverse, reverse_of
from avatar_motor.ramp import STEP_S, Ramp
from avatar_motor.self_test import SelfTest
from avatar_motor.why import Why

TICK_MOVING_S = STEP_S
TICK_IDLE_S = 0.1

DISCARD_S = 0.1
"""After a late pass, for this long, DDS may still deliver what is old."""

UNBLOCKED = {
    Why.STATE_UNWRITABLE: 'the state folder can be written again',
    Why.E_STOP: 'the emergency stop was reset',
    Why.NOT_CONNECTED: 'the motor board came back',
    Why.NO_WATCHDOG: 'driving without a watchdog was allowed',
}


@dataclass(frozen=True)
class Settings:
    """What the parameters decide."""

    limits: Limits = field(default_factory=Limits)
    max_accel_mps2: float = 2.0
    max_turn_accel_radps2: float = 10.0
    cmd_timeout_s: float = MOTOR_CMD_TIMEOUT_S
    calibration: Calibration = field(default_factory=Calibration)
    reverse: Reverse = Reverse.UNCONFIRMED
    allow_no_watchdog: bool = False
    no_watchdog_max_duty: int = 80


@dataclass(frozen=True)
class Board:
    """What is known of the board."""

    connected: bool = False
    has_watchdog: bool = False
    can_drive: bool = False  # its dialect has a drive line
    dialect: Dialect = Dialect.UNKNOWN


class Wanted(NamedTuple):
    """What the tracks shall do until the next step."""

    efforts: Efforts  # -255..255, positive forward
    wire: tuple[int, int]  # the same as this board reads it
    velocity: Velocity
    source: Source
    why: Why
    until_s: float  # step again then at the latest


class Drive:
    """All rules about motion in one place."""

    def __init__(self, settings: Settings, e_stop: EmergencyStop, now_s: float) -> None:
        """Start standing, with closed gates."""
        self.settings = settings
        self.e_stop = e_stop
        self.arbitration = Arbitration(now_s)
        self.board = Board()
        self.storage_problem = ''
        self.bad_commands = 0
        self.last_bad = ''
        self.late_passes = 0
        self.self_test: SelfTest | None = None
        self.self_test_says = 'idle'
        self.reverse_was_shown = False  # a self-test with both backward runs came to its end
        self._test_owner = ''
        self._discard_until_s = now_s
        self._blocked: Why | None = Why.NOT_CONNECTED
        self._speed = Ramp(now_s)
        self._turn = Ramp(now_s)

    # ---- what happens

    def on_command(
        self, source: Source, linear: Sequence[float], angular: Sequence[float], at_s: float
    ) -> None:
        """Take the two vectors of a Twist received at at_s."""
        velocity: Velocity | None
        try:
            velocity = judge(linear, angular, self.settings.limits)
        except BadCommand as problem:
            velocity = None
            self.bad_commands += 1
            self.last_bad = f'{source.value}: {problem}'
        late = at_s < self._discard_until_s
        self.arbitration.on_command(source, velocity, at_s, late=late)
        self._end_self_test(f'a command arrived on {source.value}', at_s)

    def on_lease(self, lease: Lease, at_s: float) -> None:
        """Take a message of the gateway about the lease."""
        if at_s < self._discard_until_s:
            return
        self.arbitration.on_lease(lease, at_s)

    def on_attention(self, asked_s: float, at_s: float) -> None:
        """Take that whoever receives the commands, asked at asked_s, answered at at_s."""
        self.arbitration.on_attention(asked_s, at_s)

    def on_publishers(self, count: int, now_s: float) -> None:
        """Take the number of live publishers of what only one gateway may publish."""
        self.arbitration.on_publishers(count, now_s)

    def on_board(self, board: Board, now_s: float) -> None:
        """Take the state of the connection."""
        self.board = board
        self._note_blocked(now_s)

    def on_board_trouble(self, reason: str, now_s: float) -> None:
        """Note that the board stopped or began anew by itself."""
        self.arbitration.neutral_first(now_s, reason)
        self._end_self_test(reason, now_s)

    def on_storage(self, problem: str, now_s: float) -> None:
        """Take whether the state folder can be written ('' = it can)."""
        self.storage_problem = problem
        self._note_blocked(now_s)

    def configure(self, settings: Settings, now_s: float) -> None:
        """Take new parameters."""
        if settings.reverse is not self.settings.reverse:
            self.arbitration.neutral_first(now_s, 'the reading of reverse was switched')
            self.reverse_was_shown = False
        self.settings = settings
        self._note_blocked(now_s)

    def on_late_pass(self, late_s: float, now_s: float) -> bool:
        """Judge the delay of a pass of the loop; True: what is queued is to be thrown away."""
        if late_s <= LATE_DISCARD_S:
            return False
        self.late_passes += 1
        self._discard_until_s = now_s + DISCARD_S
        if late_s > LATE_NEUTRAL_S:
            self._end_self_test(f'the motor node was held up for {late_s:.1f} s', now_s)
            self.arbitration.on_sleep(late_s, now_s)
        return True

    def trigger(self, now_s: float) -> int:
        """Stop at once and stay stopped; return the number of this stop."""
        self._end_self_test('emergency stop', now_s)
        number = self.e_stop.trigger(now_s)
        self._note_blocked(now_s)
        return number

    def reset_refusal(self, now_s: float) -> str:
        """Return why the emergency stop cannot be lifted now, '' if it can."""
        if self.storage_problem:
            return self.storage_problem
        if now_s < self._discard_until_s:
            return 'the motor node was held up: try again'
        for source in self.held(now_s):
            what = 'let go' if source is Source.OPERATOR else 'end the program that sends it'
            return f'a command is still held on {source.value}: {what}, then reset'
        return self.e_stop.refusal(now_s)

    def reset(self, now_s: float) -> None:
        """Lift the stop, its permit is stored; nothing moves before the controls were let go."""
        self.e_stop.reset()
        self._note_blocked(now_s)

    def start_self_test(self, now_s: float) -> str:
        """Start the self-test, or return why not."""
        blocked = self._why_blocked()
        if blocked:
            return f'no self-test: {blocked.value}'
        if self.self_test:
            return 'the self-test runs already'
        if now_s < self._discard_until_s or self.held(now_s):
            return 'no self-test while a command is held: let go, then start it'
        asks = self.board.dialect is Dialect.V2
        self.reverse_was_shown = False
        self.self_test = SelfTest(now_s, asks, self._max_duty())
        self.self_test_says = 'running'
        self._test_owner = self.arbitration.owner
        return ''

    # ---- what follows

    def step(self, now_s: float) -> Wanted:
        """Return what the tracks shall do now."""
        blocked = self._note_blocked(now_s)
        decision = self.arbitration.decide(now_s, self.settings.cmd_timeout_s)
        if blocked or decision.why is Why.TWO_PUBLISHERS:
            why = blocked or decision.why
            self._end_self_test(why.value, now_s)
            return self._stand(why, now_s)
        if self.self_test and self.arbitration.owner != self._test_owner:
            self._end_self_test('control changed', now_s)
        if self.self_test:
            return self._test(self.self_test, now_s)
        if now_s < self._discard_until_s and decision.source is Source.NONE:
            return self._stand(Why.LATE, now_s)
        if decision.velocity.is_zero:
            return self._stand(decision.why, now_s, decision.source)
        return self._move(decision, now_s)

    def held(self, now_s: float) -> list[Source]:
        """Return the inputs whose command is still held, obeyed or not: no reset before."""
        inputs = ((Source.OPERATOR, self.arbitration.operator),
                  (Source.CMD_VEL, self.arbitration.cmd_vel))
        return [source for source, one in inputs if one.is_held(now_s)]

    @property
    def reverse(self) -> Reverse:
        """Return how this board reads reverse."""
        return reverse_of(self.board.dialect, self.settings.reverse)

    def _move(self, decision: Decision, now_s: float) -> Wanted:
        settings = self.settings
        velocity = Velocity(
            self._speed.towards(decision.velocity.speed_mps, settings.max_accel_mps2, now_s),
            self._turn.towards(decision.velocity.turn_radps, settings.max_turn_accel_radps2,
                               now_s),
        )
        max_duty = self._max_duty()
        efforts = reverse.possible(
            kinematics.efforts(velocity, settings.calibration, max_duty),
            self.reverse, max_duty)
        return Wanted(efforts, reverse.to_wire(efforts, self.reverse), velocity,
                      decision.source, Why.FREE,
                      min(now_s + TICK_MOVING_S, decision.until_s))

    def _stand(self, why: Why, now_s: float, source: Source = Source.NONE) -> Wanted:
        self._speed.stop()
        self._turn.stop()
        return Wanted(STANDSTILL, (0, 0), NEUTRAL, source, why, now_s + TICK_IDLE_S)

    def _test(self, test: SelfTest, now_s: float) -> Wanted:
        current = test.at(now_s)
        if current is None:
            self.self_test, self.self_test_says = None, 'done'
            self.reverse_was_shown = test.asks_reverse
            self.arbitration.neutral_first(now_s, 'the self-test ended')
            return self._stand(Why.FREE, now_s)
        run, end_s = current
        return Wanted(reverse.from_wire(run.left, run.right, self.reverse),
                      (run.left, run.right), NEUTRAL, Source.SELF_TEST, Why.FREE,
                      min(end_s, now_s + TICK_MOVING_S))

    def _end_self_test(self, reason: str, now_s: float) -> None:
        if self.self_test:
            self.self_test, self.self_test_says = None, f'stopped: {reason}'
            self.arbitration.neutral_first(now_s, 'the self-test was stopped')

    def _max_duty(self) -> int:
        return kinematics.FULL if self.board.has_watchdog else self.settings.no_watchdog_max_duty

    def _note_blocked(self, now_s: float) -> Why | None:
        """Return what keeps everybody from driving, if anything; its end is neutral first."""
        blocked = self._why_blocked()
        if self._blocked and not blocked:
            self.arbitration.neutral_first(now_s, UNBLOCKED[self._blocked])
        self._blocked = blocked
        return blocked

    def _why_blocked(self) -> Why | None:
        if self.storage_problem:
            return Why.STATE_UNWRITABLE
        if self.e_stop.latched:
            return Why.E_STOP
        if not self.board.connected:
            return Why.NOT_CONNECTED
        if not self.board.can_drive or not (
                self.board.has_watchdog or self.settings.allow_no_watchdog):
            return Why.NO_WATCHDOG
        return None
