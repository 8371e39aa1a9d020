# SPDX-License-Identifier: Apache-2.0
"""
Other units that start the same: read from the unit files, so that it needs nobody's permission.

A unit is running if a process is in its cgroup; it is enabled if a target wants it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avatar_bringup.sockets import pids
from avatar_bringup.who import OUR_UNIT, unit_of

# The first folder that has a unit's file decides, as for systemd.
FOLDERS = ('etc/systemd/system', 'run/systemd/system', 'run/systemd/transient',
           'run/systemd/generator', 'usr/local/lib/systemd/system', 'usr/lib/systemd/system',
           'lib/systemd/system')
# The first robot's, whatever they start.
OLD_NAMES = ('avatar-tank', 'avatar-media', 'avatar-mediamtx', 'avatar-tank-advanced', 'mediamtx')
_OURS = re.compile(
    r'\bavatar\s+(run|up|demo)\b|avatar\.launch\.py|\bavatar_(bringup|motor|web|camera|audio)\b'
    r'|\bmediamtx|\brosbridge_websocket|\bv4l2_camera')


@dataclass(frozen=True)
class Unit:
    """Another unit that starts what we start; `pid` is one of its processes, 0 if none runs."""

    name: str
    enabled: bool
    pid: int


def others(root: Path = Path('/')) -> list[Unit]:
    """Return the units other than ours that start the same and are enabled, or run."""
    proc = root / 'proc'
    found = {name: file for name, file in files(root).items()
             if name != OUR_UNIT and starts_the_same(name, text_of(name, file, root))}
    if not found:
        return []
    enabled = set(wanted(root))
    running: dict[str, int] = {}
    for pid in pids(proc):
        running.setdefault(unit_of(pid, proc)[0], pid)
    units = [Unit(name, name in enabled, running.get(name, 0)) for name in sorted(found)]
    return [unit for unit in units if unit.enabled or unit.pid]


def files(root: Path) -> dict[str, Path]:
    """Return the file of each service; a masked one has none."""
    result: dict[str, Path] = {}
    for folder in FOLDERS:
        place = root / folder
        for file in place.glob('*.service') if place.is_dir() else ():
            result.setdefault(file.name, file)
    return {name: file for name, file in result.items() if file.resolve() != Path('/dev/null')}


def text_of(name: str, file: Path, root: Path) -> str:
    """Return what a unit's file says, and what was added to it."""
    additions = [addition for folder in FOLDERS
                 for addition in sorted((root / folder / f'{name}.d').glob('*.conf'))]
    text = ''
    for part in (file, *additions):
        try:
            text += part.read_text(errors='replace') + '\n'
        except OSError:
            continue
    return text.replace('\\\n', ' ')


def starts_the_same(name: str, text: str) -> bool:
    """Return whether a unit starts one of our programs, or is one of the first robot's."""
    if name.removesuffix('.service') in OLD_NAMES:
        return True
    lines = re.findall(r'^\s*ExecStart\s*=(.*)$', text, re.MULTILINE)
    return any(_OURS.search(line) for line in lines)


def wanted(root: Path) -> Iterator[str]:
    """Yield the services that something wants at boot."""
    for folder in FOLDERS:
        for kind in ('wants', 'requires'):
            for link in (root / folder).glob(f'*.{kind}/*.service'):
                yield link.name
