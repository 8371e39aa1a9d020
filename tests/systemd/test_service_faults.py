# SPDX-License-Identifier: Apache-2.0
"""Killed and frozen processes, a hog of memory, a flood of logs, disks: who is still there."""

import contextlib
import os
import signal
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from avatar_node.testing import TIMEOUT_SCALE, wait_for
from tests.systemd.robot import UNIT, Robot

LOGIN_S = 2.0
# After kill -9: until it does its work again.
BACK_S = {'motor': 5.0, 'gateway': 2.0, 'stream': 3.0, 'mediamtx': 3.0, 'sim_camera': 3.0,
          'fake_board': 8.0, 'health': 5.0}


def wait_wheels(robot: Robot, since: float, within_s: float) -> float:
    """Press and let go, as a person does, until the wheels turn; return how long after `since`."""
    operator, wheels = robot.operator(), robot.wheels
    deadline = since + within_s
    while True:
        with contextlib.suppress(AssertionError):
            operator.take(0.2)
            operator.drive(0.3, 0.0)
            moved = wheels.wait_moving(0.4)
            operator.stop()
            return moved.t - since
        assert time.monotonic() < deadline, f'no wheel turns after {within_s} s'
        operator.stop()
        time.sleep(0.2)  # three zeros


def works_again(robot: Robot, part: str, since: float) -> float:
    """Return how long after `since` a part does its work again."""
    if part in ('motor', 'fake_board'):
        return wait_wheels(robot, since, 20)
    if part in ('stream', 'sim_camera'):
        operator = robot.operator()

        def picture() -> bool:
            with contextlib.suppress(AssertionError):
                return bool(operator.call('camera/snapshot', timeout_s=0.5)['values']['success'])
            return False
        wait_for(picture, 20, 'a snapshot', 0.05)
    elif part == 'mediamtx':
        wait_for(lambda: all(robot.listens(p) for p in (8554, 8889, 9997)), 20, 'its ports', 0.05)
    elif part == 'gateway':
        wait_for(lambda: robot.healthz() != 0, 20, 'an answer', 0.02)
    return time.monotonic() - since


@pytest.mark.parametrize('part', BACK_S)
def test_a_killed_part_is_back(robot: Robot, part: str) -> None:
    dead = robot.pid_of(part)
    main = robot.main_pid
    robot.signal(part, signal.SIGKILL)
    event = time.monotonic()
    wait_for(lambda: robot.pid_of(part) not in (0, dead), 10, f'another {part}', 0.02)
    back_s = works_again(robot, part, event)
    print(f'kill -9 {part}: back after {back_s:.2f} s')
    assert back_s < BACK_S[part] * TIMEOUT_SCALE
    robot.wait_drivable(15)
    assert robot.main_pid == main
    assert robot.show('NRestarts') == '0'


@pytest.mark.parametrize('part', ['main', 'supervisord'])
def test_a_killed_owner_leaves_nothing_and_comes_back_as_a_whole(robot: Robot, part: str) -> None:
    before = set(robot.processes())
    event = robot.signal(part, signal.SIGKILL)
    wait_for(lambda: not before & set(robot.processes()), 10, 'the end of the old ones', 0.1)
    wait_for(lambda: robot.healthz() == 200, 40, 'a drivable robot', 0.1)
    print(f'kill -9 {part}: drivable again after {time.monotonic() - event:.1f} s')
    assert (robot.state / 'run/ended.json').exists()
    robot.drives()


@pytest.mark.parametrize('part', ['motor', 'gateway'])
def test_a_hung_loop_is_ended_by_the_watchdog(robot: Robot, part: str) -> None:
    operator = robot.operator()
    operator.take()
    operator.drive_until_moving(robot.wheels, 0.3, 0.0)
    wheels = robot.wheels
    event = robot.signal(part, signal.SIGSTOP)
    stopped_s = wheels.stop_time_s(event)
    frozen = robot.pid_of(part)
    wait_for(lambda: robot.pid_of(part) not in (0, frozen), 40, f'another {part}', 0.1)
    robot.close_operators()
    wait_for(lambda: robot.healthz() == 200, 40, 'a drivable robot', 0.1)
    print(f'SIGSTOP {part} while driving: wheels {stopped_s:.2f} s, drivable again after '
          f'{time.monotonic() - event:.1f} s')
    assert stopped_s < 2.1 + 0.3
    robot.drives()


@pytest.mark.parametrize('part', ['stream', 'mediamtx', 'sim_camera', 'health'])
def test_what_hangs_beside_the_driving_does_not_touch_it(robot: Robot, part: str) -> None:
    robot.signal(part, signal.SIGSTOP)
    robot.drives()
    robot.signal(part, signal.SIGCONT) if robot.pid_of(part) else None
    wait_for(lambda: robot.healthz() == 200, 40, 'a drivable robot', 0.1)


# --- somebody can still get in


@contextlib.contextmanager
def logins(robot: Robot) -> Iterator[list[float]]:
    """Log in again and again meanwhile; the list has how long each took."""
    took: list[float] = []
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            took.append(robot.machine.login_s())
            over.wait(0.5)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield took
    finally:
        over.set()
        thread.join()


def journal_bytes(robot: Robot) -> int:
    """Return how much of the journal's files is in use (they grow by 8 MB at a time)."""
    used = 0
    for path in robot.machine.path('/var/log/journal').glob('*/*.journal*'):
        with path.open('rb') as file:
            head = file.read(144)
        # The header's tail_object_offset (systemd's journal file format).
        used += struct.unpack('<Q', head[136:144])[0] if head[:8] == b'LPKSHHRH' else 0
    return used


def test_a_hog_of_memory_ends_and_nobody_else(robot: Robot) -> None:
    group = robot.show('ControlGroup')
    procs = [p for p in (Path(f'{robot.machine.path("/sys/fs/cgroup")}{sub}{group}/cgroup.procs')
                         for sub in ('', '/memory', '/systemd', '/unified')) if p.exists()]
    limit = int(robot.show('MemoryMax')) // 2**20
    before = robot.processes()
    with logins(robot) as took:
        hog = robot.machine.popen('/bin/sh', '-c', 'echo 500 >/proc/self/oom_score_adj; read go; '
                                  'exec python3 -c "x = []\nwhile 1: x.append(b\'1\' * 2**22)"')
        inner = next(p for p, w in robot.machine.pids().items() if 'read go' in w)
        for file in procs:
            file.write_text(f'{inner}\n')
        assert hog.stdin is not None
        hog.stdin.write(b'\n')
        hog.stdin.flush()
        code = hog.wait(60)
    print(f'memory hog: ended by {code} at {limit} MB; slowest login {max(took):.2f} s')
    assert code in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert max(took) < LOGIN_S * TIMEOUT_SCALE
    assert set(before) <= set(robot.processes())
    robot.drives()


def test_a_flood_of_lines_fills_no_journal(robot: Robot) -> None:
    robot.stop()
    robot.drop_in('flood', "[Service]\nExecStartPost=/bin/sh -c 'yes flood | head -n 300000 &'\n")
    before = journal_bytes(robot)
    try:
        with logins(robot) as took:
            robot.start()
            robot.drives()
            wait_for(lambda: not any('flood' in w for w in robot.machine.pids().values()),
                     60, 'the end of the flood', 0.2)
    finally:
        robot.stop()
        robot.drop_in('flood', '')
    grown = journal_bytes(robot) - before
    kept = robot.journal().count('flood')
    print(f'flood: 300000 lines said, {kept} kept, journal +{grown / 1e6:.2f} MB, '
          f'slowest login {max(took):.2f} s')
    assert grown < 2e6
    assert max(took) < LOGIN_S * TIMEOUT_SCALE


def test_a_part_that_dies_at_once_is_given_up_and_the_rest_goes_on(robot: Robot) -> None:
    robot.stop()
    config = '/var/lib/avatar/config/sim_camera.yaml'
    robot.machine.write(config, '/**:\n  ros__parameters:\n    no_such_thing: 1\n')
    robot.machine.run('chown', '-R', 'avatar:avatar', '/var/lib/avatar/config')
    before = journal_bytes(robot)
    cursor = robot.cursor()
    try:
        began = time.monotonic()
        robot.start()
        wait_for(lambda: 'given up' in robot.journal(cursor), 90, 'sim_camera given up', 0.5)
        gave_up_s = time.monotonic() - began
        robot.drives()
    finally:
        robot.machine.path(config).unlink()
        robot.stop()
    print(f'a part that dies at once: given up after {gave_up_s:.0f} s, '
          f'journal +{(journal_bytes(robot) - before) / 1e3:.0f} kB')
    assert robot.show('NRestarts') == '0'


def test_a_motor_node_that_dies_at_once_fails_the_unit_which_tries_again(robot: Robot) -> None:
    robot.stop()
    config = '/var/lib/avatar/config/motor.yaml'
    robot.machine.write(config, '/**:\n  ros__parameters:\n    no_such_thing: 1\n')
    robot.machine.run('chown', '-R', 'avatar:avatar', '/var/lib/avatar/config')
    before = journal_bytes(robot)
    began = time.monotonic()
    try:
        robot.systemctl('start', '--no-block', UNIT)
        wait_for(lambda: int(robot.show('NRestarts')) >= 1, 90, 'the unit failed', 0.5)
        assert robot.show('Result') in ('exit-code', 'success')
    finally:
        robot.machine.path(config).unlink()
    loop_s = time.monotonic() - began
    grown = journal_bytes(robot) - before
    print(f'a motor node that dies at once: unit failed after {loop_s:.0f} s, journal '
          f'+{grown / 1e3:.0f} kB, {grown * 3600 / loop_s / 1e6:.2f} MB an hour')
    wait_for(lambda: robot.healthz() == 200, 90, 'a robot that came back by itself', 0.2)
    robot.drives()


# --- disks


@contextlib.contextmanager
def own_disk(robot: Robot) -> Iterator[None]:
    """Have the state on a small disk of its own, while avatar is down."""
    robot.stop()
    robot.machine.run('mount', '-t', 'tmpfs', '-o', 'size=30m,mode=700', 'state',
                      '/var/lib/avatar')
    try:
        yield
    finally:
        robot.stop()
        robot.machine.run('umount', '-l', '/var/lib/avatar')


def test_a_full_disk_keeps_nobody_out(robot: Robot) -> None:
    with own_disk(robot):
        robot.start()
        robot.drives()
        with contextlib.suppress(OSError):
            (robot.state / 'ballast').write_bytes(os.urandom(2**20) * 64)
        robot.drives()
        robot.stop()
        robot.start()
        assert robot.show('NRestarts') == '0'
        robot.drives()
        (robot.state / 'ballast').unlink()
        robot.drives()


def test_a_read_only_state_keeps_the_page_there(robot: Robot) -> None:
    with own_disk(robot):
        robot.start()
        robot.stop()
        robot.machine.run('mount', '-o', 'remount,ro', '/var/lib/avatar')
        try:
            robot.systemctl('start', '--no-block', UNIT)
            wait_for(lambda: robot.healthz() != 0, 30, 'the page', 0.1)
            operator = robot.operator()
            operator.subscribe('motor/state')
            wait_for(lambda: 'motor/state' in operator.topics, 10, 'the motor node')
            assert robot.show('NRestarts') == '0'
        finally:
            robot.close_operators()
            robot.machine.run('mount', '-o', 'remount,rw', '/var/lib/avatar')
