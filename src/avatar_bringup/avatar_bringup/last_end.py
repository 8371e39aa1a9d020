# SPDX-License-Identifier: Apache-2.0
"""
How the last run ended, so that the next one can tell.

`run/ended.json` is `{"result": word, "code": word, "status": text, "at": unix time}`. A run marks
itself as `running` when it has the lock (with the boot it belongs to), and its end as `success`
when it was asked to end, else what happened; under systemd the unit writes the same at the end
(ExecStopPost), in systemd's words, whatever became of us. What the next run found there is kept
in `run/start.json`.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avatar_node import store

SUCCESS, RUNNING, GIVEN_UP = 'success', 'running', 'given-up'
BOOT_ID = Path('/proc/sys/kernel/random/boot_id')


@dataclass(frozen=True)
class BadEnd:
    """
    The run before did not end in order.

    `cut_off`: the whole computer went with it. `count`: how many starts in a row found that.
    `at_s` is the unix time of the start that found it, and its name.
    """

    result: str
    cut_off: bool
    count: int
    at_s: float


def begin(state_dir: Path, wall_s: float | None = None) -> BadEnd | None:
    """Mark a run as running; return what was wrong with the end of the one before, if it was."""
    run = state_dir / 'run'
    at_s = time.time() if wall_s is None else wall_s
    boot = _boot()
    last, start = _read(run / 'ended.json'), _read(run / 'start.json')
    result = str(last.get('result', SUCCESS))[:40]
    bad = None
    if result != SUCCESS:
        before = start.get('bad')
        count = before.get('count', 0) if isinstance(before, dict) else 0
        bad = BadEnd(result, result == RUNNING and last.get('boot') != boot,
                     (count if type(count) is int else 0) + 1, at_s)
    _write(run / 'start.json', {'at': at_s, 'bad': bad and vars(bad)})
    _write(run / 'ended.json', {
        'result': RUNNING, 'code': '', 'status': '', 'at': at_s, 'boot': boot})
    return bad


def mark(state_dir: Path, result: str, status: int) -> None:
    """Mark the end of this run; `status` is its exit code."""
    _write(state_dir / 'run' / 'ended.json', {
        'result': result, 'code': 'exited', 'status': str(status), 'at': time.time()})


def of_this_start(state_dir: Path) -> BadEnd | None:
    """Return what this run found when it began."""
    bad = _read(state_dir / 'run' / 'start.json').get('bad')
    try:
        return BadEnd(str(bad['result'])[:40], bool(bad['cut_off']), int(bad['count']),
                      float(bad['at_s'])) if isinstance(bad, dict) else None
    except (KeyError, TypeError, ValueError):
        return None


def _boot() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ''


def _read(path: Path) -> dict[str, Any]:
    try:
        return store.read(path)
    except (OSError, ValueError):
        return {}


def _write(path: Path, value: dict[str, Any]) -> None:
    # A folder that cannot be written remembers nothing; that is said elsewhere.
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        store.write(path, value)
    except OSError:
        return
