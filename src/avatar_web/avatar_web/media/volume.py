# SPDX-License-Identifier: Apache-2.0
"""How much of the picture was sent, from what MediaMTX says of each session. Pure."""

from collections.abc import Iterable

from avatar_web.media.sessions import Seen


class Volume:
    """`total` [bytes] only grows; a session found at the first look counts from there."""

    def __init__(self) -> None:
        self.total = 0
        self._sent: dict[str, int] | None = None

    def seen(self, sessions: Iterable[Seen]) -> None:
        """Take what MediaMTX lists now; sessions it lists no more are over."""
        now = {one.id: one.sent for one in sessions}
        if self._sent is not None:
            self.total += sum(max(0, sent - self._sent.get(id_, 0)) for id_, sent in now.items())
        self._sent = now
