# SPDX-License-Identifier: Apache-2.0
"""How many of a thing there may be in a second. Pure: time is an argument."""

from collections.abc import Callable


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


class Log:
    """A log that no flood can fill: what is too much is counted, and the count said."""

    def __init__(
        self, say: Callable[[str], None], rate: float, burst: float, now: float
    ) -> None:
        self._say, self._bucket, self._left_out = say, Bucket(rate, burst, now), 0

    def say(self, sentence: str, now: float) -> None:
        """Say it, if there is room."""
        if not self._bucket.take(now):
            self._left_out += 1
            return
        if self._left_out:
            sentence += f' ({self._left_out} more before this)'
            self._left_out = 0
        self._say(sentence)
