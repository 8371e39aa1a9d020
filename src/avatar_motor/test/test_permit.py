# SPDX-License-Identifier: Apache-2.0
"""The permit to drive: whatever happens to its file, the robot is stopped and says so."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from avatar_motor.permit import Found, Permit
from avatar_node import store


@pytest.fixture
def permit(tmp_path):
    return Permit(tmp_path / 'state')


def fail(code: int):
    def raise_it(*_args, **_options):
        raise OSError(code, os.strerror(code))
    return raise_it


def test_a_new_robot_may_drive_and_may_after_a_restart(permit):
    assert permit.load() == Found(True, 0)
    assert permit.load() == Found(True, 0)
    assert sorted(os.listdir(permit.folder)) == ['permit.json', 'stop.json']
    assert permit.problem() == '' and permit.is_there()


def test_a_trigger_survives_restarts_and_a_reset_ends_it(permit):
    permit.load()
    assert permit.revoke(1) == ''
    assert not permit.is_there()
    assert not permit.load().permitted
    found = permit.load()
    assert not found.permitted and found.stop_number >= 1
    assert 'no permit' in found.remark
    assert permit.grant(found.stop_number) == ''
    assert permit.load() == Found(True, found.stop_number)


def test_a_crash_between_removal_and_number_keeps_the_number_growing(permit):
    permit.load()
    permit.revoke(4)
    permit.grant(4)
    # Stop 5 was published and its permit removed; then the power went.
    (permit.folder / 'permit.json').unlink()
    found = permit.load()
    assert not found.permitted and found.stop_number >= 5


def test_without_a_number_the_permit_knows_one(permit):
    permit.load()
    permit.revoke(6)
    permit.grant(6)
    (permit.folder / 'stop.json').unlink()
    assert permit.load() == Found(True, 6)


@pytest.mark.parametrize('garbage', [
    b'', b'{', b'\xff\xfe\x00', b'[]', b'null', b'{}', b'{"permit": "drive"}',
    b'{"permit": "drive", "after_stop": -1}', b'{"permit": "drive", "after_stop": true}',
    b'{"permit": "Drive", "after_stop": 1}', b'{"permit": true, "after_stop": 1}',
    b'[' * 5000, b'[' * 1_000_000, b'{"permit": "drive", "after_stop": 1}' + b'x' * 20,
], ids=lambda data: repr(data[:12]))
def test_an_invalid_permit_is_none(permit, garbage):
    permit.load()
    (permit.folder / 'permit.json').write_bytes(garbage)
    found = permit.load()
    assert not found.permitted and found.problem == ''
    assert 'emergency stop holds' in found.remark
    assert permit.grant(found.stop_number) == ''
    assert permit.load().permitted


@pytest.mark.parametrize('garbage', [b'', b'\x00\xff', b'{"number": "7"}', b'{"number": -3}'])
def test_an_unreadable_number_is_put_aside_and_said(permit, garbage):
    permit.load()
    permit.grant(7)
    (permit.folder / 'stop.json').write_bytes(garbage)
    found = permit.load()
    assert found.permitted and found.stop_number == 7
    assert 'stop.json.unreadable' in found.remark
    assert (permit.folder / 'stop.json.unreadable').read_bytes() == garbage


def test_a_permit_that_cannot_be_read_is_none(permit):
    permit.load()
    (permit.folder / 'permit.json').unlink()
    (permit.folder / 'permit.json').mkdir()
    (permit.folder / 'permit.json' / 'x').mkdir()
    found = permit.load()
    assert not found.permitted and 'cannot be read' in found.remark
    assert 'cannot write' in permit.grant(1)


def test_a_crash_while_setting_up_does_not_leave_a_new_robot_stopped(permit, monkeypatch):
    monkeypatch.setattr(store, 'sync_folder', fail(errno.EIO))
    assert not permit.load().permitted
    assert not permit.folder.exists()
    monkeypatch.undo()
    assert permit.load() == Found(True, 0)


@pytest.mark.parametrize('where', ['/proc/avatar', '/dev/null/avatar', '/sys/avatar'])
def test_a_folder_that_cannot_be_made(where):
    permit = Permit(Path(where))
    found = permit.load()
    assert not found.permitted
    assert f'cannot write {where}/motor' in found.problem and found.problem == found.remark
    assert 'cannot write' in permit.problem()
    assert 'cannot write' in permit.grant(1) and 'cannot write' in permit.revoke(1)
    assert not permit.is_there()


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
def test_a_disk_that_takes_nothing_at_the_start(permit, monkeypatch, code):
    permit.load()
    permit.revoke(3)
    permit.grant(3)
    monkeypatch.setattr(os, 'open', fail(code))
    found = permit.load()
    assert not found.permitted
    assert os.strerror(code) in found.problem


def test_a_full_disk_loses_the_number_but_not_the_stop(permit, monkeypatch):
    permit.load()
    monkeypatch.setattr(os, 'write', fail(errno.ENOSPC))
    assert os.strerror(errno.ENOSPC) in permit.revoke(1)
    assert not permit.is_there()
    assert os.strerror(errno.ENOSPC) in permit.grant(1)
    monkeypatch.undo()
    assert not permit.load().permitted
    assert permit.revoke(1) == ''


def test_a_permit_that_cannot_be_removed_is_emptied(permit, monkeypatch):
    permit.load()
    monkeypatch.setattr(Path, 'unlink', fail(errno.EACCES))
    assert os.strerror(errno.EACCES) in permit.revoke(1)
    monkeypatch.undo()
    assert not permit.load().permitted


def test_a_half_written_file_is_never_seen(permit, monkeypatch):
    permit.load()
    permit.grant(2)
    monkeypatch.setattr(os, 'replace', fail(errno.EIO))
    assert permit.grant(9)
    monkeypatch.undo()
    assert permit.load() == Found(True, 2)


MOUNT = """
import os, subprocess, sys
from pathlib import Path
from avatar_motor.permit import Permit
state = Path(sys.argv[1])
state.mkdir()
subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', state], check=True)
permit = Permit(state)
assert permit.load().permitted
def fill():
    with open(state / 'filler', 'ab', buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
fill()
print(permit.problem())
permit.revoke(1)  # what it removes makes room for the number
assert not permit.is_there()
fill()
print(permit.load().problem)
(state / 'filler').unlink()
assert permit.problem() == '' and permit.revoke(1) == '' and permit.grant(1) == ''
# read-only while running
subprocess.run(['mount', '-o', 'remount,ro', state], check=True)
print(permit.problem())
print(permit.revoke(2))
found = permit.load()
assert not found.permitted
print(found.problem)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason='mounts need root')
def test_a_real_disk_full_and_read_only(tmp_path):
    command = ['unshare', '--mount', sys.executable, '-c', MOUNT, str(tmp_path / 'state')]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if 'unshare' in done.stderr or 'mount:' in done.stderr:
        pytest.skip(f'no mounts here: {done.stderr.strip()}')
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert 'the disk is full' in lines[0] and 'No space left' in lines[1]
    assert 'it is read-only' in lines[2]
    assert all('Read-only' in line for line in lines[3:]) and len(lines) == 5
