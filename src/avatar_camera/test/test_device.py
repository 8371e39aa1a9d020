# SPDX-License-Identifier: Apache-2.0
"""`source: device`: a camera that ffmpeg reads itself."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger

from avatar_camera.stream.device import (
    Mode,
    NoDevice,
    candidates,
    choose,
    formats_of,
    resolve,
)
from avatar_camera.stream.sources import Plan, busy
from avatar_camera.stream.supervision import Reason
from avatar_camera.testing import processes
from avatar_node.qos import COMMAND
from avatar_node.testing import wait_for

GREEN = (30, 200, 30)
CAMERA = 'usb-Acme_Camera_1234-video-index0'

# As ffmpeg 5.1 prints them.
LISTED = """
[video4linux2,v4l2 @ 0x5] Compressed:       mjpeg :          Motion-JPEG : 640x480 640x360 1280x720
[video4linux2,v4l2 @ 0x5] Raw       :     yuyv422 :           YUYV 4:2:2 : 640x480 320x240
[video4linux2,v4l2 @ 0x5] Raw       : Unsupported :            strange 1 : 640x480
/dev/video0: Immediate exit requested
"""


def test_formats_are_read() -> None:
    assert formats_of(LISTED) == {
        'mjpeg': ((640, 480), (640, 360), (1280, 720)), 'yuyv422': ((640, 480), (320, 240))}
    assert formats_of('/dev/video9: No such device') == {}


@pytest.mark.parametrize('wanted, size, mode', [
    ('auto', (854, 480), ('mjpeg', 1280, 720)), ('auto', (640, 360), ('mjpeg', 640, 360)),
    ('raw', (640, 360), ('yuyv422', 640, 480)), ('raw', (1280, 720), ('yuyv422', 640, 480))])
def test_the_smallest_size_that_is_enough(
    wanted: str, size: tuple[int, int], mode: tuple[str, int, int],
) -> None:
    assert choose('/dev/video0', formats_of(LISTED), wanted, *size) == Mode('/dev/video0', *mode)


def test_a_format_that_is_not_there_is_named() -> None:
    with pytest.raises(NoDevice, match='no h264 pictures; it has mjpeg, yuyv422'):
        choose('/dev/video0', formats_of(LISTED), 'h264', 640, 360)


def plug(folder: Path, number: int, name: str = CAMERA) -> Path:
    """Make the link of a camera, as udev does; return the device."""
    device = folder / f'video{number}'
    device.touch()
    by_id = folder / 'by-id'
    by_id.mkdir(exist_ok=True)
    (by_id / name).unlink(missing_ok=True)
    (by_id / name).symlink_to(device)
    return device


def test_the_only_camera_is_taken_and_of_more_one_is_named(tmp_path: Path) -> None:
    folders = (tmp_path / 'by-id', tmp_path / 'by-path')
    with pytest.raises(NoDevice, match='no camera in'):
        resolve('', folders)
    device = str(plug(tmp_path, 0))
    (folders[1]).mkdir()
    (folders[1] / 'platform-usb-0-video-index0').symlink_to(device)
    (folders[1] / 'platform-usb-0-video-index1').symlink_to(device)
    assert resolve('', folders) == resolve(CAMERA, folders) == resolve(device, folders) == device
    plug(tmp_path, 2, 'usb-Other-video-index0')
    with pytest.raises(NoDevice, match='2 cameras.*Acme.*Other'):
        resolve('', folders)
    with pytest.raises(NoDevice, match='video9 is not there; cameras found: .*Acme'):
        resolve('/dev/video9', folders)


def test_what_gives_no_pictures_is_no_camera(tmp_path: Path) -> None:
    udev, folder = tmp_path / 'udev', tmp_path / 'by-path'
    udev.mkdir()
    folder.mkdir()
    links = [folder / f'platform-{name}-video-index0' for name in ('camera', 'decoder', 'other')]
    for link, device in zip(links, ('zero', 'null', 'full'), strict=True):
        link.symlink_to(f'/dev/{device}')
    # As udev writes it; of the third it knows nothing.
    for number, can in (('c1:5', ':capture:'), ('c1:3', ':video_output:')):
        (udev / number).write_text(f'I:1\nE:ID_V4L_VERSION=2\nE:ID_V4L_CAPABILITIES={can}\nG:x\n')
    assert candidates([folder], udev) == [links[0], links[2]]
    assert candidates([folder], tmp_path / 'no udev') == links


def test_who_holds_a_device_is_named() -> None:
    controller, terminal = pty.openpty()  # a device that is there everywhere
    device = os.ttyname(terminal)
    plan = Plan(Mode(device, 'mjpeg', 640, 360), None)
    child = subprocess.Popen(['sleep', '60'], stdin=terminal)
    try:
        wait_for(lambda: f'pid {child.pid} ' in busy(device), 5, 'its holder')
        # A camera that says so only when its pictures are wanted.
        assert plan.why_ended(['ioctl(VIDIOC_STREAMON): Device or resource busy']) == (
            Reason.DEVICE_BUSY, busy(device))
    finally:
        child.kill()
        child.wait()
        os.close(terminal)
        os.close(controller)


def camera_for_ffmpeg(folder: Path) -> dict[str, str]:
    """Return the environment with an ffmpeg whose v4l2 devices are plain files here."""
    path = folder / 'ffmpeg_with_camera'
    path.write_text(f"""#!/usr/bin/env python3
import os, sys
words, real = sys.argv[1:], {shutil.which('ffmpeg')!r}
if 'v4l2' in words:
    at = words.index('v4l2')
    device = words[words.index('-i') + 1]
    if not os.path.exists(device):
        print(device + ': No such device', file=sys.stderr)
        sys.exit(1)
    if '-list_formats' in words:
        print({LISTED!r}, file=sys.stderr)
        sys.exit(1)
    size, rate = (words[words.index(w) + 1] for w in ('-video_size', '-framerate'))
    end = words.index('-i') + 2
    words[at - 1:end] = ['-re', '-f', 'lavfi', '-i',
                         'color=0x1EC81E:size=' + size + ':rate=' + rate]
os.execv(real, ['ffmpeg', *words])
""")
    path.chmod(0o755)
    return {'AVATAR_FFMPEG': str(path)}


def start(robot: Any, **parameters: Any) -> None:
    robot.start(camera_for_ffmpeg(robot.folder), source='device', profile='320p',
                by_id_dir=str(robot.folder / 'by-id'), **parameters)


def readers(robot: Any) -> list[int]:
    return processes(lambda words: 'ffmpeg' in words[0] and any(
        'color=0x1EC81E' in word for word in words) and str(robot.server.rtsp) in ' '.join(words))


def test_a_device_is_streamed_while_it_is_watched_and_comes_back(robot: Any) -> None:
    device = plug(robot.folder, 0)
    start(robot)
    robot.wait_state('off')
    assert readers(robot) == []
    viewer = robot.viewer()
    wait_for(lambda: viewer.sees(GREEN), 20, 'a picture')
    robot.wait_state('live')
    assert (robot.state['source'], robot.state['width']) == ('device', '640')
    # Unplugged, and back under another number.
    device.unlink()
    os.kill(readers(robot)[0], signal.SIGKILL)
    robot.wait_state('stalled', 'no_camera')
    assert 'no camera in' in robot.state['detail']
    plug(robot.folder, 3)
    back_s = time.monotonic()
    wait_for(lambda: viewer.sees(GREEN, back_s + 0.5), 8, 'the picture again')
    assert viewer.connected
    assert len(readers(robot)) == 1
    viewer.close()
    wait_for(lambda: not readers(robot), 10, 'a device that nobody reads')


def test_snapshot_recording_and_images_of_a_device(robot: Any) -> None:
    plug(robot.folder, 0)
    start(robot)
    answer = robot.call(Trigger, 'camera/snapshot')
    assert answer.success, answer.message
    images: list[Image] = []
    listener = robot.node.create_subscription(Image, 'camera/image_raw', images.append, COMMAND)
    wait_for(lambda: len(images) > 5, 15, 'images of the device')
    assert (images[-1].width, images[-1].height, images[-1].encoding) == (640, 360, 'rgb8')
    assert abs(images[-1].data[1] - GREEN[1]) < 40
    assert robot.state['state'] == 'off'
    robot.node.destroy_subscription(listener)
    answer = robot.call(SetBool, 'camera/record', data=True)
    assert answer.success, answer.message
    # While it runs without images, a snapshot interrupts nothing.
    running = readers(robot)
    answer = robot.call(Trigger, 'camera/snapshot')
    assert answer.success, answer.message
    assert readers(robot) == running
    assert robot.call(SetBool, 'camera/record', data=False).success
    assert len(list((robot.folder / 'snapshots').glob('*.jpg'))) == 2
