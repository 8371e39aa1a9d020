# SPDX-License-Identifier: Apache-2.0
"""Inside the virtual robot: somebody who watches the picture, with an eye on its state.

In:  {"watch": true} begins to watch (by RTSP, decoded), {"watch": false} ends it;
     {"images": true} subscribes camera/image_raw, {"images": false} ends that.
Out: {"state": {...}} for every message of camera/stream_state, its sentence beside its values;
     {"viewer": {"connected": true, "frames": 12, "colour": [0, 255, 0]}} while it watches;
     {"image": {...}} for every image.
"""

import contextlib
import json
import queue
import sys
import threading
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.executors import ExternalShutdownException
from sensor_msgs.msg import Image

from avatar_camera.testing import Viewer
from avatar_node.qos import COMMAND, STATE

URL = 'rtsp://127.0.0.1:8554/camera'
PERIOD_S = 0.2


class Spectator:
    """One thread spins and does everything, one listens to the test."""

    def __init__(self) -> None:
        self._node = rclpy.create_node('spectator')
        self._node.create_subscription(DiagnosticStatus, 'camera/stream_state', _on_state, STATE)
        self._node.create_timer(PERIOD_S, self._step)
        self._orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._viewer: Viewer | None = None
        self._subscription: Any = None
        threading.Thread(target=self._listen, daemon=True).start()

    def spin(self) -> None:
        rclpy.spin(self._node)

    def _listen(self) -> None:
        for line in sys.stdin:
            self._orders.put(json.loads(line))

    def _step(self) -> None:
        with contextlib.suppress(queue.Empty):
            for what, on in self._orders.get_nowait().items():
                {'watch': self._watch, 'images': self._subscribe}[what](on)
        viewer = self._viewer
        if viewer is not None:
            _say('viewer', {'connected': viewer.connected, 'frames': len(viewer.frames),
                            'colour': viewer.frames[-1][1] if viewer.frames else None})

    def _watch(self, on: bool) -> None:
        if self._viewer is not None:
            self._viewer.close()
        self._viewer = Viewer(URL) if on else None

    def _subscribe(self, on: bool) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = self._node.create_subscription(
            Image, 'camera/image_raw', _on_image, COMMAND) if on else None


def _on_state(state: DiagnosticStatus) -> None:
    values = {pair.key: pair.value for pair in state.values}
    _say('state', {**values, 'message': state.message})


def _on_image(image: Image) -> None:
    _say('image', {'width': image.width, 'height': image.height, 'encoding': image.encoding,
                   'bytes': len(image.data)})


def _say(what: str, value: dict[str, Any]) -> None:
    print(json.dumps({what: value}), flush=True)


if __name__ == '__main__':
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        Spectator().spin()
