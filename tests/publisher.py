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
    """Stand for half a second, drive for six, for ever."""
    rclpy.init()
    node = rclpy.create_node('script')
    publisher = node.create_publisher(Twist, 'cmd_vel', COMMAND)
    while not publisher.get_subscription_count():
        time.sleep(0.05)
    wanted, stand = Twist(), Twist()
    wanted.linear.x, wanted.angular.z = map(float, sys.argv[1:3])
    for number in range(100_000):
        # Let go now and then: a motor node that was held up wants to see that.
        publisher.publish(wanted if number % 130 >= 10 else stand)
        time.sleep(0.05)


if __name__ == '__main__':
    main()
