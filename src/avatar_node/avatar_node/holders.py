# SPDX-License-Identifier: Apache-2.0
"""Which other processes have a device open, so that a person can be told. Nothing is opened."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from avatar_node import root_look

LONGEST_COMMAND = 120
_PTY_MAJORS = range(136, 144)


@dataclass(frozen=True)
class Holder:
    """A process, as a person would know it."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f'pid {self.pid} ({self.command})'


def holders(
    device: str, proc_dir: str = '/proc', by_root: Path = root_look.FILE
) -> list[Holder]:
    """List the other processes that have the device open, as far as we or root looked; by pid."""
    seen = holders_of([device], proc_dir)[device]
    if seen:
        return seen
    name = os.path.realpath(device)
    return [Holder(one.pid, f'{one.command}{one.unit and f", unit {one.unit}"}')
            for one in root_look.read(by_root)
            if os.path.realpath(one.what) == name and not _may_look(one.pid, proc_dir)]


def _may_look(pid: int, proc_dir: str) -> bool:
    """Return whether we see ourselves what a process holds now; root's look is older."""
    try:
        os.listdir(f'{proc_dir}/{pid}/fd')
    except OSError:
        return False
    return True


def holders_of(devices: Iterable[str], proc_dir: str = '/proc') -> dict[str, list[Holder]]:
    """
    List for each device the other processes that have it open, as far as we may look; by pid.

    Other users' are seen by root only (see root_look). A container may call the device as it
    likes, and may have another one of the same name.
    """
    found: dict[str, list[Holder]] = {device: [] for device in devices}
    wanted: dict[tuple[int, ...], list[str]] = {}
    for device in found:
        try:
            wanted.setdefault(_identity(os.stat(device)), []).append(device)
        except OSError:
            continue
    pids = sorted(int(entry) for entry in os.listdir(proc_dir) if entry.isdigit())
    for pid in pids if wanted else ():
        if pid == os.getpid():
            continue
        try:
            with os.scandir(f'{proc_dir}/{pid}/fd') as fds:
                held = {_opened(fd.path) for fd in fds} & wanted.keys()
        except OSError:
            continue  # ended, or another user's
        for device in (device for identity in held for device in wanted[identity]):
            found[device].append(Holder(pid, _command(Path(proc_dir, str(pid), 'cmdline'))))
    return found


def _identity(about: os.stat_result) -> tuple[int, ...]:
    """Return what one device has and no other, whatever its names are."""
    major = os.major(about.st_rdev)
    if stat.S_ISCHR(about.st_mode) and major not in _PTY_MAJORS:
        return (about.st_rdev,)
    # Each container numbers its pseudo terminals anew.
    return about.st_dev, about.st_ino


def _opened(path: str) -> tuple[int, ...]:
    """Return the identity of the device an entry of /proc/PID/fd leads to, () if it is none."""
    try:
        # Only devices are looked at: to ask about a file on a lost network disk may take for ever.
        return _identity(os.stat(path)) if os.readlink(path).startswith('/dev/') else ()
    except OSError:
        return ()


def _command(path: Path) -> str:
    try:
        words = path.read_bytes().split(b'\0')
    except OSError:
        return '?'
    text = b' '.join(words).decode('utf-8', 'replace').strip()
    return text[:LONGEST_COMMAND] or '?'
