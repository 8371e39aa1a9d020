# SPDX-License-Identifier: Apache-2.0
"""Snapshots and recordings: from the service to a file that opens."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from std_srvs.srv import SetBool, Trigger

from avatar_camera.stream.files import NAME, Stored, new_file, to_remove
from avatar_camera.testing import processes
from avatar_node.testing import wait_for

GREEN, BLUE = (30, 200, 30), (30, 30, 200)


def probe(path: Path) -> dict[str, Any]:
    """Return what ffprobe says of the pictures of a file, reading all of them."""
    answer = subprocess.run(
        ['ffprobe', '-v', 'error', '-count_packets', '-show_entries',
         'stream=width,height,nb_read_packets:format=duration', '-of', 'json', str(path)],
        capture_output=True, text=True, check=True)
    found = json.loads(answer.stdout)
    return found['streams'][0] | {'duration': float(found['format'].get('duration', 0))}


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Make this folder a disk of 3 MB."""
    folder.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(['umount', '-l', str(folder)], check=True)


def recorders(folder: Path) -> list[int]:
    return processes(lambda words: 'ffmpeg' in words[0] and any(str(folder) in w for w in words))


def test_a_snapshot_needs_no_viewer(robot: Any) -> None:
    robot.start()
    answer = robot.call(Trigger, 'camera/snapshot')
    assert not answer.success
    assert answer.message == 'no camera is there'
    robot.camera().show(BLUE, 800, 600)
    answer = robot.call(Trigger, 'camera/snapshot')
    assert answer.success, answer.message
    assert NAME.fullmatch(answer.message)
    path = robot.folder / 'snapshots' / answer.message
    assert (probe(path)['width'], probe(path)['height']) == (800, 600)
    assert robot.encoders() == []
    # Two of one second have two names.
    names = [robot.call(Trigger, 'camera/snapshot').message for _ in range(3)]
    assert len(set(names)) == 3
    assert [p.suffix for p in path.parent.iterdir()].count('.jpg') == 4


def test_a_snapshot_while_the_picture_runs_does_not_hold_it_up(robot: Any) -> None:
    robot.start()
    robot.camera()
    viewer = robot.viewer()
    wait_for(lambda: viewer.sees(GREEN), 15, 'a picture')
    began_s = time.monotonic()
    for _ in range(3):
        answer = robot.call(Trigger, 'camera/snapshot')
        assert answer.success, answer.message
    times = [t for t, _ in viewer.frames if t > began_s]
    gaps = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert max(gaps) < 0.8, 'no frames while snapshots were made'


def test_a_recording_without_a_viewer_and_its_end(robot: Any) -> None:
    robot.start(profile='320p')
    robot.camera()
    answer = robot.call(SetBool, 'camera/record', data=True)
    assert answer.success, answer.message
    name = answer.message
    wait_for(lambda: robot.state['recording'] == name, 5, 'the recording in the state')
    assert robot.state['viewers'] == '0'
    wait_for(lambda: int(robot.state['recording_s']) >= 3, 10, 'three seconds')
    answer = robot.call(SetBool, 'camera/record', data=False)
    assert (answer.success, answer.message) == (True, name)
    found = probe(robot.folder / 'recordings' / name)
    assert (found['width'], found['height']) == (640, 360)
    assert found['duration'] > 2
    assert (robot.folder / 'recordings' / name).with_suffix('.jpg').stat().st_size > 500
    wait_for(lambda: not robot.encoders(), 10, 'no encoder')
    assert recorders(robot.folder) == []


def test_a_recording_cut_off_at_any_moment_opens(robot: Any) -> None:
    robot.start(profile='320p')
    robot.camera()
    name = robot.call(SetBool, 'camera/record', data=True).message
    wait_for(lambda: int(robot.state['recording_s']) >= 4, 15, 'four seconds')
    encoders = robot.encoders()
    robot.process.send_signal(signal.SIGKILL)
    # Nothing is left of it, although it could not end anything.
    wait_for(lambda: not robot.encoders() and not recorders(robot.folder), 3, 'no ffmpeg')
    assert len(encoders) == 1
    assert probe(robot.folder / 'recordings' / name)['duration'] > 2.5


def test_another_profile_begins_another_file(robot: Any) -> None:
    robot.start(profile='320p')
    robot.camera().show(GREEN, 854, 480)
    first = robot.call(SetBool, 'camera/record', data=True).message
    wait_for(lambda: int(robot.state['recording_s']) >= 2, 10, 'two seconds')
    robot.set(profile='480p')
    wait_for(lambda: robot.state['recording'] not in ('', first), 10, 'another file')
    second = robot.state['recording']
    wait_for(lambda: int(robot.state['recording_s']) >= 2, 10, 'two seconds')
    robot.call(SetBool, 'camera/record', data=False)
    folder = robot.folder / 'recordings'
    assert [probe(folder / n)['width'] for n in (first, second)] == [640, 854]


def test_a_recording_without_a_camera_says_why(robot: Any) -> None:
    robot.start()
    answer = robot.call(SetBool, 'camera/record', data=True, timeout_s=20)
    assert not answer.success
    assert 'no camera is there' in answer.message
    assert robot.state['recording'] == ''
    assert list((robot.folder / 'recordings').glob('*')) == []


def test_the_oldest_recordings_go_first_and_are_named(robot: Any) -> None:
    folder = robot.folder / 'recordings'
    folder.mkdir()
    for number in range(4):
        old = folder / f'avatar_2020010{number + 1}_000000.mp4'
        old.write_bytes(bytes(4_000_000))
        old.with_suffix('.jpg').write_bytes(b'x')
        os.utime(old, (number + 1000, number + 1000))
    (folder / 'holiday.mp4').write_bytes(bytes(8_000_000))
    robot.start(profile='320p', recordings_mb=10)
    robot.camera()
    name = robot.call(SetBool, 'camera/record', data=True).message
    kept = {p.name for p in folder.glob('*.mp4')}
    assert kept == {'avatar_20200103_000000.mp4', 'avatar_20200104_000000.mp4', name,
                    'holiday.mp4'}
    assert not (folder / 'avatar_20200101_000000.jpg').exists()


@pytest.mark.skipif(os.geteuid() != 0, reason='mounts a small disk: root only')
def test_a_full_disk_ends_the_recording_and_not_the_picture(robot: Any) -> None:
    with small_disk(robot.folder / 'recordings') as folder:
        robot.start(profile='320p', recordings_free_percent=1)
        robot.camera()
        viewer = robot.viewer()
        assert robot.call(SetBool, 'camera/record', data=True).success
        rest = os.statvfs(folder)
        (folder / 'other').write_bytes(bytes(rest.f_bavail * rest.f_frsize))
        wait_for(lambda: robot.state['recording_ended'], 15, 'the end of the recording')
        assert re.search('disk', robot.state['recording_ended'])
        assert robot.state['recording'] == ''
        now_s = time.monotonic()
        wait_for(lambda: viewer.sees(GREEN, now_s + 1), 5, 'the picture goes on')
        assert robot.state['state'] == 'live'


@pytest.mark.skipif(os.geteuid() != 0, reason='mounts a small disk: root only')
def test_snapshots_leave_room_on_the_disk(robot: Any) -> None:
    with small_disk(robot.folder / 'snapshots') as folder:
        robot.start()
        robot.camera()
        answer = robot.call(Trigger, 'camera/snapshot')
        assert answer.success, answer.message
        (folder / answer.message).unlink()
        rest = os.statvfs(folder)
        (folder / 'other').write_bytes(bytes(int(rest.f_bavail * rest.f_frsize * 0.95)))
        answer = robot.call(Trigger, 'camera/snapshot')
        assert not answer.success and 'less than 10% of the disk is free' in answer.message
        assert [path.name for path in folder.iterdir()] == ['other']


def test_what_is_removed() -> None:
    old, mid, new = (Stored(n, 100, i) for i, n in enumerate('abc'))
    assert to_remove([old, mid, new], '', 300, 10**9, 1) == ([], True)
    assert to_remove([old, mid, new], '', 200, 10**9, 1) == (['a'], True)
    assert to_remove([old, mid, new], 'a', 200, 10**9, 1) == (['b'], True)
    assert to_remove([old, mid, new], '', 10**9, 50, 200) == (['a', 'b'], True)
    # Nothing is lost for nothing.
    assert to_remove([old, mid, new], '', 10**9, 50, 2000) == ([], False)
    assert to_remove([old], 'a', 50, 10**9, 1) == ([], False)


def test_names_are_not_used_twice(tmp_path: Path) -> None:
    made = {new_file(tmp_path, '.jpg').name for _ in range(5)}
    assert len(made) == 5
    assert all(NAME.fullmatch(name) for name in made)
