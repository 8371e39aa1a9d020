# SPDX-License-Identifier: Apache-2.0
"""One input of commands: its last command, and whether it was let go since it had to be."""

import math

from avatar_motor.limits import NEUTRAL, Velocity

NEUTRAL_S = 0.3
"""This long without a command is as good as a command to stand."""


class Input:
    """
    What arrived on one topic.

    An input has a gate. It is closed by `close` (start, reset, reconnection, change of control,
    ...) and opened by what shows that the controls were let go *after* that: a command to
    stand, or NEUTRAL_S of silence in which somebody listened. Only an input with an open gate
    may move the robot.
    """

    def __init__(self, silent_from_s: float) -> None:
        """Start with a closed gate; silence counts from silent_from_s, a zero at once."""
        self.velocity = NEUTRAL
        self.heard_s = -math.inf
        self.bad_s = -math.inf
        self.is_open = False
        self._closed_s = -math.inf
        self._silent_from_s = silent_from_s
        self._held_s = -math.inf

    def close(self, now_s: float) -> None:
        """Let nothing through until the controls were let go after now_s."""
        self.is_open = False
        self._closed_s = now_s
        self._silent_from_s = max(self._silent_from_s, now_s)

    def distrust_silence(self, until_s: float) -> None:
        """Let silence count from until_s on: before, not everybody may be heard."""
        self._silent_from_s = max(self._silent_from_s, until_s)

    def receive(self, velocity: Velocity | None, at_s: float, *, late: bool = False) -> None:
        """
        Take a command received at at_s; None is one that was no velocity.

        A late one (thrown away because of its delay) still stops, but neither moves nor shows
        that the controls are free now.
        """
        if velocity is not None and velocity.is_zero:
            if not late:
                self._held_s = -math.inf
                self.is_open = self.is_open or at_s >= self._closed_s
        else:
            self._silent_from_s = max(self._silent_from_s, at_s)
            self._held_s = at_s
            if velocity is None:
                self.bad_s = at_s
            elif late:
                return
        self.velocity = velocity or NEUTRAL
        self.heard_s = at_s

    def listened(self, since_s: float, until_s: float) -> None:
        """Take that nothing arrived in this time but what was received."""
        if until_s - max(self._silent_from_s, since_s) >= NEUTRAL_S:
            self.is_open = True

    def is_held(self, now_s: float) -> bool:
        """Return whether the newest command is younger than NEUTRAL_S and not to stand."""
        return now_s - self._held_s < NEUTRAL_S

    def is_fresh(self, now_s: float, timeout_s: float) -> bool:
        """Return whether the newest command is young enough to be obeyed."""
        return now_s - self.heard_s < timeout_s
