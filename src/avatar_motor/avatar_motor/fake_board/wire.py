# SPDX-License-Identifier: Apache-2.0
"""The way from the board to the host: its speed, and the faults that were asked for."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from avatar_motor.fake_board.board import BYTE_S, NEVER, Sent


@dataclass
class Faults:
    """How many of the next replies are lost, doubled or late."""

    drop: int = 0
    double: int = 0
    delay: int = 0
    delay_s: float = 0.0


class Wire:
    """Keeps lines in their order until their last bit has arrived."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._queue: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0

    def put(self, sent: Sent) -> None:
        faults, copies, late_s = self.faults, 1, 0.0
        if sent.is_reply:
            if faults.drop > 0:
                faults.drop -= 1
                return
            if faults.double > 0:
                faults.double -= 1
                copies = 2
            if faults.delay > 0:
                faults.delay -= 1
                late_s = faults.delay_s
        for _ in range(copies):
            begins = max(self._free_at, sent.t + late_s)
            self._free_at = begins + len(sent.data) * BYTE_S
            self._queue.append((self._free_at, sent.data))

    def due(self) -> float:
        return self._queue[0][0] if self._queue else NEVER

    def take(self, now: float) -> bytes | None:
        """Return the next line if it has arrived by now."""
        if self._queue and self._queue[0][0] <= now:
            return self._queue.popleft()[1]
        return None

    def clear(self) -> None:
        self._queue.clear()
        self._free_at = 0.0
