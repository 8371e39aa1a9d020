# SPDX-License-Identifier: Apache-2.0
"""Odometry becomes a transform."""

import pytest

pytest.importorskip('rclpy')

from geometry_msgs.msg import Point, Pose, Quaternion
from nav_msgs.msg import Odometry

from avatar_bringup.odom_tf import transform_of


def test_pose_stamp_and_frames_are_the_same() -> None:
    odometry = Odometry(child_frame_id='base_link')
    odometry.header.frame_id = 'odom'
    odometry.header.stamp.sec = 7
    odometry.pose.pose = Pose(position=Point(x=1.0, y=2.0, z=3.0),
                              orientation=Quaternion(x=0.0, y=0.0, z=0.6, w=0.8))
    found = transform_of(odometry)
    assert (found.header.frame_id, found.child_frame_id) == ('odom', 'base_link')
    assert found.header.stamp.sec == 7
    moved, turned = found.transform.translation, found.transform.rotation
    assert (moved.x, moved.y, moved.z) == (1.0, 2.0, 3.0)
    assert (turned.x, turned.y, turned.z, turned.w) == (0.0, 0.0, 0.6, 0.8)


def test_the_node_where_ros_is_installed() -> None:
    pytest.importorskip('tf2_ros', reason='tf2 comes with a ROS installation only')
    import rclpy

    from avatar_bringup.odom_tf import OdomTf
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        OdomTf(context=context).destroy_node()
    finally:
        context.shutdown()
