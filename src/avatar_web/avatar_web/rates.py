# SPDX-License-Identifier: Apache-2.0
"""How many of a thing one client may do in a second."""


class Bucket:
    """A token bucket: `rate` per second in the long run, `burst` at once."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._level, self._seen_s = burst, now

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Take `amount` if it is there; return whether it was."""
        if now > self._seen_s:
            self._level = min(self._burst, self._level + (now - self._seen_s) * self._rate)
            self._seen_s = now
        if self._level < amount:
            return False
        self._level -= amount
        return True
