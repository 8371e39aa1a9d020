# SPDX-License-Identifier: Apache-2.0
"""How often a row of the matrix is run, how it is judged, and where its times are kept."""

import json
import os
import platform
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.host_watch import HostWatch
from tests.runaway import LIMITS_S, show, table
from tests.wheels import NothingMeasured

REPEATS = int(os.environ.get('AVATAR_MATRIX_REPEATS', '3'))
ATTEMPTS = 5
DISTURBED_S = 0.020
"""A machine that kept a thread from running for so long says nothing about the robot."""
FIGURES = Path(__file__).resolve().parents[1] / '.cache/figures/runaway.json'

Part = dict[str, Any]
_parts: list[Part] = []


class Times:
    """The stop times of one test file; at its end they join those of the other files."""

    def __init__(self) -> None:
        self.times_s: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.disturbed: list[str] = []
        self._watch = HostWatch()

    def add(self, name: str, motion: str, seconds: float) -> None:
        """Note one time."""
        assert name in LIMITS_S, f'no limit for {name}'
        self.times_s[name, motion].append(seconds)

    def repeat(self, name: str, motion: str, once: Callable[[int], float]) -> None:
        """Run a row REPEATS times and judge all its times; `once` gets the number of the run."""
        for number in range(REPEATS):
            for attempt in range(ATTEMPTS):
                try:
                    self._watch.reset()
                    seconds = once(number)
                    last = attempt == ATTEMPTS - 1
                    if self._is_explained(seconds - LIMITS_S[name]) and not last:
                        self.disturbed.append(
                            f'{name}, {motion}: {seconds * 1e3:.0f} ms while the machine stood '
                            f'still for {self._watch.worst_s * 1e3:.0f} ms: run again')
                        continue
                    self.add(name, motion, seconds)
                    break
                except NothingMeasured:
                    # The robot stood before the event: a pass that this machine made late was
                    # thrown away. That is a stop too, but not the one asked for.
                    if attempt == ATTEMPTS - 1:
                        raise
                    self.disturbed.append(
                        f'{name}, {motion}: it stood before the event, the machine stood still '
                        f'for {self._watch.worst_s * 1e3:.0f} ms: run again')
        self.judge(name, motion)

    def _is_explained(self, excess_s: float) -> bool:
        """Return whether the machine alone held everything up for at least the excess."""
        return 0 < excess_s <= self._watch.worst_s and self._watch.worst_s > DISTURBED_S

    def judge(self, name: str, motion: str) -> None:
        """Fail if one time of this row was over its limit: not one miss is allowed."""
        times_s, limit_s = self.times_s[name, motion], LIMITS_S[name]
        late = [f'{s * 1e3:.0f}' for s in times_s if s > limit_s]
        assert not late, (
            f'{name}, {motion}: {len(late)} of {len(times_s)} later than {limit_s * 1e3:.0f} ms: '
            f'{", ".join(late)} ms (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)')

    def __enter__(self) -> 'Times':
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.end()
        add({'times': [[*key, values] for key, values in self.times_s.items()],
             'disturbed': self.disturbed})


def add(part: Part) -> None:
    """Take what a file measured, in this process or in a worker of it."""
    _parts.append(part)


def parts() -> list[Part]:
    """Return what was measured in this process; plain data, to be sent."""
    return _parts


def _about() -> dict[str, Any]:
    return {'date': time.strftime('%Y-%m-%d %H:%M'), 'load': os.getloadavg(),
            'machine': f'{platform.machine()}, {os.cpu_count()} cores'}


def finish() -> str:
    """Keep the figures of this run; return their table and one line of JSON, '' if none."""
    times_s: dict[tuple[str, str], list[float]] = {}
    for part in _parts:
        for name, motion, values in part['times']:
            times_s.setdefault((name, motion), []).extend(values)
    rows = sorted(table(times_s), key=lambda r: (list(LIMITS_S).index(r['row']), r['motion']))
    if not rows:
        return ''
    _keep(rows)
    disturbed = [line for part in _parts for line in part['disturbed']]
    runs, misses = sum(r['n'] for r in rows), sum(r['misses'] for r in rows)
    return '\n'.join([
        *disturbed, '', show(rows), '',
        f'{runs} runs, {misses} too late; {len(disturbed)} more were run again because the '
        f'machine stood still', '',
        json.dumps({'bench': 'matrix', **_about(), 'repeats': REPEATS, 'runs': runs,
                    'misses': misses, 'run_again': len(disturbed), 'rows': rows})])


def _keep(rows: list[dict[str, Any]]) -> None:
    new = {(r['row'], r['motion']) for r in rows}
    old = json.loads(FIGURES.read_text())['rows'] if FIGURES.exists() else []
    rows = [r for r in old if (r['row'], r['motion']) not in new] + rows
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps({**_about(), 'rows': rows}) + '\n')
