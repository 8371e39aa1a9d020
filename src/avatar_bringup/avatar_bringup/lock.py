# SPDX-License-Identifier: Apache-2.0
"""The lock in the state folder: one running avatar per state folder, however it was started."""

import errno
import fcntl
import os
from pathlib import Path

from avatar_bringup.sockets import command_line

# What a service manager must not try again (RestartPreventExitStatus).
EXIT_TAKEN = 78


class Taken(RuntimeError):
    """Something only one copy may hold is held; the text names the holder."""


def described(pid: int) -> str:
    """Return 'pid 1234 (command line)', as far as it may be seen."""
    command = command_line(pid) if pid else ''
    return f'pid {pid or "unknown"} ({command or "its command line cannot be seen"})'


def holder(path: Path, locks: Path = Path('/proc/locks')) -> int:
    """Return the pid that holds the lock on `path`, 0 where the kernel does not tell."""
    try:
        inode = os.stat(path).st_ino
        lines = locks.read_text().splitlines()
    except FileNotFoundError:
        return 0
    for line in lines:
        fields = line.split()
        # "1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF"; a waiter has "->" after the number
        if fields[1:2] == ['FLOCK'] and int(fields[5].rsplit(':', 1)[1]) == inode:
            return int(fields[4])
    return 0


class Lock:
    """The kernel holds it, so a crash releases it and nothing has to be cleaned up."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / 'lock'
        self._file = -1

    def take(self) -> None:
        """Take the lock or raise Taken; in a folder that was always read-only there is none."""
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT):
                raise
            try:
                # A folder that became read-only still has its lock.
                self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = holder(self.path)
            self.release()
            end = f'end it with: kill -INT {pid}' if pid else 'find it with: fuser'
            raise Taken(
                f'avatar is already running on {self.path.parent}: {described(pid)} '
                f'holds {self.path}; {end}, or set AVATAR_STATE_DIR to another folder') from None

    def release(self) -> None:
        """Let go; harmless when nothing is held."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
