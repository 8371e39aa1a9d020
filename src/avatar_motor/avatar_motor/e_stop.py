# SPDX-License-Identifier: Apache-2.0
"""The latched emergency stop: its number, and when it may be lifted."""

import math

from avatar_motor.deadlines import RESET_GUARD_S


class EmergencyStop:
    """
    The latch; `permit.py` keeps it over restarts.

    Numbers only grow. At most one number is issued that is not on disk yet: a stop that comes
    while the disk refuses shares the number of the one before it, and gets its own as soon as
    that one could be written. So a number can be told to be newer even after a crash.
    """

    def __init__(self, latched: bool, number: int, stored: bool = True) -> None:
        """Start as `permit.py` found it; `stored`: the disk agrees that it is latched, or not."""
        self.latched = latched
        self.number = number
        self._triggered_s = -math.inf
        self._is_stored = stored
        self._came_again = False

    @property
    def needs_storing(self) -> bool:
        """Return whether the disk does not know of the newest stop."""
        return not self._is_stored

    @property
    def came_again(self) -> bool:
        """Return whether a stop shares the number of the one before it, not stored yet."""
        return self._came_again

    def trigger(self, now_s: float) -> int:
        """Stop, and return the number of this stop."""
        self.latched = True
        self._triggered_s = now_s
        if self._is_stored:
            self.number += 1
            self._is_stored = False
        else:
            self._came_again = True
        return self.number

    def stored(self) -> None:
        """Note that the disk knows `number` and that the permit is gone."""
        self._is_stored = True
        if self._came_again:
            self._came_again = False
            self.number += 1
            self._is_stored = False

    def refusal(self, now_s: float) -> str:
        """Return why the stop cannot be lifted now, '' if it can."""
        if now_s - self._triggered_s < RESET_GUARD_S:
            return (f'emergency stop {self.number} is less than {RESET_GUARD_S:g} s old: '
                    f'look again, then reset')
        return ''

    def reset(self) -> None:
        """Lift the stop; the permit is on disk already."""
        self.latched = False
        self._is_stored, self._came_again = True, False
