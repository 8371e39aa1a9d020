# SPDX-License-Identifier: Apache-2.0
"""The health node as a real process, beside a real motor node with its fake board."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Float64

from avatar_bringup.alerts.sending import is_installed
from avatar_bringup.alerts.services import ServicesFile
from avatar_bringup.health import history
from avatar_bringup.testing import SECRET, Receiver
from avatar_motor.testing import BoardProcess
from avatar_node import diagnostics
from avatar_node.qos import STATE
from avatar_node.testing import ros_env, wait_for

# The motor node, with a topic by which its loop (not its executor) is held up for some seconds.
MOTOR = """
import sys, time
from std_msgs.msg import Float64
from avatar_motor.node import MotorNode
from avatar_node.run import run
class HeldUp(MotorNode):
    def __init__(self):
        super().__init__()
        self.create_subscription(Float64, 'hold_loop', self._hold, 1)
    def _hold(self, message):
        self._control._put(lambda _: time.sleep(message.data))
sys.exit(run(HeldUp))
"""


class Gateway:
    """Something that answers /healthz as the gateway does, or hangs."""

    def __init__(self, state_dir: Path) -> None:
        outer = self
        self.hangs = False

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self) -> None:
                while outer.hangs:
                    time.sleep(0.05)
                self.send_response(503)
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(('127.0.0.1', 0), Handler)
        (state_dir / 'gateway.port').write_text(f'{self._server.server_port}\n')
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.hangs = False
        self._server.shutdown()
        self._server.server_close()


class Robot:
    """Board, motor node, health node, a stand-in for the gateway, and what health says."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / 'state'
        self.state.mkdir()
        self.env = ros_env(self.state)
        notify = str(folder / 'notify')
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._systemd.bind(notify)
        self.told: list[tuple[float, str]] = []
        self.board = BoardProcess(self.state, '--boot-s', '0.3')
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=int(self.env['ROS_DOMAIN_ID']))
        self.node = Node('watcher', context=self.context)
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self.node)

        def spin() -> None:
            try:
                executor.spin()
            except ExternalShutdownException:
                return

        threading.Thread(target=spin, daemon=True).start()
        self.seen: list[DiagnosticStatus] = []
        self.node.create_subscription(DiagnosticStatus, 'health', self.seen.append, STATE)
        self.hold = self.node.create_publisher(Float64, 'hold_loop', 1)
        self.gateway = Gateway(self.state)
        self.log_path = folder / 'health.log'
        self._notify_env = {'NOTIFY_SOCKET': notify, 'WATCHDOG_USEC': '10000000'}
        self.motor = self._start(['-c', MOTOR], {
            'port': str(self.board.tty), 'state_dir': str(self.state)}, {})
        self.health = self.start_health()

    def start_health(self) -> subprocess.Popen[bytes]:
        self.health = self._start(
            ['-m', 'avatar_bringup.health.node'],
            {'state_dir': str(self.state), 'camera': 'false', 'is_robot': 'false'},
            self._notify_env)
        return self.health

    def _start(self, words: list[str], parameters: dict[str, str],
               env: dict[str, str]) -> subprocess.Popen[bytes]:
        args = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
        with self.log_path.open('ab') as log:
            return subprocess.Popen([sys.executable, *words, '--ros-args', *args],
                                    env={**self.env, **env}, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def state_now(self) -> str:
        return diagnostics.values(self.seen[-1])['state'] if self.seen else ''

    def codes(self) -> list[str]:
        if not self.seen:
            return []
        return [one['code'] for one in json.loads(diagnostics.values(self.seen[-1])['findings'])]

    def until(self, *codes: str, within_s: float = 15.0) -> None:
        def found() -> bool:
            if self.health.poll() == 1:  # deaf after a pause of somebody: its supervisor's turn
                self.start_health()
            return bool(self.seen) and self.codes() == list(codes)
        try:
            wait_for(found, within_s, f'findings {codes}')
        except AssertionError as problem:
            raise AssertionError(f'{problem}: {self.codes()}') from None

    def systemd_was_told(self) -> list[str]:
        """Return what it was told since the last time."""
        lines: list[str] = []
        while True:
            try:
                lines += self._systemd.recv(4096).decode().splitlines()
            except BlockingIOError:
                return lines

    def feeds(self, seconds: float) -> int:
        """Return how often the watchdog was fed in the seconds that follow."""
        self.systemd_was_told()
        time.sleep(seconds)
        return self.systemd_was_told().count('WATCHDOG=1')

    def close(self) -> None:
        for process in (self.health, self.motor):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
            process.wait(10)
        print(self.log)
        self.gateway.close()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
        self.board.end()
        self._systemd.close()


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Robot]]:
    made: list[Robot] = []

    def make_robot() -> Robot:
        for name, value in ros_env(tmp_path).items():
            monkeypatch.setenv(name, value)
        made.append(Robot(tmp_path))
        return made[-1]

    yield make_robot
    for robot in made:
        robot.close()


@pytest.fixture
def robot(make: Callable[[], Robot]) -> Robot:
    robot = make()
    robot.until()
    return robot


def test_ready_is_told_once_and_the_watchdog_is_fed(robot: Robot) -> None:
    assert robot.state_now == 'READY'
    assert robot.seen[-1].level == diagnostics.OK
    told = robot.systemd_was_told()
    assert told.count('READY=1') == 1
    assert 'STATUS=READY: Everything works.' in told
    assert robot.feeds(5.0) >= 3
    assert json.loads(diagnostics.values(robot.seen[-1])['machine'])['disk_free_mb'] > 0


def test_a_board_that_is_unplugged_and_plugged_in(robot: Robot) -> None:
    before = len(robot.log)
    robot.board.do('unplug', s=6)
    robot.until('board_missing')
    assert robot.state_now == 'STOPPED'
    assert robot.seen[-1].level == diagnostics.ERROR
    assert 'The motor board is not connected:' in robot.seen[-1].message
    assert robot.feeds(2.5) >= 1, 'both loops live: no reason to start them again'
    robot.until(within_s=20.0)
    assert robot.state_now == 'READY'
    lines = [line for line in robot.log[before:].splitlines()
             if 'board is not connected' in line and '[health]' in line]
    assert len(lines) == 2, 'each change is logged once'
    wait_for(lambda: [one['came'] for one in history.read(robot.state)['changes']
                      if one['code'] == 'board_missing'][-2:] == [True, False] or None, 10.0,
             'the history')


@pytest.mark.skipif(not is_installed(), reason='apprise is not installed')
def test_somebody_far_away_is_told_why_it_stands(robot: Robot) -> None:
    receiver = Receiver()
    try:
        ServicesFile(robot.state, print).add(receiver.url, '')
        robot.board.do('unplug', s=60)
        wait_for(lambda: receiver.got, 45, 'the alert')
        letter = receiver.got[0]
        assert 'The robot cannot be driven.' in letter['title']
        assert '- The motor board is not connected:' in letter['message']
        assert SECRET not in robot.log
    finally:
        receiver.close()


def test_a_motor_loop_that_hangs_is_seen_though_its_node_lives(robot: Robot) -> None:
    robot.hold.publish(Float64(data=9.0))
    robot.until('motor_hung')
    assert robot.state_now == 'STOPPED'
    time.sleep(2.0)
    assert robot.feeds(2.0) == 0, 'the watchdog was fed beside a hung motor loop'
    robot.until(within_s=20.0)
    assert robot.feeds(3.0) >= 1


def test_a_motor_node_that_is_stopped(robot: Robot) -> None:
    os.kill(robot.motor.pid, signal.SIGSTOP)
    robot.until('motor_silent')
    time.sleep(1.0)
    assert robot.feeds(2.0) == 0
    os.kill(robot.motor.pid, signal.SIGCONT)
    robot.until(within_s=30.0)


def test_a_gateway_that_hangs(robot: Robot) -> None:
    robot.gateway.hangs = True
    robot.until('gateway_silent')
    assert robot.feeds(2.0) == 0
    robot.gateway.hangs = False
    robot.until()


def test_health_that_was_stopped_accuses_nobody(robot: Robot) -> None:
    os.kill(robot.health.pid, signal.SIGSTOP)
    time.sleep(6.0)
    seen = len(robot.seen)
    os.kill(robot.health.pid, signal.SIGCONT)
    wait_for(lambda: len(robot.seen) > seen + 3 or robot.health.poll() is not None, 20.0, 'news')
    assert all(diagnostics.values(one)['state'] == 'READY' for one in robot.seen[seen:])


def test_the_history_survives_a_restart(robot: Robot) -> None:
    robot.board.do('unplug', s=3)
    robot.until('board_missing')
    robot.until(within_s=20.0)
    robot.health.send_signal(signal.SIGINT)
    assert robot.health.wait(10) == 0
    before = history.read(robot.state)['changes']
    assert 'board_missing' in [one['code'] for one in before]
    robot.seen.clear()
    robot.start_health()
    robot.until(within_s=20.0)
    wait_for(lambda: len(history.read(robot.state)['changes']) >= len(before) or None, 5.0, 'it')
    assert history.read(robot.state)['changes'][:len(before)] == before


def test_a_combination_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'avatar_bringup.health.node', '--ros-args', '-p',
         'disk_full_mb:=600', '-p', f'state_dir:={tmp_path}'],
        env=ros_env(tmp_path), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert 'disk_full_mb = 600: must not be above disk_low_mb' in done.stderr
