# SPDX-License-Identifier: Apache-2.0
"""The sim_camera node over real DDS: as v4l2_camera publishes, only while somebody looks."""

import contextlib
import math
import os
import subprocess
import sys
import threading
import time

import psutil
import pytest
import rclpy
from nav_msgs.msg import Odometry
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from avatar_camera.sim import stamp
from avatar_node.testing import TIMEOUT_SCALE, ros_env, wait_for

SIZE = (320, 180)


class Watcher:
    """The node as a process, and a node of ours that looks at its pictures."""

    def __init__(self, folder):
        self.env = ros_env(folder)
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=int(self.env['ROS_DOMAIN_ID']))
        self.node = Node('watcher', context=self.context)
        self.odom = self.node.create_publisher(Odometry, 'odom', 10)
        self.images, self.infos, self.times = [], [], []
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        threading.Thread(target=self._spin, daemon=True).start()
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'avatar_camera.sim.node', '--ros-args', '-r',
             '__node:=sim_camera', '-p', f'image_size:={list(SIZE)}'], env=self.env)
        self.subscription = None

    def _spin(self):
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def _on_image(self, message):
        self.times.append(time.monotonic())
        self.images.append(message)

    def look(self):
        self.subscription = self.node.create_subscription(
            Image, 'camera/image_raw', self._on_image, 10)
        return self.fresh()

    def look_away(self):
        self.node.destroy_subscription(self.subscription)

    def fresh(self, timeout_s=10):
        """Wait for a picture that comes from now on."""
        count = len(self.images)
        wait_for(lambda: len(self.images) > count + 1, timeout_s, 'a picture')
        return self.images[-1]

    def set(self, **parameters):
        client = self.node.create_client(
            SetParametersAtomically, 'sim_camera/set_parameters_atomically')
        assert client.wait_for_service(5)
        future = client.call_async(SetParametersAtomically.Request(
            parameters=[Parameter(n, value=v).to_parameter_msg() for n, v in parameters.items()]))
        wait_for(future.done, 5, 'an answer')
        return future.result().result

    def close(self):
        self.process.terminate()
        assert self.process.wait(10) == 0
        self.context.try_shutdown()


@pytest.fixture
def watcher(tmp_path, monkeypatch):
    env = ros_env(tmp_path)
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'RMW_IMPLEMENTATION'):
        monkeypatch.setenv(name, env[name])
    result = Watcher(tmp_path)
    yield result
    result.close()


def time_in(image):
    """Return the stamp in a picture [s]."""
    luma = bytes(image.data[0::2])
    time_ms = stamp.read(luma, image.width)
    assert time_ms is not None
    return time_ms / 1000


def test_it_publishes_as_v4l2_camera_does(watcher):
    watcher.node.create_subscription(CameraInfo, 'camera/camera_info', watcher.infos.append, 10)
    image = watcher.look()
    assert (image.width, image.height) == SIZE
    assert (image.encoding, image.step, image.header.frame_id) == ('yuv422_yuy2', 640, 'camera')
    assert len(image.data) == 640 * 180
    info = wait_for(lambda: watcher.infos, 5, 'camera_info')[-1]
    assert (info.width, info.height, info.header.frame_id) == (*SIZE, 'camera')
    assert info.k[0] == pytest.approx(160 / math.tan(math.radians(37.5)))
    found = watcher.node.get_publishers_info_by_topic('camera/image_raw')
    assert [(p.node_name, p.qos_profile.reliability, p.qos_profile.durability) for p in found] == [
        ('sim_camera', ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)]
    # Twenty a second, and the picture says when it was exposed: just now.
    start = len(watcher.images)
    wait_for(lambda: len(watcher.images) > start + 20, 5, 'twenty pictures')
    seconds = watcher.times[start + 20] - watcher.times[start]
    assert seconds == pytest.approx(1.0, abs=0.5 * TIMEOUT_SCALE)
    ages = [t - time_in(i) % 2**32 for t, i in zip(watcher.times, watcher.images, strict=False)]
    assert -0.002 <= min(ages) < 0.1


def test_odometry_moves_the_view(watcher):
    before = bytes(watcher.look().data[640 * 40:])
    message = Odometry()
    message.pose.pose.orientation.z, message.pose.pose.orientation.w = math.sin(0.2), math.cos(0.2)
    wait_for(lambda: watcher.odom.get_subscription_count(), 5, 'the camera listens')
    watcher.odom.publish(message)
    wait_for(lambda: bytes(watcher.images[-1].data[640 * 40:]) != before, 5, 'another view')


def test_size_rate_and_encoding_change_while_it_runs(watcher):
    watcher.look()
    assert watcher.set(image_size=[64, 48], output_encoding='mono8',
                       time_per_frame=[1, 30]).successful
    image = wait_for(lambda: [i for i in watcher.images[-1:] if i.width == 64], 5, 'the size')[0]
    assert (image.height, image.encoding, len(image.data)) == (48, 'mono8', 64 * 48)
    refused = watcher.set(time_per_frame=[1, 60])
    assert not refused.successful
    assert '60 frames' in refused.reason
    assert not watcher.set(image_size=[63, 48]).successful


def test_nothing_is_drawn_unless_somebody_looks(watcher):
    wait_for(lambda: watcher.node.get_publishers_info_by_topic('camera/image_raw'), 10, 'the node')
    process = psutil.Process(watcher.process.pid)

    def used_s(seconds):
        before = sum(process.cpu_times()[:2])
        # A fixed time on purpose: that nothing happens cannot be waited for.
        time.sleep(seconds)
        return sum(process.cpu_times()[:2]) - before

    # The kernel counts in hundredths of a second; DDS itself needs two or three of them a second.
    wait_for(lambda: used_s(0.5) <= 0.02, 15, 'rest')
    watcher.look()
    assert watcher.set(image_size=[1280, 720]).successful
    wait_for(lambda: used_s(0.5) >= 0.05, 10, 'drawing')
    watcher.look_away()
    drawn = len(watcher.images)
    wait_for(lambda: used_s(0.5) <= 0.02, 15, 'rest')
    assert len(watcher.images) < drawn + 5


def test_faults_on_request(watcher):
    watcher.look()

    def fault(name):
        assert watcher.set(fault=name).successful
        count = len(watcher.images)
        return lambda: watcher.images[count + 1:]

    frozen = fault('freeze')
    wait_for(lambda: len(frozen()) > 5, 5, 'frozen pictures')
    assert len({time_in(i) for i in frozen()[1:]}) == 1
    assert len({(i.header.stamp.sec, i.header.stamp.nanosec) for i in frozen()[1:]}) > 3
    after = fault('unplug')
    time.sleep(0.5)
    assert len(after()) <= 1
    after = fault('none')
    wait_for(after, 5, 'pictures again')
    for name, true_of in (
            ('zero_bytes', lambda i: len(i.data) == 0),
            ('truncated', lambda i: len(i.data) == i.step * i.height // 2),
            ('garbage', lambda i: stamp.read(bytes(i.data[0::2]), i.width) is None),
            ('unknown_encoding', lambda i: i.encoding == 'unheard_of'),
            ('wrong_size', lambda i: i.width == SIZE[0] // 2 and len(i.data) == i.step * i.height),
    ):
        seen = fault(name)
        wait_for(lambda s=seen, t=true_of: any(map(t, s())), 5, name)
    seen = fault('slow')
    start = time.monotonic()
    wait_for(lambda: len(seen()) >= 2, 6, 'two slow pictures')
    assert time.monotonic() - start > 0.9
    assert not watcher.set(fault='explode').successful
    assert os.path.exists(f'/proc/{watcher.process.pid}')
