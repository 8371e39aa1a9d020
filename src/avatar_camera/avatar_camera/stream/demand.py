# SPDX-License-Identifier: Apache-2.0
"""Whether the picture is encoded: while somebody reads it or it is recorded, and 5 s longer."""

LINGER_S = 5.0


class Demand:
    """Pure: time is an argument (CLOCK_MONOTONIC, s)."""

    def __init__(self) -> None:
        self._until_s = float('-inf')

    def wants(self, now_s: float, viewers: int, recording: bool) -> bool:
        """Return whether to encode now, given who reads and whether it is recorded."""
        if viewers > 0 or recording:
            self._until_s = now_s + LINGER_S
        return now_s < self._until_s
