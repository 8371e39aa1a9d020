# SPDX-License-Identifier: Apache-2.0
"""Which line a reply belongs to: late answers, and resets, are told from it. Pure.

A reply of firmware 2.0 carries the uptime of the loop pass that handled the line. The
difference to the time of receipt is the board's start on our clock plus delay, so the smallest
difference seen is the tightest bound of that start from above. With it, a reply whose line was
handled before the line we wait for was even sent is recognised, whatever values it carries.
"""

from __future__ import annotations

from collections import deque

from avatar_motor.lines import HALT, Line
from avatar_motor.protocol import UPTIME_SPAN, Ack, Event, Stopped

DRIFT = 200e-6  # more than two crystals can drift apart
JUMP_S = 10.0  # more than any reply is late


class BoardClock:
    def __init__(self) -> None:
        self._start_s: float | None = None  # uptime 0 on our clock, at the latest
        self._last_ms = 0
        self._last_at = 0.0

    def forget(self) -> None:
        self._start_s = None

    def observe(self, uptime_ms: int, now: float) -> bool:
        """Take the uptime of a line received now; True if the board was reset in between."""
        passed_ms = (uptime_ms - self._last_ms) % UPTIME_SPAN
        jumped = passed_ms / 1000 > now - self._last_at + JUMP_S
        start = now - uptime_ms / 1000
        was_reset = self._start_s is not None and jumped
        if self._start_s is None or jumped or uptime_ms < self._last_ms:
            self._start_s = start  # the last: 49.7 days are over, and counting begins anew
        else:
            self._start_s = min(start, self._start_s + DRIFT * (now - self._last_at))
        self._last_ms, self._last_at = uptime_ms, now
        return was_reset

    def is_older(self, uptime_ms: int, sent_at: float) -> bool:
        """Tell whether a line handled at this uptime cannot be the one sent then."""
        if self._start_s is None:
            return False
        return self._start_s + uptime_ms / 1000 < sent_at - 0.001


class OwedReplies:
    """For boards that tell no uptime: they answer every line, in order, so replies are counted."""

    KEPT_S = 1.0  # a reply later than this is taken as lost

    def __init__(self) -> None:
        self._lines: deque[tuple[float, str, tuple[int, int]]] = deque(maxlen=50)

    def forget(self) -> None:
        self._lines.clear()

    def sent(self, line: Line, now: float) -> None:
        self._lines.append((now, line.kind, line.duties))

    def answers_before(self, event: Event, now: float, sent_at: float) -> bool:
        """Tell whether this reply answers a line sent before that time."""
        if isinstance(event, Ack):
            answered = ('PWM', (event.left, event.right))
        elif isinstance(event, Stopped):
            answered = ('STOP', HALT)
        else:
            return False
        while self._lines:
            at, *line = self._lines.popleft()
            if now - at < self.KEPT_S and tuple(line) == answered:
                return at < sent_at
        return False
