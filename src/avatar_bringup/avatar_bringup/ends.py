# SPDX-License-Identifier: Apache-2.0
"""
How the last runs ended, and how long the next start waits for it: `run/starts.json`.

Written are the starts; an end that somebody wanted takes its start away again. So a run that was
killed, or whose computer hung, counts without anybody having to notice. A clock that jumps does
not matter: the time is that since the boot.
"""

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path

from avatar_bringup.parts import write_atomically

# Runs that began less than this ago and did not end well are a crash loop.
WINDOW_S = 600.0
# The first ones may be bad luck.
DELAYS_S = (0.0, 0.0, 0.0, 5.0, 10.0, 20.0, 40.0, 60.0)
# Set where `avatar run` has counted the start.
COUNTED_VARIABLE = 'AVATAR_COUNTED'
BOOT_ID = Path('/proc/sys/kernel/random/boot_id')


def delay_s(bad: int) -> float:
    """Return how long to wait after so many bad ends."""
    return DELAYS_S[min(bad, len(DELAYS_S) - 1)]


def since_boot() -> float:
    """Return the seconds since the boot, a suspended computer's included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Ends:
    """The record of one state folder. What cannot be read or written is as if there were none."""

    def __init__(self, state_dir: Path, clock: Callable[[], float] = since_boot,
                 boot_id: Path = BOOT_ID) -> None:
        self.path, self._clock, self._boot_id = state_dir / 'run/starts.json', clock, boot_id

    def bad(self) -> int:
        """Return how many of the last runs did not end well."""
        return len(self._starts())

    def begin(self) -> None:
        """Remember this start."""
        self._write([*self._starts(), self._clock()])

    def well(self) -> None:
        """Forget the last start: its end was wanted."""
        starts = self._starts()
        if starts:
            self._write(starts[:-1])

    def _boot(self) -> str:
        try:
            return self._boot_id.read_text().strip()
        except OSError:
            return ''

    def _starts(self) -> list[float]:
        try:
            written = json.loads(self.path.read_text())
            if written['boot'] != self._boot():
                return []
            now = self._clock()
            return [t for t in map(float, written['starts']) if 0 <= now - t < WINDOW_S]
        except (OSError, ValueError, TypeError, LookupError):
            return []

    def _write(self, starts: list[float]) -> None:
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            write_atomically(self.path, json.dumps({'boot': self._boot(), 'starts': starts}))
