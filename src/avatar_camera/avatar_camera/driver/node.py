# SPDX-License-Identifier: Apache-2.0
"""The camera node: v4l2_camera as its child, on the device that is the camera now."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from avatar_camera.driver.care import Action, Care
from avatar_camera.driver.params import HANDED_ON, Params
from avatar_camera.stream import device
from avatar_camera.stream.sources import busy
from avatar_node import child, diagnostics
from avatar_node.environment import hold_frames
from avatar_node.holders import holders
from avatar_node.params import Parameters
from avatar_node.qos import SENSOR
from avatar_node.run import run

TICK_S = 0.25
REPORT_S = 1.0
ENDS_WITHIN_S = 1.5
DRIVER = ('v4l2_camera', 'v4l2_camera_node')


class CameraNode(Node):
    """
    Pictures are counted by their camera_info, which comes with each and costs nothing.

    The driver's topics are `camera/image_raw` and `camera/camera_info`, as sim_camera's.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('camera', **options)
        self._params = Parameters(self, Params, changed=self._changed)
        self._care = Care(self._params.value.silent_s)
        self._driver: subprocess.Popen[bytes] | None = None
        self._device = self._words = ''
        self._picture_s: float | None = None
        self._pictures = 0
        self._ends = 0
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_subscription(CameraInfo, 'camera/camera_info', self._on_picture, SENSOR)
        self.create_timer(TICK_S, self._tick)
        self.create_timer(REPORT_S, self._report)

    def destroy_node(self) -> None:
        """End the driver."""
        if self._driver is not None:
            self._signal(signal.SIGINT)
            try:
                self._driver.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                child.kill(self._driver)
        super().destroy_node()  # type: ignore[no-untyped-call]

    def _changed(self, params: Params) -> None:
        self._care.silent_s = params.silent_s

    def _on_picture(self, _info: CameraInfo) -> None:
        self._picture_s = time.monotonic()
        self._pictures += 1

    def _tick(self) -> None:
        running = self._driver is not None and self._driver.poll() is None
        if self._driver is not None and not running:
            child.kill(self._driver)  # what it may have started
            self._say(f'the driver of {self._device} ended with {self._driver.returncode}')
            self._driver = None
            self._ends += 1
        action = self._care.step(time.monotonic(), running, self._picture_s)
        if action is Action.START:
            self._start()
        elif action is Action.END:
            self._say(f'no picture of {self._device} for {self._params.value.silent_s:g} s: the '
                      'driver is ended and started again')
            self._signal(signal.SIGINT)
        elif action is Action.KILL and self._driver is not None:
            child.kill(self._driver)
        elif self._care.live:
            self._say('')

    def _start(self) -> None:
        params = self._params.value
        by_id = Path(params.by_id_dir)
        try:
            self._device = device.resolve(params.device, (by_id, by_id.parent / 'by-path'))
            if holders(self._device):
                raise device.NoDevice(f'{busy(self._device)}: it is taken when it is free')
            command = driver_command(params, self._device, self.get_namespace(), os.environ)
            environ = dict(os.environ)
            hold_frames(environ)
            self._driver = child.start(command, stdin=subprocess.DEVNULL, env=environ)
        except (device.NoDevice, OSError) as problem:
            self._care.failed(time.monotonic())
            self._say(str(problem))
            return
        self._care.started(time.monotonic())

    def _signal(self, number: int) -> None:
        if self._driver is not None and self._driver.poll() is None:
            self._driver.send_signal(number)

    def _say(self, words: str) -> None:
        if words and words != self._words:
            self.get_logger().warning(words)
        elif self._words and not words:
            self.get_logger().info(f'{self._device} sends pictures')
        self._words = words

    def _report(self) -> None:
        live = self._care.live
        level = diagnostics.OK if live else diagnostics.ERROR
        words = f'{self._device} sends pictures' if live else \
            self._words or f'waiting for a picture of {self._device}'
        report = diagnostics.status('camera: driver', level, words, {
            'device': self._device, 'pictures_per_s': self._pictures, 'driver_ends': self._ends,
        }, hardware_id=self._device)
        self._pictures = 0
        self._diagnostics.publish(
            diagnostics.array(self.get_clock().now().to_msg(), [report]))


def driver_command(
    params: Params, path: str, namespace: str, environ: Mapping[str, str]
) -> list[str]:
    """Return the command of the driver; FileNotFoundError with a sentence if there is none."""
    program = params.driver or _installed(environ)
    words = [program, '--ros-args', '-r', f'__ns:={namespace.rstrip("/")}/camera',
             '-p', f'video_device:={path}']
    for name, value in asdict(params).items():
        if name in HANDED_ON:
            text = list(value) if isinstance(value, tuple) else f'"{value}"'
            words += ['-p', f'{name}:={text}']
    return words


def _installed(environ: Mapping[str, str]) -> str:
    package, name = DRIVER
    for prefix in environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        program = Path(prefix, 'lib', package, name)
        if program.is_file():
            return str(program)
    raise FileNotFoundError(f'{package} is not installed (sudo apt install ros-$ROS_DISTRO-'
                            f'{package.replace("_", "-")}): there is no picture')


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to end."""
    return run(CameraNode, args)


if __name__ == '__main__':
    sys.exit(main())
