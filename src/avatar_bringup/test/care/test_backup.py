# SPDX-License-Identifier: Apache-2.0
"""A backup is whole or not there, holds what is worth saving, and only that."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import zipfile
from contextlib import closing
from pathlib import Path

import folders
import pytest

from avatar_bringup.care import archive, backup
from avatar_bringup.care.running import NotAllowed


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return folders.make(tmp_path / 'state', 'ana')


def names(file: Path) -> set[str]:
    with zipfile.ZipFile(file) as packed:
        return set(packed.namelist()) - {archive.LIST}


def test_it_holds_what_is_worth_saving_and_nothing_of_this_robot_alone(
    state_dir: Path, tmp_path: Path
) -> None:
    file = tmp_path / 'backup.zip'
    summary = backup.make(state_dir, file, pictures=False, version='1')
    assert names(file) == {
        'avatar.db', 'words.db', 'settings.json', 'turn_secret', 'tls/brought.pem',
        'config/motor.yaml', 'config/deep/er/x.yaml', 'sounds/1.wav', 'sounds/hello ă.ogg'}
    assert not names(file) & folders.OWN.keys()
    assert summary.files == 9 and summary.left_out == []
    assert folders.is_private(file)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['backup.zip', 'state']


def test_pictures_go_along_where_they_are_wanted(state_dir: Path, tmp_path: Path) -> None:
    backup.make(state_dir, tmp_path / 'b', pictures=True, version='1')
    assert {'recordings/avatar_2025_ana.mp4', 'snapshots/both.jpg'} <= names(tmp_path / 'b')


def test_no_session_is_in_it_not_even_deleted(state_dir: Path, tmp_path: Path) -> None:
    backup.make(state_dir, tmp_path / 'b', pictures=False, version='1')
    with zipfile.ZipFile(tmp_path / 'b') as packed:
        data = packed.read('avatar.db')
        (tmp_path / 'out.db').write_bytes(data)
    assert b'hash of ana' in (state_dir / 'avatar.db').read_bytes()
    assert b'hash of ana' not in data
    assert folders.sessions(tmp_path / 'out.db') == 0
    assert folders.rows(tmp_path / 'out.db') == folders.rows(state_dir / 'avatar.db')


def test_links_and_pipes_are_left_out_and_said(state_dir: Path, tmp_path: Path) -> None:
    (state_dir / 'sounds/link.wav').symlink_to('/etc/hostname')
    os.mkfifo(state_dir / 'config/pipe.yaml')
    (state_dir / 'settings.json').unlink()
    (state_dir / 'settings.json').symlink_to('/etc/hostname')
    (state_dir / 'sounds/bad\nname.wav').write_text('x')
    summary = backup.make(state_dir, tmp_path / 'b', pictures=False, version='1')
    assert not {'sounds/link.wav', 'config/pipe.yaml', 'settings.json'} & names(tmp_path / 'b')
    assert len(summary.left_out) == 4


def test_a_database_in_use_is_saved_as_it_is_at_one_moment(
    state_dir: Path, tmp_path: Path
) -> None:
    """Two rows that belong together are both there or both not, while somebody writes."""
    done = threading.Event()
    with closing(sqlite3.connect(state_dir / 'words.db')) as there:
        there.execute('DELETE FROM words')
        there.commit()

    def write() -> None:
        with closing(sqlite3.connect(state_dir / 'words.db', timeout=30)) as there:
            for count in range(10_000):
                if done.wait(0.002):
                    return
                there.execute('INSERT INTO words VALUES (?)', (f'a{count}',))
                there.execute('INSERT INTO words VALUES (?)', (f'b{count}',))
                there.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            copy = tmp_path / f'{number}.db'
            backup.copy_database(state_dir / 'words.db', copy)
            with closing(sqlite3.connect(copy)) as there:
                count = there.execute('SELECT count(*) FROM words').fetchone()[0]
            assert count % 2 == 0
    finally:
        done.set()
        writer.join()


def test_a_database_whose_writer_was_killed_is_saved_as_it_was_before(tmp_path: Path) -> None:
    """A journal has to be played back, which a reader may not do where the file lies."""
    path = tmp_path / 'x.db'
    with closing(sqlite3.connect(path)) as there:
        there.execute('CREATE TABLE t (v TEXT)')
        there.executemany('INSERT INTO t VALUES (?)', [('old' * 300,)] * 300)
        there.commit()
    code = ('import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]);'
            'c.execute("PRAGMA cache_size = 1"); c.execute("UPDATE t SET v = ?", ("new" * 300,));'
            'os._exit(1)')
    subprocess.run([sys.executable, '-I', '-c', code, str(path)], check=False)
    assert Path(f'{path}-journal').stat().st_size > 0
    before = path.read_bytes()
    backup.copy_database(path, tmp_path / 'copy.db')
    with closing(sqlite3.connect(tmp_path / 'copy.db')) as there:
        assert set(there.execute('SELECT v FROM t')) == {('old' * 300,)}
    assert path.read_bytes() == before


def test_a_file_that_is_there_stays(state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / 'b').write_text('mine')
    with pytest.raises(backup.NotSaved, match='is there already'):
        backup.make(state_dir, tmp_path / 'b', pictures=False)
    assert (tmp_path / 'b').read_text() == 'mine'


def test_what_cannot_be_written_leaves_nothing(state_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(backup.NotSaved, match='No such file'):
        backup.make(state_dir, tmp_path / 'no/where', pictures=False)
    with pytest.raises(backup.NotSaved, match='no state folder'):
        backup.make(tmp_path / 'nobody', tmp_path / 'b', pictures=False)
    (state_dir / 'avatar.db').write_text('no database at all, but long enough to look at')
    with pytest.raises(backup.NotSaved, match='not a database'):
        backup.make(state_dir, tmp_path / 'b', pictures=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['state']


def test_a_folder_of_somebody_else_is_said(state_dir: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip('needs root, to become another user')
    # Loaded first: that user may not read this folder either.
    code = ('import os, sys; from pathlib import Path; from avatar_bringup.care import running;'
            'os.setgid(65534); os.setuid(65534);'
            'running.check_readable(Path(sys.argv[1]))')
    done = subprocess.run([sys.executable, '-c', code, str(state_dir)], check=False,
                          capture_output=True, text=True, env=os.environ)
    assert NotAllowed.__name__ in done.stderr and 'sudo avatar' in done.stderr


def test_the_list_says_what_each_file_is(state_dir: Path, tmp_path: Path) -> None:
    backup.make(state_dir, tmp_path / 'b', pictures=False, version='0.1.0')
    with zipfile.ZipFile(tmp_path / 'b') as packed:
        listed = json.loads(packed.read(archive.LIST))
        for about in listed['files']:
            assert len(packed.read(about['path'])) == about['bytes']
    assert (listed['format'], listed['version'], listed['avatar']) == ('avatar backup', 1, '0.1.0')
