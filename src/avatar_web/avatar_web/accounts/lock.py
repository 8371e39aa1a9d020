# SPDX-License-Identifier: Apache-2.0
"""A lock file: held by one process, let go by the kernel when it ends, however it ends."""

import errno
import fcntl
import os
import time
from pathlib import Path


class Held(RuntimeError):
    """Another process holds the lock; the text names it."""

    def __init__(self, path: Path, pid: int) -> None:
        who = f'pid {pid} ({command_of(pid)})' if pid else 'another process'
        super().__init__(f'{path} is held by {who}')
        self.pid = pid


def command_of(pid: int) -> str:
    """Return the command line of a process, or '?'."""
    try:
        words = Path(f'/proc/{pid}/cmdline').read_bytes().split(b'\0')
    except OSError:
        return '?'
    return b' '.join(words).decode('utf-8', 'replace').strip()[:100] or '?'


class Lock:
    """`with Lock(path, wait_s):` holds it; Held after `wait_s` of trying."""

    def __init__(self, path: Path, wait_s: float = 0.0) -> None:
        self._path, self._wait_s = path, wait_s
        self._fd = -1

    def acquire(self) -> None:
        """
        Take the lock.

        In a folder that cannot be written there is nothing to protect: then without a lock file.
        """
        self._fd = self._open()
        deadline = time.monotonic() + self._wait_s
        while self._fd >= 0:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    pid = self._holder()
                    self.release()
                    raise Held(self._path, pid) from None
                time.sleep(0.05)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            if problem.errno not in (errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT):
                raise
        try:
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1

    def _holder(self) -> int:
        """Return the pid that the kernel lists for the lock, 0 if it lists none."""
        inode = str(os.fstat(self._fd).st_ino)
        try:
            lines = Path('/proc/locks').read_text().splitlines()
        except OSError:
            return 0
        for words in map(str.split, lines):
            if words[1] == 'FLOCK' and words[5].rsplit(':', 1)[1] == inode:
                return int(words[4])
        return 0

    def release(self) -> None:
        """Let go; nothing if not held. The file stays: removing it would race with a taker."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> 'Lock':
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
