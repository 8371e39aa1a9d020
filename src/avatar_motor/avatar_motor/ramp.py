# SPDX-License-Identifier: Apache-2.0
"""Limit of acceleration for one quantity; slowing down and stopping are never limited."""

import math

STEP_S = 0.05
"""The largest step at once, as time of acceleration: the first one has to be felt."""


class Ramp:
    """A value that grows in amount no faster than a rate, with steps of at most STEP_S of it."""

    def __init__(self, now_s: float) -> None:
        """Stand, ready for a first step."""
        self.value = 0.0
        self._saved_s = STEP_S  # time of acceleration not used yet
        self._at_s = now_s

    def stop(self) -> None:
        """Stand, ready for a first step."""
        self.value = 0.0
        self._saved_s = STEP_S

    def towards(self, target: float, rate_per_s: float, now_s: float) -> float:
        """Move the value towards target and return it."""
        self._saved_s = min(STEP_S, self._saved_s + max(0.0, now_s - self._at_s))
        self._at_s = now_s
        # The other direction begins at standstill.
        start = self.value if self.value * target > 0.0 else 0.0
        growth = abs(target) - abs(start)
        if growth <= 0.0:
            self.value = target
            return target
        step = min(growth, rate_per_s * self._saved_s)
        self._saved_s = max(0.0, self._saved_s - step / rate_per_s)
        if step == growth:
            self.value = target
        else:
            self.value = math.copysign(abs(start) + step, target)
        return self.value
