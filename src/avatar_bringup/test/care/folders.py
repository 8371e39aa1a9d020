# SPDX-License-Identifier: Apache-2.0
"""State folders with something in each place, for the tests of backup and restore."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from avatar_web.accounts.database import Change, Database
from avatar_web.accounts.identity import Role, User
from avatar_web.accounts.sessions import Session

# Never in a backup: they belong to this robot, or to this run.
OWN = {'motor/permit.json': '{"permit": "drive", "after_stop": 0}', 'motor/stop.json': '{}',
       'motor/reverse.json': '{"reverse": "inverted"}', 'run/motor.log': 'a log',
       'tls/own.pem': 'a key', 'gateway.port': '8080'}


def make(folder: Path, who: str, pictures: bool = True) -> Path:
    """Make a state folder of somebody, whose name is in every file."""
    folder.mkdir(parents=True, mode=0o700)
    database(folder / 'avatar.db', who)
    files = {
        'settings.json': f'{{"robot": "{who}"}}', 'turn_secret': f'{who}-secret',
        'config/motor.yaml': f'# {who}\n/**:\n  ros__parameters:\n    port: "{who}"\n',
        'config/deep/er/x.yaml': f'{who}: 1\n', 'sounds/1.wav': f'RIFF {who}' * 1000,
        'sounds/hello ă.ogg': who, 'tls/brought.pem': f'PEM {who}', **OWN}
    if pictures:
        files |= {f'snapshots/avatar_2025_{who}.jpg': f'jpg {who}',
                  f'recordings/avatar_2025_{who}.mp4': f'mp4 {who}' * 50_000,
                  'snapshots/both.jpg': f'both {who}'}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text)
    with closing(sqlite3.connect(folder / 'words.db')) as words:
        words.execute('CREATE TABLE words (word TEXT)')
        words.execute('INSERT INTO words VALUES (?)', (who,))
        words.commit()
    return folder


def database(path: Path, who: str) -> None:
    """Write accounts: one user, with one session."""
    accounts = Database(path, say=lambda text: (_ for _ in ()).throw(AssertionError(text)))
    accounts.open()
    user = User(who, Role.ADMIN, f'$argon2id$v=19$m=19456,t=2,p=1$c2FsdA${who}')
    session = Session(f'hash of {who}'.encode(), 'id', user.key, 'browser', 10.0, 10.0, 1e9,
                      '127.0.0.1')
    accounts.apply(Change(users=[user], sessions=[session]))
    accounts.close()


def contents(folder: Path) -> dict[str, str]:
    """Return every file of a folder with what is in it; of a database what it says."""
    found = {}
    for path in sorted(folder.rglob('*')):
        name = str(path.relative_to(folder))
        if path.is_dir() or name in ('lock', 'gateway.lock'):
            continue
        found[name] = rows(path) if path.suffix == '.db' else path.read_text(errors='replace')
    return found


def rows(path: Path) -> str:
    """Return all rows of a database but its sessions', which a backup leaves out."""
    with closing(sqlite3.connect(f'{path.as_uri()}?mode=ro', uri=True)) as there:
        names = [n for (n,) in there.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return repr([(n, there.execute(f'SELECT * FROM {n}').fetchall())
                     for n in names if n != 'sessions'])


def sessions(path: Path) -> int:
    """Return how many sessions a database has."""
    with closing(sqlite3.connect(f'{path.as_uri()}?mode=ro', uri=True)) as there:
        return int(there.execute('SELECT count(*) FROM sessions').fetchone()[0])


def is_private(path: Path) -> bool:
    """Return whether only its owner may read a file."""
    return os.stat(path).st_mode & 0o077 == 0
