# SPDX-License-Identifier: Apache-2.0
"""
The computer the robot runs on, and its ways to others; see `avatar_node/machine.py`, too.

Nothing here needs privileges. `root` is where proc and sys are looked for.
"""

import re
import time
from pathlib import Path

from avatar_bringup.health.seen import Machine, Network
from avatar_node import machine as computer

_MODEM = re.compile(r'(wwan|wwp|ppp|usb)\d?')
# Of <linux/route.h> and <linux/if.h>.
_UP, _REJECT = 0x1, 0x200
_IFF_UP = 0x1


def look(state_dir: Path, root: Path = Path('/')) -> Machine:
    """Read everything; takes some ms, and as long as the disk of the state folder takes."""
    return Machine(
        disk_free_mb=computer.disk_free_mb(state_dir),
        memory_free_mb=computer.memory_free_mb(root), celsius=computer.celsius(root),
        throttled=computer.throttled(root), clock_is_set=computer.clock_is_set(),
        wall_s=time.time(), networks=networks(root))


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
        flags = computer.number(path / 'flags') or 0
        is_up = bool(flags & _IFF_UP) and computer.text(path / 'operstate') in ('up', 'unknown')
        found.append(Network(
            name=path.name, up=is_up, is_modem=bool(_MODEM.match(path.name)),
            has_default_route=path.name in with_route,
            received=computer.number(path / 'statistics/rx_bytes') or 0,
            sent=computer.number(path / 'statistics/tx_bytes') or 0))
    return tuple(found)


def _default_routes(root: Path) -> set[str]:
    """Return the interfaces by which everywhere can be reached."""
    found = set()
    for line in computer.text(root / 'proc/net/route').splitlines()[1:]:
        words = line.split()
        if len(words) > 7 and words[1] == words[7] == '00000000' and int(words[3], 16) & _UP:
            found.add(words[0])
    for line in computer.text(root / 'proc/net/ipv6_route').splitlines():
        words = line.split()
        if len(words) == 10 and words[0] == '0' * 32 and words[1] == '00' and (
                words[9] != 'lo' and not int(words[8], 16) & _REJECT):
            found.add(words[9])
    return found
