# SPDX-License-Identifier: Apache-2.0
"""How the computer of the robot is, as an admin is told; what it does not have is null."""

import os
import time
from pathlib import Path
from typing import Any

from avatar_node import machine
from avatar_web.door import host_names

# Of a Raspberry Pi: now, and since it was started.
UNDERVOLTAGE, THROTTLED = 0x1, 0x2 | 0x4 | 0x8
SINCE_START = 16


def look(state_dir: Path, root: Path = Path('/')) -> dict[str, Any]:
    """Read everything; takes some ms, and as long as the disk of the state folder takes."""
    bits = machine.throttled(root)
    try:
        load = round(os.getloadavg()[0], 2)
    except OSError:
        load = None
    return {
        'model': model(root), 'celsius': machine.celsius(root), 'load': load,
        'cores': os.cpu_count(), 'uptime_s': uptime_s(root),
        'memory_mb': machine.memory_mb(root), 'memory_free_mb': machine.memory_free_mb(root),
        'disk_mb': machine.disk_mb(state_dir), 'disk_free_mb': machine.disk_free_mb(state_dir),
        'undervoltage': _ever(bits, UNDERVOLTAGE), 'throttled': _ever(bits, THROTTLED),
        'time': round(time.time()), 'clock_is_set': machine.clock_is_set(),
        'addresses': [{'interface': name, 'addresses': addresses}
                      for name, addresses in host_names.addresses_by_interface().items()],
    }


def model(root: Path) -> str:
    """Return what computer it is; '' where it does not say."""
    return machine.text(root / 'proc/device-tree/model').rstrip('\0')[:80]


def uptime_s(root: Path) -> int | None:
    """Return how long ago it was started."""
    words = machine.text(root / 'proc/uptime').split()
    try:
        return int(float(words[0]))
    except (IndexError, ValueError):
        return None


def _ever(bits: int | None, mask: int) -> str | None:
    """Return 'now', 'before' (since the start) or 'never'; None where it is not known."""
    if bits is None:
        return None
    if bits & mask:
        return 'now'
    return 'before' if bits >> SINCE_START & mask else 'never'
