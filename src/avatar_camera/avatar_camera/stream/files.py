# SPDX-License-Identifier: Apache-2.0
"""The files of snapshots and recordings: their names, and which go when the disk fills up."""

import contextlib
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

NAME = re.compile(r'avatar_\d{8}_\d{6}(_\d+)?\.(jpg|mp4)', re.ASCII)
THUMBNAIL = '.jpg'
_MOST_IN_ONE_SECOND = 100


@dataclass(frozen=True)
class Stored:
    """A file, its size, and when it was last written (unix time)."""

    name: str
    size: int
    time_s: float


def new_file(folder: Path, suffix: str) -> Path:
    """Make an empty file named after the local time, which nobody had before; OSError."""
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    stem = time.strftime('avatar_%Y%m%d_%H%M%S')
    for number in range(1, _MOST_IN_ONE_SECOND):
        path = folder / (f'{stem}{suffix}' if number == 1 else f'{stem}_{number}{suffix}')
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            return path
    raise FileExistsError(f'{folder} has {_MOST_IN_ONE_SECOND} files of this second')


def stored(folder: Path, suffix: str) -> list[Stored]:
    """Return the files of a folder, the oldest first; none if it is not there."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if NAME.fullmatch(entry.name) and entry.name.endswith(suffix):
                with contextlib.suppress(FileNotFoundError):
                    seen = entry.stat(follow_symlinks=False)
                    found.append(Stored(entry.name, seen.st_size, seen.st_mtime))
    return sorted(found, key=lambda file: (file.time_s, file.name))


def to_remove(
    files: Iterable[Stored], writing: str, most_bytes: int, free_bytes: int, least_free_bytes: int
) -> tuple[list[str], bool]:
    """
    Return what is removed, the oldest first, and whether there is room then. Pure.

    Never the one that is being written; and nothing where removing all would not be enough.
    """
    files = list(files)
    total = sum(file.size for file in files)
    removed = []
    for file in files:
        if total <= most_bytes and free_bytes >= least_free_bytes:
            break
        if file.name != writing:
            removed.append(file.name)
            total -= file.size
            free_bytes += file.size
    enough = total <= most_bytes and free_bytes >= least_free_bytes
    return (removed if enough else []), enough
