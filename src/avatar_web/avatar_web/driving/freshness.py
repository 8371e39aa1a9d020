# SPDX-License-Identifier: Apache-2.0
"""
How old a command can be at most, without any clock of the sender.

The gateway pings each client; every WebSocket client answers by itself, and a stream keeps its
order. So a command that arrives after the answer to ping k was sent after ping k had arrived, and
is no older than ping k. All times are seconds of the gateway's own monotonic clock.
"""

from collections import deque
from enum import Enum

from avatar_motor import deadlines

MAX_UNANSWERED = 128


class Why(str, Enum):
    """Why a command is refused; FRESH is not refused."""

    FRESH = ''
    NO_ANSWER_YET = 'no_answer_yet'
    LINK_SLOW = 'link_slow'
    LATE = 'late'


SENTENCES = {
    Why.FRESH: '',
    Why.NO_ANSWER_YET: 'the link has not been measured yet: send again in a moment',
    Why.LINK_SLOW: 'link too slow to drive',
    Why.LATE: 'the command was delayed on its way and is too old',
}


class Freshness:
    """The pings of one client: what was sent, what was answered, what that proves."""

    def __init__(
        self,
        max_round_trip_s: float = deadlines.MAX_ROUND_TRIP_S,
        max_delay_s: float = deadlines.MAX_DELAY_S,
        window_s: float = deadlines.ROUND_TRIP_WINDOW_S,
    ) -> None:
        self.max_round_trip_s = max_round_trip_s
        self._max_delay_s = max_delay_s
        self._window_s = window_s
        self._next = 1
        self._unanswered: deque[tuple[int, float]] = deque(maxlen=MAX_UNANSWERED)
        self._answered_sent_s: float | None = None
        self._round_trip_s: float | None = None
        # Candidates for the smallest round trip of the window, (when, round trip), both rising.
        self._smallest: deque[tuple[float, float]] = deque()
        self._barrier_s = float('-inf')

    @property
    def round_trip_s(self) -> float | None:
        """Return the newest round trip, None before the first answer."""
        return self._round_trip_s

    def ping(self, now: float) -> bytes:
        """Return the payload of the next ping; the caller must send it at once."""
        payload = self._next.to_bytes(8, 'big')
        self._unanswered.append((self._next, now))
        self._next += 1
        return payload

    def pong(self, payload: bytes, now: float) -> bool:
        """Take an answer; return whether it answers a ping of ours that was still open."""
        number = int.from_bytes(payload, 'big') if len(payload) == 8 else 0
        if not any(number == open_ for open_, _ in self._unanswered):
            return False
        # A client may answer only the newest of several pings.
        while True:
            open_, sent_s = self._unanswered.popleft()
            if open_ == number:
                break
        self._answered_sent_s = sent_s
        round_trip_s = now - sent_s
        self._round_trip_s = round_trip_s
        while self._smallest and self._smallest[-1][1] >= round_trip_s:
            self._smallest.pop()
        self._smallest.append((now, round_trip_s))
        return True

    def barrier(self, now: float) -> None:
        """From here on only a command counts that was sent after `now`."""
        self._barrier_s = now

    def bound_s(self, now: float) -> float | None:
        """Return the greatest age that a command arriving now can have; None = not known."""
        return None if self._answered_sent_s is None else now - self._answered_sent_s

    def smallest_round_trip_s(self, now: float) -> float:
        """Return the smallest round trip of the window: the delay of the link itself."""
        # The newest always stays: a link that has been silent for long is judged by what it was.
        while len(self._smallest) > 1 and self._smallest[0][0] < now - self._window_s:
            self._smallest.popleft()
        return self._smallest[0][1] if self._smallest else 0.0

    def verdict(self, now: float) -> Why:
        """Return whether a command that arrives now is fresh, or why not."""
        if self._answered_sent_s is None or self._round_trip_s is None:
            return Why.NO_ANSWER_YET
        if self._round_trip_s > self.max_round_trip_s:
            return Why.LINK_SLOW
        if self._answered_sent_s < self._barrier_s:
            return Why.LATE
        if now - self._answered_sent_s - self.smallest_round_trip_s(now) > self._max_delay_s:
            return Why.LATE
        return Why.FRESH
