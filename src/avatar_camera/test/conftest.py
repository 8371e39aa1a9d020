# SPDX-License-Identifier: Apache-2.0
"""A real media server, a real stream node, and a camera that sends single colours."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from avatar_camera.testing import MediaServerProcess, Viewer, encoders, mediamtx
from avatar_node import diagnostics
from avatar_node.qos import STATE
from avatar_node.testing import ros_env, wait_for

GREEN = (30, 200, 30)


def image(colour: tuple[int, int, int], width: int = 640, height: int = 360) -> Image:
    return Image(width=width, height=height, encoding='rgb8', step=width * 3,
                 data=bytes(colour) * (width * height))


class Camera:
    """Publishes an image at a rate, as v4l2_camera does (reliable)."""

    def __init__(self, node: Node, fps: float) -> None:
        self._node, self.period_s = node, 1 / fps
        self.publisher = node.create_publisher(Image, 'camera/image_raw', 1)
        self.make: Callable[[], Image | None] = lambda: None
        self.show(GREEN)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def show(self, colour: tuple[int, int, int], width: int = 640, height: int = 360) -> None:
        message = image(colour, width, height)
        self.make = lambda: message

    def _run(self) -> None:
        while not self._closing.wait(self.period_s):
            message = self.make()
            if message is not None:
                self.publisher.publish(message)

    def close(self) -> None:
        if not self._closing.is_set():
            self._closing.set()
            self._thread.join()
            self._node.destroy_publisher(self.publisher)


class Robot:
    """Media server, stream node, and a node of ours that sees and asks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = MediaServerProcess(folder)
        self.env = ros_env(folder)
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=int(self.env['ROS_DOMAIN_ID']))
        self.node = Node('watcher', context=self.context)
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self.node)

        def spin() -> None:
            with contextlib.suppress(ExternalShutdownException):
                executor.spin()

        threading.Thread(target=spin, daemon=True).start()
        self.states: list[dict[str, str]] = []
        self.sentences: list[str] = []
        self.node.create_subscription(
            DiagnosticStatus, 'camera/stream_state', self._on_state, STATE)
        self._viewers: list[Viewer] = []
        self._cameras: list[Camera] = []
        self.process: subprocess.Popen[bytes] | None = None

    def _on_state(self, message: DiagnosticStatus) -> None:
        self.states.append(diagnostics.values(message))
        self.sentences.append(message.message)

    def start(self, env: dict[str, str] | None = None, **parameters: Any) -> None:
        words = [sys.executable, '-m', 'avatar_camera.stream.node', '--ros-args']
        parameters = {'rtsp_port': self.server.rtsp, 'api_port': self.server.api} | parameters
        for name, value in parameters.items():
            words += ['-p', f'{name}:={value}']
        self.process = subprocess.Popen(words, env=self.env | (env or {}))
        wait_for(lambda: self.states, 10, 'the state of the picture')

    def camera(self, fps: float = 20) -> Camera:
        self._cameras.append(Camera(self.node, fps))
        return self._cameras[-1]

    def viewer(self) -> Viewer:
        self._viewers.append(Viewer(self.server.url))
        return self._viewers[-1]

    @property
    def state(self) -> dict[str, str]:
        return self.states[-1]

    def wait_state(self, state: str, reason: str = '', timeout_s: float = 10) -> None:
        try:
            wait_for(lambda: (self.state['state'], self.state['reason']) == (state, reason),
                     timeout_s, f'{state} {reason}')
        except AssertionError as error:
            raise AssertionError(f'{error}; {self.sentences[-1]} {self.state}') from error

    def encoders(self) -> list[int]:
        return encoders(self.server.rtsp)

    def set(self, **parameters: Any) -> None:
        client = self.node.create_client(
            SetParametersAtomically, 'stream/set_parameters_atomically')
        assert client.wait_for_service(5)
        request = SetParametersAtomically.Request(
            parameters=[Parameter(n, value=v).to_parameter_msg() for n, v in parameters.items()])
        future = client.call_async(request)
        wait_for(future.done, 5, 'an answer')
        result = future.result().result
        assert result.successful, result.reason

    def call(self, kind: Any, name: str, timeout_s: float = 15, **request: Any) -> Any:
        client = self.node.create_client(kind, name)
        assert client.wait_for_service(5)
        future = client.call_async(kind.Request(**request))
        wait_for(future.done, timeout_s, f'an answer of {name}')
        return future.result()

    def close(self) -> None:
        for camera in self._cameras:
            camera.close()
        for viewer in self._viewers:
            viewer.close()
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
        self.server.kill()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def robot(tmp_path: Path) -> Iterator[Robot]:
    if mediamtx() is None:
        pytest.skip('no mediamtx on this machine')
    made = Robot(tmp_path)
    yield made
    made.close()
