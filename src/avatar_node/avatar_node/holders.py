# SPDX-License-Identifier: Apache-2.0
"""Which other processes have a device open, so that a person can be told. Nothing is opened."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

LONGEST_COMMAND = 120
_PTY_MAJORS = range(136, 144)


@dataclass(frozen=True)
class Holder:
    """A process, as a person would know it."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f'pid {self.pid} ({self.command})'


def holders(device: str, proc_dir: str = '/proc') -> list[Holder]:
    """
    List the other processes that have the device open, as far as we may look; by pid.

    Other users' are seen by root only. A container may call the device as it likes, and may have
    another one of the same name.
    """
    try:
        wanted = _identity(os.stat(device))
    except OSError:
        return []
    found = []
    for entry in os.listdir(proc_dir):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with os.scandir(f'{proc_dir}/{entry}/fd') as fds:
                held = any(_is(fd.path, wanted) for fd in fds)
        except OSError:
            continue  # ended, or another user's
        if held:
            found.append(Holder(int(entry), _command(Path(proc_dir, entry, 'cmdline'))))
    return sorted(found, key=lambda holder: holder.pid)


def _identity(about: os.stat_result) -> tuple[int, ...]:
    """Return what one device has and no other, whatever its names are."""
    major = os.major(about.st_rdev)
    if stat.S_ISCHR(about.st_mode) and major not in _PTY_MAJORS:
        return (about.st_rdev,)
    # Each container numbers its pseudo terminals anew.
    return about.st_dev, about.st_ino


def _is(path: str, wanted: tuple[int, ...]) -> bool:
    try:
        # Only devices are looked at: to ask about a file on a lost network disk may take for ever.
        return os.readlink(path).startswith('/dev/') and _identity(os.stat(path)) == wanted
    except OSError:
        return False


def _command(path: Path) -> str:
    try:
        words = path.read_bytes().split(b'\0')
    except OSError:
        return '?'
    text = b' '.join(words).decode('utf-8', 'replace').strip()
    return text[:LONGEST_COMMAND] or '?'
