# SPDX-License-Identifier: Apache-2.0
"""
The night the first robot was lost, replayed: each part from boot, with everything enabled.

(a) a copy of our unit starts the same program; (b) the two old units of the report, whose program
holds the board, the camera and the ports; (c) a foreign mediamtx.service. Meanwhile somebody logs
in, and the journal is measured. AVATAR_INCIDENT_S: how long all of it takes (`make incident`: ten
minutes, `make test`: two).

The board is the fake one in a unit of its own, at /dev/ttyUSB0. There is no camera here:
/dev/video0 is a node that can be held and gives no pictures.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from avatar_bringup.lock import EXIT_TAKEN
from avatar_node.testing import TIMEOUT_SCALE, wait_for
from tests.systemd.robot import UNIT, Robot
from tests.systemd.test_service_faults import LOGIN_S, journal_bytes, logins
from tests.wheels import Wheels

PART_S = float(os.environ.get('AVATAR_INCIDENT_S', '120')) / 3
OLD = Path(__file__).parent / 'old_robot'
HOME = '/home/havatar/Avatar-robot'
FREED_S = 10.0
BOARD = '/run/board/sim/ttyBOARD'
BOARD_UNIT = """\
[Unit]
Description=The board at the end of a cable
[Service]
ExecStart=/bin/sh /usr/local/lib/board
[Install]
WantedBy=multi-user.target
"""
# Apart from the unit, which else would be one that starts what avatar starts.
BOARD_SCRIPT = f"""\
. /etc/avatar/ros.env
python3 /opt/avatar/current/install/lib/avatar_motor/fake_board --state-dir /run/board &
until [ -e {BOARD} ]; do sleep 0.1; done
ln -sf {BOARD} /dev/ttyUSB0
chown root:dialout "$(readlink -f {BOARD})"
chmod 660 "$(readlink -f {BOARD})"
wait
"""


class Night:
    """One machine, its robot with a board at a cable, and what else was enabled."""

    def __init__(self, robot: Robot) -> None:
        self.robot, self.machine = robot, robot.machine
        self.wheels = Wheels(self.machine.path('/run/board/sim/board.jsonl'))
        robot.install('--host 127.0.0.1')
        self.machine.write('/etc/systemd/system/board.service', BOARD_UNIT)
        self.machine.write('/usr/local/lib/board', BOARD_SCRIPT)
        self.machine.write('/var/lib/avatar/config/motor.yaml', '/**:\n  ros__parameters:\n'
                           '    port: "/dev/ttyUSB0"\n    reverse_confirmed: true\n')
        self.machine.run('chown', '-R', 'avatar:avatar', '/var/lib/avatar')
        self.machine.run('systemctl', 'enable', 'board.service')

    def old_robot(self, *units: str) -> None:
        """Have the old robot's files and units, enabled as they were then."""
        self.machine.run('useradd', '--create-home', 'havatar')
        self.machine.run('usermod', '-aG', 'dialout,video,audio', 'havatar')
        for file in OLD.iterdir():
            place = {'.service': '/etc/systemd/system', '.py': f'{HOME}/modules', '.sh': HOME}
            if file.suffix in place:
                self.machine.write(f'{place[file.suffix]}/{file.name}', file.read_text())
        self.machine.run('mknod', '-m', '660', '/dev/video0', 'c', '1', '7')
        self.machine.run('chgrp', 'video', '/dev/video0')
        self.machine.run('systemctl', 'enable', *units)

    def begin(self) -> None:
        """Boot: every enabled unit at once, as at the start of a machine."""
        self.machine.run('systemctl', 'daemon-reload')
        self.machine.run('systemctl', 'start', '--no-block', 'multi-user.target')
        wanted = self.machine.run('/bin/sh', '-c',
                                  'ls /etc/systemd/system/multi-user.target.wants').split()
        self.machine.run('systemctl', 'start', '--no-block', *wanted)

    def health(self) -> dict[str, Any]:
        """Return what the health topic says, as the page gets it."""
        operator = self.robot.operator()
        try:
            operator.subscribe('health')
            wait_for(lambda: 'health' in operator.topics, 10, 'a health message')
            return operator.topics['health']
        finally:
            operator.close()

    def findings(self) -> list[dict[str, Any]]:
        """Return the findings of the health topic."""
        values = {v['key']: v['value'] for v in self.health()['values']}
        return list(json.loads(values['findings']))

    def until(self, moment: float, check: Callable[[], None]) -> None:
        """Look again every few seconds until the part's time is over."""
        while time.monotonic() < moment:
            check()
            time.sleep(min(3.0, max(0.0, moment - time.monotonic())))

    def pid_of(self, words: str) -> int:
        """Return the pid inside of a process by its command line."""
        return next((self.machine.inner_pid(p) for p, w in self.machine.pids().items()
                     if words in w), 0)


@pytest.fixture
def night(boot: Any) -> Iterator[Night]:
    """A machine of its own."""
    night = Night(Robot(boot()))
    yield night
    night.robot.close_operators()
    night.machine.close()


def drives(night: Night) -> None:
    """Prove that the wheels obey."""
    operator = night.robot.operator()
    try:
        operator.take()
        operator.drive_until_moving(night.wheels, 0.3, 0.0)
        night.wheels.stop_time_s(operator.stop())
    finally:
        operator.close()


def report(night: Night, name: str, began: float, before: int, took: list[float]) -> None:
    seconds = time.monotonic() - began
    grown = journal_bytes(night.robot) - before
    print(f'incident {name}: {seconds:.0f} s, slowest login {max(took):.2f} s of {len(took)}, '
          f'journal +{grown / 1e3:.0f} kB ({grown * 3600 / seconds / 1e6:.2f} MB an hour)')
    assert max(took) < LOGIN_S * TIMEOUT_SCALE
    # What starts is told once; only a whole night would be an hour's worth.
    assert grown < 1e6 + 1e6 * seconds / 3600


def test_a_second_unit_with_the_same_program(night: Night) -> None:
    machine, robot = night.machine, night.robot
    unit = machine.path(f'/etc/systemd/system/{UNIT}').read_text()
    machine.write('/etc/systemd/system/avatar-again.service', unit)
    machine.run('systemctl', 'daemon-reload')
    machine.run('systemctl', 'enable', 'avatar-again.service')
    began, before = time.monotonic(), journal_bytes(robot)
    with logins(robot) as took:
        night.begin()
        robot.wait_page(30)
        names = (UNIT, 'avatar-again.service')
        wait_for(lambda: any(robot.show('ActiveState', n) == 'failed' for n in names), 20,
                 'one of the two refused')
        loser = next(n for n in names if robot.show('ActiveState', n) == 'failed')
        winner = next(n for n in names if n != loser)
        pid = robot.show('MainPID', winner)

        def check() -> None:
            assert robot.show('ExecMainStatus', loser) == str(EXIT_TAKEN)
            assert robot.show('NRestarts', loser) == '0'
            assert robot.show('MainPID', winner) == pid
        drives(night)
        night.until(began + PART_S, check)
    said = robot.journal(unit=loser)
    assert f'pid {pid} ' in said
    drives(night)
    report(night, '(a)', began, before, took)
    # And the board outlives a stop: the wheels stand before the processes have ended.
    operator = robot.operator()
    operator.take()
    operator.drive_until_moving(night.wheels, 0.3, 0.0)
    event = time.monotonic()
    machine.run('systemctl', 'stop', winner)
    print(f'stop while driving: wheels {night.wheels.stop_time_s(event):.2f} s')
    assert night.wheels.stop_time_s(event) < 1.0 * TIMEOUT_SCALE


@pytest.mark.xfail(strict=False, reason='open: the motor node opens a port that a program of '
                   'another user holds, because only root sees that holder')
def test_beside_the_old_units_of_the_report(night: Night) -> None:
    machine, robot = night.machine, night.robot
    night.old_robot('avatar-tank.service', 'avatar-mediamtx.service')
    began, before = time.monotonic(), journal_bytes(robot)
    with logins(robot) as took:
        # The old ones have what they want first: the worst case.
        machine.run('systemctl', 'start', 'board.service')
        machine.run('systemctl', 'start', 'avatar-tank.service', 'avatar-mediamtx.service')
        wait_for(lambda: night.pid_of('mediamtx_main.py') and night.pid_of('modules/mediamtx.py'),
                 20, 'the old program')
        time.sleep(3)  # it has killed whatever it kills at its start
        night.begin()
        robot.wait_page(30)
        main = robot.main_pid

        def held() -> str:
            said = json.dumps(night.findings())
            return said if str(night.pid_of('mediamtx_main.py')) in said else ''

        said = wait_for(held, 40, 'the holder of the board by name', 0.5) or ''
        print(f'  says after {time.monotonic() - began:.0f} s: {night.health()["message"]}')
        assert 'avatar-tank.service' in said or 'avatar-mediamtx.service' in said, said
        victims = {p: w for p, w in machine.pids().items() if 'mediamtx_main' in w}

        def check() -> None:
            assert robot.healthz() != 0
            assert robot.main_pid == main
            assert night.wheels.now.neutral
        night.until(began + PART_S - 15, check)
        assert any(p in machine.pids() for p in victims), 'somebody was killed'
        commands = set(re.findall(r'systemctl disable --now ([\w.@-]+)', json.dumps(
            night.findings()) + machine.code('avatar', 'doctor')[1]))
        assert commands >= {'avatar-tank.service'}, commands
        event = time.monotonic()
        for name in sorted(commands):
            machine.run('systemctl', 'disable', '--now', name)
        wait_for(lambda: _drives_at_all(night), FREED_S * 2, 'wheels that obey', 0.1)
        obeys_s = time.monotonic() - event
    print(f'incident (b): wheels obey {obeys_s:.1f} s after {sorted(commands)}')
    assert obeys_s < FREED_S * TIMEOUT_SCALE
    assert robot.main_pid == main
    assert robot.show('NRestarts') == '0'
    report(night, '(b)', began, before, took)


def _drives_at_all(night: Night) -> bool:
    try:
        drives(night)
    except (AssertionError, OSError):
        return False
    return True


@pytest.mark.xfail(strict=False, reason='open: health did not name the holder of the ports of '
                   'the picture within 40 s (avatar run does at the start)')
def test_beside_a_foreign_media_server(night: Night) -> None:
    machine, robot = night.machine, night.robot
    night.old_robot('mediamtx.service')
    began, before = time.monotonic(), journal_bytes(robot)
    with logins(robot) as took:
        machine.run('systemctl', 'start', 'mediamtx.service')
        night.begin()
        robot.wait_drivable(30)
        drives(night)
        pid = night.pid_of('modules/mediamtx.py')

        def named() -> bool:
            return any(str(pid) in json.dumps(f) and f['part'] == 'mediamtx'
                       for f in night.findings())
        wait_for(named, 40, 'the holder of the ports of the picture by name', 0.5)
        print(f'  says: {night.health()["message"]}')
        night.until(began + PART_S, lambda: drives(night))
        assert night.pid_of('modules/mediamtx.py') == pid, 'somebody was killed'
        machine.run('systemctl', 'disable', '--now', 'mediamtx.service')
        wait_for(lambda: robot.pid_of('mediamtx') and robot.listens(8889), 20, 'our MediaMTX', 0.2)
    assert robot.show('NRestarts') == '0'
    report(night, '(c)', began, before, took)


def test_the_stand_in_itself_reads_as_the_report_tells(night: Night) -> None:
    """Two old units alone: the duplicate dies by SIGKILL, as in the journal of that night."""
    night.old_robot('avatar-tank.service', 'avatar-mediamtx.service')
    machine = night.machine
    machine.run('systemctl', 'start', 'avatar-mediamtx.service')
    wait_for(lambda: night.pid_of('mediamtx_main.py'), 10, 'the duplicate')
    machine.run('systemctl', 'start', 'avatar-tank.service')
    wait_for(lambda: 'status=9/KILL' in night.robot.journal(unit='avatar-mediamtx.service'), 20,
             'what the journal said')
