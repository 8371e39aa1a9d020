# SPDX-License-Identifier: Apache-2.0
"""
A camera that ffmpeg reads, on a real kernel: names, numbers, holders, and one pulled out.

One robot is booted for all of them. Times here are those of an emulated machine: only the order
of things counts.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from avatar_node.testing import wait_for
from tests.vm.camera_rig import CAMERA, GREEN, LINK, PATTERN, SCREEN, CameraRig
from tests.vm.conftest import leisurely
from tests.vm.machine import VirtualRobot
from tests.vm.rig import REACT_S, START_S


@pytest.fixture(scope='module')
def _rig(kernel: Path) -> Iterator[CameraRig]:
    with VirtualRobot(kernel) as robot:
        yield CameraRig(robot)


@pytest.fixture
def rig(_rig: CameraRig) -> Iterator[CameraRig]:
    """The robot with a camera plugged in, and no stream node."""
    yield _rig
    _rig.rest()


def watch(rig: CameraRig) -> str:
    """Watch the camera, in green; return its device."""
    device = rig.device()
    rig.control(device, PATTERN, GREEN)
    rig.tell(watch=True)
    rig.wait_green('the picture', START_S)
    return device


def wait_free(rig: CameraRig, device: str) -> None:
    """Wait until nobody has the device open."""
    wait_for(lambda: rig.holders(device) == '', REACT_S, 'a device that nobody reads', 0.5)


@leisurely
def test_a_camera_is_read_while_somebody_watches_and_at_no_other_time(rig: CameraRig) -> None:
    device = rig.device()
    rig.start_stream(LINK)
    rig.wait_state('nobody watches', state='off')
    assert rig.holders(device) == ''
    watch(rig)
    rig.wait_state('live', state='live', viewers='1', source='device', width='640')
    assert rig.holders(device) != ''
    rig.tell(watch=False)
    rig.wait_state('nobody watches any more', state='off', viewers='0')
    wait_free(rig, device)


def test_unplugged_while_watched_and_back_under_another_number(rig: CameraRig) -> None:
    rig.start_stream(LINK)
    before = watch(rig)
    # Who never lets go keeps the number: the camera comes back with another one.
    keeper = rig.robot.spawn('sh', '-c', f'exec sleep 1000 < {before}')
    wait_for(lambda: f'/{keeper.wait_pid()}/' in rig.holders(before), REACT_S, 'the keeper', 0.5)
    rig.unplug()
    rig.wait_state('what is missing named', state='stalled', reason='no_camera',
                   says=[LINK, 'found: none'])
    wait_for(lambda: not rig.sees_green(), REACT_S, 'the offline card', 0.05)
    plugged = time.monotonic()
    device = rig.plug()
    assert device != before
    rig.wait_state('live again', START_S, state='live', reason='')
    print(f'live {time.monotonic() - plugged:.1f} s after the camera was back as {device}')
    rig.control(device, PATTERN, GREEN)
    rig.wait_green('the picture again')
    keeper.signal(9)
    keeper.wait(REACT_S)


def test_the_holder_of_a_camera_is_named_and_the_camera_taken_when_free(rig: CameraRig) -> None:
    device = rig.device()
    # Who has read once has the pictures until it closes the device.
    holder = rig.robot.spawn('sh', '-c', f'exec < {device}; head -c 1 | wc -c; exec sleep 1000')
    holder.wait_line(lambda line: line.strip() == '1', REACT_S, 'picture')
    rig.start_stream(LINK)
    rig.tell(watch=True)
    rig.wait_state('the holder named', START_S, state='stalled', reason='device_busy',
                   says=[f'pid {holder.wait_pid()} (sleep 1000)'])
    holder.signal(9)
    holder.wait(REACT_S)
    rig.wait_state('the camera taken', START_S, state='live', reason='')
    rig.control(device, PATTERN, GREEN)
    rig.wait_green('the picture')


@leisurely
def test_what_takes_pictures_is_no_camera_and_the_only_camera_is_found(rig: CameraRig) -> None:
    rig.load(SCREEN)
    rig.start_stream()
    rig.tell(watch=True)
    rig.wait_state('no camera', state='stalled', reason='no_camera', says=['no camera in'])
    rig.load(CAMERA)
    rig.wait_state('the only camera taken', START_S, state='live')


@leisurely
def test_images_are_published_for_who_wants_them(rig: CameraRig) -> None:
    rig.start_stream(LINK)
    heard = len(rig.spectator.lines)
    rig.tell(images=True)
    image = rig.spectator.wait_line(
        lambda line: line.startswith('{"image"'), START_S, 'image', heard
    )
    assert json.loads(image)['image'] == {
        'width': 640, 'height': 360, 'encoding': 'rgb8', 'bytes': 640 * 360 * 3
    }
    assert rig.state()['state'] == 'off'
    rig.tell(images=False)
    wait_free(rig, rig.device())
