# SPDX-License-Identifier: Apache-2.0
"""Small JSON files that are whole or absent, also after a power cut."""

import json
import os
from pathlib import Path
from typing import Any

LARGEST = 10_000  # bytes; most of ours are below 200


def read(path: Path, largest: int = LARGEST) -> dict[str, Any]:
    """Return the object in a file; FileNotFoundError, OSError, or ValueError if it is none."""
    with open(path, 'rb') as file:
        data = file.read(largest + 1)
    try:
        value = json.loads(data) if len(data) <= largest else None
    except RecursionError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f'{path.name} is not a JSON object')
    return value


def write(path: Path, value: dict[str, Any]) -> None:
    """Replace a file and return when it is on the disk; OSError says why not."""
    draft = path.with_name(path.name + '.new')
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        data = json.dumps(value).encode() + b'\n'
        while data:
            data = data[os.write(handle, data):]
        os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(draft, path)
    sync_folder(path.parent)


def sync_file(file: Path) -> None:
    """Return when what a file has in it is on the disk; a link is refused."""
    _sync(file, os.O_NOFOLLOW)


def sync_folder(folder: Path) -> None:
    """Return when what was created, renamed or removed in a folder is on the disk."""
    _sync(folder, os.O_DIRECTORY)


def _sync(path: Path, kind: int) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | kind)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put_aside(path: Path) -> Path:
    """Rename an unreadable file so that a person can look at it, and return its new name."""
    aside = path.with_name(path.name + '.unreadable')
    os.replace(path, aside)
    return aside
