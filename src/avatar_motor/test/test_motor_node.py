# SPDX-License-Identifier: Apache-2.0
"""The motor node as a real process: real DDS on one side, the fake board on the other."""

import contextlib
import math
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rcl_interfaces.srv import DescribeParameters, ListParameters, SetParametersAtomically
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import BatteryState, JointState
from std_msgs.msg import Bool, Float64
from std_srvs.srv import SetBool, Trigger

from avatar_motor.testing import BoardProcess
from avatar_node import diagnostics
from avatar_node.qos import COMMAND, STATE
from avatar_node.testing import TIMEOUT_SCALE, ros_env, wait_for

STOP_S = 0.1 * TIMEOUT_SCALE
WATCHDOG_S = 2.1
PROGRAM = ('-m', 'avatar_motor.node')

PUBLISHER = """
import sys, time
import rclpy
from geometry_msgs.msg import Twist
from rclpy.node import Node
from avatar_node.qos import COMMAND
rclpy.init()
node = Node('script')
publisher = node.create_publisher(Twist, 'cmd_vel', COMMAND)
message = Twist()
for _ in range(4):
    publisher.publish(message)
    time.sleep(0.05)
message.linear.x, message.angular.z = float(sys.argv[1]), float(sys.argv[2])
while True:
    publisher.publish(message)
    time.sleep(0.05)
"""

# The node, with a topic by which its executor can be held up for some seconds.
NODE_HELD_UP = """
import sys, time
from std_msgs.msg import Float64
from avatar_motor.node import MotorNode
from avatar_node.run import run
class HeldUp(MotorNode):
    def __init__(self):
        super().__init__()
        self.create_subscription(Float64, 'hold_up', lambda message: time.sleep(message.data), 1)
sys.exit(run(HeldUp))
"""


def twist(speed: float, turn: float = 0.0) -> Twist:
    message = Twist()
    message.linear.x, message.angular.z = speed, turn
    return message


class Gateway:
    """The part of a gateway the motor node sees: the lease at 5 Hz, commands at 20 Hz."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.commands = node.create_publisher(Twist, 'operator/cmd_vel', COMMAND)
        self.leases = node.create_publisher(DiagnosticStatus, 'operator/lease', STATE)
        self.state, self.allow, self.held = 'held', False, None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        beat = 0
        while not self._closing.wait(0.05):
            if beat % 4 == 0:
                self.say()
            beat += 1
            if self.held is not None:
                self.commands.publish(self.held)

    def say(self) -> None:
        holder = 'ana' if self.state != 'free' else ''
        self.leases.publish(diagnostics.status('operator/lease', diagnostics.OK, 'test', {
            'state': self.state, 'holder': holder, 'allow_cmd_vel': self.allow}))

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        for publisher in (self.commands, self.leases):
            self._node.destroy_publisher(publisher)


class Robot:
    """Board, motor node, and a node of ours that sees and asks."""

    def __init__(self, state: Path, board_args: tuple[str, ...], parameters: dict[str, Any],
                 namespace: str, program: tuple[str, ...]) -> None:
        self.state = state
        self.env = ros_env(state)
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=int(self.env['ROS_DOMAIN_ID']))
        self.node = Node('watcher', context=self.context, namespace=namespace)
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self.node)

        def spin() -> None:
            with contextlib.suppress(ExternalShutdownException):
                executor.spin()

        threading.Thread(target=spin, daemon=True).start()
        self.seen: dict[str, Any] = {}
        self.history: list[tuple[float, str]] = []
        self._listen(DiagnosticStatus, 'motor/state', STATE)
        self._listen(Bool, 'e_stop', STATE)
        self._listen(Odometry, 'odom', 10)
        self._listen(JointState, 'joint_states', 10)
        self._listen(BatteryState, 'battery_state', 10)
        self._listen(DiagnosticArray, '/diagnostics', 10)
        self.cmd_vel = self.node.create_publisher(Twist, 'cmd_vel', COMMAND)
        self.board = BoardProcess(state, '--boot-s', '0.3', *board_args)
        self.namespace = namespace
        self.parameters = {
            'port': str(self.board.tty), 'state_dir': str(state), 'reverse_confirmed': True,
            'max_accel_mps2': 50.0, 'max_turn_accel_radps2': 500.0, **parameters}
        self.log_path = state / 'motor.log'
        self._scripts: list[subprocess.Popen[bytes]] = []
        self.program = program
        self.start()

    def _listen(self, kind: type, topic: str, qos: Any) -> None:
        def take(message: Any) -> None:
            self.seen[topic] = message
            self.history.append((time.monotonic(), topic))
        self.node.create_subscription(kind, topic, take, qos)

    def start(self) -> None:
        args = [f'-p {name}:={_yaml(value)}' for name, value in self.parameters.items()]
        if self.namespace:
            args.append(f'-r __ns:={self.namespace}')
        words = ' '.join(args).split(' ')
        with self.log_path.open('ab') as log:
            self.motor = subprocess.Popen(
                [sys.executable, *self.program, '--ros-args', *words],
                env=self.env, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def values(self) -> dict[str, str]:
        message = self.seen.get('motor/state')
        return diagnostics.values(message) if message else {}

    def wait_why(self, *whys: str, timeout_s: float = 10.0) -> None:
        wait_for(lambda: self.values().get('why', 'no motor/state') in whys, timeout_s,
                 f'why {whys}')

    def ready(self) -> None:
        """Let go until a command would be obeyed."""
        def free() -> bool:
            self.cmd_vel.publish(Twist())
            time.sleep(0.02)
            return self.values().get('why') == ''
        wait_for(free, 15.0, 'ready to drive')

    def script(self, speed: float = 0.3, turn: float = 0.0) -> subprocess.Popen[bytes]:
        """Start a script that publishes to cmd_vel at 20 Hz, and wait until it drives."""
        script = subprocess.Popen(
            [sys.executable, '-c', PUBLISHER, str(speed), str(turn)], env=self.env)
        self._scripts.append(script)
        self.board.wait_moving(10.0)
        return script

    def call(self, kind: Any, name: str, **fields: Any) -> Any:
        client = self.node.create_client(kind, name)
        assert client.wait_for_service(10.0), f'no service {name}'
        future = client.call_async(kind.Request(**fields))
        wait_for(future.done, 5.0, f'the answer of {name}')
        self.node.destroy_client(client)
        return future.result()

    def set(self, name: str, value: Any) -> Any:
        return self.call(SetParametersAtomically, 'motor/set_parameters_atomically', parameters=[
            Parameter(name, value=value).to_parameter_msg()]).result

    def close(self) -> None:
        for script in self._scripts:
            script.kill()
            script.wait()
        with contextlib.suppress(ProcessLookupError):
            self.motor.send_signal(signal.SIGCONT)
            self.motor.terminate()
        self.motor.wait(10)
        print(self.log, self.values())  # shown where a test fails
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
        self.board.end()


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.fixture
def make(tmp_path, monkeypatch):
    made: list[Robot] = []

    def make_robot(*board_args: str, namespace: str = '', program: tuple[str, ...] = PROGRAM,
                   **parameters: Any) -> Robot:
        for name, value in ros_env(tmp_path).items():
            monkeypatch.setenv(name, value)
        made.append(Robot(tmp_path / 'state', board_args, parameters, namespace, program))
        return made[-1]

    yield make_robot
    for robot in made:
        robot.close()


@pytest.fixture
def robot(make):
    robot = make()
    robot.ready()
    return robot


@pytest.fixture(scope='module')
def _same_robot(tmp_path_factory):
    folder = tmp_path_factory.mktemp('robot')
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ros_env(folder).items():
            patch.setenv(name, value)
        robot = Robot(folder / 'state', (), {}, '', PROGRAM)
    yield robot
    robot.close()


@pytest.fixture
def same_robot(_same_robot):
    """One robot for the tests that leave it as it was."""
    _same_robot.ready()
    return _same_robot


def test_motor_state_shows_the_work_by_which_it_can_be_judged(same_robot):
    before = int(same_robot.values()['replies'])
    wait_for(lambda: int(same_robot.values()['replies']) > before, 5.0, 'replies of the board')
    assert float(same_robot.values()['loop_age_s']) < 1.0
    assert same_robot.values()['reason_code'] == ''


# ---- driving and stopping


@pytest.mark.parametrize(('speed', 'turn', 'pulses'), [
    (0.3, 0.0, (1650, 1650)), (0.0, 1.2, (1425, 1575)),
    (-0.3, 0.0, (1350, 1350)), (0.2, -0.8, (1650, 1550)),
])
def test_a_script_drives_and_a_zero_stops_it(same_robot, speed, turn, pulses):
    robot = same_robot

    def arrived() -> bool:
        robot.cmd_vel.publish(twist(speed, turn))
        time.sleep(0.05)
        return robot.board.pulses() == pytest.approx(pulses, abs=4)

    wait_for(arrived, 3.0, 'the pulses')
    event_s = time.monotonic()
    robot.cmd_vel.publish(Twist())
    assert robot.board.stop_time_s(event_s) < STOP_S


def test_the_publisher_is_killed(robot):
    script = robot.script(turn=1.0)
    event_s = time.monotonic()
    script.kill()
    script.wait()
    assert robot.board.stop_time_s(event_s) < 0.3 + STOP_S
    robot.wait_why('no_command', '')


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf, 1e308, 2.1])
def test_no_velocity_stops_and_is_told(same_robot, bad):
    robot = same_robot
    robot.cmd_vel.publish(twist(0.3))
    robot.board.wait_moving()
    event_s = time.monotonic()
    robot.cmd_vel.publish(twist(bad))
    assert robot.board.stop_time_s(event_s) < STOP_S
    robot.wait_why('bad_command')
    assert 'linear.x' in robot.seen['motor/state'].message
    assert not robot.seen['e_stop'].data


def test_the_node_sleeps_and_wakes(robot):
    """SIGSTOP, SIGCONT: the board's watchdog stops; old and held commands move nothing."""
    script = robot.script()
    event_s = time.monotonic()
    robot.motor.send_signal(signal.SIGSTOP)
    assert robot.board.stop_time_s(event_s) < WATCHDOG_S + STOP_S
    robot.motor.send_signal(signal.SIGCONT)
    robot.board.assert_still(1.0, 'after SIGCONT, with the command held')
    script.kill()
    script.wait()
    robot.ready()
    # Again and again: DDS, that had forgotten the node, may still lose the first of them.
    robot.script()


def test_a_short_sleep_does_not_obey_what_waited(robot):
    """1.5 s: shorter than the board's watchdog; the old command is not obeyed either."""
    robot.cmd_vel.publish(twist(0.3))
    robot.board.wait_moving()
    robot.cmd_vel.publish(Twist())
    robot.board.stop_time_s(time.monotonic())
    robot.motor.send_signal(signal.SIGSTOP)
    robot.cmd_vel.publish(twist(0.3))
    time.sleep(1.5)
    robot.motor.send_signal(signal.SIGCONT)
    robot.board.assert_still(0.7, 'a command 1.5 s old')


def test_what_a_receiver_held_up_did_not_hear_is_no_silence(make):
    """The executor stands still, loop and publisher go on: nobody let go."""
    robot = make(program=('-c', NODE_HELD_UP))
    robot.ready()
    script = robot.script()
    robot.board.do('reset')
    robot.wait_why('waiting_neutral')
    hold_up = robot.node.create_publisher(Float64, 'hold_up', 1)
    wait_for(hold_up.get_subscription_count, 5.0, 'the topic that holds up')
    hold_up.publish(Float64(data=0.7))
    robot.board.assert_still(2.0, 'a held command, and a receiver held up')
    assert robot.values()['why'] == 'waiting_neutral'
    script.kill()
    script.wait()
    robot.ready()
    robot.script()


def test_the_node_is_killed_and_respawned(robot):
    script = robot.script()
    event_s = time.monotonic()
    robot.motor.kill()
    robot.motor.wait()
    assert robot.board.stop_time_s(event_s) < WATCHDOG_S + STOP_S
    robot.seen.clear()
    robot.start()
    wait_for(lambda: robot.values().get('connected') == 'true', 15.0, 'the board')
    robot.board.assert_still(4.0, 'respawned, with the command held all the time')
    assert robot.values()['why'] == 'waiting_neutral'
    script.kill()
    script.wait()
    robot.ready()
    robot.cmd_vel.publish(twist(0.3))
    robot.board.wait_moving()


def test_the_node_ends_in_order(robot):
    robot.script().kill()
    robot.script()
    event_s = time.monotonic()
    robot.motor.terminate()
    assert robot.board.stop_time_s(event_s) < 0.1 + STOP_S
    assert robot.motor.wait(5) == 0
    assert robot.board.received()[-1][1] == 'STOP'
    assert 'Traceback' not in robot.log


# ---- who is in control


def test_the_holder_drives_and_scripts_are_ignored(robot):
    gateway = Gateway(robot.node)
    script = subprocess.Popen([sys.executable, '-c', PUBLISHER, '0.3', '0'], env=robot.env)
    robot.wait_why('someone_else')
    robot.board.assert_still(0.5, 'a script while ana holds the lease')
    gateway.held = twist(0.0, 1.0)
    robot.board.wait_moving()
    left, right = robot.board.pulses()
    assert left < 1500 < right
    wait_for(lambda: robot.values()['commander'] == 'operator', 3.0, 'commander')
    event_s = time.monotonic()
    gateway.close()
    # The gateway died: neither the last command nor the script moves it for 10 s.
    assert robot.board.stop_time_s(event_s) < 0.3 + STOP_S
    robot.wait_why('holder_away')
    robot.board.assert_still(1.5, 'the holder may come back')
    script.kill()
    script.wait()


def test_two_gateways_stop_it(robot):
    first = Gateway(robot.node)
    first.held = Twist()
    time.sleep(0.5)
    first.held = twist(0.3)
    robot.board.wait_moving()
    other = Node('other', context=robot.context)
    event_s = time.monotonic()
    second = Gateway(other)
    second.state = 'free'
    # Noticed within a period of the count.
    assert robot.board.stop_time_s(event_s) < 1.0 * TIMEOUT_SCALE
    robot.wait_why('two_publishers')
    wait_for(lambda: 'Two gateways' in robot.log, 5.0, 'said in the log')
    assert robot.log.count('Two gateways') == 1
    second.close()
    other.destroy_node()
    robot.wait_why('waiting_neutral')
    robot.board.assert_still(0.5, 'held over it')
    first.close()


# ---- emergency stop


def test_emergency_stop_reset_and_a_late_subscriber(robot):
    script = robot.script()
    event_s = time.monotonic()
    answer = robot.call(Trigger, 'e_stop_trigger')
    assert answer.success and answer.message == 'emergency stop 1'
    assert robot.board.stop_time_s(event_s) < STOP_S + 0.1  # the service client's discovery too
    wait_for(lambda: robot.values().get('e_stop_confirmed') == 'true', 3.0, 'confirmed')
    assert robot.values()['why'] == 'e_stop' and robot.values()['stop_number'] == '1'
    late: list[bool] = []
    robot.node.create_subscription(Bool, 'e_stop', lambda m: late.append(m.data), STATE)
    wait_for(lambda: late == [True], 3.0, 'the latch for a late subscriber')
    time.sleep(1.0)
    answer = robot.call(Trigger, 'e_stop_reset')
    assert not answer.success and 'still held on cmd_vel' in answer.message
    script.kill()
    script.wait()
    time.sleep(0.4)
    assert robot.call(Trigger, 'e_stop_reset').success
    wait_for(lambda: late == [True, False], 3.0, 'the end of the latch')
    robot.ready()
    robot.cmd_vel.publish(twist(0.3))
    robot.board.wait_moving()


def test_the_latch_survives_kill_9(robot):
    robot.call(Trigger, 'e_stop_trigger')
    robot.motor.kill()
    robot.motor.wait()
    robot.seen.clear()
    robot.start()
    robot.wait_why('e_stop', timeout_s=15.0)
    assert int(robot.values()['stop_number']) >= 1
    wait_for(lambda: 'e_stop' in robot.seen, 3.0, 'e_stop')
    assert robot.seen['e_stop'].data
    wait_for(lambda: 'no permit to drive' in robot.log, 3.0, 'said in the log')


def test_a_state_folder_that_cannot_be_written_is_said(make):
    robot = make(state_dir='/proc/avatar')
    robot.wait_why('state_unwritable', timeout_s=15.0)
    assert '/proc/avatar/motor' in robot.seen['motor/state'].message
    assert robot.seen['motor/state'].level == diagnostics.ERROR
    answer = robot.call(Trigger, 'e_stop_reset')
    assert not answer.success and 'cannot write' in answer.message


# ---- parameters


def test_parameters_are_described_and_bounded(robot):
    names = robot.call(ListParameters, 'motor/list_parameters').result.names
    names = [name for name in names if name not in ('use_sim_time',
                                                    'start_type_description_service')]
    assert 'cmd_timeout_s' in names and len(names) > 20
    described = robot.call(DescribeParameters, 'motor/describe_parameters', names=names)
    for one in described.descriptors:
        assert one.description, one.name
        assert one.read_only or one.type in (1, 4) or (
            one.floating_point_range or one.integer_range), one.name


@pytest.mark.parametrize(('name', 'value', 'says'), [
    ('cmd_timeout_s', 0.5, 'longer than the 0.3 s that docs/safety.md promises'),
    ('cmd_timeout_s', 0.2, 'gateway timeout 0.25 s must be shorter'),
    ('battery_full_v', 5.0, 'battery_empty_v = 10 must be below'),
    ('max_speed_mps', 50.0, ''),
    ('max_speed_mps', 'fast', ''),
    ('port', '/dev/ttyS0', ''),
    ('max_sped_mps', 0.5, ''),
])
def test_a_value_that_must_not_be_is_refused_with_the_reason(robot, name, value, says):
    result = robot.set(name, value)
    assert not result.successful and result.reason and says in result.reason


def test_limits_change_while_it_drives(robot):
    script = robot.script(0.5)
    wait_for(lambda: robot.board.pulses()[0] > 1740, 3.0, 'full speed')
    assert robot.set('max_speed_mps', 0.2).successful
    wait_for(lambda: 1590 < robot.board.pulses()[0] < 1610, 3.0, 'the new limit')
    wait_for(lambda: robot.values()['max_speed_mps'] == '0.2', 3.0, 'told')
    script.kill()
    script.wait()


@pytest.mark.parametrize(('parameter', 'says'), [
    ('max_sped_mps:=0.5', 'no parameter max_sped_mps; there are: port'),
    ('cmd_timeout_s:=0.5', 'longer than the 0.3 s'),
    ('max_speed_mps:=fast', 'must be of type float'),
    ('trim_left:=2.0', 'between 0.5 and 1.0'),
])
def test_a_start_with_a_wrong_parameter_is_refused(tmp_path, parameter, says):
    done = subprocess.run(
        [sys.executable, '-m', 'avatar_motor.node', '--ros-args', '-p', parameter],
        env=ros_env(tmp_path), capture_output=True, text=True, timeout=20 * TIMEOUT_SCALE)
    assert done.returncode == 2
    assert says in done.stderr and 'Traceback' not in done.stderr


# ---- everything else


def test_lights_reconnect_and_the_self_test(robot):
    assert robot.call(SetBool, 'lights/front', data=True).success
    wait_for(lambda: robot.values()['front_lights'] == 'on', 3.0, 'front lights')
    assert robot.values()['back_lights'] == 'off'
    assert robot.call(Trigger, 'motor/reconnect').success
    robot.wait_why('not_connected')
    robot.wait_why('')
    assert robot.values()['front_lights'] == 'on'
    answer = robot.call(SetBool, 'motor/confirm_reverse', data=True)
    assert not answer.success and 'self_test' in answer.message
    assert robot.call(Trigger, 'motor/self_test').success
    robot.board.wait_moving()
    wait_for(lambda: robot.values()['self_test'] == 'running', 3.0, 'the self-test')
    assert robot.values()['commander'] == 'self_test'
    event_s = time.monotonic()
    robot.call(Trigger, 'e_stop_trigger')
    assert robot.board.stop_time_s(event_s) < STOP_S + 0.1
    wait_for(lambda: 'emergency stop' in robot.values()['self_test'], 3.0, 'the reason')


def test_odometry_follows_the_board(robot):
    script = robot.script(0.3, 0.6)
    time.sleep(2.0)
    script.kill()
    script.wait()
    robot.board.stop_time_s(time.monotonic())
    time.sleep(0.8)
    pose, there = robot.board.do('state'), robot.seen['odom'].pose.pose
    assert math.hypot(there.position.x, there.position.y) > 0.3
    assert (there.position.x, there.position.y) == pytest.approx(
        (pose['x_m'], pose['y_m']), abs=0.05)
    heading = 2 * math.atan2(there.orientation.z, there.orientation.w)
    assert math.cos(heading - pose['heading_rad']) > 0.99
    assert robot.seen['odom'].header.frame_id == 'odom'
    assert robot.seen['odom'].child_frame_id == 'base_link'
    assert robot.seen['odom'].pose.covariance[0] >= 1.0
    assert robot.seen['joint_states'].name == ['left_track_joint', 'right_track_joint']
    turned = robot.seen['joint_states'].position
    assert turned[1] > turned[0] > 0


def test_rates(robot):
    def rate(topic: str, seconds: float = 3.0) -> float:
        robot.history.clear()
        time.sleep(seconds)
        return sum(1 for _, name in robot.history if name == topic) / seconds

    assert 1.0 <= rate('odom') <= 3.0
    assert 0.6 <= rate('/diagnostics') <= 1.4
    script = robot.script()
    assert 10 <= rate('odom') <= 25
    script.kill()
    script.wait()
    names = {status.name: status for status in robot.seen['/diagnostics'].status}
    assert set(names) == {'motor: serial', 'motor: drive'}
    serial = names['motor: serial']
    assert serial.hardware_id == str(robot.board.tty) and 'answers' in serial.message
    assert 'battery_state' not in robot.seen


def test_the_battery_where_the_board_reports_it(make):
    robot = make('--dialect', 'v0', allow_no_watchdog=True)
    wait_for(lambda: 'battery_state' in robot.seen, 15.0, 'battery_state')
    battery = robot.seen['battery_state']
    assert 0.0 <= battery.percentage <= 1.0 and 5 < battery.voltage < 15
    assert robot.values()['voltage']
    wait_for(lambda: any(s.name == 'motor: battery' for s in
                         robot.seen['/diagnostics'].status), 3.0, 'diagnostics')
    battery = robot.seen['/diagnostics'].status[-1]
    assert ' V, about ' in battery.message
    assert robot.set('battery_empty_v', 12.55).successful
    wait_for(lambda: robot.seen['/diagnostics'].status[-1].level == diagnostics.ERROR, 3.0,
             'an empty battery is told')


def test_odometry_tells_of_a_start_and_a_stop_at_once(robot):
    def told(moving: bool) -> float:
        """Return how long after the board odom tells of it [s]."""
        def tells() -> bool:
            return (robot.seen['odom'].twist.twist.linear.x != 0.0) is moving
        wait_for(lambda: robot.board.stands() is not moving, 3.0, 'the board', 0.002)
        since = robot.board.outputs()[-1][0]
        wait_for(tells, 3.0, 'odom', 0.002)
        return time.monotonic() - since

    delays = []
    for _ in range(3):
        robot.ready()
        wait_for(lambda: 'odom' in robot.seen, 3.0, 'odom at rest')
        robot.cmd_vel.publish(twist(0.3))
        delays.append(told(moving=True))
        robot.cmd_vel.publish(twist(0.0))
        delays.append(told(moving=False))
    # Its next turn at rest may be a second away.
    assert sorted(delays)[-2] < 0.15 * TIMEOUT_SCALE, delays


def test_odometry_can_be_switched_off(make):
    robot = make(publish_odom=False)
    robot.ready()
    time.sleep(1.5)
    assert 'odom' not in robot.seen and 'joint_states' not in robot.seen


def test_unplugged_is_said_and_cured(robot):
    robot.board.do('unplug', s=1.5)
    robot.wait_why('not_connected')
    wait_for(lambda: any(s.level == diagnostics.ERROR for s in
                         robot.seen['/diagnostics'].status), 3.0, 'diagnostics')
    robot.wait_why('', timeout_s=15.0)
    wait_for(lambda: all(s.level == diagnostics.OK for s in
                         robot.seen['/diagnostics'].status), 3.0, 'diagnostics')


def test_in_a_namespace(make):
    robot = make(namespace='/tank2')
    robot.ready()
    assert robot.node.count_publishers('/tank2/motor/state') == 1
    assert robot.node.count_publishers('/motor/state') == 0
    robot.cmd_vel.publish(twist(0.3))
    robot.board.wait_moving()


def test_idle_it_costs_little(robot, idle_cpu):
    time.sleep(1.0)
    share = idle_cpu(robot.motor.pid, 5.0)
    assert share < 0.02, f'{share:.1%} of a core while nothing happens'
