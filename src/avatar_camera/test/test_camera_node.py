# SPDX-License-Identifier: Apache-2.0
"""The camera node with a stand-in for v4l2_camera: a program that publishes camera_info."""

import contextlib
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor  # noqa: E402

from avatar_camera.driver.node import driver_command  # noqa: E402
from avatar_camera.driver.params import Params  # noqa: E402
from avatar_node import diagnostics  # noqa: E402
from avatar_node.testing import Lines, ros_env, wait_for  # noqa: E402

DRIVER = """#!{python}
import os, sys, time
from pathlib import Path
import rclpy
from sensor_msgs.msg import CameraInfo
folder = Path({folder!r})
with (folder / 'starts').open('a') as starts:
    starts.write(' '.join([str(os.getpid()), *sys.argv[1:]]) + '\\n')
rclpy.init(args=sys.argv)
node = rclpy.create_node('v4l2_camera')
publisher = node.create_publisher(CameraInfo, 'camera_info', 10)
try:
    while rclpy.ok():
        if not (folder / 'frozen').exists():
            publisher.publish(CameraInfo())
        time.sleep(0.05)
except KeyboardInterrupt:
    pass
"""
HOLD = 'import sys; held = open(sys.argv[1], "rb"); print(flush=True); sys.stdin.read()'


class Camera:
    """The node as its own process, the stand-in, a pseudo terminal as the camera's device."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.by_id = folder / 'by-id'
        self.by_id.mkdir()
        self._end, slave = pty.openpty()
        self.device = os.ttyname(slave)
        os.close(slave)  # we are not to be its holder
        driver = folder / 'driver'
        driver.write_text(DRIVER.format(python=sys.executable, folder=str(folder)))
        driver.chmod(0o755)
        self.env = ros_env(folder)
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=int(self.env['ROS_DOMAIN_ID']))
        self.node = rclpy.create_node('watcher', context=self.context)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_report, 10)
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self.node)
        self.report: dict[str, str] = {}
        self.words, self.level = '', diagnostics.STALE

        def spin() -> None:
            with contextlib.suppress(ExternalShutdownException):
                executor.spin()

        self._spinner = threading.Thread(target=spin, daemon=True)
        self._spinner.start()
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'avatar_camera.driver.node', '--ros-args',
             '-p', f'by_id_dir:={self.by_id}', '-p', f'driver:={driver}', '-p', 'silent_s:=1.0'],
            env=self.env)

    def _on_report(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == 'camera: driver':
                self.report = diagnostics.values(status)
                self.words, self.level = status.message, status.level

    def plug_in(self) -> None:
        (self.by_id / 'usb-Camera-video-index0').symlink_to(self.device)

    def drivers(self) -> list[list[str]]:
        """Return the pid and the words of every driver that was started."""
        with contextlib.suppress(FileNotFoundError):
            return [line.split() for line in (self.folder / 'starts').read_text().splitlines()]
        return []

    def wait_live(self, within_s: float = 20.0) -> None:
        wait_for(lambda: self.level == diagnostics.OK, within_s, 'pictures')

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.context.shutdown()
        self._spinner.join(5)
        os.close(self._end)


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[Camera]:
    camera = Camera(tmp_path)
    yield camera
    camera.close()


def alive(pid: str) -> bool:
    return os.path.exists(f'/proc/{pid}')


def test_a_camera_is_waited_for_opened_and_its_driver_ends_with_us(camera: Camera) -> None:
    wait_for(lambda: 'no camera in ' in camera.words, 20, 'the words')
    assert camera.drivers() == []
    camera.plug_in()
    camera.wait_live()
    driver, = camera.drivers()
    assert f'video_device:={camera.device}' in driver
    assert '__ns:=/camera' in driver
    wait_for(lambda: int(camera.report['pictures_per_s']) > 5, 5, 'the rate')
    camera.process.terminate()
    assert camera.process.wait(10) == 0
    wait_for(lambda: not alive(driver[0]), 5, 'the end of the driver')


def test_a_driver_that_sends_nothing_is_ended_and_started_again(camera: Camera) -> None:
    camera.plug_in()
    camera.wait_live()
    (camera.folder / 'frozen').touch()
    wait_for(lambda: 'no picture of ' in camera.words, 10, 'the words')
    first = camera.drivers()[0][0]
    wait_for(lambda: not alive(first), 10, 'the end of the first driver')
    (camera.folder / 'frozen').unlink()
    camera.wait_live(30)
    assert len(camera.drivers()) >= 2
    assert int(camera.report['driver_ends']) >= 1


def test_a_camera_that_somebody_holds_is_taken_when_it_is_free(camera: Camera) -> None:
    with subprocess.Popen([sys.executable, '-c', HOLD, camera.device],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger:
        Lines(stranger.stdout).next()
        camera.plug_in()
        wait_for(lambda: f'is held by pid {stranger.pid} (' in camera.words, 20, 'the holder')
        assert camera.drivers() == []
        stranger.kill()
    camera.wait_live()


def test_a_killed_node_leaves_no_driver(camera: Camera) -> None:
    camera.plug_in()
    camera.wait_live()
    camera.process.kill()
    wait_for(lambda: not alive(camera.drivers()[0][0]), 5, 'the end of the driver')


def test_the_driver_gets_its_own_parameters_in_their_types(tmp_path: Path) -> None:
    program = tmp_path / 'lib/v4l2_camera/v4l2_camera_node'
    program.parent.mkdir(parents=True)
    program.touch()
    environ = {'AMENT_PREFIX_PATH': f'/nowhere:{tmp_path}'}
    words = driver_command(Params(), '/dev/video3', '/robot', environ)
    assert words[0] == str(program)
    assert '__ns:=/robot/camera' in words
    assert {'video_device:=/dev/video3', 'image_size:=[854, 480]', 'time_per_frame:=[1, 20]',
            'pixel_format:="YUYV"'} <= set(words)
    assert not any('silent_s' in word for word in words)
    with pytest.raises(FileNotFoundError, match='v4l2_camera is not installed'):
        driver_command(Params(), '/dev/video3', '/', {})
