# SPDX-License-Identifier: Apache-2.0
"""
The folders of snapshots and recordings: listed, opened, deleted, by strict names only.

Names are matched before anything is asked of the file system, and everything is asked relative to
the open folder without following links: whatever somebody puts into a folder, nothing outside of
it can be read or deleted. All of it blocks, and is run in a thread.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MOST_LISTED = 1000

_NAME = r'avatar_[0-9]{8}_[0-9]{6}(_[0-9]{1,3})?'
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Kind:
    """What a folder holds; `own_thumbs` = files there have their thumbnail as NAME.jpg beside."""

    folder: str
    ending: str
    type: str
    own_thumbs: bool


SNAPSHOTS = Kind('snapshots', 'jpg', 'image/jpeg', own_thumbs=False)
RECORDINGS = Kind('recordings', 'mp4', 'video/mp4', own_thumbs=True)


@dataclass(frozen=True)
class Entry:
    """A file as it is listed; `time_s` is Unix time of its last change."""

    name: str
    size: int
    time_s: float
    has_thumb: bool


class NoSuchFile(ValueError):
    """A name that names no file here."""


class Opened:
    """An open file and what is known of it; to be closed."""

    def __init__(self, fd: int, status: os.stat_result) -> None:
        self.fd, self.size, self.time_s = fd, status.st_size, status.st_mtime
        self.etag = f'{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}'

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes at `offset`; b'' at the end."""
        return os.pread(self.fd, count, offset)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)


class Folder:
    """One of the two folders below the state folder; it need not exist."""

    def __init__(self, state_dir: Path, kind: Kind) -> None:
        self.kind = kind
        self._path = state_dir / kind.folder
        self._name = re.compile(rf'{_NAME}\.{kind.ending}', re.ASCII)

    def list(self) -> 'list[Entry]':
        """Return the newest files, the newest first; OSError if the folder cannot be read."""
        try:
            names = set(os.listdir(self._path))
        except FileNotFoundError:
            return []
        files = sorted(filter(self._name.fullmatch, names), reverse=True)[:MOST_LISTED]
        entries = []
        with self._folder() as folder:
            for name in files:
                with suppress(FileNotFoundError):
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        entries.append(Entry(name, status.st_size, status.st_mtime,
                                             self._thumb(name) in names))
        return entries

    def open(self, name: str) -> Opened:
        """Open a file; NoSuchFile if there is none of this name, OSError if it is unreadable."""
        self._check(name)
        return self._open(name)

    def open_thumb(self, name: str) -> Opened:
        """Open the small picture of a file; of a snapshot the snapshot itself."""
        self._check(name)
        return self._open(self._thumb(name))

    def delete(self, name: str) -> None:
        """Delete a file, and its small picture."""
        self._check(name)
        with self._folder() as folder:
            try:
                os.unlink(name, dir_fd=folder)
            except (FileNotFoundError, IsADirectoryError):
                raise NoSuchFile(name) from None
            if self.kind.own_thumbs:
                with suppress(FileNotFoundError):
                    os.unlink(self._thumb(name), dir_fd=folder)

    def _check(self, name: str) -> None:
        if not self._name.fullmatch(name):
            raise NoSuchFile(name)

    def _thumb(self, name: str) -> str:
        return name.rpartition('.')[0] + '.jpg'

    def _open(self, name: str) -> Opened:
        with self._folder() as folder:
            try:
                # Without waiting for the other end of what somebody may have made a pipe.
                fd = os.open(name, _FLAGS, dir_fd=folder)
            except FileNotFoundError:
                raise NoSuchFile(name) from None
            except OSError as problem:
                if problem.errno in (errno.ELOOP, errno.ENXIO):
                    raise NoSuchFile(name) from None
                raise
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise NoSuchFile(name)
        return Opened(fd, status)

    @contextmanager
    def _folder(self) -> Iterator[int]:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchFile(self._path.name) from None
        try:
            yield fd
        finally:
            os.close(fd)
