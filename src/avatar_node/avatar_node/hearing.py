# SPDX-License-Identifier: Apache-2.0
"""
Whether a peer that the graph shows is still heard.

Where a process stood still for about a second, its peers forget it (the participant lease of the
DDS profile) and find it again; but sometimes one side takes the other for one that knows all its
topics already, and stays deaf for good beside a peer that the graph still shows. Nothing mends
that but a new participant: who is deaf ends, to be started again.
"""

DEAF_S = 4.0
"""So long without a message that comes at least each second is no accident."""

GAP_S = 2.0
"""Who asks later than this after the last time was held up, and knows nothing of meanwhile."""


class Hearing:
    """One peer, which says something each second or oftener; times are seconds, monotonic."""

    def __init__(self) -> None:
        self._heard_s: float | None = None
        self._asked_s = float('-inf')
        self._there_s: float | None = None

    def heard(self, now: float) -> None:
        """Note a message of the peer."""
        self._heard_s = now

    def is_deaf(self, is_there: bool, now: float) -> bool:
        """
        Return whether a peer that is there would have been heard again; to be asked each second.

        False as long as it never was heard: a new start would not help, and not loop.
        """
        held_up = now - self._asked_s > GAP_S
        self._asked_s = now
        if not is_there:
            self._there_s = None
        elif self._there_s is None or held_up:
            self._there_s = now
        if self._heard_s is None or self._there_s is None:
            return False
        return now - max(self._heard_s, self._there_s) > DEAF_S
