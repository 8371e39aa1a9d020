# SPDX-License-Identifier: Apache-2.0
"""Whether the robot says what is wrong with it: real parts, real faults, asked as a page asks."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from avatar_node.testing import wait_for
from tests.stack import Stack


class Robot:
    """A robot with a camera and the health node, and what the gateway says of its health."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def get(self, path: str, token: str = '') -> str:
        request = urllib.request.Request(
            f'{self.stack.url}{path}', headers={'Authorization': f'Bearer {token}'})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return str(answer.read().decode())

    @property
    def about(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.get('/api/health', self.stack.token))
        return answer

    def until(self, state: str, *codes: str, within_s: float = 30.0) -> dict[str, Any]:
        """Wait until this is what is said, and nothing else."""
        def said() -> dict[str, Any] | None:
            about = self.about
            found = [finding['code'] for finding in about['findings']]
            fits = (about['state'], found) == (state, list(codes))
            return about if fits else None
        try:
            return wait_for(said, within_s, f'{state} {codes}', 0.2) or {}
        except AssertionError as problem:
            raise AssertionError(f'{problem}: {self.about}') from None

    def changes(self, code: str) -> list[bool]:
        return [one['came'] for one in self.about['changes'] if one['code'] == code]


@pytest.fixture(scope='module')
def _robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    with Stack(tmp_path_factory.mktemp('robot'), camera=True, health=True) as stack:
        yield Robot(stack)


@pytest.fixture
def robot(_robot: Robot) -> Robot:
    """A robot at rest that says so."""
    _robot.stack.rest()
    _robot.until('READY')
    return _robot


def test_a_board_that_is_unplugged(robot: Robot) -> None:
    robot.stack.board_do('unplug', s=8)
    about = robot.until('STOPPED', 'board_missing')
    assert about['message'].startswith('The motor board is not connected: ')
    robot.until('READY')
    wait_for(lambda: robot.changes('board_missing')[-2:] == [True, False] or None, 10.0,
             'the history')


def test_a_camera_that_stops_while_somebody_records(robot: Robot) -> None:
    with robot.stack.operator() as operator:
        answer = operator.call('camera/record', {'data': True}, 15.0)
        assert answer['result'] and answer['values']['success'], answer
        robot.stack.camera.freeze()
        about = wait_for(lambda: (a := robot.about)['findings'] and a or None, 20.0, 'a finding')
        assert about['state'] == 'DEGRADED'
        assert about['findings'][0]['code'] in ('camera_silent', 'camera_missing')
        robot.stack.camera.thaw()
        robot.until('READY', within_s=40.0)
        operator.call('camera/record', {'data': False})


def test_a_camera_that_is_missing_while_nobody_looks(robot: Robot) -> None:
    robot.stack.camera.kill()
    robot.until('DEGRADED', 'camera_missing')
    robot.stack.camera.start()
    robot.until('READY')


def test_a_part_that_is_killed(robot: Robot) -> None:
    robot.stack.stream.kill()
    robot.until('DEGRADED', 'stream_silent')
    robot.stack.stream.start()
    robot.until('READY')
    robot.stack.mediamtx.kill()
    robot.until('DEGRADED', 'media_server_silent')
    robot.stack.mediamtx.start()
    robot.until('READY')


def test_a_motor_node_that_is_killed_and_one_that_stands_still(robot: Robot) -> None:
    robot.stack.motor.kill()
    robot.until('STOPPED', 'motor_silent')
    robot.stack.motor.start()
    robot.until('READY')
    robot.stack.motor.freeze()
    robot.until('STOPPED', 'motor_silent')
    robot.stack.motor.thaw()
    robot.stack.rest()
    robot.until('READY')


def test_what_the_supervisor_gave_up(robot: Robot) -> None:
    path = robot.stack.state_dir / 'run/parts.json'
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({'speaker': {'state': 'given_up', 'deaths': 5, 'since': 0,
                                            'words': 'no such card'}}))
    about = robot.until('DEGRADED', 'part_given_up')
    assert about['message'] == 'speaker does not start and was given up: no such card'
    path.unlink()
    robot.until('READY')


def test_without_the_health_node_nobody_knows(robot: Robot) -> None:
    robot.stack.health.terminate()
    robot.stack.health.wait()
    robot.until('')
    before = robot.about['changes']
    robot.stack.health.start()
    robot.until('READY')
    assert robot.about['changes'][:len(before)] == before, 'it remembers what was'


def test_metrics(robot: Robot) -> None:
    text = robot.get('/metrics', robot.stack.token)
    assert 'avatar_health_state{state="READY"} 1' in text
    assert 'avatar_health_state{state="STOPPED"} 0' in text
    assert 'avatar_machine_disk_free_mb ' in text


def test_who_may_ask(robot: Robot) -> None:
    assert robot.get('/healthz') == 'ok'
    for path in ('/api/health', '/metrics'):
        with pytest.raises(urllib.error.HTTPError) as problem:
            robot.get(path, 'no token')
        assert problem.value.code == 401


def test_a_history_that_cannot_be_read_is_empty(robot: Robot) -> None:
    path: Path = robot.stack.state_dir / 'health/history.json'
    for garbage in ('', '[1', '3', '{"changes": 1}'):
        path.write_text(garbage)
        assert robot.about['changes'] == []
