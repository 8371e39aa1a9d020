# SPDX-License-Identifier: Apache-2.0
"""The real `ros2 launch` with simulated devices, where a ROS installation is found."""

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avatar_bringup.parts import GIVEN_UP, Part, read
from avatar_bringup.preflight.leftovers import processes_marked
from avatar_bringup.run import has_ros
from avatar_node.testing import TIMEOUT_SCALE, free_port, wait_for

pytestmark = pytest.mark.skipif(
    not has_ros(os.environ), reason='ros2 launch comes with a ROS installation only')

UNKNOWN = '/**:\n  ros__parameters:\n    no_such_thing: 1\n'


class Launch:
    """One `ros2 launch`, and everything it started."""

    def __init__(self, state_dir: Path, log: Path) -> None:
        self.state_dir, self.port, self._log = state_dir, free_port(), log
        env = {k: v for k, v in os.environ.items() if k != 'ROS_DOMAIN_ID'}
        env |= {'AVATAR_STATE_DIR': str(state_dir), 'ROS_LOG_DIR': str(log.parent / 'ros')}
        self.began = time.monotonic()
        with log.open('w') as output:
            self.process = subprocess.Popen(
                ['ros2', 'launch', '--noninteractive', 'avatar_bringup', 'avatar.launch.py',
                 'sim:=true', f'port:={self.port}', 'rosbridge:=false', 'use_description:=false',
                 'use_odom_tf:=false'],
                env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True)

    @property
    def log(self) -> str:
        """Return what it printed."""
        return self._log.read_text(errors='replace')

    @property
    def parts(self) -> dict[str, Part]:
        """Return what became of each part."""
        return read(self.state_dir / 'run')

    def drivable(self) -> bool:
        """Return whether a person can drive."""
        assert self.process.poll() is None, self.log
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=2)
        try:
            connection.request('GET', '/healthz')
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait_drivable(self) -> float:
        """Wait until a person can drive; return the seconds since the start."""
        wait_for(self.drivable, 40, 'a robot that can be driven', 0.1)
        return time.monotonic() - self.began

    def wait_gone(self, within_s: float) -> None:
        """Wait until no process of it is left."""
        def left() -> list[int]:
            self.process.poll()  # a child that is not waited for stays a zombie
            return processes_marked(f'AVATAR_STATE_DIR={self.state_dir}')
        wait_for(lambda: not left(), within_s, 'the end of every process', 0.05)

    def close(self) -> None:
        """End whatever is left of it."""
        for pid in processes_marked(f'AVATAR_STATE_DIR={self.state_dir}'):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


Start = Callable[[], Launch]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the launch file on one state folder; all end with the test."""
    started: list[Launch] = []

    def start() -> Launch:
        started.append(Launch(tmp_path / 'state', tmp_path / f'log{len(started)}'))
        return started[-1]

    yield start
    for launch in started:
        launch.close()


def test_it_drives_brings_back_what_was_killed_and_ends_without_leftovers(start: Start) -> None:
    robot = start()
    robot.wait_drivable()
    before = robot.parts['stream']
    os.kill(before.pid, signal.SIGKILL)
    wait_for(lambda: robot.parts['stream'].pid not in (0, before.pid), 5, 'another stream node')
    assert robot.parts['stream'].words.startswith('killed by SIGKILL')
    second = start()
    assert second.process.wait(20) == 78
    assert f'pid {robot.process.pid} (' in second.log
    assert robot.drivable()
    os.kill(robot.process.pid, signal.SIGINT)
    robot.wait_gone(5.0)
    assert robot.process.wait() == 0
    assert 'escalating' not in robot.log, robot.log


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_a_launch_that_is_ended_otherwise_leaves_nothing(start: Start, number: int) -> None:
    robot = start()
    robot.wait_drivable()
    os.kill(robot.process.pid, number)
    robot.wait_gone(5.0)
    start().wait_drivable()


def test_what_hangs_does_not_hold_up_the_end(start: Start) -> None:
    robot = start()
    robot.wait_drivable()
    for part in ('motor', 'stream'):
        os.kill(robot.parts[part].pid, signal.SIGSTOP)
    began = time.monotonic()
    os.kill(robot.process.pid, signal.SIGINT)
    robot.wait_gone(8.0)
    assert time.monotonic() - began < 6.0 * TIMEOUT_SCALE


@pytest.mark.parametrize('part, code', [('sim_camera', None), ('motor', 1)])
def test_a_part_that_keeps_dying_is_given_up(
    start: Start, tmp_path: Path, part: str, code: int | None
) -> None:
    config = tmp_path / 'state/config' / f'{part}.yaml'
    config.parent.mkdir(parents=True)
    config.write_text(UNKNOWN)
    robot = start()

    def given_up() -> bool:
        seen = robot.parts.get(part)
        return seen is not None and seen.state == GIVEN_UP

    wait_for(given_up, 60, f'{part} given up', 0.1)
    assert 'no parameter no_such_thing' in robot.parts[part].words
    if code is None:
        robot.wait_drivable()
    else:
        assert robot.process.wait(20) == code
        robot.wait_gone(5.0)
