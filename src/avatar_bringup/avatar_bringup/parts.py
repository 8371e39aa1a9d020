# SPDX-License-Identifier: Apache-2.0
"""
What became of each part of this run: `run/parts.json` in the state folder.

Whoever supervises writes it, under launch and under supervisord the same; health, `avatar status`
and `avatar doctor` read it. `run/place.json` beside it says how the run was started.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

RUNNING, RESTARTING, GIVEN_UP = 'running', 'restarting', 'given_up'
FILE = 'parts.json'
LONGEST_WORDS = 300


@dataclass(frozen=True)
class Part:
    """One part: its state, how often it died in this run, since when (unix time), last words."""

    state: str = RESTARTING
    deaths: int = 0
    since: float = 0.0
    words: str = ''
    pid: int = 0


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new text, never a part. OSError."""
    beside = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        beside.write_text(text)
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def read(folder: Path) -> dict[str, Part]:
    """Return the parts of the run whose run folder this is; empty where nothing is written."""
    try:
        written = json.loads((folder / FILE).read_text())
        return {name: Part(**values) for name, values in written.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


class Parts:
    """
    The record, written at every change. Not for two threads at once.

    A disk that is full does not end a robot: what cannot be written is not written.
    """

    def __init__(self, folder: Path, names: Iterable[str],
                 clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = folder / FILE, clock
        now = clock()
        self.parts = {name: Part(since=now) for name in names}
        self._write()

    def started(self, name: str, pid: int = 0) -> None:
        """It runs, for the first time or again."""
        self._set(name, state=RUNNING, pid=pid)

    def died(self, name: str, words: str) -> None:
        """It ended, and is started again."""
        self._set(name, state=RESTARTING, pid=0, words=words[:LONGEST_WORDS],
                  deaths=self.parts[name].deaths + 1)

    def given_up(self, name: str, words: str) -> None:
        """It is not started again in this run."""
        self._set(name, state=GIVEN_UP, pid=0, words=words[:LONGEST_WORDS])

    def _set(self, name: str, **changes: object) -> None:
        part = self.parts[name]
        since = part.since if changes.get('state') == part.state else self._clock()
        self.parts[name] = replace(part, since=since, **changes)  # type: ignore[arg-type]
        self._write()

    def _write(self) -> None:
        text = json.dumps({name: asdict(part) for name, part in self.parts.items()}, indent=1)
        with contextlib.suppress(OSError):
            write_atomically(self._path, text + '\n')
