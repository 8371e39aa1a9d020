# SPDX-License-Identifier: Apache-2.0
"""
The computer a node runs on, read from /proc and /sys. Nothing here needs privileges.

What a computer does not have (a temperature, the registers of a Raspberry Pi) is None. `root` is
where proc and sys are looked for.
"""

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

MB = 1_000_000
# In the kernel of Raspberry Pi OS, and in others' beside it.
THROTTLED = ('sys/devices/platform/soc/soc:firmware/get_throttled',
             'sys/devices/platform/soc/soc:firmware/raspberrypi-hwmon/get_throttled')
UNDERVOLTAGE_ALARM = 'in0_lcrit_alarm'
VCGENCMD_S = 2.0
_TIME_ERROR = 5  # what adjtimex answers while nobody keeps the clock


def text(path: Path) -> str:
    """Return what stands in a small file; '' where it cannot be read."""
    try:
        return path.read_text(errors='replace').strip()
    except OSError:
        return ''


def number(path: Path) -> int | None:
    """Return the whole number that stands in a file."""
    try:
        return int(text(path), 0)
    except ValueError:
        return None


def disk_free_mb(folder: Path) -> int | None:
    """Return what may still be written where the folder is, or will be."""
    found = _disk(folder)
    return found.f_bavail * found.f_frsize // MB if found else None


def disk_mb(folder: Path) -> int | None:
    """Return how much the disk of a folder has room for."""
    found = _disk(folder)
    return found.f_blocks * found.f_frsize // MB if found else None


def _disk(folder: Path) -> os.statvfs_result | None:
    for place in (folder, *folder.parents):
        try:
            return os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def memory_free_mb(root: Path) -> int | None:
    """Return what a program could still get."""
    return _memory_mb(root, 'MemAvailable')


def memory_mb(root: Path) -> int | None:
    """Return how much memory there is."""
    return _memory_mb(root, 'MemTotal')


def _memory_mb(root: Path, name: str) -> int | None:
    found = re.search(rf'^{name}:\s+(\d+) kB', text(root / 'proc/meminfo'), re.MULTILINE)
    return int(found[1]) * 1024 // MB if found else None


def celsius(root: Path) -> float | None:
    """Return the temperature of the hottest zone."""
    zones = [number(path) for path in root.glob('sys/class/thermal/thermal_zone*/temp')]
    return max((zone / 1000 for zone in zones if zone is not None), default=None)


def throttled(root: Path) -> int | None:
    """Return the bits of a Raspberry Pi: 1 undervoltage, 2 frequency capped, 4 throttled."""
    for name in THROTTLED:
        words = text(root / name)
        if words:
            try:
                return int(words, 16)
            except ValueError:
                continue
    alarms = [number(path) for path in root.glob(f'sys/class/hwmon/hwmon*/{UNDERVOLTAGE_ALARM}')
              if text(path.with_name('name')) == 'rpi_volt']
    if alarms:
        return int(any(alarms))
    return _vcgencmd() if root == Path('/') and os.path.exists('/dev/vcio') else None


def _vcgencmd() -> int | None:
    program = shutil.which('vcgencmd')
    if program is None:
        return None
    try:
        said = subprocess.run([program, 'get_throttled'], capture_output=True, text=True,
                              timeout=VCGENCMD_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'throttled=0x([0-9a-fA-F]+)', said)
    return int(found[1], 16) if found else None


def clock_is_set(libc: Callable[[], ctypes.CDLL] = lambda: ctypes.CDLL(None)) -> bool | None:
    """Return whether somebody (timesyncd, chrony) keeps the clock, as the kernel knows it."""
    request = ctypes.create_string_buffer(512)  # struct timex, all zero: only asks
    try:
        answer: int = libc().adjtimex(request)
    except AttributeError:
        return None
    return None if answer < 0 else answer != _TIME_ERROR
