# SPDX-License-Identifier: Apache-2.0
"""Whether the machine itself stood still: a measurement during which it did says nothing."""

import threading
import time

TICK_S = 0.002


class HostWatch:
    """A thread that wants to run every 2 ms, and notes the longest time it could not."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name='host watch', daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """Forget what was."""
        self.worst_s = 0.0

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(TICK_S):
            now = time.monotonic()
            self.worst_s = max(self.worst_s, now - before - TICK_S)
            before = now
