# SPDX-License-Identifier: Apache-2.0
"""
The runaway matrix as a test: each row of `tests/runaway.py`, forward and spinning, 0 misses.

AVATAR_MATRIX_REPEATS says how often (3; 50 in `make matrix`). The times are written to
`.cache/figures/runaway.json`, which `make bench-drive` shows.
"""

import os
import platform
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runaway import LIMITS_S, MOTIONS, ROWS, Run, dump, show, table
from tests.stack import Stack

REPEATS = int(os.environ.get('AVATAR_MATRIX_REPEATS', '3'))
FIGURES = Path(__file__).resolve().parents[1] / '.cache/figures/runaway.json'

TIMES_S: dict[tuple[str, str], list[float]] = defaultdict(list)


@pytest.fixture(scope='module', autouse=True)
def figures() -> Iterator[None]:
    """Write the table at the end, whatever failed."""
    yield
    rows = table(TIMES_S)
    if rows:
        print('\n' + show(rows))
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        FIGURES.write_text(dump(
            rows, date=time.strftime('%Y-%m-%d %H:%M'), repeats=REPEATS,
            machine=f'{platform.machine()}, {os.cpu_count()} cores',
            load=os.getloadavg()) + '\n')


def repeat(stack: Stack, name: str, motion: str) -> None:
    """Run a row REPEATS times and judge all its times together."""
    load = os.getloadavg()[0]
    for number in range(REPEATS):
        stack.rest()
        run = Run(stack, motion, number=number)
        with run.cleanup:
            TIMES_S[name, motion].append(ROWS[name](run))
            stack.close_operators()
    late = [f'{s * 1e3:.0f}' for s in TIMES_S[name, motion] if s > LIMITS_S[name]]
    assert not late, (
        f'{name}, {motion}: {len(late)} of {REPEATS} later than {LIMITS_S[name] * 1e3:.0f} ms: '
        f'{", ".join(late)} ms (load {load:.1f} before, {os.getloadavg()[0]:.1f} after)')


@pytest.mark.parametrize('motion', MOTIONS)
@pytest.mark.parametrize('name', ROWS)
def test_the_wheels_stop_in_time_and_stay(stack: Stack, name: str, motion: str) -> None:
    repeat(stack, name, motion)
