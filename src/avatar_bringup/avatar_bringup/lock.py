# SPDX-License-Identifier: Apache-2.0
"""The lock in the state folder: one running avatar per state folder, however it was started."""

import errno
import fcntl
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

from avatar_bringup.who import way_out, who

# What a service manager must not try again (RestartPreventExitStatus).
EXIT_TAKEN = 78
# `avatar run` takes the lock, and what it becomes goes on holding it, by this descriptor.
FD_VARIABLE = 'AVATAR_LOCK_FD'


class Taken(RuntimeError):
    """Something only one copy may hold is held; the text names the holder."""


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


def finish_restore(state_dir: Path) -> None:
    """Go on with a restore that was interrupted, before anybody reads the folder."""
    if not (state_dir / 'restore').exists():
        return
    from avatar_bringup.care import switch
    try:
        said = switch.finish(state_dir)
    except (OSError, ValueError) as problem:
        said = f'a restore that was interrupted cannot go on: {problem}. Repair that, start again'
    print(f'avatar: {said}', file=sys.stderr, flush=True)


class Lock:
    """The kernel holds it, so a crash releases it and nothing has to be cleaned up."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / 'lock'
        self._file = -1

    def take(self, environ: MutableMapping[str, str] | None = None) -> None:
        """
        Take the lock or raise Taken; in a folder that was always read-only there is none.

        `environ` may say that it was taken before we became this program (`hand_on`).
        """
        given = (environ or {}).get(FD_VARIABLE, '')
        if environ is not None and given:
            del environ[FD_VARIABLE]
        self._file = self._adopted(given)
        if self._file < 0:
            self._file = self._opened()
        if self._file < 0:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = holder(self.path)
            self.release()
            named = who(pid)
            way = way_out(named, who(os.getpid()), hidden=f'sudo fuser -v {self.path}')
            raise Taken(
                f'avatar is already running on {self.path.parent}: {named} holds {self.path}; '
                f'to end it: {way} (or set AVATAR_STATE_DIR to another folder)') from None
        finish_restore(self.path.parent)

    def _opened(self) -> int:
        """Return a descriptor, -1 where there is no lock and none can be made."""
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT):
                raise
        try:
            # A folder that became read-only still has its lock.
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return -1

    def _adopted(self, given: str) -> int:
        """Return the descriptor we were started with, -1 if it is not this lock's."""
        try:
            file = int(given)
            if os.path.samestat(os.fstat(file), os.stat(self.path)):
                os.set_inheritable(file, False)
                return file
        except (OSError, ValueError):
            pass
        return -1

    def hand_on(self, environ: MutableMapping[str, str]) -> None:
        """Let the program this process becomes hold it."""
        if self._file >= 0:
            os.set_inheritable(self._file, True)
            environ[FD_VARIABLE] = str(self._file)

    def release(self) -> None:
        """Let go; harmless when nothing is held."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
