# SPDX-License-Identifier: Apache-2.0
"""ROS messages to JSON and back: what is kept, what is null, which field an error names."""

import base64
import json
import math

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseWithCovariance, Twist
from nav_msgs.msg import Odometry
from rcl_interfaces.msg import ParameterValue
from sensor_msgs.msg import BatteryState, Image, JointState, LaserScan
from std_msgs.msg import Bool, Int8, String, UInt64
from std_srvs.srv import SetBool, Trigger

from avatar_web.rosbridge import convert
from avatar_web.rosbridge.convert import ConversionError, UnknownType, load, to_json, to_ros

STATUS = DiagnosticStatus(level=DiagnosticStatus.WARN, name='motor: link', message='ä',
                          values=[KeyValue(key='port', value='/dev/ttyUSB0')])


@pytest.mark.parametrize('message', [
    Twist(), Odometry(child_frame_id='base_link'), BatteryState(voltage=11.5), Bool(data=True),
    DiagnosticArray(status=[STATUS, STATUS]), Image(data=bytes(range(256)), encoding='mono8'),
    JointState(name=['left', 'right'], position=[1.0, 2.5]), LaserScan(ranges=[0.5, 1.5]),
    ParameterValue(byte_array_value=[b'\1', b'\xff'], string_array_value=['a']), String(data='x'),
    UInt64(data=2**64 - 1), SetBool.Request(data=True), Trigger.Response(success=True),
])
def test_there_and_back(message):
    text = json.dumps(to_json(message), allow_nan=False)
    assert to_ros(json.loads(text), type(message)) == message


def test_what_the_json_looks_like():
    values = to_json(STATUS)
    assert values == {'level': 1, 'name': 'motor: link', 'message': 'ä', 'hardware_id': '',
                      'values': [{'key': 'port', 'value': '/dev/ttyUSB0'}]}
    assert to_json(Image(data=b'abc'))['data'] == base64.b64encode(b'abc').decode()
    assert to_json(Trigger.Request()) == {}


def test_numbers_that_are_not_finite_are_null():
    values = to_json(LaserScan(angle_min=math.nan, ranges=[1.0, math.inf, -math.inf]))
    assert values['angle_min'] is None
    assert values['ranges'] == [1.0, None, None]
    odom = Odometry()
    odom.pose.covariance[3] = math.nan
    assert to_json(odom)['pose']['covariance'][3] is None


@pytest.mark.parametrize(('values', 'cls', 'where'), [
    ({'linear': {'x': '1'}}, Twist, 'linear.x'),
    ({'linear': {'x': math.nan}}, Twist, 'linear.x'),
    ({'linear': {'x': math.inf}}, Twist, 'linear.x'),
    ({'linear': {'x': True}}, Twist, 'linear.x'),
    ({'linear': None}, Twist, 'linear'),
    ({'linear': {'w': 1}}, Twist, 'linear.w'),
    ({'data': 1}, String, 'data'), ({'data': None}, String, 'data'),
    ({'data': 'a\ud800'}, String, 'data'), ({'data': 'a\0b'}, String, 'data'),
    ({'data': 1}, Bool, 'data'), ({'data': 'true'}, Bool, 'data'),
    ({'data': 128}, Int8, 'data'), ({'data': 1.0}, Int8, 'data'), ({'data': -1}, UInt64, 'data'),
    ({'data': True}, Int8, 'data'), ({'voltage': 1e39}, BatteryState, 'voltage'),
    ({'status': [{}, {'level': 256}]}, DiagnosticArray, 'status[1].level'),
    ({'status': {}}, DiagnosticArray, 'status'),
    ({'status': [{'values': [{'key': 3}]}]}, DiagnosticArray, 'status[0].values[0].key'),
    ({'covariance': [0.0] * 35}, PoseWithCovariance, 'covariance'),
    ({'covariance': [0.0] * 35 + ['x']}, PoseWithCovariance, 'covariance[35]'),
    ({'data': '***'}, Image, 'data'), ({'data': [256]}, Image, 'data[0]'),
    ({'data': 5}, Image, 'data'), ({'position': [0.0] * 100_001}, JointState, 'position'),
    ([], Twist, 'msg'), ('x', Twist, 'msg'), (None, Twist, 'msg'),
])
def test_an_error_names_the_field(values, cls, where):
    with pytest.raises(ConversionError) as caught:
        to_ros(values, cls)
    assert where in str(caught.value).split(': ')[0]


def test_missing_fields_keep_their_defaults_and_numbers_may_be_whole():
    twist = to_ros({'linear': {'x': 1}}, Twist)
    assert (twist.linear.x, twist.angular.z) == (1.0, 0.0)
    assert to_ros({}, Odometry) == Odometry()


def test_bytes_come_as_base64_or_as_numbers():
    assert bytes(to_ros({'data': 'AAH/'}, Image).data) == b'\0\1\xff'
    assert bytes(to_ros({'data': [0, 1, 255]}, Image).data) == b'\0\1\xff'


def test_types_are_looked_up_without_running_what_is_no_message_package():
    assert load('std_msgs/msg/String') is String
    assert load('std_srvs/srv/Trigger') is Trigger
    for name in ('this/msg/This', 'antigravity/msg/Fly', 'std_msgs/msg/Nothing', 'os/msg/path',
                 'std_msgs/msg/__init__', 'std_msgs/String', 'a/b/c/d', '', 'std_msgs/msg/rclpy',
                 'std_srvs/msg/Trigger', '../std_msgs/msg/String', 'no_such_package/msg/X'):
        with pytest.raises(UnknownType):
            load(name)
    import sys
    assert 'this' not in sys.modules
    assert 'antigravity' not in sys.modules


def test_converting_is_quick_enough_for_the_loop():
    import time
    odom = Odometry()
    start = time.process_time()
    for _ in range(200):
        json.dumps(convert.to_json(odom))
    assert (time.process_time() - start) / 200 < 0.001
