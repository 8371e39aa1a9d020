# SPDX-License-Identifier: Apache-2.0
"""
The last changes of the robot's health, kept in the state folder, over restarts.

`health/history.json`: {"changes": [the oldest first], "seen": unix time}. A change is a finding as
programs get it, with "at" (unix time), "came" (or went), and "now", the state of the robot then.
"""

import json
from collections import deque
from pathlib import Path
from typing import Any

from avatar_node import store

LENGTH = 100
SAVE_PERIOD_S = 5.0
"""Flapping must not wear the card out."""
SEEN_PERIOD_S = 600.0
LARGEST_BYTES = 1_000_000


def read(state_dir: Path) -> dict[str, Any]:
    """Return what is stored, nothing where it cannot be read: {"changes": [...], "seen": s}."""
    try:
        path = _path(state_dir)
        if path.stat().st_size <= LARGEST_BYTES:
            stored = json.loads(path.read_text())
            changes = [one for one in stored['changes'] if isinstance(one, dict)]
            return {'changes': changes[-LENGTH:], 'seen': float(stored.get('seen', 0.0))}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass
    return {'changes': [], 'seen': 0.0}


def _path(state_dir: Path) -> Path:
    return state_dir / 'health' / 'history.json'


class History:
    """The changes; `add` and `is_due` are quick, `save` waits for the disk."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        stored = read(state_dir)
        self._changes: deque[dict[str, Any]] = deque(stored['changes'], maxlen=LENGTH)
        self.latest_s: float = max(
            [stored['seen'], *(one['at'] for one in stored['changes']
                               if isinstance(one.get('at'), (int, float)))])
        """The newest unix time that was ever stored: it is certainly over."""
        self._saved_s = float('-inf')
        self._is_new = False
        self.problem = ''

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, change: dict[str, Any]) -> None:
        """Append one; the oldest goes."""
        self._changes.append(change)
        self._is_new = True

    def is_due(self, now_s: float) -> bool:
        """Return whether it should be saved now [s, CLOCK_MONOTONIC]."""
        waited_s = now_s - self._saved_s
        return waited_s >= (SAVE_PERIOD_S if self._is_new else SEEN_PERIOD_S)

    def save(self, now_s: float, wall_s: float) -> None:
        """Store all of it; `problem` says why that did not work. It is tried again."""
        self._saved_s, self._is_new = now_s, False
        path = _path(self._state_dir)
        # A clock that is wrong must not be taken for right after the next start.
        seen = max(self.latest_s, wall_s)
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            store.write(path, {'changes': list(self._changes), 'seen': round(seen)})
            self.problem = ''
        except OSError as error:
            self.problem = f'{path} cannot be written: {error.strerror or error}'
            self._is_new = True
