# SPDX-License-Identifier: Apache-2.0
"""
What only root sees: who of all users holds a port or a device. `avatar look` writes it down.

It is run as root by the unit, before the start and when it is reloaded. It reads no file that
another user could write, and it writes one, beside which nothing of the folder matters.
"""

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from avatar_bringup.sockets import LISTEN, bound, inodes, pids
from avatar_bringup.who import Who, who
from avatar_node import root_look
from avatar_node.holders import holders_of
from avatar_node.root_look import FILE, Held, born

__all__ = ['FILE', 'Held', 'born', 'known', 'look', 'read', 'write']

DEVICES = ('ttyUSB*', 'ttyACM*', 'ttyAMA*', 'video*', 'snd/pcm*')


def look(ports: Iterable[int], dev: Path = Path('/dev')) -> list[Held]:
    """Return who holds these ports, and every serial port, camera and sound card."""
    wanted = set(ports)
    found: set[tuple[str, int]] = set()
    sockets = {s.inode: f'{s.protocol.rstrip("6")} {s.port}' for s in bound()
               if s.port in wanted and (s.state == LISTEN or s.protocol.startswith('udp'))}
    for pid in pids() if sockets else ():
        found |= {(sockets[inode], pid) for inode in inodes(pid) if inode in sockets}
    devices = [str(path) for pattern in DEVICES for path in sorted(dev.glob(pattern))]
    found |= {(device, holder.pid) for device, holders in holders_of(devices).items()
              for holder in holders}
    result = []
    for what, pid in sorted(found):
        holder = who(pid)
        result.append(Held(what, pid, holder.command, holder.unit, holder.of_user, born(pid)))
    return result


def write(held: Iterable[Held], file: Path = FILE) -> None:
    """Write what was seen for everybody to read. The folder may belong to another user."""
    file.parent.mkdir(mode=0o755, exist_ok=True)
    # A new file each time, and a rename: whatever stands at that name is not followed.
    descriptor, beside = tempfile.mkstemp(dir=file.parent, prefix='.holders-')
    with os.fdopen(descriptor, 'w') as text:
        json.dump([asdict(one) for one in held], text, indent=1)
        os.fchmod(descriptor, 0o644)
    os.replace(beside, file)


def read(file: Path = FILE) -> dict[str, list[Who]]:
    """Return who holds what, of those who are still there; empty where nothing was written."""
    result: dict[str, list[Who]] = {}
    for one in root_look.read(file):
        result.setdefault(one.what, []).append(known(one))
    return result


def known(held: Held) -> Who:
    """Return the process, as a person would know it."""
    return Who(held.pid, held.command, held.unit, held.of_user, foreign=os.geteuid() != 0)
