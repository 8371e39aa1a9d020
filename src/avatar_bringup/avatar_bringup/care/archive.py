# SPDX-License-Identifier: Apache-2.0
"""
The file a backup is: a ZIP with a list of what it holds, and how to read one nobody trusts.

`avatar-backup.json` names the format, its version, and each file with its size and SHA-256. What
is not in that list, or not as it says, makes the whole archive refused.
"""

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from avatar_bringup.care.contents import ITEMS, Item, item_of
from avatar_bringup.care.problem import Problem

LIST = 'avatar-backup.json'
FORMAT, VERSION = 'avatar backup', 1
MOST_ENTRIES = 110_000
MOST_LIST_BYTES = 20_000_000
MOST_DIRECTORY_BYTES = 40_000_000
PIECE = 1 << 20
_SHA256 = re.compile('[0-9a-f]{64}')
# What zipfile and zlib raise at bytes that are not what they should be.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
          OSError, ValueError, UnicodeError, OverflowError)


class Refused(Problem):
    """The archive cannot be used; the text says why. Nothing was changed."""


@dataclass(frozen=True)
class Entry:
    """One file of an archive."""

    path: str
    size: int
    sha256: str
    item: Item


class Archive:
    """An archive that has been looked at, and not unpacked yet; `items` are the ones it covers."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        """Read the list; Refused if it is none, or does not fit what the archive holds."""
        self.name = name
        if directory_bytes(file) > MOST_DIRECTORY_BYTES:
            raise Refused(f'{name} lists more files than any backup has')
        try:
            self._zip = zipfile.ZipFile(file)
            infos = self._zip.infolist()
        except DAMAGE as problem:
            raise Refused(f'{name} is no backup of avatar, or only a part of one: '
                          f'{problem}') from None
        if len(infos) > MOST_ENTRIES:
            raise Refused(f'{name} holds {len(infos)} files, more than any backup')
        self._infos = {info.filename: info for info in infos}
        if len(self._infos) != len(infos):
            raise Refused(f'{name} holds two files of one name')
        listed = self._read_list()
        self.made, self.by = str(listed.get('made', '?')), str(listed.get('avatar', '?'))
        self.items = self._items(listed.get('items'))
        self.entries = [self._entry(about) for about in _list_of(listed.get('files'), name)]
        self._compare()

    @property
    def size(self) -> int:
        """Return how many bytes it has when unpacked."""
        return sum(entry.size for entry in self.entries)

    def _read_list(self) -> dict[str, Any]:
        info = self._infos.get(LIST)
        if info is None:
            raise Refused(f'{self.name} is no backup of avatar: it has no {LIST}')
        self._check(info)
        if info.file_size > MOST_LIST_BYTES:
            raise Refused(f'{self.name}: its list is larger than any')
        try:
            with self._zip.open(info) as file:
                data = file.read(info.file_size + 1)
            listed = json.loads(data)
        except (*DAMAGE, RecursionError) as problem:
            raise Refused(f'{self.name}: its list cannot be read: {problem}') from None
        if not isinstance(listed, dict) or listed.get('format') != FORMAT:
            raise Refused(f'{self.name} is no backup of avatar')
        version = listed.get('version')
        if type(version) is not int or version < 1:
            raise Refused(f'{self.name} is no backup of avatar: version {version!r}')
        if version > VERSION:
            raise Refused(f'{self.name} was made by a newer avatar '
                          f'({listed.get("avatar", "?")}, version {version} of the format; this '
                          f'one reads {VERSION}): update this robot first')
        return listed

    def _items(self, names: object) -> list[Item]:
        known = {item.path: item for item in ITEMS}
        wanted = _list_of(names, self.name)
        unknown = [name for name in wanted if not isinstance(name, str) or name not in known]
        if unknown:
            raise Refused(f'{self.name} covers {unknown[0]!r}, which this avatar does not know')
        return [known[name] for name in known if name in wanted]

    def _entry(self, about: object) -> Entry:
        if not isinstance(about, dict):
            raise Refused(f'{self.name}: its list is damaged')
        path, size, sha256 = (about.get(key) for key in ('path', 'bytes', 'sha256'))
        if not isinstance(path, str) or type(size) is not int or not isinstance(sha256, str) \
                or not _SHA256.fullmatch(sha256):
            raise Refused(f'{self.name}: its list is damaged at {str(path)[:80]!r}')
        item = item_of(path)
        if item is None or item not in self.items:
            raise Refused(f'{self.name} holds {path[:80]!r}, which belongs in no backup')
        if not 0 <= size <= item.most_bytes:
            raise Refused(f'{self.name}: {path} has {size} bytes; {item.what} have at most '
                          f'{item.most_bytes}')
        return Entry(path, size, sha256, item)

    def _compare(self) -> None:
        """Compare the list with what is really there."""
        listed = {entry.path for entry in self.entries}
        if len(listed) != len(self.entries):
            raise Refused(f'{self.name}: its list names a file twice')
        strange = listed.symmetric_difference(self._infos.keys() - {LIST})
        if strange:
            raise Refused(f'{self.name}: its list and its files differ: {min(strange)[:80]!r}')
        for item in self.items:
            count = sum(entry.item is item for entry in self.entries)
            if count > item.most_files:
                raise Refused(f'{self.name} holds {count} files of {item.what}; there are at '
                              f'most {item.most_files}')
        for entry in self.entries:
            info = self._infos[entry.path]
            self._check(info)
            if info.file_size != entry.size:
                raise Refused(f'{self.name}: {entry.path} has {info.file_size} bytes, and its '
                              f'list says {entry.size}')

    def _check(self, info: zipfile.ZipInfo) -> None:
        """Refuse what is no ordinary file."""
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() or kind not in (0, stat.S_IFREG):
            raise Refused(f'{self.name}: {info.filename[:80]!r} is no file but a folder, a link '
                          'or a device')
        if info.flag_bits & 0x1:
            raise Refused(f'{self.name}: {info.filename[:80]!r} is encrypted')
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(f'{self.name}: {info.filename[:80]!r} is packed in a way no backup is')

    def unpack(self, entry: Entry, write: Callable[[bytes], object]) -> None:
        """Hand over the bytes of a file; Refused, in the end, where they are not the listed."""
        digest, left = hashlib.sha256(), entry.size
        try:
            with self._zip.open(self._infos[entry.path]) as file:
                # One byte more than there should be: a packed file may be longer than it says.
                while piece := file.read(min(PIECE, left + 1)):
                    left -= len(piece)
                    if left < 0:
                        break
                    digest.update(piece)
                    write(piece)
        except DAMAGE as problem:
            raise Refused(f'{self.name}: {entry.path} is damaged: {problem}') from None
        if left or digest.hexdigest() != entry.sha256:
            raise Refused(f'{self.name}: {entry.path} is not what was saved')


def _list_of(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise Refused(f'{name}: its list is damaged')
    return value


def directory_bytes(file: IO[bytes]) -> int:
    """Return how much zipfile would read at once, as the end of the archive says; else 0."""
    size = file.seek(0, 2)
    start = file.seek(max(0, size - 66_000))
    tail = file.read()
    at = tail.rfind(b'PK\5\6')
    if at < 0 or at + 16 > len(tail):
        return 0
    found = int.from_bytes(tail[at + 12:at + 16], 'little')
    if found != 0xffffffff or at < 20 or tail[at - 20:at - 16] != b'PK\6\7':
        return found
    file.seek(min(int.from_bytes(tail[at - 12:at - 4], 'little'), start + at))
    return int.from_bytes(file.read(48)[40:], 'little')


def check_file(path: Path) -> None:
    """Refuse what cannot be an archive, before it is opened (a pipe would wait for ever)."""
    try:
        kind = path.stat().st_mode
    except OSError as error:
        raise Refused(f'{path}: {error.strerror}') from None
    if not stat.S_ISREG(kind):
        raise Refused(f'{path} is no file')
