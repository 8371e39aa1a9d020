# SPDX-License-Identifier: Apache-2.0
"""Which serial port is the board's. Nothing here opens a port.

A port is known by its link in /dev/serial/by-id, because ttyUSB numbers change, and only
USB bridges that motor boards have are candidates: a 4G modem is a serial port too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avatar_node.holders import Holder

BY_ID_DIR = '/dev/serial/by-id'

# USB vendors: Silicon Labs CP210x, QinHeng CH34x, FTDI, Espressif.
KNOWN_VENDORS = frozenset({'10c4', '1a86', '0403', '303a'})
# The same by the names udev gives, for where sysfs does not say (containers).
_KNOWN_NAMES = re.compile(r'usb-(Silicon_Labs|1a86|QinHeng|FTDI|Espressif)_', re.IGNORECASE)


@dataclass(frozen=True)
class Candidate:
    path: str  # the link in by-id
    device: str  # what it leads to now


@dataclass(frozen=True)
class PortProblem:
    """Why no port was chosen: a code for programs, a sentence for people."""

    code: str
    reason: str


def candidates(by_id_dir: str = BY_ID_DIR, sys_dir: str = '/sys') -> list[Candidate]:
    """List the by-id links of known USB bridges, one per device, sorted by name."""
    found: dict[str, Candidate] = {}
    try:
        names = sorted(os.listdir(by_id_dir))
    except OSError:
        return []
    for name in names:
        path = os.path.join(by_id_dir, name)
        device = os.path.realpath(path)
        if os.path.exists(device) and _is_known(name, device, sys_dir):
            found.setdefault(device, Candidate(path, device))
    return list(found.values())


def _is_known(name: str, device: str, sys_dir: str) -> bool:
    vendor = _usb_vendor(device, sys_dir)
    return vendor in KNOWN_VENDORS if vendor else bool(_KNOWN_NAMES.match(name))


def _usb_vendor(device: str, sys_dir: str) -> str:
    """Ask the kernel for the USB vendor of a tty; '' where it does not tell."""
    try:
        folder = Path(sys_dir, 'class/tty', os.path.basename(device), 'device').resolve()
        for parent in (folder, *folder.parents):
            vendor = parent / 'idVendor'
            if vendor.is_file():
                return vendor.read_text().strip().lower()
    except OSError:
        pass
    return ''


def choose(
    port: str, found: Sequence[Candidate], by_id_dir: str = BY_ID_DIR, before: str = ''
) -> str | PortProblem:
    """Return the path to open: the named port, or the only candidate.

    Where a board was found before, another adapter is not taken for it: what is left after the
    board was unplugged may be anything.
    """
    if port:
        path = port if '/' in port else os.path.join(by_id_dir, port)
        if os.path.exists(path):
            return path
        also = f'; plugged in: {_listed(found)}' if found else ''
        return PortProblem('port_missing', f'{path} does not exist: plug the board in{also}')
    if len(found) == 1 and before and found[0].path != before:
        return PortProblem(
            'other_port',
            f'{_listed(found)} is not the board that was here before: plug in {before}, '
            'or call motor/reconnect to try this one',
        )
    if len(found) == 1:
        return found[0].path
    if found:
        return PortProblem(
            'several_ports',
            f'{len(found)} boards could be meant, none was opened: {_listed(found)}; '
            "set the parameter 'port' to one of them",
        )
    return PortProblem(
        'no_port',
        f'no USB serial adapter of a known kind (CP210x, CH34x, FTDI, Espressif) in {by_id_dir}: '
        "plug the board in, or set the parameter 'port'",
    )


def _listed(found: Sequence[Candidate]) -> str:
    return ', '.join(f'{one.path} ({one.device})' for one in found)


def held_problem(path: str, found: Sequence[Holder]) -> PortProblem:
    """Say who holds the port."""
    if not found:
        who = 'another process (of another user, not visible from here)'
    else:
        who = ', '.join(map(str, found))
    return PortProblem('port_held', f'{path} is held by {who}: it is taken when it is free')
