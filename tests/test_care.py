# SPDX-License-Identifier: Apache-2.0
"""The commands at the robot's console, on a robot that runs."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from avatar_bringup.ports import Ports
from avatar_node.testing import wait_for
from tests.operator_client import Operator
from tests.test_start import PARTS, Avatar
from tests.test_start import pytestmark as needs_a_build

pytestmark = needs_a_build


def run(state_dir: Path, port: int, *words: str, given: str = '') -> tuple[int, str]:
    """Run an `avatar` command as somebody at the console would; return its code and words."""
    env = {key: value for key, value in os.environ.items() if key != 'ROS_DOMAIN_ID'}
    done = subprocess.run(
        [sys.executable, '-m', 'avatar_bringup.cli', *words], check=False, text=True,
        input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90,
        env={**env, 'AVATAR_STATE_DIR': str(state_dir), 'AVATAR_PORT': str(port)})
    return done.returncode, done.stdout


class Console:
    """A demo and its console."""

    def __init__(self, demo: Avatar) -> None:
        self.demo = demo

    def __call__(self, *words: str, given: str = '') -> tuple[int, str]:
        return run(self.demo.state_dir, self.demo.port, *words, given=given)

    def status(self) -> dict[str, Any]:
        """Return what the status says to programs."""
        _, text = self('status', '--json')
        found: dict[str, Any] = json.loads(text)
        return found

    def operator(self) -> Operator:
        """Return somebody who is signed in."""
        return Operator(f'ws://127.0.0.1:{self.demo.port}/rosbridge',
                        token=self.demo.link.partition('token=')[2])


@pytest.fixture(scope='module')
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    demo = Avatar(tmp_path_factory.mktemp('console') / 'state')
    try:
        demo.wait_drivable(30.0)
        yield Console(demo)
    finally:
        demo.close()


def test_status_shows_the_whole_robot_on_one_screen(console: Console) -> None:
    code, text = console('status')
    assert code == 0, text
    lines = text.splitlines()
    assert len(lines) < 50 and all(len(line) < 400 for line in lines)
    assert f'pid {console.demo.pid_of("avatar")} ' in lines[0]
    for part in PARTS:
        assert any(line.startswith(part) and f'{console.demo.pid_of(part)}' in line
                   for line in lines), f'{part}:\n{text}'
    assert 'nobody holds the lease' in text
    assert 'NOT OURS' not in text and 'nobody listens' not in text


def test_status_for_programs_says_the_same(console: Console) -> None:
    found = console.status()
    assert found['runs'] and found['answers'] and found['drivable'] and found['permit']
    assert {part['name'] for part in found['parts'] if part['state'] == 'running'} >= PARTS
    for part in found['parts']:
        assert part['memory_mb'] > 1 and part['cpu_percent'] >= 0 and part['deaths'] == 0
    assert found['lease']['state'] == 'free' and found['motor']['left'] == '0'
    assert {(p['port'], p['part']) for p in found['ports']} >= {
        (console.demo.port, 'gateway'), (Ports.beside(console.demo.port).rtsp, 'mediamtx')}
    assert found['disk']['free_mb'] > 0


def test_status_says_who_is_in_control(console: Console) -> None:
    with console.operator() as operator:
        operator.connect()
        operator.take()
        assert 'holds the lease' in console('status')[1]
    wait_for(lambda: console.status()['lease']['state'] == 'free', 30, 'nobody in control')


def test_the_doctor_finds_a_demo_well(console: Console) -> None:
    code, text = console('doctor')
    assert code in (0, 1), text
    assert 'BAD' not in text
    assert 'can be driven' in text and 'are simulated' in text
    assert {one['level'] for one in json.loads(console('doctor', '--json')[1])} <= {'good', 'look'}


def test_the_doctor_names_who_has_a_port_of_ours(tmp_path: Path) -> None:
    with socket.socket() as foreign:
        foreign.bind(('127.0.0.1', 0))
        foreign.listen()
        port = foreign.getsockname()[1]
        code, text = run(tmp_path / 'state', port, 'doctor')
    assert code == 2, text
    assert f'pid {os.getpid()} ' in text
    assert 'does not run' in text


def test_the_doctor_names_a_parameter_that_is_none(tmp_path: Path) -> None:
    config = tmp_path / 'state/config'
    config.mkdir(parents=True)
    (config / 'motor.yaml').write_text('/**:\n  ros__parameters:\n    max_sped_mps: 0.1\n')
    (config / 'stream.yaml').write_text('/**:\n  ros__parameters: [\n')
    code, text = run(tmp_path / 'state', 8080, 'doctor')
    assert code == 2
    assert 'there is no parameter max_sped_mps' in text and 'stream.yaml' in text


def test_logs_are_those_of_the_part(console: Console) -> None:
    code, text = console('logs', 'motor')
    assert code == 0 and '[motor]' in text
    assert '[gateway]' not in text


def test_a_backup_of_a_running_robot_is_restored_onto_another(
    console: Console, tmp_path: Path
) -> None:
    code, text = console('users', 'add', 'ana', '--role', 'admin', '--password-stdin',
                         given='correct horse battery\n')
    assert code == 0, text
    code, text = console('backup', str(tmp_path / 'b.zip'))
    assert code == 0, text
    before = sorted(os.listdir(console.demo.state_dir))
    code, text = console('restore', str(tmp_path / 'b.zip'))
    assert code == 1 and f'pid {console.demo.pid_of("avatar")} ' in text
    assert sorted(os.listdir(console.demo.state_dir)) == before
    assert console('restore', '--check', str(tmp_path / 'b.zip'))[0] == 0
    other = tmp_path / 'other'
    code, text = run(other, 8080, 'restore', str(tmp_path / 'b.zip'))
    assert code == 0, text
    assert 'ana' in run(other, 8080, 'users', 'list')[1]


def test_a_frozen_gateway_is_said_and_holds_nothing_up(console: Console) -> None:
    """The last one of this robot."""
    pid = console.demo.pid_of('gateway')
    os.kill(pid, 19)
    try:
        code, text = console('status')
    finally:
        os.kill(pid, 18)
    assert code == 2, text
    assert 'does not answer' in text or 'nobody can reach' in text
