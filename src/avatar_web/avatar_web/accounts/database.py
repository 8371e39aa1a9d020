# SPDX-License-Identifier: Apache-2.0
"""
The accounts on disk: one SQLite file with one writer.

Rollback journal with full synchronisation: a change is either wholly there or not at all after a
kill or a power cut, and nothing but the file itself is needed to read it, so that a folder that
became read-only still lets people in. Blocking: to be used from one thread of its own.
"""

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from avatar_web.accounts.identity import AccountProblem, Role, User, clean_name
from avatar_web.accounts.sessions import Session

APPLICATION_ID = 0x61766174  # 'avat'
VERSION = 1

_SCHEMA = f"""
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {VERSION};
    CREATE TABLE users (
        key TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, password TEXT NOT NULL,
        created_s REAL NOT NULL);
    CREATE TABLE sessions (
        hash BLOB PRIMARY KEY, id TEXT NOT NULL, user TEXT NOT NULL
            REFERENCES users (key) ON DELETE CASCADE,
        device TEXT NOT NULL, address TEXT NOT NULL, created_s REAL NOT NULL,
        seen_s REAL NOT NULL, lifetime_s REAL NOT NULL);
    CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""


class StorageProblem(AccountProblem):
    """The state folder could not be written (or read); the text says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__('storage', sentence)


class _NotOurs(Exception):
    """The file is no database of ours; the text says what it is."""


@dataclass
class Contents:
    """All that the file holds."""

    users: list[User] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    settings: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What is written in one transaction."""

    users: Iterable[User] = ()
    removed_users: Iterable[str] = ()
    sessions: Iterable[Session] = ()
    ended: Iterable[Session] = ()
    settings: Iterable[tuple[str, bytes]] = ()


class Database:
    """
    `avatar.db`.

    `open` never fails: what is wrong is said. `apply` raises StorageProblem, and tries the file
    anew each time.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._path, self._say = path, say
        self._connection: sqlite3.Connection | None = None
        self._unreadable = ''

    def open(self) -> Contents:
        """
        Return what is stored.

        A damaged or foreign file is kept under a new name, and an empty one takes its place:
        nobody has an account then. A file that is there but cannot be read stays as it is, and
        nothing is written until the next start.
        """
        try:
            return self._read(self._connect())
        except _NotOurs as problem:
            return self._set_aside(str(problem))
        except (sqlite3.Error, OSError) as problem:
            if self._nothing_there():
                self._say(f'accounts cannot be stored: {self._path}: {problem}; make the state '
                          'folder writable and see that its disk is not full')
                return Contents()
            return self._read_copy(str(problem))

    def close(self) -> None:
        """Close the file; `apply` would open it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def apply(self, change: Change) -> None:
        """Write it all or nothing; StorageProblem if it could not be written."""
        if self._unreadable:
            raise StorageProblem(self._unreadable)
        try:
            connection = self._connection or self._connect()
            connection.execute('BEGIN IMMEDIATE')
            try:
                self._write(connection, change)
                connection.execute('COMMIT')
            finally:
                if connection.in_transaction:
                    connection.execute('ROLLBACK')
        except (sqlite3.Error, OSError, _NotOurs) as problem:
            self.close()
            raise StorageProblem(f'{self._path} could not be written: {problem}; '
                                 'is the disk full or read-only?') from problem

    def _nothing_there(self) -> bool:
        try:
            return self._path.stat().st_size == 0
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._path.exists():
            if not self._path.is_file():
                raise _NotOurs('it is not a file')
        else:
            # SQLite would create it readable by everybody.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self._path, timeout=2.0, isolation_level=None)
        try:
            self._prepare(connection)
        except (sqlite3.Error, _NotOurs):
            connection.close()
            raise
        self._connection = connection
        return connection

    @staticmethod
    def _prepare(connection: sqlite3.Connection) -> None:
        def value(pragma: str) -> object:
            return connection.execute(f'PRAGMA {pragma}').fetchone()[0]

        try:
            tables = connection.execute('SELECT count(*) FROM sqlite_master').fetchone()[0]
            if tables == 0 and value('application_id') in (0, APPLICATION_ID):
                connection.executescript('BEGIN IMMEDIATE;' + _SCHEMA + 'COMMIT;')
            if value('application_id') != APPLICATION_ID:
                raise _NotOurs('it belongs to another program')
            if value('user_version') != VERSION:
                raise _NotOurs(f'it has version {value("user_version")}, not {VERSION}')
            check = value('quick_check')
            if check != 'ok':
                raise _NotOurs(f'it is damaged: {check}')
            connection.execute('PRAGMA foreign_keys = ON')
            connection.execute('PRAGMA synchronous = EXTRA')
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as problem:
            raise _NotOurs(f'it is damaged: {problem}') from problem

    def _read(self, connection: sqlite3.Connection) -> Contents:
        contents = Contents()
        for key, name, role, password, created_s in connection.execute(
                'SELECT key, name, role, password, created_s FROM users'):
            try:
                user = User(clean_name(name), Role.parse(role), str(password), float(created_s))
            except (AccountProblem, TypeError, ValueError) as problem:
                self._say(f'account {name!r} in {self._path} is left out: {problem}')
                continue
            if user.key == key:
                contents.users.append(user)
        known = {user.key for user in contents.users}
        for row in connection.execute(
                'SELECT hash, id, user, device, created_s, seen_s, lifetime_s, address'
                ' FROM sessions'):
            types = (bytes, str, str, str, float, float, float, str)
            if row[2] in known and all(map(isinstance, row, types)):
                contents.sessions.append(Session(*row))
        contents.settings = {
            name: value for name, value in connection.execute('SELECT name, value FROM settings')
            if isinstance(value, bytes)}
        return contents

    def _set_aside(self, reason: str) -> Contents:
        stamp = time.strftime('%Y%m%d-%H%M%S')
        aside = self._path.with_name(f'{self._path.name}.damaged-{stamp}')
        count = 1
        while os.path.lexists(aside):
            count += 1
            aside = self._path.with_name(f'{self._path.name}.damaged-{stamp}-{count}')
        try:
            os.rename(self._path, aside)
            journal = Path(f'{self._path}-journal')
            if os.path.lexists(journal):
                os.rename(journal, f'{aside}-journal')
        except OSError as problem:
            self._unreadable = f'{self._path} cannot be used ({reason})'
            self._say(f'{self._unreadable}, and cannot be set aside: {problem}; '
                      'there are no accounts until that is put right')
            return Contents()
        self._say(f'{self._path} cannot be used ({reason}); it is kept as {aside.name}, and '
                  'there are no accounts until new ones are made')
        try:
            return self._read(self._connect())
        except (sqlite3.Error, OSError, _NotOurs) as problem:
            self._say(f'accounts cannot be stored: {self._path}: {problem}')
            return Contents()

    def _read_copy(self, reason: str) -> Contents:
        """
        Read a file that SQLite cannot open where it is.

        A disk that failed in the middle of a write and was then mounted read-only leaves a
        journal that must be played back, and cannot be. In a copy it can.
        """
        try:
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / 'copy.db'
                shutil.copyfile(self._path, copy)
                journal = Path(f'{self._path}-journal')
                if journal.exists():
                    shutil.copyfile(journal, f'{copy}-journal')
                with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                    self._prepare(connection)
                    contents = self._read(connection)
        except (sqlite3.Error, OSError, _NotOurs) as problem:
            self._unreadable = f'{self._path} cannot be read: {reason}'
            self._say(f'{self._unreadable} ({problem}); nobody with an account can sign in. '
                      'Put its owner and permissions right and start again')
            return Contents()
        self._say(f'{self._path} cannot be written: {reason}; people can sign in, '
                  'changes are refused until it can')
        return contents

    @staticmethod
    def _write(connection: sqlite3.Connection, change: Change) -> None:
        connection.executemany('DELETE FROM users WHERE key = ?',
                               [(key,) for key in change.removed_users])
        connection.executemany(
            'INSERT INTO users (key, name, role, password, created_s) VALUES (?, ?, ?, ?, ?)'
            ' ON CONFLICT (key) DO UPDATE SET name = excluded.name, role = excluded.role,'
            ' password = excluded.password',
            [(u.key, u.name, u.role.word, u.password, u.created_s) for u in change.users])
        connection.executemany('DELETE FROM sessions WHERE hash = ?',
                               [(s.hash,) for s in change.ended])
        connection.executemany(
            'INSERT INTO sessions (hash, id, user, device, address, created_s, seen_s, lifetime_s)'
            ' VALUES (?, ?, ?, ?, ?, ?, ?, ?)'
            ' ON CONFLICT (hash) DO UPDATE SET seen_s = excluded.seen_s',
            [(s.hash, s.id, s.user, s.device, s.address, s.created_s, s.seen_s, s.lifetime_s)
             for s in change.sessions])
        connection.executemany(
            'INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)', change.settings)
