# SPDX-License-Identifier: Apache-2.0
"""
What is worth saving of a state folder, and what a backup may bring back.

Not the permit to drive, nor which way reverse reads: these belong to a robot and its board, and a
copy must never let a robot drive that somebody has stopped.
"""

import enum
import unicodedata
from dataclasses import dataclass

MB = 1_000_000
DEEPEST = 4
LONGEST_NAME = 255


class Kind(enum.Enum):
    """What lies at a path."""

    DATABASE = 'database'
    FILE = 'file'
    FOLDER = 'folder'


@dataclass(frozen=True)
class Item:
    """
    One thing at `path` below the state folder; the limits are those of each file.

    A picture is brought beside those that are there, all else takes the place of what is there.
    """

    path: str
    kind: Kind
    what: str
    most_bytes: int
    most_files: int = 1
    is_picture: bool = False


ITEMS = (
    Item('avatar.db', Kind.DATABASE, 'accounts', 100 * MB),
    Item('words.db', Kind.DATABASE, 'learned words', 500 * MB),
    Item('settings.json', Kind.FILE, 'settings', 1 * MB),
    Item('alerts/services.json', Kind.FILE, 'addresses of alerts', 1 * MB),
    Item('turn_secret', Kind.FILE, 'secret of the TURN server', 10_000),
    Item('tls/brought.pem', Kind.FILE, 'certificate that was brought', 400_000),
    Item('config', Kind.FOLDER, 'configuration', 200_000, 200),
    Item('words', Kind.FOLDER, 'learned words', 100 * MB, 200),
    Item('sounds', Kind.FOLDER, 'sounds', 50 * MB, 2000),
    Item('snapshots', Kind.FOLDER, 'snapshots', 50 * MB, 50_000, is_picture=True),
    Item('recordings', Kind.FOLDER, 'recordings', 100_000 * MB, 50_000, is_picture=True),
)

BESIDE_DATABASES = ('-journal', '-wal', '-shm')
"""What SQLite keeps beside a file; of no use, and dangerous, beside another file."""


def item_of(path: str) -> Item | None:
    """Return what a path in a backup belongs to; None where it belongs to nothing, or escapes."""
    if problem_of_path(path):
        return None
    for item in ITEMS:
        if item.kind is Kind.FOLDER and path.startswith(f'{item.path}/'):
            return item
        if item.kind is not Kind.FOLDER and path == item.path:
            return item
    return None


def problem_of_path(path: str) -> str:
    """Return why a path is none of a file below a folder, '' if it is."""
    names = path.split('/')
    if not 1 <= len(names) <= DEEPEST:
        return 'it is too deep'
    if any(name in ('', '.', '..') for name in names) or '\\' in path:
        return 'it leads elsewhere'
    if any(unicodedata.category(c)[0] == 'C' for c in path):
        return 'it has characters that cannot be seen'
    if any(len(name.encode()) > LONGEST_NAME for name in names):
        return 'a name is too long'
    return ''
