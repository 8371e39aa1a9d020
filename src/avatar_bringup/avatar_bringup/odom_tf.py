# SPDX-License-Identifier: Apache-2.0
"""
The odom_tf node: odometry as the transform odom -> base_link, for rviz and navigation.

Open loop, as the odometry is. tf2 comes with a ROS installation only, so this is a node of its
own: the motor node does without.
"""

import sys
from typing import Any

from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node

from avatar_node.run import run

DEPTH = 10


def transform_of(odometry: Odometry) -> TransformStamped:
    """Return the same pose as a transform, with the same stamp and frames."""
    result = TransformStamped(header=odometry.header, child_frame_id=odometry.child_frame_id)
    pose = odometry.pose.pose
    result.transform.rotation = pose.orientation
    moved = result.transform.translation
    moved.x, moved.y, moved.z = pose.position.x, pose.position.y, pose.position.z
    return result


class OdomTf(Node):
    """One message in, one transform out."""

    def __init__(self, **options: Any) -> None:
        super().__init__('odom_tf', **options)
        from tf2_ros import TransformBroadcaster
        self._broadcaster = TransformBroadcaster(self)
        self.create_subscription(Odometry, 'odom', self._on_odometry, DEPTH)

    def _on_odometry(self, odometry: Odometry) -> None:
        self._broadcaster.sendTransform(transform_of(odometry))


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to end."""
    return run(OdomTf, args)


if __name__ == '__main__':
    sys.exit(main())
