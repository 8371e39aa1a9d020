# SPDX-License-Identifier: Apache-2.0
"""`avatar restore`: a backup takes the place of what is there, whole or not at all."""

import argparse
import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import yaml

from avatar_bringup import paths
from avatar_bringup.care import archive, switch
from avatar_bringup.care.archive import Archive, Entry, Refused
from avatar_bringup.care.contents import Kind
from avatar_bringup.care.owner import acting_as_owner
from avatar_bringup.care.running import check_readable
from avatar_bringup.lock import Lock, Taken
from avatar_web.accounts import database
from avatar_web.accounts import lock as gateway_lock

SPARE_BYTES = 50_000_000
"""What the disk keeps free beside what is unpacked."""


def run(options: argparse.Namespace) -> int:
    """Restore, or only check."""
    state_dir = options.state_dir or paths.state_dir(os.environ)
    check_readable(state_dir)
    archive.check_file(options.file)
    with open(options.file, 'rb') as file, acting_as_owner(state_dir):
        found = Archive(file, str(options.file))
        print(f'{options.file}: made {found.made} by avatar {found.by}, {len(found.entries)} '
              f'files, {found.size / 1e6:.1f} MB')
        # Made here and not in the lock: a mere check of a backup needs no robot.
        if not options.check:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            restore(state_dir, found)
        else:
            check(found, state_dir)
    if options.check:
        print('it is whole, and was not restored')
        return 0
    print(f'{state_dir} is as it was saved. Everybody signs in again, and scripts need new '
          'tokens (avatar users token NAME).')
    print('Not in a backup: the emergency stop, and which way reverse reads of this board '
          '(self-test on the page).')
    return 0


def restore(state_dir: Path, found: Archive) -> None:
    """Restore an archive; Refused or Taken say why not, and nothing is changed then."""
    with _standing_still(state_dir):
        new = switch.begin(state_dir)
        try:
            _unpack(found, new, state_dir)
            _judge(found, new)
        except BaseException:
            switch.finish(state_dir)  # nothing was decided: it only clears away
            raise
        try:
            switch.commit(
                state_dir, [item.path for item in found.items if not item.is_picture])
        except OSError as error:
            raise Refused(_stopped(state_dir, error)) from None


def _stopped(state_dir: Path, error: OSError) -> str:
    if switch.pending(state_dir):
        return (f'the restore stopped on its way: {error}. Repair that; the next start of '
                'avatar, or the same command, goes on with it')
    return f'nothing was restored: {error}'


def check(found: Archive, state_dir: Path) -> None:
    """Unpack it beside nothing at all, to see that it could be restored."""
    import tempfile
    with tempfile.TemporaryDirectory(prefix='avatar-check-') as folder:
        _unpack(found, Path(folder), Path(folder))
        _judge(found, Path(folder))


@contextlib.contextmanager
def _standing_still(state_dir: Path) -> Iterator[None]:
    """Hold what every start of avatar takes, so that none comes in between."""
    lock = Lock(state_dir)
    try:
        lock.take()
        with gateway_lock.Lock(state_dir / 'gateway.lock'):
            yield
    except Taken as taken:
        raise Refused(f'{taken}. A restore wants avatar ended first; under the unit: '
                      'sudo systemctl stop avatar') from None
    except gateway_lock.Held as held:
        raise Refused(f'a gateway runs: {held}; end it first') from None
    finally:
        lock.release()


def _unpack(found: Archive, folder: Path, disk: Path) -> None:
    about = os.statvfs(disk)
    free = about.f_bavail * about.f_frsize - SPARE_BYTES
    if found.size > free:
        raise Refused(f'{found.name} needs {found.size / 1e6:.0f} MB, and {disk} has '
                      f'{max(free, 0) / 1e6:.0f} MB to spare; nothing was changed')
    for entry in found.entries:
        _write(found, entry, folder / entry.path, folder)


def _write(found: Archive, entry: Entry, target: Path, top: Path) -> None:
    try:
        for parent in reversed(target.relative_to(top).parents[:-1]):
            (top / parent).mkdir(mode=0o700, exist_ok=True)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(handle, 'wb') as file:
            found.unpack(entry, file.write)
    except (FileExistsError, NotADirectoryError):
        raise Refused(f'{found.name}: {entry.path} is both a file and a folder') from None
    except OSError as error:
        raise Refused(f'{target} could not be written: {error.strerror}; nothing was '
                      'changed') from None


def _judge(found: Archive, folder: Path) -> None:
    """Refuse files that are whole and still nothing this avatar could start with."""
    for entry in found.entries:
        path = folder / entry.path
        if entry.item.kind is Kind.DATABASE:
            _judge_database(found.name, path, entry.path)
        elif entry.path.endswith('.json') and not _reads(path, json.loads):
            raise Refused(f'{found.name}: {entry.path} is no JSON')
        elif entry.path.endswith(('.yaml', '.yml')) and not _reads(path, yaml.safe_load):
            raise Refused(f'{found.name}: {entry.path} is no YAML')


def _reads(path: Path, read: object) -> bool:
    try:
        read(path.read_bytes().decode())  # type: ignore[operator]
    except (ValueError, RecursionError, yaml.YAMLError):
        return False
    return True


def _judge_database(name: str, path: Path, called: str) -> None:
    try:
        with contextlib.closing(sqlite3.connect(
                f'{path.absolute().as_uri()}?mode=ro', uri=True)) as there:
            def value(pragma: str) -> object:
                return there.execute(f'PRAGMA {pragma}').fetchone()[0]

            if value('quick_check') != 'ok':
                raise Refused(f'{name}: {called} is damaged')
            if called != 'avatar.db':
                return
            if value('application_id') != database.APPLICATION_ID:
                raise Refused(f'{name}: {called} belongs to another program')
            version = value('user_version')
            if version != database.VERSION:
                raise Refused(f'{name}: {called} has version {version}; this avatar has '
                              f'{database.VERSION}')
    except sqlite3.Error as error:
        raise Refused(f'{name}: {called} is damaged: {error}') from None
