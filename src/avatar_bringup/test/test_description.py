# SPDX-License-Identifier: Apache-2.0
"""The robot's description fits the parameters of the motor node and the camera's frame."""

import xml.etree.ElementTree as ElementTree

from avatar_bringup.description import urdf
from avatar_camera.driver.params import Params as Camera
from avatar_motor.params import Params as Motor


def test_it_is_a_tree_of_the_frames_and_joints_that_are_published() -> None:
    robot = ElementTree.fromstring(urdf())
    links = {link.get('name') for link in robot.iter('link')}
    joints = {joint.get('name'): joint for joint in robot.findall('joint')}
    motor = Motor()
    assert {motor.base_frame_id, Camera().camera_frame_id} <= links
    assert {motor.left_joint, motor.right_joint} <= joints.keys()
    children = [joint.find('child') for joint in joints.values()]
    parents = [joint.find('parent') for joint in joints.values()]
    named = [end.get('link') for end in (*children, *parents) if end is not None]
    assert set(named) <= links
    # Each link but the root is the child of exactly one joint.
    below = [end.get('link') for end in children if end is not None]
    assert sorted(map(str, below)) == sorted(map(str, links - {motor.base_frame_id}))


def test_the_measures_are_the_motor_nodes() -> None:
    robot, motor = ElementTree.fromstring(urdf()), Motor()
    for joint, side in ((motor.left_joint, 1), (motor.right_joint, -1)):
        origin = robot.find(f"joint[@name='{joint}']/origin")
        assert origin is not None
        _, y, z = map(float, str(origin.get('xyz')).split())
        assert y == side * motor.track_width_m / 2
        assert z == motor.wheel_radius_m
    wheels = robot.findall('link/visual/geometry/cylinder')
    assert [float(str(w.get('radius'))) for w in wheels] == [motor.wheel_radius_m] * 2
