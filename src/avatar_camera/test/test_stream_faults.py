# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around the stream node; each ends with the picture back, or with the reason."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sensor_msgs.msg import Image

from avatar_camera.testing import Viewer, cpu_s
from avatar_node.testing import TIMEOUT_SCALE, wait_for

GREEN, RED = (30, 200, 30), (200, 30, 30)


def stand_in(folder: Path, instead: str, version: str = '5.1.9') -> dict[str, str]:
    """Return the environment with an ffmpeg that says its version and does `instead`."""
    path = folder / 'stand_in'
    real = shutil.which('ffmpeg')
    path.write_text(
        '#!/bin/sh\n'
        f'for word; do [ "$word" = -version ] && echo ffmpeg version {version} && exit 0; done\n'
        f'echo "$$" >> {folder}/started\n{instead.format(ffmpeg=real)}\n')
    path.chmod(0o755)
    return {'AVATAR_FFMPEG': str(path)}


def starts(folder: Path) -> int:
    path = folder / 'started'
    return len(path.read_text().split()) if path.exists() else 0


def memory_mb(pid: int) -> float:
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    return int(next(line for line in lines if line.startswith('VmRSS')).split()[1]) / 1000


@pytest.mark.parametrize('version, says', [('', 'does not start'), ('4.3.1', 'is ffmpeg 4.3')])
def test_without_a_usable_ffmpeg_it_says_what_to_do(robot: Any, version: str, says: str) -> None:
    env = stand_in(robot.folder, '', version) if version else {'AVATAR_FFMPEG': '/nowhere'}
    robot.start(env)
    robot.camera()
    robot.viewer()
    robot.wait_state('stalled', 'no_ffmpeg')
    assert says in robot.state['detail']
    assert '4.4' in robot.state['detail']


def test_an_encoder_that_hangs_with_its_pipe_open_is_found_and_replaced(robot: Any) -> None:
    robot.start(profile='320p')
    robot.camera(30).show(GREEN, 1280, 720)
    viewer = robot.viewer()
    wait_for(lambda: viewer.sees(GREEN), 15, 'a picture')
    encoder, before_mb = robot.encoders()[0], memory_mb(robot.process.pid)
    os.kill(encoder, signal.SIGSTOP)
    stopped_s = time.monotonic()
    robot.wait_state('stalled', 'encoder_failed')
    assert memory_mb(robot.process.pid) - before_mb < 15, 'frames pile up'
    wait_for(lambda: encoder not in robot.encoders(), 10, 'the end of the one that hangs')
    assert time.monotonic() - stopped_s > 4
    robot.wait_state('live')
    wait_for(lambda: viewer.sees(GREEN, stopped_s + 5), 10, 'the picture again')
    assert viewer.connected


def test_an_encoder_that_takes_nothing_and_says_nothing(robot: Any) -> None:
    robot.start(stand_in(robot.folder, 'exec sleep 1000'))
    robot.camera()
    robot.viewer()
    robot.wait_state('stalled', 'encoder_failed')
    wait_for(lambda: robot.state['detail'] == 'it hung and was ended', 10, 'the reason')
    wait_for(lambda: starts(robot.folder) == 2, 10, 'another try')


def test_an_encoder_that_dies_at_once_is_tried_ever_more_slowly(robot: Any) -> None:
    robot.start(stand_in(robot.folder, 'echo this camera is made of cheese >&2; exit 1'))
    robot.camera(5)
    robot.viewer()
    robot.wait_state('stalled', 'encoder_failed')
    assert robot.state['detail'] == 'this camera is made of cheese'
    began_s, used_s = time.monotonic(), cpu_s([robot.process.pid])
    time.sleep(12)
    # After 0, 0.5, 1.5, 3.5, 7.5, 15.5 s.
    assert 3 <= starts(robot.folder) <= 6
    share = (cpu_s([robot.process.pid]) - used_s) / (time.monotonic() - began_s)
    assert share < 0.25 * TIMEOUT_SCALE


def test_the_media_server_dies_and_comes_back(robot: Any) -> None:
    robot.start(profile='320p')
    robot.camera()
    viewer = robot.viewer()
    wait_for(lambda: viewer.sees(GREEN), 15, 'a picture')
    robot.server.kill()
    robot.wait_state('stalled', 'server_down')
    wait_for(lambda: not robot.encoders(), 5, 'no encoder')
    robot.server.start()
    another = robot.viewer()
    wait_for(lambda: another.sees(GREEN), 15, 'a picture again')
    robot.wait_state('live')


def test_a_camera_that_freezes_shows_the_card_and_comes_back(robot: Any) -> None:
    robot.start(profile='320p')
    camera = robot.camera()
    viewer = robot.viewer()
    wait_for(lambda: viewer.sees(GREEN), 15, 'a picture')
    camera.make = lambda: None
    robot.wait_state('stalled', 'no_frames')
    wait_for(lambda: not robot.encoders(), 8, 'no encoder')
    wait_for(lambda: not viewer.sees(GREEN), 8, 'the offline card')
    assert int(robot.state['age_ms']) > 4000
    camera.show(RED)
    wait_for(lambda: viewer.sees(RED), 8, 'the picture again')
    camera.close()
    robot.wait_state('stalled', 'no_camera')
    robot.camera()
    wait_for(lambda: viewer.sees(GREEN), 8, 'the picture of another camera')
    assert viewer.connected


BAD: list[Callable[[], Image]] = [
    lambda: Image(width=640, height=360, encoding='holo9', step=1920, data=bytes(691200)),
    lambda: Image(width=640, height=360, encoding='rgb8', step=1920, data=b''),
    lambda: Image(width=0, height=0, encoding='rgb8', step=0, data=b''),
    lambda: Image(width=640, height=360, encoding='rgb8', step=1920, data=bytes(1000)),
    lambda: Image(width=640, height=360, encoding='rgb8', step=7, data=bytes(691200)),
]


def test_frames_that_cannot_be_used_are_named_and_passed_over(robot: Any) -> None:
    robot.start(profile='320p')
    camera = robot.camera()
    good, bad = camera.make, itertools.cycle(make() for make in BAD)
    camera.make = lambda: next(bad)
    viewer = robot.viewer()
    robot.wait_state('stalled', 'bad_frames')
    assert robot.state['detail']
    assert robot.encoders() == []
    # Some bad ones between good ones cost themselves only.
    mixed = itertools.cycle([good, good, lambda: next(bad)])
    camera.make = lambda: next(mixed)()
    robot.wait_state('live')
    wait_for(lambda: viewer.sees(GREEN), 5, 'a picture')
    encoder = robot.encoders()
    time.sleep(3)
    assert robot.encoders() == encoder
    assert robot.state['state'] == 'live'


def test_a_camera_of_two_sizes_in_turn_restarts_nothing(robot: Any) -> None:
    robot.start(profile='320p')
    camera = robot.camera()
    viewer = robot.viewer()
    wait_for(lambda: viewer.sees(GREEN), 15, 'a picture')
    one = camera.make
    camera.show(GREEN, 320, 240)
    other = camera.make
    both = itertools.cycle([one, other])
    camera.make = lambda: next(both)()
    encoder = robot.encoders()
    time.sleep(3)
    assert robot.encoders() == encoder
    assert robot.state['state'] == 'live'
    camera.make = other
    wait_for(lambda: robot.state['width'] == '320', 5, 'the other size')
    robot.wait_state('live')
    assert viewer.connected


@pytest.mark.parametrize('camera_fps, fps, seen', [(1, 20, 1), (60, 10, 10)])
def test_slow_and_fast_cameras(robot: Any, camera_fps: float, fps: int, seen: float) -> None:
    robot.start(profile='320p', fps=fps)
    robot.camera(camera_fps)
    viewer = robot.viewer()
    robot.wait_state('live', timeout_s=15)
    wait_for(lambda: viewer.sees(GREEN), 10, 'a picture')
    since, count = time.monotonic(), len(viewer.frames)
    time.sleep(6)
    states = {state['state'] for state in robot.states[-5:]}
    rate = (len(viewer.frames) - count) / (time.monotonic() - since)
    assert states == {'live'}
    assert seen * 0.6 <= rate <= seen * 1.3


def publish_from_elsewhere(url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ['ffmpeg', '-v', 'error', '-re', '-f', 'lavfi', '-i', 'color=red:size=320x240:rate=10',
         '-c:v', 'libx264', '-preset', 'ultrafast', '-f', 'rtsp', '-rtsp_transport', 'tcp', url],
        stderr=subprocess.DEVNULL)


def test_a_second_publisher_is_refused_and_a_first_one_is_named(robot: Any) -> None:
    other = publish_from_elsewhere(robot.server.url)
    try:
        wait_for(lambda: robot.server.path()['online'], 10, 'another publisher')
        robot.start(profile='320p')
        robot.camera()
        viewer = robot.viewer()
        robot.wait_state('stalled', 'refused')
        other.kill()
        other.wait()
        wait_for(lambda: viewer.sees(GREEN), 15, 'our picture')
        other = publish_from_elsewhere(robot.server.url)
        assert other.wait(10) != 0
        assert viewer.sees(GREEN)
        robot.wait_state('live')
    finally:
        other.kill()
        other.wait()


def test_viewers_come_and_go(robot: Any) -> None:
    robot.start(profile='320p')
    robot.camera()
    first: Viewer = robot.viewer()
    wait_for(lambda: first.sees(GREEN), 15, 'a picture')
    encoder = robot.encoders()
    for _ in range(4):
        one = robot.viewer()
        wait_for(lambda one=one: one.frames, 10, 'a picture of another viewer')
        one.close()
        assert robot.encoders() == encoder
    first.close()
    time.sleep(1)
    again = robot.viewer()
    wait_for(lambda: again.sees(GREEN), 10, 'a picture')
    assert robot.encoders() == encoder
