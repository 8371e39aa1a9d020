# SPDX-License-Identifier: Apache-2.0
"""`avatar backup`: what is worth saving, in one file, while the robot runs."""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from avatar_bringup import paths
from avatar_bringup.care import archive
from avatar_bringup.care.contents import DEEPEST, ITEMS, Item, Kind, item_of
from avatar_bringup.care.owner import acting_as_owner
from avatar_bringup.care.problem import Problem
from avatar_bringup.care.running import check_readable
from avatar_node import store

PATIENCE_S = 10.0
"""So long it waits for a database that is being written."""
LATER_S = 10
"""How nice it is to whatever drives."""
PACKED_ALREADY = ('.jpg', '.jpeg', '.png', '.mp4', '.mp3', '.ogg', '.opus', '.webm', '.zip')


class NotSaved(Problem):
    """There is no backup; the text says why, and the file was not made."""


@dataclass
class Summary:
    """What a backup holds, and what was left out, in words."""

    files: int = 0
    size: int = 0
    items: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def run(options: argparse.Namespace) -> int:
    """Make the backup, and say what it holds."""
    state_dir = options.state_dir or paths.state_dir(os.environ)
    os.nice(LATER_S)
    target = target_of(options.file)
    summary = make(state_dir, target, options.pictures)
    for sentence in summary.left_out:
        print(f'left out: {sentence}')
    print(f'{target}: {summary.files} files, {summary.size / 1e6:.1f} MB unpacked '
          f'({", ".join(dict.fromkeys(summary.items)) or "nothing"})')
    print('It holds the hashes of passwords and the secrets of the configuration: keep it as you '
          'keep keys.')
    if not options.pictures:
        print('Snapshots and recordings are not in it; --pictures takes them along.')
    return 0


def target_of(file: Path) -> Path:
    """Return where the backup goes: the file, or a name with the time in a folder."""
    if file.is_dir():
        return file / time.strftime('avatar-%Y%m%d-%H%M%S.zip')
    return file


def make(state_dir: Path, target: Path, pictures: bool, version: str = '') -> Summary:
    """Write the backup, whole or not at all; NotSaved says why not."""
    check_readable(state_dir)
    if not state_dir.is_dir():
        raise NotSaved(f'there is no state folder {state_dir}: name it in AVATAR_STATE_DIR '
                       '(a robot with the unit has it in /var/lib/avatar)')
    if os.path.lexists(target):
        raise NotSaved(f'{target} is there already: choose another name')
    try:
        with tempfile.TemporaryDirectory(prefix='.avatar-backup-', dir=target.parent) as draft:
            whole = Path(draft) / 'backup.zip'
            handle = os.open(whole, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(handle, 'w+b') as file, acting_as_owner(state_dir):
                summary = _write(state_dir, file, pictures, version or _version())
            _give_to_caller(whole)
            _put(whole, target)
    except (OSError, sqlite3.Error) as error:
        raise NotSaved(f'{target} could not be written: {error}') from None
    return summary


def _write(state_dir: Path, file: IO[bytes], pictures: bool, version: str) -> Summary:
    summary, files = Summary(), []
    items = [item for item in ITEMS if pictures or not item.is_picture]
    with tempfile.TemporaryDirectory(prefix='avatar-backup-') as draft, \
            zipfile.ZipFile(file, 'w') as packed:
        for item in items:
            for path, source in _files(state_dir, item, summary, Path(draft)):
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    files.append(_add(packed, path, source))
                    summary.items.append(item.what)
        about = {'format': archive.FORMAT, 'version': archive.VERSION, 'avatar': version,
                 'made': time.strftime('%Y-%m-%dT%H:%M:%S%z'),
                 'items': [item.path for item in items], 'files': files}
        packed.writestr(_info(archive.LIST), json.dumps(about, indent=1))
    file.flush()
    os.fsync(file.fileno())
    summary.files = len(files)
    summary.size = sum(int(str(about['bytes'])) for about in files)
    return summary


def _files(
    state_dir: Path, item: Item, summary: Summary, draft: Path
) -> Iterator[tuple[str, Path]]:
    """Yield what an item consists of: its path in the archive, and the file to read."""
    source = state_dir / item.path
    if item.kind is Kind.FOLDER:
        yield from _in_folder(state_dir, source, item, summary)
    elif not os.path.lexists(source):
        return
    elif not _is_file(source):
        summary.left_out.append(f'{source}: it is no file')
    elif item.kind is Kind.FILE:
        yield item.path, source
    else:
        copy = draft / source.name
        copy_database(source, copy)
        yield item.path, copy


def _in_folder(
    state_dir: Path, folder: Path, item: Item, summary: Summary, depth: int = 1
) -> Iterator[tuple[str, Path]]:
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        file = folder / name
        path = str(file.relative_to(state_dir))
        kind = file.lstat().st_mode if os.path.lexists(file) else 0
        if stat.S_ISDIR(kind) and depth < DEEPEST:
            yield from _in_folder(state_dir, file, item, summary, depth + 1)
        elif not stat.S_ISREG(kind):
            summary.left_out.append(f'{file}: it is no file')
        elif item_of(path) is not item:
            summary.left_out.append(f'{file}: such a name cannot be restored')
        elif file.lstat().st_size > item.most_bytes:
            summary.left_out.append(f'{file}: it is larger than {item.most_bytes} bytes')
        else:
            yield path, file


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def copy_database(source: Path, copy: Path) -> None:
    """
    Copy a SQLite database that may be in use, as it is at one moment, without anybody's sessions.

    Who signed out after a backup must not be in again after a restore.
    """
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as there:
        try:
            _copy(source, there)
        except sqlite3.OperationalError as error:
            if 'locked' in str(error):
                raise
            # A crash left a journal that has to be played back, which a reader may not do.
            spare = copy.with_name(f'{copy.name}.crashed')
            for end in ('', '-journal', '-wal'):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(f'{source}{end}', f'{spare}{end}')
            _copy(spare, there, mode='rw')
        if there.execute(
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sessions'"
        ).fetchone():
            there.execute('DELETE FROM sessions')
        # Also what was deleted: its pages are still in the file.
        there.execute('VACUUM')


def _copy(source: Path, there: sqlite3.Connection, mode: str = 'ro') -> None:
    uri = f'{source.absolute().as_uri()}?mode={mode}'
    with contextlib.closing(sqlite3.connect(
            uri, uri=True, timeout=PATIENCE_S, isolation_level=None)) as here:
        # Who reads keeps writers waiting for a moment; without this the copy would be begun anew
        # at each change, and wait for ever beside a busy writer.
        here.execute('BEGIN')
        here.execute('SELECT count(*) FROM sqlite_master').fetchone()
        here.backup(there)


def _add(packed: zipfile.ZipFile, path: str, source: Path) -> dict[str, object]:
    """Add one file, as long as it is now: a recording may be growing."""
    digest, size = hashlib.sha256(), 0
    info = _info(path)
    handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(handle, 'rb') as file, packed.open(info, 'w', force_zip64=True) as entry:
        left = os.fstat(file.fileno()).st_size
        while left and (piece := file.read(min(archive.PIECE, left))):
            digest.update(piece)
            entry.write(piece)
            size += len(piece)
            left -= len(piece)
    return {'path': path, 'bytes': size, 'sha256': digest.hexdigest()}


def _info(path: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, time.localtime()[:6] if time.localtime()[0] >= 1980
                           else (1980, 1, 1, 0, 0, 0))
    info.external_attr = (stat.S_IFREG | 0o600) << 16
    packed = path.lower().endswith(PACKED_ALREADY)
    info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    return info


def _give_to_caller(file: Path) -> None:
    """Let who said `sudo` own the backup, to carry it away."""
    caller = os.environ.get('SUDO_UID', '')
    if os.geteuid() == 0 and caller.isdecimal():
        with contextlib.suppress(OSError):  # a stick's file system knows no owners
            os.chown(file, int(caller), int(os.environ.get('SUDO_GID') or -1))


def _put(whole: Path, target: Path) -> None:
    """Give the backup its name; a file that came there meanwhile stays."""
    try:
        os.link(whole, target)
    except FileExistsError:
        raise
    except OSError:
        # A stick's file system knows no second names.
        os.rename(whole, target)
    store.sync_folder(target.parent)


def _version() -> str:
    from avatar_bringup.care.versions import version
    return version()
