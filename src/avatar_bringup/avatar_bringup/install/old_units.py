# SPDX-License-Identifier: Apache-2.0
"""Units of other installations that start the same: found and named, never touched."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The first robot's units, and the general name under which a package brings MediaMTX.
KNOWN = ('avatar-tank', 'avatar-tank-advanced', 'avatar-media', 'avatar-mediamtx', 'mediamtx')
STARTS_THE_SAME = re.compile(
    r'^\s*Exec(?:Start|StartPre|StartPost)\s*=.*(?:avatar (?:run|up|demo)\b|avatar\.launch\.py'
    r'|mediamtx|start_avatar|avatar_(?:motor|web|bringup))', re.MULTILINE)
FOLDERS = ('etc/systemd/system', 'run/systemd/system', 'usr/local/lib/systemd/system',
           'lib/systemd/system', 'usr/lib/systemd/system')


@dataclass(frozen=True)
class OldUnit:
    """A unit file, and whether it starts at boot."""

    name: str
    path: Path
    enabled: bool

    def __str__(self) -> str:
        return f'{self.name} ({"starts at boot" if self.enabled else "not enabled"}, {self.path})'

    @property
    def disable(self) -> str:
        """Return the command that keeps it from starting, now and later."""
        return f'systemctl disable --now {self.name}'


def starts_the_same(name: str, text: str) -> bool:
    """Return whether a unit of another name runs what we run."""
    stem = name.removesuffix('.service')
    return stem != 'avatar' and (stem in KNOWN or bool(STARTS_THE_SAME.search(text)))


def old_units(root: Path) -> Iterator[OldUnit]:
    """Yield them, each once."""
    seen = set()
    for folder in (root / f for f in FOLDERS):
        for path in sorted(folder.glob('*.service')):
            if path.name in seen:
                continue
            seen.add(path.name)
            try:
                text = path.read_text(errors='replace')
            except OSError:
                continue  # a link that leads nowhere, or to /dev/null: masked
            if starts_the_same(path.name, text):
                enabled = any(True for f in FOLDERS[:2]
                              for _ in (root / f).glob(f'*.wants/{path.name}'))
                yield OldUnit(path.name, path, enabled)
