# SPDX-License-Identifier: Apache-2.0
"""
`avatar doctor`: everything that is looked at before a start and while it runs, at once.

It changes nothing, and needs nothing of what it judges: each look that fails is told, and the
others go on. What it looks at is in checks.py.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from avatar_bringup import paths
from avatar_bringup.care import checks
from avatar_bringup.care.checks import Check, Level

EXIT_CODES = {Level.GOOD: 0, Level.LOOK: 1, Level.BAD: 2}
MARKS = {Level.GOOD: 'ok', Level.LOOK: 'LOOK', Level.BAD: 'BAD'}


def run(options: argparse.Namespace) -> int:
    """Print every check; return 0 if all is well, 1 if something is to be looked at, 2 if bad."""
    state_dir = options.state_dir or paths.state_dir(os.environ)
    found = examine(state_dir, os.environ)
    if options.json:
        print(json.dumps([{**asdict(one), 'level': one.level.value} for one in found], indent=1))
    else:
        print(screen(found, sys.stdout.isatty()))
        if os.geteuid() != 0:
            print('\nAs root (sudo avatar doctor) it sees what other users hold, too.')
    return EXIT_CODES[worst(found)]


def examine(state_dir: Path, environ: Mapping[str, str]) -> list[Check]:
    """Look at everything; a look that fails is a finding itself."""
    patient = checks.Patient(state_dir, environ)
    found: list[Check] = []
    for look in checks.LOOKS:
        try:
            found += look(patient)
        except Exception as error:  # noqa: BLE001 - the others are as interesting
            found.append(Check(Level.LOOK, look.__name__.replace('_', ' '),
                               f'could not be looked at: {type(error).__name__}: {error}'))
    return found


def worst(found: list[Check]) -> Level:
    """Return how bad it is."""
    return max((one.level for one in found), key=list(Level).index, default=Level.GOOD)


def screen(found: list[Check], colours: bool = False) -> str:
    """Return what a person reads: each check, its next step below it, and what to do first."""
    lines = []
    for one in found:
        mark = f'{MARKS[one.level]:5}'
        if colours and one.level is not Level.GOOD:
            mark = f'\x1b[{31 if one.level is Level.BAD else 33}m{mark}\x1b[0m'
        lines.append(f'{mark} {one.what:16} {one.text}')
        if one.do:
            lines.append(f'{"":22} -> {one.do}')
    counts = {level: sum(one.level is level for one in found) for level in Level}
    lines.append('')
    if worst(found) is Level.GOOD:
        lines.append(f'All {len(found)} checks are well.')
    else:
        lines.append(f'{counts[Level.BAD]} bad, {counts[Level.LOOK]} to look at, '
                     f'{counts[Level.GOOD]} well.')
    return '\n'.join(lines)
