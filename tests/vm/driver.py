# SPDX-License-Identifier: Apache-2.0
"""Inside the virtual robot: somebody with `cmd_vel` in the hand and an eye on `motor/state`.

In:  {"drive": [0.3, 0.0]} m/s and rad/s, repeated at 20 Hz until {"drive": null}, which says
     zero three times and then nothing.
Out: {"state": {...}} for every message of motor/state: its message beside its values.

There is no gateway here, so no lease: `cmd_vel` drives.
"""

import contextlib
import json
import sys
import threading
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Twist
from rclpy.executors import ExternalShutdownException

from avatar_motor.deadlines import PAGE_PERIOD_S
from avatar_node.qos import COMMAND, STATE

ZEROS = 3


class Driver:
    """One thread spins, one listens to the test, one repeats the command."""

    def __init__(self) -> None:
        self._node = rclpy.create_node('driver')
        self._cmd_vel = self._node.create_publisher(Twist, 'cmd_vel', COMMAND)
        self._node.create_subscription(DiagnosticStatus, 'motor/state', _say, STATE)
        self._wanted: tuple[float, float] | None = None
        self._zeros = 0
        self._wake = threading.Event()
        for target in (self._listen, self._repeat):
            threading.Thread(target=target, daemon=True).start()

    def spin(self) -> None:
        rclpy.spin(self._node)

    def _listen(self) -> None:
        for line in sys.stdin:
            order: Any = json.loads(line)['drive']
            if order is None and self._wanted is not None:
                self._zeros = ZEROS
            self._wanted = order
            self._wake.set()

    def _repeat(self) -> None:
        while True:
            wanted = self._wanted
            if wanted is None and not self._zeros:
                self._wake.wait()
                self._wake.clear()
                continue
            twist = Twist()
            if wanted is None:
                self._zeros -= 1
            else:
                twist.linear.x, twist.angular.z = map(float, wanted)
            self._cmd_vel.publish(twist)
            self._wake.wait(PAGE_PERIOD_S)
            self._wake.clear()


def _say(state: DiagnosticStatus) -> None:
    values = {pair.key: pair.value for pair in state.values}
    print(json.dumps({'state': {**values, 'message': state.message}}), flush=True)


if __name__ == '__main__':
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        Driver().spin()
