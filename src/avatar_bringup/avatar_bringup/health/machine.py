# SPDX-License-Identifier: Apache-2.0
"""
The computer the robot runs on, read from /proc and /sys. Nothing here needs privileges.

What a computer does not have (a temperature, the registers of a Raspberry Pi) is None.
"""

import ctypes
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from avatar_bringup.health.seen import Machine, Network

MB = 1_000_000
# In the kernel of Raspberry Pi OS, and in others' beside it.
THROTTLED = ('sys/devices/platform/soc/soc:firmware/get_throttled',
             'sys/devices/platform/soc/soc:firmware/raspberrypi-hwmon/get_throttled')
UNDERVOLTAGE_ALARM = 'in0_lcrit_alarm'
VCGENCMD_S = 2.0
_MODEM = re.compile(r'(wwan|wwp|ppp|usb)\d?')
# Of <linux/route.h> and <linux/if.h>.
_UP, _REJECT = 0x1, 0x200
_IFF_UP = 0x1
_TIME_ERROR = 5  # what adjtimex answers while nobody keeps the clock


def look(state_dir: Path, root: Path = Path('/')) -> Machine:
    """
    Read everything; takes some ms, and as long as the disk of the state folder takes.

    `root` is where proc and sys are looked for.
    """
    return Machine(
        disk_free_mb=disk_free_mb(state_dir), memory_free_mb=memory_free_mb(root),
        celsius=celsius(root), throttled=throttled(root), clock_is_set=clock_is_set(),
        wall_s=time.time(), networks=networks(root))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors='replace').strip()
    except OSError:
        return ''


def _number(path: Path) -> int | None:
    text = _text(path)
    try:
        return int(text, 0)
    except ValueError:
        return None


def disk_free_mb(folder: Path) -> int | None:
    """Return what may still be written where the folder is, or will be."""
    for place in (folder, *folder.parents):
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return found.f_bavail * found.f_frsize // MB
    return None


def memory_free_mb(root: Path) -> int | None:
    """Return what a program could still get."""
    found = re.search(r'^MemAvailable:\s+(\d+) kB', _text(root / 'proc/meminfo'), re.MULTILINE)
    return int(found[1]) * 1024 // MB if found else None


def celsius(root: Path) -> float | None:
    """Return the temperature of the hottest zone."""
    zones = [_number(path) for path in root.glob('sys/class/thermal/thermal_zone*/temp')]
    return max((zone / 1000 for zone in zones if zone is not None), default=None)


def throttled(root: Path) -> int | None:
    """Return the bits of a Raspberry Pi: 1 undervoltage, 2 frequency capped, 4 throttled."""
    for name in THROTTLED:
        text = _text(root / name)
        if text:
            try:
                return int(text, 16)
            except ValueError:
                continue
    alarms = [_number(path) for path in root.glob(f'sys/class/hwmon/hwmon*/{UNDERVOLTAGE_ALARM}')
              if _text(path.with_name('name')) == 'rpi_volt']
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


def networks(root: Path) -> tuple[Network, ...] | None:
    """Return the interfaces but for loopback; None where there is nothing to read."""
    folder = root / 'sys/class/net'
    if not folder.is_dir():
        return None
    with_route = _default_routes(root)
    found = []
    for path in sorted(folder.iterdir()):
        if path.name == 'lo' or not path.is_dir():
            continue
        flags = _number(path / 'flags') or 0
        is_up = bool(flags & _IFF_UP) and _text(path / 'operstate') in ('up', 'unknown')
        found.append(Network(
            name=path.name, up=is_up, is_modem=bool(_MODEM.match(path.name)),
            has_default_route=path.name in with_route,
            received=_number(path / 'statistics/rx_bytes') or 0,
            sent=_number(path / 'statistics/tx_bytes') or 0))
    return tuple(found)


def _default_routes(root: Path) -> set[str]:
    """Return the interfaces by which everywhere can be reached."""
    found = set()
    for line in _text(root / 'proc/net/route').splitlines()[1:]:
        words = line.split()
        if len(words) > 7 and words[1] == words[7] == '00000000' and int(words[3], 16) & _UP:
            found.add(words[0])
    for line in _text(root / 'proc/net/ipv6_route').splitlines():
        words = line.split()
        if len(words) == 10 and words[0] == '0' * 32 and words[1] == '00' and (
                words[9] != 'lo' and not int(words[8], 16) & _REJECT):
            found.add(words[9])
    return found
