# SPDX-License-Identifier: Apache-2.0
"""
Broken disks, killed processes, a second gateway, a clock that jumps: nothing moves, nothing is
lost, and the robot says what is wrong.
"""

import ast
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from avatar_node.testing import wait_for
from tests.operator_client import Operator
from tests.runaway import LINE_S, MOTIONS, SILENT_S
from tests.stack import SRC, Stack
from tests.websocket import login

MakeStack = Callable[..., Stack]

HOUR_S = 3600


def drives(stack: Stack, operator: Operator) -> None:
    """Prove that the robot can be driven, and leave it at rest."""
    operator.take()
    operator.drive_until_moving(stack.wheels, *MOTIONS['forward'])
    stack.wheels.stop_time_s(operator.stop())


def refuses(stack: Stack, operator: Operator, why: str) -> None:
    """Prove that a fresh command of the lease holder moves nothing, for the reason `why`."""
    operator.take()
    operator.stop()
    time.sleep(0.2)
    operator.drive(*MOTIONS['forward'])
    wait_for(lambda: operator.motor_state['why'] == why, 5.0, f'motor/state saying {why}')
    stack.wheels.assert_still(0.6, why)
    operator.stop()


# --- kill -9


def test_a_stop_survives_the_death_of_every_process(stack: Stack) -> None:
    """The latch is on the disk before anybody can be killed at a bad moment."""
    for process in (stack.motor, stack.gateway, stack.board):
        operator = stack.operator()
        drives(stack, operator)
        operator.e_stop()
        wait_for(lambda o=operator: o.motor_state['e_stop'] == 'true', 3.0, 'the latch')
        number = operator.motor_state['stop_number']
        process.kill()
        if process is stack.gateway:
            stack.start_gateway()
        else:
            process.start()
        stack.wait_ready()
        operator = stack.operator()
        refuses(stack, operator, 'e_stop')
        assert int(operator.motor_state['stop_number']) >= int(number)
        stack.rest()
        drives(stack, stack.operator())


def test_a_kill_just_after_the_stop_does_not_lose_it(stack: Stack) -> None:
    """The worst moment: between the stop and its being stored. The stop itself came first."""
    for pause_s in (0.0, 0.005, 0.02, 0.05, 0.2):
        operator = stack.operator()
        operator.take()
        operator.drive_until_moving(stack.wheels, *MOTIONS['spin'])
        event = operator.e_stop()
        time.sleep(pause_s)
        stack.motor.kill()
        stopped_s = stack.wheels.stop_time_s(event)
        stack.motor.start()
        stack.wait_ready()
        stack.wheels.assert_still(1.0, 'motor node killed in an emergency stop, key held')
        if stopped_s < LINE_S:
            # The stop had reached the wheels, so somebody saw it work: it must hold.
            wait_for(lambda o=operator: o.motor_state['e_stop'] == 'true', 3.0, 'the latch')
        stack.rest()


def test_an_account_survives_the_death_of_the_gateway(stack: Stack) -> None:
    stack.make_user('maria', 'driver')
    stack.gateway.kill()
    stack.start_gateway()
    operator = stack.operator(token='', cookie=login(stack.url, 'maria', stack.password))
    assert operator.latest['hello']['name'] == 'maria'
    drives(stack, operator)


def test_every_process_comes_back_and_can_be_driven_again(stack: Stack) -> None:
    for process in (stack.board, stack.motor, stack.gateway):
        process.kill()
        stack.rest()
        drives(stack, stack.operator())


# --- the state folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB, mounted under the folder of the next robot of `make_stack`."""
    if os.geteuid() != 0:
        pytest.skip('only root can mount a small file system')
    folder = tmp_path / 'robot0/state'
    folder.mkdir(parents=True)
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f'a tmpfs cannot be mounted here: {done.stderr.strip()}')
    yield folder
    subprocess.run(['umount', '-l', folder], check=True)


def fill(folder: Path) -> Path:
    """Leave not a byte free."""
    ballast = folder / 'ballast'
    with pytest.raises(OSError), ballast.open('wb', buffering=0) as file:
        while True:
            file.write(b'x' * 4096)
    return ballast


def outside(tmp_path: Path) -> list[str]:
    """Return options that let the fake board write somewhere else than to the full disk."""
    return ['--trace', str(tmp_path / 'board.jsonl')]


def test_a_full_disk(make_stack: MakeStack, small_disk: Path, tmp_path: Path) -> None:
    """The stop works and stays; accounts too; with room again, a reset lifts it."""
    stack = make_stack(trace=tmp_path / 'board.jsonl')
    stack.make_user('maria', 'driver')
    operator = stack.operator()
    operator.take()
    operator.drive_until_moving(stack.wheels, *MOTIONS['forward'])
    ballast = fill(small_disk)
    stack.wheels.stop_time_s(operator.e_stop())
    wait_for(lambda: operator.motor_state['e_stop'] == 'true', 3.0, 'the latch')
    stack.wheels.assert_still(0.6, 'emergency stop with a full disk, key held')
    operator.stop()
    stack.motor.kill()
    stack.motor.start()
    stack.wait_ready()
    wait_for(lambda: operator.motor_state['e_stop'] == 'true', 3.0, 'the latch')
    operator.drive(*MOTIONS['forward'])
    stack.wheels.assert_still(0.8, 'motor node started on a full disk')
    operator.stop()
    ballast.unlink()
    operator.clear_e_stop()
    drives(stack, operator)
    with stack.operator(token='', cookie=login(stack.url, 'maria', stack.password)) as maria:
        assert maria.latest['hello']['role'] == 'driver'


def read_only(folder: Path, on: bool) -> None:
    """Make a mounted folder read-only, or writable again."""
    subprocess.run(['mount', '-o', f'remount,{"ro" if on else "rw"}', folder], check=True)


def test_a_read_only_state_folder(
    make_stack: MakeStack, small_disk: Path, tmp_path: Path
) -> None:
    """It does not drive, says so, and a stop holds even where it could not be stored."""
    stack = make_stack(trace=tmp_path / 'board.jsonl')
    operator = stack.operator()
    drives(stack, operator)
    read_only(small_disk, True)
    refuses(stack, operator, 'state_unwritable')
    operator.e_stop()
    wait_for(lambda: operator.motor_state['e_stop'] == 'true', 3.0, 'the latch')
    stack.motor.kill()
    stack.motor.start()
    stack.wait_ready()
    wait_for(lambda: operator.motor_state['e_stop'] == 'true', 5.0, 'the latch')
    read_only(small_disk, False)
    operator.drive(*MOTIONS['forward'])
    stack.wheels.assert_still(1.0, 'a stop that could not be stored')
    operator.stop()
    operator.clear_e_stop()
    drives(stack, operator)


@pytest.mark.parametrize('garbage', [b'', b'\x00' * 100, b'{"permit": tru', os.urandom(4096)])
def test_unreadable_files_of_the_motor_node(stack: Stack, garbage: bytes) -> None:
    """A permit that cannot be read is none; a person can reset it."""
    stack.motor.kill()
    for name in ('permit.json', 'stop.json', 'reverse.json'):
        (stack.state_dir / 'motor' / name).write_bytes(garbage)
    stack.motor.start()
    stack.wait_ready()
    operator = stack.operator()
    refuses(stack, operator, 'e_stop')
    operator.clear_e_stop()
    drives(stack, operator)


@pytest.mark.parametrize('garbage', [b'no database' * 100, os.urandom(8192)])
def test_an_unreadable_database(make_stack: MakeStack, garbage: bytes) -> None:
    """Kept aside and said; the gateway starts, and the robot can be stopped and driven."""
    stack = make_stack()
    stack.make_user('maria', 'driver')
    stack.gateway.terminate()
    stack.gateway.wait()
    database = stack.state_dir / 'avatar.db'
    for file in stack.state_dir.glob('avatar.db*'):
        file.unlink()
    database.write_bytes(garbage)
    stack.start_gateway()
    kept = [f for f in stack.state_dir.iterdir()
            if f.is_file() and f != database and f.read_bytes() == garbage]
    assert kept, f'the unreadable file is gone: {sorted(stack.state_dir.iterdir())}'
    assert kept[0].name in stack.gateway.log, 'nobody was told where it is'
    drives(stack, stack.operator())


# --- two gateways


def test_two_gateways_on_one_graph_stop_the_robot(
    make_stack: MakeStack, tmp_path: Path
) -> None:
    """Whichever is the wrong one: nothing moves while there are two, and it is said."""
    stack = make_stack()
    operator = stack.operator()
    operator.take()
    operator.drive_until_moving(stack.wheels, *MOTIONS['forward'])
    other = Stack(tmp_path / 'other', env={'ROS_DOMAIN_ID': stack.env['ROS_DOMAIN_ID']})
    try:
        other.gateway.start()
        stack.wheels.wait_neutral(15.0)
        state = wait_for(
            lambda: operator.motor_state if operator.motor_state['why'] == 'two_publishers'
            else None, 3.0, 'motor/state saying two_publishers')
        assert state
        stack.wheels.assert_still(1.0, 'two gateways, key held')
        other.gateway.kill()
        wait_for(lambda: operator.motor_state['why'] != 'two_publishers', 5.0,
                 'the dead gateway forgotten')
        stack.wheels.assert_still(0.6, 'the second gateway is gone, key held')
        drives(stack, operator)
    finally:
        other.close()


def test_a_second_gateway_in_the_same_folder_is_refused(stack: Stack) -> None:
    """In two seconds, with the pid of the first, which does not notice."""
    second = stack.another('gateway', 'second')
    start = time.monotonic()
    second.start()
    code = second.wait(10.0)
    assert code != 0 and str(stack.gateway.pid) in second.log, second.log
    assert time.monotonic() - start < 5.0
    drives(stack, stack.operator())


# --- the clock

# Who may read the calendar, and for what: never for a deadline.
CALENDAR = {
    'avatar_web': 'sessions, passwords and reports outlive a restart',
}
WALL_CLOCK = {('time', 'time'), ('time', 'time_ns'), ('time', 'localtime'), ('time', 'gmtime'),
              ('datetime', 'now'), ('datetime', 'utcnow'), ('datetime', 'today'),
              ('date', 'today')}
MOTION = ('avatar_motor', 'avatar_node')
MOTION_WEB = ('driving', 'freshness', 'lease', 'rates', 'hub', 'client', 'outbox')


def _wall_clock_uses(path: Path) -> list[str]:
    uses = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, 'attr', '')
            if (name, node.attr) in WALL_CLOCK:
                uses.append(f'{path.name}:{node.lineno}: {name}.{node.attr}')
        elif isinstance(node, ast.ImportFrom) and node.module == 'time':
            uses += [f'{path.name}:{node.lineno}: from time import {a.name}' for a in node.names
                     if ('time', a.name) in WALL_CLOCK]
    return uses


def test_no_deadline_is_on_the_calendar() -> None:
    """What moves or stops the wheels never asks what time it is."""
    files = [f for package in MOTION for f in (SRC / package / package).rglob('*.py')]
    files += [SRC / 'avatar_web/avatar_web' / f'{name}.py' for name in MOTION_WEB]
    files = [f for f in files if f.exists()]
    assert len(files) > 20
    uses = [use for file in files for use in _wall_clock_uses(file)]
    assert not uses, uses


@pytest.fixture
def clock(tmp_path: Path) -> Any:
    """The environment of a process whose calendar clock we can step, and how to step it."""
    compiler = shutil.which('cc')
    if compiler is None:
        pytest.skip('no C compiler, which this test needs to step the clock of one process')
    library = tmp_path / 'clock_step.so'
    subprocess.run([compiler, '-shared', '-fPIC', '-O2', '-o', library,
                    Path(__file__).with_name('clock_step.c')], check=True)
    file = tmp_path / 'clock_step'

    class Clock:
        env = {'LD_PRELOAD': str(library), 'AVATAR_CLOCK_STEP': str(file)}

        @staticmethod
        def step(seconds: int) -> None:
            # At once and whole: a reader never sees half a number.
            draft = file.with_suffix('.new')
            draft.write_text(str(seconds))
            draft.replace(file)

    Clock.step(0)
    return Clock


@pytest.mark.parametrize('step_s', [HOUR_S, -HOUR_S])
def test_the_clock_jumps_an_hour_while_driving(
    make_stack: MakeStack, clock: Any, step_s: int
) -> None:
    """Nobody notices: it drives on, stops in time, and everybody stays signed in."""
    stack = make_stack(env=clock.env)
    operator = stack.operator()
    operator.take()
    operator.drive_until_moving(stack.wheels, *MOTIONS['forward'])
    clock.step(step_s)
    start = time.monotonic()
    time.sleep(1.0)
    stops = [o for o in stack.wheels.outputs if o.t > start and o.neutral]
    assert not stops, f'the jump of the clock stopped the robot: {stops}'
    assert stack.wheels.stop_time_s(operator.fall_silent()) < SILENT_S + LINE_S
    drives(stack, operator)
    operator.stop()
    operator.e_stop()
    wait_for(lambda: operator.motor_state['e_stop'] == 'true', 3.0, 'the latch')
    clock.step(0)
    stack.wheels.assert_still(0.5, 'emergency stop, the clock jumps back')
    operator.clear_e_stop()
    drives(stack, operator)
    assert operator.connected, 'a jump of the clock ended the session'
