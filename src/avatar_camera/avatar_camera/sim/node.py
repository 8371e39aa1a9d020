# SPDX-License-Identifier: Apache-2.0
"""The sim_camera node: publishes what a camera on the robot would see, as v4l2_camera does."""

import array
import math
import os
import sys
import threading
import time

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from avatar_camera.sim.encoding import Encoder
from avatar_camera.sim.faults import FAULTS, SLOW_RATE_HZ, Frame, spoil
from avatar_camera.sim.params import Params, problem
from avatar_camera.sim.view import View
from avatar_camera.sim.walk import Pose, Walk
from avatar_node.environment import hold_frames
from avatar_node.params import Parameters
from avatar_node.qos import SENSOR
from avatar_node.run import run

# What v4l2_camera gives its publishers.
DEPTH = 10
# Without a subscriber nothing is drawn; somebody new waits at most so long for the first picture.
LOOK_S = 0.1
# Between two messages of odometry the robot goes on as the last one said, but for no longer.
GOES_ON_S = 0.1


class SimCamera(Node):
    """Draws while somebody subscribes; see docs/ros_api.md."""

    def __init__(self) -> None:
        super().__init__('sim_camera')
        self._params = Parameters(self, Params, check=problem, changed=self._changed)
        self._walk = Walk()
        self._velocity, self._heard_s = (0.0, 0.0), 0.0
        self._number = 0
        self._images = self.create_publisher(Image, 'camera/image_raw', DEPTH)
        self._infos = self.create_publisher(CameraInfo, 'camera/camera_info', DEPTH)
        self.create_subscription(Odometry, 'odom', self._on_odometry, SENSOR)
        self._set_up(self._params.value)
        self._timer = self.create_timer(1.0, self._draw)
        self._timer.cancel()
        self._wanted = False
        self._closing = threading.Event()
        self._changed_looks = self.create_guard_condition(self._set_pace)
        # A thread, because each pass of a rclpy executor costs twenty times as much.
        self._looker = threading.Thread(target=self._look, name='looker', daemon=True)
        self._looker.start()

    def destroy_node(self) -> None:
        """End the thread, too."""
        self._closing.set()
        self._looker.join(1.0)
        super().destroy_node()  # type: ignore[no-untyped-call]

    def _set_up(self, params: Params) -> None:
        width, height = params.image_size
        self._view = View(width, height)
        self._encoder = Encoder(params.output_encoding, width, height)
        # The message is made once; pictures are written into the bytes it made for itself.
        self._image = Image(width=width, height=height, encoding=params.output_encoding,
                            step=self._encoder.step,
                            data=array.array('B', bytes(self._encoder.size)))
        self._pixels = np.frombuffer(self._image.data, np.uint8)
        self._image.header.frame_id = params.camera_frame_id
        focal_px = self._view.focal_px
        self._info = CameraInfo(
            width=width, height=height, distortion_model='plumb_bob', d=[0.0] * 5,
            k=[focal_px, 0.0, width / 2, 0.0, focal_px, height / 2, 0.0, 0.0, 1.0],
            r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            p=[focal_px, 0.0, width / 2, 0.0, 0.0, focal_px, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0])
        self._info.header.frame_id = params.camera_frame_id
        self._applied = params

    def _changed(self, params: Params) -> None:
        before = self._applied
        if params.fault != before.fault:
            self.get_logger().info(
                f'fault {params.fault}: {FAULTS[params.fault]}' if params.fault in FAULTS
                else f'fault {before.fault} is over')
        if ((params.image_size, params.output_encoding)
                != (before.image_size, before.output_encoding)):
            self._set_up(params)
        self._applied = params
        self._set_pace()

    def _set_pace(self) -> None:
        """Wake as often as there is a picture to draw."""
        if not self._wanted:
            self._timer.cancel()
            return
        slow = self._applied.fault == 'slow'
        rate_hz = SLOW_RATE_HZ if slow else self._applied.frame_rate_hz
        self._timer.timer_period_ns = round(1e9 / rate_hz)
        self._timer.reset()

    def _on_odometry(self, message: Odometry) -> None:
        turn = message.pose.pose.orientation
        heading = math.atan2(2 * (turn.w * turn.z + turn.x * turn.y),
                             1 - 2 * (turn.y * turn.y + turn.z * turn.z))
        self._walk.follow(Pose(message.pose.pose.position.x, message.pose.pose.position.y,
                               heading))
        twist = message.twist.twist
        velocity = (twist.linear.x, twist.angular.z)
        self._velocity = velocity if all(map(math.isfinite, velocity)) else (0.0, 0.0)
        self._heard_s = time.monotonic()

    def _look(self) -> None:
        try:
            while not self._closing.wait(LOOK_S):
                wanted = bool(self._images.get_subscription_count()
                              or self._infos.get_subscription_count())
                if wanted != self._wanted:
                    self._wanted = wanted
                    self._changed_looks.trigger()
        except RuntimeError:  # RCLError is one
            # A signal ends the context under our hands; `destroy_node` follows.
            if self.context.ok():
                raise

    def _draw(self) -> None:
        if self._applied.fault != 'unplug':
            self._publish()

    def _publish(self) -> None:
        """Expose, draw, publish: the stamps are those of the exposure."""
        exposed_ms = time.monotonic_ns() // 1_000_000
        stamp = self.get_clock().now().to_msg()
        self._number += 1
        fault = self._applied.fault
        if fault != 'freeze':
            pose = self._walk.ahead(
                *self._velocity, min(GOES_ON_S, exposed_ms / 1e3 - self._heard_s))
            picture = self._view.draw(pose.x, pose.y, pose.heading, exposed_ms)
            self._encoder.write(picture, self._pixels)
        image = self._image
        if fault not in ('none', 'freeze', 'slow'):
            image = self._spoilt(image, fault)
        image.header.stamp = self._info.header.stamp = stamp
        self._images.publish(image)
        self._infos.publish(self._info)

    def _spoilt(self, image: Image, fault: str) -> Image:
        frame = spoil(Frame(image.width, image.height, image.step, image.encoding,
                            image.data.tobytes()), fault, self._number)
        return Image(header=image.header, width=frame.width, height=frame.height,
                     step=frame.step, encoding=frame.encoding,
                     data=array.array('B', frame.data))


def main() -> int:
    """Run the node."""
    hold_frames(os.environ)
    return run(SimCamera)


if __name__ == '__main__':
    sys.exit(main())
