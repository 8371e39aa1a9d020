# SPDX-License-Identifier: Apache-2.0
"""
From a driver's command to what is published as `operator/cmd_vel`, and when that must be zero.

Pure: `command` and `poll` return the velocity to publish at this moment, or None. The three
questions of promise 1 are asked in one place: does the sender drive, is the command fresh, had
everything been let go once. Times are seconds, monotonic.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from avatar_motor import deadlines
from avatar_motor.limits import NEUTRAL, BadCommand, Limits, Velocity, judge
from avatar_web.driving.freshness import SENTENCES, Why

NO_LEASE = 'no_lease'
BAD_COMMAND = 'bad_command'
WAITING_NEUTRAL = 'waiting_neutral'
LIMITS = 'limits'

NEUTRAL_SILENCE_S = deadlines.MOTOR_CMD_TIMEOUT_S


@dataclass(frozen=True)
class Answer:
    """What to publish (None = nothing), and why the command was refused ('' = it was not)."""

    publish: Velocity | None
    why: str = ''
    sentence: str = ''


class Driving:
    """The one stream of commands that leaves the gateway."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._last = NEUTRAL
        self._last_s = 0.0
        # None = let go; else since when no command but zero has been seen.
        self._held_since_s: float | None = 0.0
        self._asked_s = float('-inf')

    def is_held(self, now: float) -> bool:
        """Return whether the driver asks for movement now, obeyed or not."""
        return now - self._asked_s < NEUTRAL_SILENCE_S

    @property
    def moving(self) -> bool:
        """Return whether the last velocity published was not zero."""
        return not self._last.is_zero

    @property
    def zero_due_s(self) -> float:
        """Return when `poll` will ask for the zero that ends a silence, if the robot moves."""
        return self._last_s + deadlines.GATEWAY_CMD_TIMEOUT_S

    def command(
        self, linear: Sequence[float], angular: Sequence[float], holds: bool, fresh: Why,
        now: float, *, within: bool = True,
    ) -> Answer:
        """
        Judge one Twist.

        `holds`: its sender has the lease; `fresh`: the verdict on its link; `within`: it keeps to
        the rate of messages.
        """
        if not holds:
            return Answer(None, NO_LEASE, 'take the lease first: only its holder drives')
        try:
            wanted = judge(linear, angular, self.limits)
        except BadCommand as problem:
            return self.bad(str(problem), now)
        if wanted.is_zero:
            # A zero that was delayed proves nothing about what is held now, but it may stop.
            if fresh is Why.FRESH:
                self._held_since_s, self._asked_s = None, float('-inf')
            return Answer(self._publish(NEUTRAL, now))
        self._asked_s = now
        if not within:
            self._still_held(now)
            return Answer(None, LIMITS, 'too many messages: send a command each 50 ms')
        if fresh is not Why.FRESH:
            # Silence before a delayed command was the link's, not the driver's.
            self._still_held(now)
            return Answer(None, fresh.value, SENTENCES[fresh])
        if self._held_since_s is not None:
            if now - self._held_since_s < NEUTRAL_SILENCE_S:
                self._still_held(now)
                return Answer(None, WAITING_NEUTRAL, 'let go once, then drive')
            self._held_since_s = None
        return Answer(self._publish(wanted, now))

    def bad(self, sentence: str, now: float) -> Answer:
        """Take a text of the driver that is no command at all: it means neutral."""
        self._asked_s = now
        self._still_held(now)
        return Answer(self.stop(), BAD_COMMAND, sentence)

    def neutral_first(self, now: float) -> Velocity | None:
        """Stop, and let nothing pass before a zero or a silence of NEUTRAL_SILENCE_S."""
        self._held_since_s = now
        return self.stop()

    def stop(self) -> Velocity | None:
        """Return the zero that ends a movement, None if the robot was told to stand already."""
        if not self.moving:
            return None
        self._last = NEUTRAL
        return NEUTRAL

    def poll(self, now: float) -> Velocity | None:
        """Return the one zero that is due when the driver fell silent while moving."""
        return self.stop() if self.moving and now >= self.zero_due_s else None

    def _still_held(self, now: float) -> None:
        if self._held_since_s is not None:
            self._held_since_s = now

    def _publish(self, velocity: Velocity, now: float) -> Velocity:
        self._last, self._last_s = velocity, now
        return velocity
