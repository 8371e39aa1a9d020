# SPDX-License-Identifier: Apache-2.0
"""
What root saw and nobody else sees: who of all users holds a port or a device.

`avatar look` writes it down, run as root by the unit; every part may read it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path('/run/avatar/holders.json')


@dataclass(frozen=True)
class Held:
    """A port ('tcp 8554') or device ('/dev/ttyUSB0') and who has it."""

    what: str
    pid: int
    command: str
    unit: str
    of_user: bool
    born: int
    """When the process started, as the kernel counts: another one may get its pid."""


def born(pid: int, proc: Path = Path('/proc')) -> int:
    """Return when a process started, in ticks since the boot; 0 where there is none."""
    try:
        return int((proc / str(pid) / 'stat').read_text().rpartition(')')[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def read(file: Path = FILE) -> list[Held]:
    """Return who holds what, of those who are still there; empty where nothing was written."""
    try:
        written: list[dict[str, Any]] = json.loads(file.read_text())
        seen = [Held(**values) for values in written]
    except (OSError, ValueError, TypeError):
        return []
    return [one for one in seen if one.born and born(one.pid) == one.born]
