# SPDX-License-Identifier: Apache-2.0
"""A restore brings everything or changes nothing, whatever the archive is and whenever it ends."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import folders
import pytest

from avatar_bringup.care import archive, backup, restore, switch
from avatar_bringup.care.archive import LIST, Archive, Refused
from avatar_bringup.lock import Lock

BROUGHT = ('avatar.db', 'words.db', 'settings.json', 'turn_secret', 'tls/brought.pem',
           'config/motor.yaml', 'config/deep/er/x.yaml', 'sounds/1.wav', 'sounds/hello ă.ogg')


@pytest.fixture(scope='module')
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of Ana's robot, with pictures."""
    folder = tmp_path_factory.mktemp('ana')
    backup.make(folders.make(folder / 'state', 'ana'), folder / 'b.zip', pictures=True,
                version='0.1.0')
    return folder / 'b.zip'


def bring(file: Path, state_dir: Path) -> None:
    with open(file, 'rb') as opened:
        restore.restore(state_dir, Archive(opened, file.name))


def test_another_robot_becomes_the_saved_one(saved: Path, tmp_path: Path) -> None:
    state_dir = folders.make(tmp_path / 'state', 'ben')
    (state_dir / 'config/stream.yaml').write_text('ben: only\n')
    before = folders.contents(state_dir)
    (state_dir / 'avatar.db-journal').write_text('of the old one: would ruin the new one')
    bring(saved, state_dir)
    after, ana = folders.contents(state_dir), folders.contents(saved.parent / 'state')
    assert {name: after[name] for name in BROUGHT} == {name: ana[name] for name in BROUGHT}
    assert 'config/stream.yaml' not in after and 'avatar.db-journal' not in after
    # What belongs to this robot stays: above all whether it may drive.
    assert {n: after[n] for n in folders.OWN} == {n: before[n] for n in folders.OWN}
    # Pictures are brought beside those that are there.
    assert after['snapshots/both.jpg'] == 'both ben'
    assert {'snapshots/avatar_2025_ana.jpg', 'snapshots/avatar_2025_ben.jpg',
            'recordings/avatar_2025_ana.mp4'} <= after.keys()
    assert not (state_dir / 'restore').exists()
    assert all(folders.is_private(state_dir / name) for name in BROUGHT)


def test_a_new_machine_gets_everything(saved: Path, tmp_path: Path) -> None:
    (tmp_path / 'state').mkdir(mode=0o700)
    bring(saved, tmp_path / 'state')
    ana = folders.contents(saved.parent / 'state')
    assert folders.contents(tmp_path / 'state') == {
        name: text for name, text in ana.items() if name not in folders.OWN}


def test_the_permit_never_travels(saved: Path, tmp_path: Path) -> None:
    """A stopped robot stays stopped, whatever is restored."""
    state_dir = folders.make(tmp_path / 'state', 'ben')
    (state_dir / 'motor/permit.json').unlink()
    bring(saved, state_dir)
    assert not (state_dir / 'motor/permit.json').exists()


# ---- archives that are none

Make = Callable[[zipfile.ZipFile, dict[str, Any], dict[str, bytes]], None]


def forge(saved: Path, to: Path, change: Make) -> Path:
    """Write a backup anew, changed: `change(zip to write, list, files)` fills in the zip."""
    with zipfile.ZipFile(saved) as packed:
        listed = json.loads(packed.read(LIST))
        files = {name: packed.read(name) for name in packed.namelist() if name != LIST}
    with zipfile.ZipFile(to, 'w') as packed:
        change(packed, listed, files)
    return to


def plain(packed: zipfile.ZipFile, listed: dict[str, Any], files: dict[str, bytes]) -> None:
    for name, data in files.items():
        packed.writestr(name, data)
    packed.writestr(LIST, json.dumps(listed))


def with_file(path: str, data: bytes = b'x', mode: int = 0, listed_as: str | None = None) -> Make:
    def change(packed: zipfile.ZipFile, listed: dict[str, Any], files: dict[str, bytes]) -> None:
        import hashlib
        info = zipfile.ZipInfo(path)
        info.external_attr = mode << 16
        packed.writestr(info, data)
        listed['files'].append({
            'path': listed_as or path, 'bytes': len(data),
            'sha256': hashlib.sha256(data).hexdigest()})
        plain(packed, listed, files)
    return change


def with_list(**changes: object) -> Make:
    def change(packed: zipfile.ZipFile, listed: dict[str, Any], files: dict[str, bytes]) -> None:
        plain(packed, listed | changes, files)
    return change


def changed(path: str, data: bytes, in_list: bool) -> Make:
    def change(packed: zipfile.ZipFile, listed: dict[str, Any], files: dict[str, bytes]) -> None:
        import hashlib
        files[path] = data
        for about in listed['files'] if in_list else ():
            if about['path'] == path:
                about |= {'bytes': len(data), 'sha256': hashlib.sha256(data).hexdigest()}
        plain(packed, listed, files)
    return change


def without(path: str) -> Make:
    def change(packed: zipfile.ZipFile, listed: dict[str, Any], files: dict[str, bytes]) -> None:
        del files[path]
        plain(packed, listed, files)
    return change


def bomb(packed: zipfile.ZipFile, listed: dict[str, Any], files: dict[str, bytes]) -> None:
    """A recording that says it has a thousand times what the disk has."""
    files['recordings/bomb.mp4'] = b'\0'
    listed['files'].append({'path': 'recordings/bomb.mp4', 'bytes': 90_000_000_000,
                            'sha256': '0' * 64})
    plain(packed, listed, files)
    packed.getinfo('recordings/bomb.mp4').file_size = 90_000_000_000


def packed_bomb(packed: zipfile.ZipFile, listed: dict[str, Any], files: dict[str, bytes]) -> None:
    """A file that unpacks to more than it says."""
    import hashlib
    with packed.open(zipfile.ZipInfo('sounds/bomb.wav'), 'w') as entry:
        entry._compressor = zlib.compressobj(9, zlib.DEFLATED, -15)  # type: ignore[attr-defined]
        for _ in range(50):
            entry.write(b'\0' * 1_000_000)
    info = packed.getinfo('sounds/bomb.wav')
    info.compress_type, info.file_size = zipfile.ZIP_DEFLATED, 10
    listed['files'].append({'path': 'sounds/bomb.wav', 'bytes': 10,
                            'sha256': hashlib.sha256(b'\0' * 10).hexdigest()})
    plain(packed, listed, files)


def twice(packed: zipfile.ZipFile, listed: dict[str, Any], files: dict[str, bytes]) -> None:
    plain(packed, listed, files)
    with pytest.warns(UserWarning, match='Duplicate'):
        packed.writestr('settings.json', b'{}')


def crowded(packed: zipfile.ZipFile, listed: dict[str, Any], files: dict[str, bytes]) -> None:
    import hashlib
    for number in range(300):
        files[f'config/{number}.yaml'] = b'x: 1\n'
        listed['files'].append({'path': f'config/{number}.yaml', 'bytes': 5,
                                'sha256': hashlib.sha256(b'x: 1\n').hexdigest()})
    plain(packed, listed, files)


FORGED: dict[str, tuple[Make, str]] = {
    'a newer format': (with_list(version=2), 'newer avatar'),
    'no version': (with_list(version='1'), 'no backup of avatar'),
    'version true': (with_list(version=True), 'no backup of avatar'),
    'another program': (with_list(format='tar'), 'no backup of avatar'),
    'no files': (with_list(files=None), 'damaged'),
    'files of numbers': (with_list(files=[1]), 'damaged'),
    'an unknown item': (with_list(items=['avatar.db', 'brain']), 'does not know'),
    'an item less': (with_list(items=['avatar.db']), 'belongs in no backup'),
    'up and out': (with_file('sounds/../../evil'), 'belongs in no backup'),
    'absolute': (with_file('/etc/evil'), 'belongs in no backup'),
    'a backslash': (with_file('sounds/a\\..\\b'), 'belongs in no backup'),
    'a dot': (with_file('sounds/./a'), 'belongs in no backup'),
    'an empty name': (with_file('sounds//a'), 'belongs in no backup'),
    'a control character': (with_file('sounds/a\n'), 'belongs in no backup'),
    'the permit': (with_file('motor/permit.json'), 'belongs in no backup'),
    'another key': (with_file('tls/own.pem'), 'belongs in no backup'),
    'a program': (with_file('lock'), 'belongs in no backup'),
    'too deep': (with_file('sounds/a/b/c/d/e'), 'belongs in no backup'),
    'a long name': (with_file('sounds/' + 'x' * 256), 'belongs in no backup'),
    'a link': (with_file('sounds/l', b'/etc', stat.S_IFLNK | 0o777), 'link'),
    'a device': (with_file('sounds/d', b'', stat.S_IFBLK | 0o666), 'device'),
    'a pipe': (with_file('sounds/p', b'', stat.S_IFIFO | 0o666), 'device'),
    'a folder': (with_file('sounds/dir/', b''), 'belongs in no backup|folder'),
    'both file and folder': (lambda packed, listed, files: (
        with_file('sounds/1.wav/x')(packed, listed, files)), 'both a file and a folder'),
    'a file that is not listed': (with_file('sounds/a', listed_as='sounds/b'), 'differ'),
    'a file less': (without('sounds/1.wav'), 'differ'),
    'another content': (changed('settings.json', b'{"robot": "bob"}', False), 'not what was'),
    'another size': (changed('settings.json', b'{}', False), 'bytes, and its list says'),
    'settings that are none': (changed('settings.json', b'{"robot', True), 'no JSON'),
    'deep settings': (changed('settings.json', b'[' * 100_000, True), 'no JSON'),
    'settings too large': (changed('settings.json', b' ' * 1_000_001, True), 'at most'),
    'configuration that is none': (changed('config/motor.yaml', b'a: [', True), 'no YAML'),
    'accounts that are none': (changed('avatar.db', b'SQLite format 3\0' + b'x' * 5000, True),
                               'damaged'),
    'accounts of nobody': (changed('avatar.db', b'', True), 'another program'),
    'a bomb': (bomb, 'bytes, and its list says|to spare|damaged'),
    'a packed bomb': (packed_bomb, 'damaged|not what was saved'),
    'two of one name': (twice, 'two files of one name'),
    'a crowd': (crowded, 'at most'),
}


@pytest.mark.parametrize('name', FORGED)
def test_what_is_forged_is_refused_and_nothing_is_changed(
    name: str, saved: Path, tmp_path: Path
) -> None:
    change, reason = FORGED[name]
    file = forge(saved, tmp_path / 'forged.zip', change)
    state_dir = folders.make(tmp_path / 'state', 'ben')
    before = folders.contents(state_dir)
    with pytest.raises(Refused, match=reason):
        bring(file, state_dir)
    assert folders.contents(state_dir) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ['forged.zip', 'state']


def test_a_cut_archive_is_refused_wherever_it_is_cut(saved: Path, tmp_path: Path) -> None:
    data = saved.read_bytes()
    state_dir = folders.make(tmp_path / 'state', 'ben', pictures=False)
    before = folders.contents(state_dir)
    step = len(data) // 40
    for end in [*range(0, len(data), step), *range(len(data) - 60, len(data))]:
        (tmp_path / 'cut').write_bytes(data[:end])
        with pytest.raises(Refused):
            bring(tmp_path / 'cut', state_dir)
    assert folders.contents(state_dir) == before


def test_a_damaged_archive_is_refused_wherever_it_is_damaged(saved: Path, tmp_path: Path) -> None:
    """What still passes is what was saved: not every byte of a ZIP means something."""
    data = saved.read_bytes()
    ana = folders.contents(saved.parent / 'state')
    for at in range(0, len(data), len(data) // 60):
        (tmp_path / 'bad').write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1:])
        state_dir = tmp_path / f'state{at}'
        state_dir.mkdir()
        try:
            bring(tmp_path / 'bad', state_dir)
        except Refused:
            assert folders.contents(state_dir) == {}
        else:
            got = folders.contents(state_dir)
            assert {n: got[n] for n in BROUGHT} == {n: ana[n] for n in BROUGHT}


@pytest.mark.parametrize('data', [b'', b'PK', b'\x1f\x8b\x08' + b'x' * 100, b'x' * 5000,
                                  b'PK\5\6' + b'\0' * 18, b'PK\5\6' + b'\xff' * 18])
def test_what_is_no_archive_at_all_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / 'x').write_bytes(data)
    (tmp_path / 'state').mkdir()
    with pytest.raises(Refused, match='no backup of avatar|more files than any'):
        bring(tmp_path / 'x', tmp_path / 'state')


def test_a_pipe_and_a_folder_are_no_archives(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'pipe')
    for name in ('pipe', '.', 'nothing'):
        with pytest.raises(Refused):
            archive.check_file(tmp_path / name)


# ---- the robot runs

def test_a_running_robot_is_not_touched_and_named(saved: Path, tmp_path: Path) -> None:
    state_dir = folders.make(tmp_path / 'state', 'ben')
    before = folders.contents(state_dir)
    running = Lock(state_dir)
    running.take()
    with pytest.raises(Refused, match=f'pid {os.getpid()} .*systemctl stop avatar'):
        bring(saved, state_dir)
    running.release()
    assert folders.contents(state_dir) == before


# ---- killed

KILL = """
import os, signal, sys
from pathlib import Path
from avatar_bringup.care import restore, switch
from avatar_bringup.care.archive import Archive
import avatar_web.accounts.lock, yaml, sqlite3

EVENTS = {'os.rename', 'os.remove', 'os.rmdir', 'os.mkdir', 'os.chmod', 'open', 'os.truncate'}
step, last, state_dir = 0, int(sys.argv[1]), sys.argv[2]

def watch(event, words):
    global step
    if event in EVENTS and str(words[0]).startswith(state_dir):
        step += 1
        if step == last:
            os.kill(os.getpid(), signal.SIGKILL)

with open(sys.argv[3], 'rb') as file:
    found = Archive(file, 'saved')
    sys.addaudithook(watch)
    restore.restore(Path(state_dir), found)
"""


def test_killed_at_every_step_it_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """Before each thing it does to the disk; then the robot is started (takes its lock)."""
    ana = folders.make(tmp_path / 'ana', 'ana', pictures=False)
    (ana / 'snapshots').mkdir()
    (ana / 'snapshots/a.jpg').write_text('jpg')
    backup.make(ana, tmp_path / 'b.zip', pictures=True, version='1')
    ben = folders.make(tmp_path / 'ben', 'ben', pictures=False)
    (ben / 'config/stream.yaml').write_text('ben: only\n')
    old = folders.contents(ben)
    whole = tmp_path / 'whole'
    shutil.copytree(ben, whole)
    bring(tmp_path / 'b.zip', whole)
    new = folders.contents(whole)
    ends = []
    for step in range(1, 500):
        state_dir = tmp_path / f'killed{step}'
        shutil.copytree(ben, state_dir)
        child = subprocess.run(
            [sys.executable, '-c', KILL, str(step), str(state_dir), str(tmp_path / 'b.zip')],
            env=os.environ, check=False, capture_output=True, text=True)
        if child.returncode != -signal.SIGKILL:
            assert child.returncode == 0, child.stderr
            break
        lock = Lock(state_dir)
        lock.take()
        lock.release()
        after = folders.contents(state_dir)
        assert after in (old, new), f'a mixture after step {step}'
        assert not (state_dir / 'restore').exists()
        ends.append(after == new)
        shutil.rmtree(state_dir)
    # First always the old, from one step on always the new, and both were seen.
    assert ends == sorted(ends) and {False, True} == set(ends)
    assert len(ends) > 60


def test_a_start_says_that_it_finished_a_restore(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state_dir = folders.make(tmp_path / 'state', 'ben')
    new = switch.begin(state_dir)
    (new / 'settings.json').write_text('{"robot": "ana"}')
    (state_dir / 'restore/old').mkdir()
    (state_dir / 'restore/plan.json').write_text('{"replace": {"settings.json": true}}')
    assert switch.pending(state_dir)
    Lock(state_dir).take()
    assert 'is complete now' in capsys.readouterr().err
    assert json.loads((state_dir / 'settings.json').read_text()) == {'robot': 'ana'}
    assert not (state_dir / 'restore').exists()


@pytest.mark.parametrize('plan', ['{', '[]', '{"replace": {"motor/permit.json": true}}'])
def test_a_plan_that_makes_no_sense_does_not_keep_the_robot_down(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state_dir = folders.make(tmp_path / 'state', 'ben')
    before = folders.contents(state_dir)
    switch.begin(state_dir)
    (state_dir / 'restore/plan.json').write_text(plan)
    lock = Lock(state_dir)
    lock.take()
    lock.release()
    assert 'avatar: a restore that was interrupted' in capsys.readouterr().err \
        or (state_dir / 'restore.unreadable').exists()
    after = folders.contents(state_dir)
    assert {name: after[name] for name in before} == before
