# SPDX-License-Identifier: Apache-2.0
"""
`avatar stop` at the robot's console: a real motor node, a fake board, and everything else gone.

The wheels are read at the board's outputs. Its start (Python, DDS) is part of what is waited for.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from avatar_bringup.care import stop
from avatar_motor.deadlines import BOARD_WATCHDOG_S
from avatar_node.testing import TIMEOUT_SCALE, wait_for
from tests.runaway import LINE_S, MOTIONS
from tests.stack import Process, Stack

MakeStack = Callable[..., Stack]

LATEST_S = 4.0
"""Python with DDS starts within a second; the motor node looks at its permit each second."""


@dataclass(frozen=True)
class Stopped:
    """How a command ended, and when it was given."""

    event_s: float
    seconds: float
    code: int
    text: str


def command(stack: Stack, **environ: str) -> Stopped:
    """Run `avatar stop` on a robot."""
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, '-m', 'avatar_bringup.cli', 'stop'], check=False, capture_output=True,
        text=True, timeout=60, env={**stack.env, **environ})
    return Stopped(began_s, time.monotonic() - began_s, done.returncode,
                   done.stdout + done.stderr)


def permit_is_there(stack: Stack) -> bool:
    return (stack.state_dir / 'motor/permit.json').exists()


def script(stack: Stack) -> Process:
    """Drive by `cmd_vel`, as nobody holds the lease; it goes on whatever happens."""
    process = stack.python('script', 'tests.publisher', *map(str, MOTIONS['forward']))
    process.start()
    stack.wheels.wait_moving(20.0)
    return process


@pytest.fixture
def alone(make_stack: MakeStack) -> Stack:
    """Board and motor node; there has never been a gateway."""
    stack = make_stack(start=False)
    stack.board.start()
    stack.motor.start()
    return stack


def test_it_stops_who_drives_and_the_latch_survives_a_restart(fresh_stack: Stack) -> None:
    operator = fresh_stack.operator()
    operator.take()
    operator.drive_until_moving(fresh_stack.wheels, *MOTIONS['forward'])
    stopped = command(fresh_stack)
    assert stopped.code == stop.EXIT_STOPPED, stopped.text
    assert 'stays stopped' in stopped.text
    assert fresh_stack.wheels.stop_time_s(stopped.event_s) < stopped.seconds + LINE_S
    fresh_stack.wheels.assert_still(0.6, 'stopped at the console, key held')
    assert operator.motor_state['e_stop'] == 'true'
    assert not permit_is_there(fresh_stack)
    operator.stop()
    fresh_stack.motor.kill()
    fresh_stack.motor.start()
    fresh_stack.wait_ready()
    operator.drive(*MOTIONS['forward'])
    wait_for(lambda: operator.motor_state['why'] == 'e_stop', 10.0, 'the latch after a restart')
    fresh_stack.wheels.assert_still(0.6, 'after the restart')
    operator.stop()
    operator.clear_e_stop()


def test_it_stops_a_robot_that_has_no_gateway(alone: Stack) -> None:
    script(alone)
    stopped = command(alone)
    assert stopped.code == stop.EXIT_STOPPED, stopped.text
    assert alone.wheels.stop_time_s(stopped.event_s) < LATEST_S * TIMEOUT_SCALE
    alone.wheels.assert_still(1.5, 'stopped at the console, while a script goes on')


@pytest.mark.parametrize('how', ['freeze', 'kill'])
def test_it_stops_although_the_gateway_was_killed_or_hangs(
    how: str, fresh_stack: Stack
) -> None:
    operator = fresh_stack.operator()
    operator.take()
    operator.drive_until_moving(fresh_stack.wheels, *MOTIONS['spin'])
    getattr(fresh_stack.gateway, how)()
    stopped = command(fresh_stack)
    assert stopped.code == stop.EXIT_STOPPED, stopped.text
    fresh_stack.wheels.wait_neutral()
    assert not permit_is_there(fresh_stack)


def test_without_dds_the_motor_node_sees_that_its_permit_is_gone(alone: Stack) -> None:
    """The other way alone: the call goes to a domain where nobody is."""
    script(alone)
    other = str((int(alone.env['ROS_DOMAIN_ID']) + 1) % 101)
    stopped = command(alone, ROS_DOMAIN_ID=other)
    assert stopped.code == stop.EXIT_NO_ANSWER, stopped.text
    assert 'no motor node answered' in stopped.text
    assert 'permit to drive was removed' in stopped.text
    assert alone.wheels.stop_time_s(stopped.event_s) < LATEST_S * TIMEOUT_SCALE
    alone.wheels.assert_still(1.5, 'permit removed, while a script goes on')


def test_a_motor_node_that_hangs_leaves_it_to_the_board_and_stays_stopped(alone: Stack) -> None:
    script(alone)
    event = alone.motor.freeze()
    stopped = command(alone)
    assert stopped.code == stop.EXIT_NO_ANSWER, stopped.text
    assert 'board' in stopped.text and f'{BOARD_WATCHDOG_S:g} s' in stopped.text
    assert alone.wheels.stop_time_s(event, 8.0) < BOARD_WATCHDOG_S + 0.5
    assert not permit_is_there(alone)
    alone.motor.thaw()
    alone.wheels.assert_still(2.5, 'thawed after a stop, while a script goes on')
    alone.motor.kill()
    alone.motor.start()
    alone.wheels.assert_still(4.5, 'started again after a stop, while a script goes on')
    assert 'emergency stop holds' in alone.motor.log


def test_it_holds_for_a_robot_that_is_started_later(make_stack: MakeStack) -> None:
    stack = make_stack(start=False)
    stopped = command(stack)
    assert stopped.code == stop.EXIT_NO_ANSWER, stopped.text
    stack.start()
    with stack.operator() as operator:
        wait_for(lambda: operator.motor_state.get('e_stop') == 'true', 10.0, 'the latch')


def test_who_may_not_write_the_state_folder_still_stops_it(alone: Stack) -> None:
    if os.geteuid() != 0:
        pytest.skip('needs root, to become another user')
    script(alone)
    try:
        done = subprocess.run(
            [sys.executable, '-m', 'avatar_bringup.cli', 'stop'], check=False,
            capture_output=True, text=True, timeout=60, env={**alone.env, 'HOME': '/tmp'},
            user=65534, group=65534, extra_groups=[])
    except PermissionError:
        pytest.skip('another user may not read this folder')
    if 'ModuleNotFoundError' in done.stderr:
        pytest.skip('another user may not read this folder')
    assert done.returncode == stop.EXIT_STOPPED, done.stdout + done.stderr
    alone.wheels.wait_neutral()
    assert not permit_is_there(alone)


def test_a_state_folder_that_is_not_there_is_said(make_stack: MakeStack) -> None:
    stack = make_stack(start=False)
    stopped = command(stack, AVATAR_STATE_DIR='/nowhere/at/all')
    assert stopped.code == stop.EXIT_NOT_STORED
    assert 'could NOT be removed' in stopped.text
