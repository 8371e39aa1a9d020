# SPDX-License-Identifier: Apache-2.0
"""
Broken disks, killed processes, a second gateway, a clock that jumps: nothing moves, nothing is
lost, and the robot says what is wrong.
"""

import ast
import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import avatar_bringup
import avatar_motor
import avatar_node
import avatar_web
from avatar_bringup.sockets import bound, inodes
from avatar_node.testing import wait_for
from tests.operator_client import Operator
from tests.runaway import LINE_S, MOTIONS, SILENT_S
from tests.stack import Stack
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
        stack.wheels.stop_time_s(event)
        stack.motor.start()
        stack.wait_ready()
        stack.wheels.assert_still(1.0, 'motor node killed in an emergency stop, key held')
        # Whether it was seen to work or not, somebody asked for it: it must hold.
        wait_for(lambda o=operator: o.motor_state['e_stop'] == 'true', 5.0, 'the latch')
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
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of 4 MB for the state folder of `make_stack`, or the folder in it named."""
    if os.geteuid() != 0:
        pytest.skip('only root can mount a small file system')
    folder = tmp_path / 'robot0/state' / getattr(request, 'param', '')
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
    event = stack.motor.kill()
    stack.motor.start()
    operator.wait_motor(event + 0.3, connected='true', e_stop='true')
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


@pytest.mark.parametrize('small_disk', ['motor'], indirect=True)
def test_the_motor_nodes_folder_becomes_read_only(
    make_stack: MakeStack, small_disk: Path
) -> None:
    """It does not drive, says so, and a stop holds even where it could not be stored."""
    stack = make_stack()
    operator = stack.operator()
    operator.clear_e_stop()  # a folder that was there and empty has no permit
    operator.take()
    operator.drive_until_moving(stack.wheels, *MOTIONS['forward'])
    read_only(small_disk, True)
    stack.wheels.wait_neutral(5.0)
    refuses(stack, operator, 'state_unwritable')
    operator.e_stop()
    wait_for(lambda: operator.motor_state['e_stop'] == 'true', 3.0, 'the latch')
    event = stack.motor.kill()
    stack.motor.start()
    operator.wait_motor(event + 0.3, connected='true', e_stop='true')
    operator.drive(*MOTIONS['forward'])
    stack.wheels.assert_still(0.6, 'started on a read-only folder')
    read_only(small_disk, False)
    stack.wheels.assert_still(2.0, 'a stop that could not be stored, the folder is writable')
    operator.stop()
    event = stack.motor.kill()
    stack.motor.start()
    operator.wait_motor(event + 0.3, connected='true', e_stop='true')
    refuses(stack, operator, 'e_stop')
    operator.clear_e_stop()
    drives(stack, operator)


def test_the_whole_state_folder_is_read_only(
    make_stack: MakeStack, small_disk: Path, tmp_path: Path
) -> None:
    """The page is there, accounts work, the stop works; it does not drive and says why."""
    port = free_port()
    stack = make_stack(trace=tmp_path / 'board.jsonl', gateway={'port': port})
    stack.make_user('maria', 'driver')
    drives(stack, stack.operator())
    stack.close_operators()
    for process in (stack.gateway, stack.motor):
        process.terminate()
        process.wait()
    read_only(small_disk, True)
    stack.motor.start()
    stack.gateway.start()  # it cannot write its port: the one of before
    stack.wait_ready()
    maria = stack.operator(token='', cookie=login(stack.url, 'maria', stack.password))
    wait_for(lambda: maria.motor_state['e_stop'] == 'true', 5.0, 'the latch')
    maria.take()
    maria.drive(*MOTIONS['forward'])
    stack.wheels.assert_still(1.0, 'read-only state folder')
    maria.stop()
    assert maria.motor_state['why'] == 'state_unwritable', maria.motor_state
    assert maria.call('e_stop_trigger')['result']


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.create_server(('127.0.0.1', 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


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


# --- a pause that costs DDS its memory


def test_a_gateway_that_slept_hears_the_motor_node_again_or_ends(stack: Stack) -> None:
    """Others forget a process that is stopped for a second, the more so what it just made."""
    for attempt in range(2):
        operator = stack.operator()
        for number in range(4):
            operator.subscribe(f'/fresh/{attempt}/{number}', type='std_msgs/msg/String')
        time.sleep(0.1)
        stack.gateway.freeze()
        time.sleep(1.3)
        woke_s = stack.gateway.thaw()

        def settled(o: Operator = operator, woke_s: float = woke_s) -> bool:
            return (not stack.gateway.alive
                    or bool(o.motor_state) and o.topic_s['motor/state'] > woke_s + 1.0)
        wait_for(settled, 10.0, 'the gateway to hear the motor node again, or to end')
        if not stack.gateway.alive:
            # So that whoever looks after it starts another one, at once.
            assert stack.gateway.exit_code == 1
            assert 'the gateway ends, to be started again' in stack.gateway.log
            stack.start_gateway()
        drives(stack, stack.operator())


@contextlib.contextmanager
def deafened(pid: int) -> Iterator[None]:
    """Drop what other ROS processes publish to this one; it still sees that they are there."""
    held = inodes(pid)
    # DDS: data comes to an odd port, discovery to the even one before it.
    ports = [s.port for s in bound() if s.inode in held and s.protocol == 'udp' and s.port % 2]
    assert ports, f'process {pid} listens to no DDS'
    rules = [['INPUT', '-p', 'udp', '--dport', str(port), '-j', 'DROP'] for port in ports]
    if os.geteuid() != 0 or not shutil.which('iptables'):
        pytest.skip('only root can drop packets, and only with iptables')
    try:
        for rule in rules:
            subprocess.run(['iptables', '-w', '-I', *rule], check=True)
        yield
    finally:
        for rule in rules:
            subprocess.run(['iptables', '-w', '-D', *rule], check=False)


def test_a_gateway_that_is_deaf_ends(stack: Stack) -> None:
    """So that whoever looks after it starts another one, which is heard and hears."""
    operator = stack.operator()
    assert operator.motor_state
    with deafened(stack.gateway.pid):
        wait_for(lambda: not stack.gateway.alive, 10.0, 'the end of the deaf gateway')
    assert stack.gateway.exit_code == 1
    assert 'the gateway is deaf and ends, to be started again' in stack.gateway.log
    stack.start_gateway()
    drives(stack, stack.operator())


def test_a_motor_node_that_is_deaf_ends(stack: Stack) -> None:
    drives(stack, stack.operator())
    with deafened(stack.motor.pid):
        wait_for(lambda: not stack.motor.alive, 10.0, 'the end of the deaf motor node')
    assert stack.motor.exit_code == 1
    assert 'this node is deaf and ends, to be started again' in stack.motor.log
    assert stack.wheels.now.neutral
    stack.motor.start()
    drives(stack, stack.operator())


# --- the clock

# Who may read the calendar, and for what.
CALENDAR = {
    'gatekeeper.py': 'sessions end on a date, also after a restart',
    'users.py': 'when an account was made',
    'users_cli.py': 'and shows it',
    'keyring.py': 'certificates have dates',
    'data_file.py': 'data used by day and month',
    'parts.py': 'since when a part is as it is',
    'last_end.py': 'when the last run ended',
    'backup.py': 'its name has a date',
    'logs.py': 'since a time that a person names',
}
# What tells a person when something was; nothing in there moves or stops a wheel.
TELLING = ('alerts', 'health', 'system')
WALL_CLOCK = {('time', 'time'), ('time', 'time_ns'), ('time', 'localtime'), ('time', 'gmtime'),
              ('datetime', 'now'), ('datetime', 'utcnow'), ('datetime', 'today'),
              ('date', 'today')}
# The session report says when something happened; a TURN server's credentials end on a date.
DATED = ('record', '_record', 'Report', 'for_page')


def _name(node: ast.AST) -> str:
    return getattr(node, 'id', '') or getattr(node, 'attr', '')


def _wall_clock_uses(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    dated = {
        id(inner) for call in ast.walk(tree) if isinstance(call, ast.Call)
        and (_name(call.func) in DATED or _name(getattr(call.func, 'value', call)) in DATED)
        for inner in ast.walk(call)}
    uses = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in dated:
            if (_name(node.value), node.attr) in WALL_CLOCK:
                uses.append(f'{path.name}:{node.lineno}: {_name(node.value)}.{node.attr}')
        elif isinstance(node, ast.ImportFrom) and node.module == 'time':
            uses += [f'{path.name}:{node.lineno}: from time import {a.name}' for a in node.names
                     if ('time', a.name) in WALL_CLOCK]
    return uses


def test_no_deadline_is_on_the_calendar() -> None:
    """Whatever moves or stops the wheels never asks what time it is."""
    folders = [Path(module.__file__ or '').parent for module in (
        avatar_bringup, avatar_motor, avatar_node, avatar_web)]
    files = [f for folder in folders for f in sorted(folder.rglob('*.py'))]
    assert len(files) > 60
    uses = [use for file in files if file.name not in CALENDAR and file.parent.name not in TELLING
            for use in _wall_clock_uses(file)]
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
    stack.make_user('maria', 'driver')
    cookie = login(stack.url, 'maria', stack.password)
    operator = stack.operator(token='', cookie=cookie)
    operator.take()
    for attempt in range(5):
        clock.step(0)
        operator.drive_until_moving(stack.wheels, *MOTIONS['forward'])
        start = time.monotonic()
        clock.step(step_s)
        time.sleep(1.0)
        stops = [o for o in stack.wheels.outputs if o.t > start and o.neutral]
        if not stops:
            break
        # A busy machine makes a pass late, which stops too; the jump would stop each time.
        print(f'attempt {attempt}: stopped at {stops}')
    assert not stops, f'the jump of the clock stopped the robot: {stops}'
    assert stack.wheels.stop_time_s(operator.fall_silent()) < SILENT_S + LINE_S
    drives(stack, operator)
    operator.stop()
    operator.e_stop()
    wait_for(lambda: operator.motor_state['e_stop'] == 'true', 3.0, 'the latch')
    stack.operator(token='', cookie=cookie).close()
    clock.step(0)
    stack.wheels.assert_still(0.5, 'emergency stop, the clock jumps back')
    operator.clear_e_stop()
    drives(stack, operator)
    assert operator.connected, 'a jump of the clock ended the session'
