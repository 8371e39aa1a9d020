# SPDX-License-Identifier: Apache-2.0
"""
A script on the robot that drives by `cmd_vel` at 20 Hz; to be killed.

    python -m tests.publisher SPEED_MPS TURN_RADPS
"""

import sys
import time

import rclpy
from geometry_msgs.msg import Twist

from avatar_node.qos import COMMAND


def main() -> None:
    """Publish zeros until the motor node had time to see that nothing is held, then drive."""
    rclpy.init()
    node = rclpy.create_node('script')
    publisher = node.create_publisher(Twist, 'cmd_vel', COMMAND)
    while not publisher.get_subscription_count():
        time.sleep(0.05)
    wanted = Twist()
    for number in range(100_000):
        if number == 20:
            wanted.linear.x, wanted.angular.z = map(float, sys.argv[1:3])
        publisher.publish(wanted)
        time.sleep(0.05)


if __name__ == '__main__':
    main()
