# SPDX-License-Identifier: Apache-2.0
"""From nothing to a link and back: `make demo`, `avatar up`, a second copy, the end of it all."""

import contextlib
import http.client
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avatar_bringup.ports import Ports
from avatar_bringup.preflight.leftovers import processes_marked
from avatar_bringup.sockets import bound, command_line, inodes
from avatar_node.testing import TIMEOUT_SCALE, free_port, wait_for

ROOT = Path(__file__).resolve().parents[1]
PARTS = {'fake_board', 'motor', 'gateway', 'mediamtx', 'sim_camera', 'stream', 'health'}

pytestmark = pytest.mark.skipif(
    not os.environ.get('AMENT_PREFIX_PATH'),
    reason='needs the built packages: make system, or sh tools/setup.sh run python -m pytest')


class Avatar:
    """One `avatar` command in a terminal of its own, and everything it started."""

    def __init__(self, state_dir: Path, *words: str, port: int | None = None) -> None:
        self.state_dir = state_dir
        self.port = free_port() if port is None else port
        self.output = ''
        self.link = ''
        self._terminal, there = pty.openpty()
        os.set_blocking(self._terminal, False)
        env = {key: value for key, value in os.environ.items() if key != 'ROS_DOMAIN_ID'}
        env |= {'AVATAR_STATE_DIR': str(state_dir), 'AVATAR_PORT': str(self.port)}
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            words or (sys.executable, '-m', 'avatar_bringup.cli', 'demo'), env=env, cwd=ROOT,
            stdin=there, stdout=there, stderr=there, start_new_session=True,
            preexec_fn=self._own_terminal)
        os.close(there)

    @staticmethod
    def _own_terminal() -> None:
        # Opening a terminal makes it the controlling one of a session without any.
        os.close(os.open(os.ttyname(0), os.O_RDWR))

    def read(self) -> str:
        """Return everything written so far."""
        with contextlib.suppress(BlockingIOError, OSError):
            while chunk := os.read(self._terminal, 65536):
                self.output += chunk.decode(errors='replace').replace('\r', '')
        return self.output

    def press_ctrl_c(self) -> None:
        """Do what the keyboard does: the kernel signals the terminal's foreground processes."""
        os.write(self._terminal, b'\x03')

    def wait_drivable(self, within_s: float = 20.0) -> float:
        """Wait for the link; return the seconds it took."""
        def link() -> bool:
            assert self.process.poll() is None, self.read()
            return bool(re.search(r'^Open (\S+)$', self.read(), re.MULTILINE))
        wait_for(link, within_s, 'the link')
        found = re.search(r'^Open (\S+)$', self.output, re.MULTILINE)
        assert found is not None
        self.link = found[1]
        return time.monotonic() - self.began

    def wait_page(self, within_s: float = 20.0) -> float:
        """Wait for any answer of the gateway; return the seconds it took."""
        wait_for(lambda: self.get('/healthz') is not None, within_s, 'an answer', 0.05)
        return time.monotonic() - self.began

    def get(self, path: str) -> int | None:
        """Return the status of a page, None where nobody answers."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=2)
        try:
            connection.request('GET', path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def processes(self) -> dict[int, str]:
        """Return every living process that was started for this state folder, with its words."""
        return {pid: command_line(pid)
                for pid in processes_marked(f'AVATAR_STATE_DIR={self.state_dir}')}

    def pid_of(self, part: str) -> int:
        """Return the pid of a part, 'supervisord' or 'avatar' itself; 0 where there is none."""
        wanted = {'supervisord': 'supervisor.supervisord', 'avatar': 'avatar_bringup.cli'}.get(
            part, f'/{part} ')
        return next((pid for pid, words in self.processes().items() if wanted in f'{words} '), 0)

    def end_as_marked(self) -> str:
        """Return what the next start will take the end for."""
        return str(json.loads((self.state_dir / 'run' / 'ended.json').read_text())['result'])

    def wait_gone(self, within_s: float) -> float:
        """Wait until no process is left; return the seconds it took."""
        began = time.monotonic()

        def left() -> dict[int, str]:
            self.process.poll()  # a child that is not waited for stays a zombie
            return self.processes()

        try:
            wait_for(lambda: not left(), within_s, 'the end of every process')
        except AssertionError:
            raise AssertionError(f'still there after {within_s} s: {left()}\n{self.read()}') \
                from None
        return time.monotonic() - began

    def close(self) -> None:
        """End whatever is left of it."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._terminal)


Start = Callable[..., Avatar]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `avatar` commands; all end with the test."""
    started: list[Avatar] = []

    def start(*words: str, state_dir: Path | None = None, port: int | None = None) -> Avatar:
        started.append(Avatar(state_dir or tmp_path / 'state', *words, port=port))
        return started[-1]

    yield start
    for avatar in started:
        avatar.close()


def cli(*words: str) -> tuple[str, ...]:
    return (sys.executable, '-m', 'avatar_bringup.cli', *words)


def test_make_demo_gives_a_link_and_ctrl_c_ends_everything(start: Start) -> None:
    subprocess.run(['make', 'build'], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    demo = start('make', 'demo')
    page_s = demo.wait_page()
    drivable_s = demo.wait_drivable()
    assert page_s < 5.0 * TIMEOUT_SCALE
    assert drivable_s < 8.0 * TIMEOUT_SCALE
    assert demo.get('/healthz') == 200
    assert demo.get(demo.link.split(str(demo.port))[1]) == 303
    assert {part for part in PARTS if demo.pid_of(part)} >= PARTS
    assert 'is started again' not in demo.read()
    demo.press_ctrl_c()
    assert demo.wait_gone(5.0) < 5.0


def test_a_second_demo_of_the_same_folder_is_refused_by_name(start: Start) -> None:
    first = start()
    first.wait_drivable()
    before = set(first.processes())
    second = start(port=free_port())
    assert second.process.wait(5) == 78
    assert time.monotonic() - second.began < 2.0 * TIMEOUT_SCALE
    assert f'pid {first.pid_of("avatar")} ' in second.read()
    assert len(second.output.strip().splitlines()) == 2  # what it was about to do, and the reason
    assert set(first.processes()) == before
    assert first.get('/healthz') == 200
    assert first.end_as_marked() == 'running'


def test_a_taken_port_is_refused_by_name(start: Start) -> None:
    with socket.socket() as foreign:
        foreign.bind(('127.0.0.1', 0))
        foreign.listen()
        demo = start(port=foreign.getsockname()[1])
        assert demo.process.wait(5) == 78
        assert f'port {demo.port} is taken by pid {os.getpid()} ' in demo.read()
        assert demo.processes() == {}


def test_everything_listens_on_loopback_only(start: Start) -> None:
    demo = start()
    demo.wait_drivable()
    held = {inode for pid in demo.processes() for inode in inodes(pid)}
    own = [s for s in bound() if s.inode in held]
    assert {s.port for s in own} >= {demo.port}
    assert [s for s in own if not s.on_loopback] == []


def test_only_the_gateway_knows_the_token(start: Start) -> None:
    demo = start()
    demo.wait_drivable()
    token = demo.link.split('token=')[1].encode()
    for part in PARTS:
        seen = token in Path(f'/proc/{demo.pid_of(part)}/environ').read_bytes()
        assert seen == (part == 'gateway'), part
    for pid, words in demo.processes().items():
        assert token not in words.encode(), pid
    for file in demo.state_dir.rglob('*'):
        if file.is_file():
            assert token not in file.read_bytes(), file


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_every_polite_signal_ends_it_in_order(start: Start, number: int) -> None:
    demo = start()
    demo.wait_drivable()
    os.kill(demo.process.pid, number)
    demo.wait_gone(5.0)
    assert demo.process.wait() == 0
    assert demo.end_as_marked() == 'success'
    assert 'killing' not in (demo.state_dir / 'run' / 'supervisord.log').read_text()


@pytest.mark.parametrize('victim', ['avatar', 'supervisord'])
def test_a_killed_parent_leaves_no_process(start: Start, victim: str) -> None:
    demo = start()
    demo.wait_drivable()
    os.kill(demo.pid_of(victim), signal.SIGKILL)
    # Less than supervisord needs to notice by itself that nobody reads its words any more.
    demo.wait_gone(2.5)
    assert demo.process.wait() != 0
    assert demo.end_as_marked() == 'running', 'nobody will be told of it'


def test_a_killed_make_leaves_no_process(start: Start) -> None:
    demo = start('make', 'demo')
    demo.wait_drivable()
    demo.process.kill()
    demo.wait_gone(5.0)


@pytest.mark.parametrize('victims', ['gateway', 'motor', 'supervisord', 'supervisord motor'])
def test_a_frozen_part_does_not_hold_up_the_end(start: Start, victims: str) -> None:
    demo = start()
    demo.wait_drivable()
    for victim in victims.split():
        os.kill(demo.pid_of(victim), signal.SIGSTOP)
    demo.press_ctrl_c()
    assert demo.wait_gone(5.0) < 5.0


def test_what_a_killed_part_left_behind_ends_too(start: Start) -> None:
    demo = start()
    demo.wait_drivable()
    environ = Path(f'/proc/{demo.pid_of("motor")}/environ').read_bytes().split(b'\0')
    run = next(e.decode() for e in environ if e.startswith(b'AVATAR_RUN='))
    orphan = subprocess.Popen(['sleep', '100'], env=dict([run.split('=', 1)]))
    demo.press_ctrl_c()
    demo.wait_gone(5.0)
    assert orphan.wait(1) == -signal.SIGKILL


@pytest.mark.parametrize('victim', ['gateway', 'motor', 'fake_board'])
def test_a_killed_part_is_started_again(start: Start, victim: str) -> None:
    demo = start()
    demo.wait_drivable()
    dead = demo.pid_of(victim)
    os.kill(dead, signal.SIGKILL)
    wait_for(lambda: demo.pid_of(victim) not in (0, dead), 5, f'another {victim}')
    wait_for(lambda: demo.get('/healthz') == 200, 15, 'a robot that can be driven', 0.1)
    assert f'{victim} ended and is started again' in demo.read()


def test_a_part_that_cannot_start_is_named_with_its_log(start: Start, tmp_path: Path) -> None:
    config = tmp_path / 'state' / 'config' / 'motor.yaml'
    config.parent.mkdir(parents=True)
    config.write_text('/**:\n  ros__parameters:\n    max_sped_mps: 0.1\n')
    demo = start()
    assert demo.process.wait(40) == 1
    output = demo.read()
    assert 'motor does not start and was given up' in output
    assert 'no parameter max_sped_mps' in output
    assert str(demo.state_dir / 'run' / 'motor.log') in output
    demo.wait_gone(1.0)


def test_a_robot_without_any_device_has_its_page(start: Start) -> None:
    robot = start(*cli('up'))
    robot.wait_page()
    assert robot.get('/') == 200
    assert robot.get('/healthz') == 503
    wait_for(lambda: 'Open http://127.0.0.1' in robot.read(), 5, 'the one-time link')
    assert robot.pid_of('fake_board') == 0
    assert robot.pid_of('motor') != 0
    robot.press_ctrl_c()
    robot.wait_gone(5.0)
    assert robot.process.wait() == 0


def test_status_says_what_runs(start: Start) -> None:
    demo = start()
    demo.wait_drivable()

    def status() -> tuple[int, str]:
        done = subprocess.run(
            cli('status'), capture_output=True, text=True, check=False,
            env={**os.environ, 'AVATAR_STATE_DIR': str(demo.state_dir)})
        return done.returncode, done.stdout

    assert status()[0] == 0
    assert f'pid {demo.pid_of("avatar")} ' in status()[1]
    demo.press_ctrl_c()
    demo.wait_gone(5.0)
    assert status() == (1, f'avatar does not run on {demo.state_dir}\n')


def test_a_state_folder_with_a_difficult_and_long_name(start: Start, tmp_path: Path) -> None:
    demo = start(state_dir=tmp_path / ('robot #1 ;50% "it\'s" ' + 'x' * 60))
    demo.wait_drivable()
    demo.press_ctrl_c()
    demo.wait_gone(5.0)


def test_two_demos_do_not_meet(start: Start, tmp_path: Path) -> None:
    demos = [start(state_dir=tmp_path / name) for name in ('one', 'two')]
    for demo in demos:
        demo.wait_drivable()
    # Two gateways in one ROS domain would be two publishers of operator/cmd_vel: a stop.
    for demo in demos:
        assert demo.get('/healthz') == 200
    domains = {re.search(rb'ROS_DOMAIN_ID=(\d+)',
                         Path(f'/proc/{d.pid_of("motor")}/environ').read_bytes()) for d in demos}
    assert len({d[1] for d in domains if d}) == 2


def test_what_the_unit_starts_runs_without_ros_too(start: Start) -> None:
    words = cli('run', '--sim', '--without-ros')
    robot = start(*words)
    wait_for(lambda: robot.get('/healthz') == 200, 20, 'a robot that can be driven', 0.1)
    parts = json.loads((robot.state_dir / 'run/parts.json').read_text())
    assert set(parts) == PARTS
    assert {part['state'] for part in parts.values()} == {'running'}
    assert all(parts[part]['pid'] == robot.pid_of(part) for part in PARTS - {'mediamtx'})
    starts = robot.state_dir / 'run/starts.json'
    assert len(json.loads(starts.read_text())['starts']) == 1
    second = start(*words, port=free_port())
    assert second.process.wait(5) == 78
    os.kill(robot.pid_of('stream'), signal.SIGKILL)
    wait_for(lambda: json.loads((robot.state_dir / 'run/parts.json').read_text())['stream'][
        'deaths'] == 1, 5, 'the death in the record')
    os.kill(robot.process.pid, signal.SIGINT)
    robot.wait_gone(5.0)
    assert robot.process.wait() == 0
    assert json.loads(starts.read_text())['starts'] == [], 'an end that was wanted'


def test_a_stranger_on_an_inner_port_is_named_and_waited_for(start: Start) -> None:
    port = free_port()
    with socket.socket() as stranger:
        stranger.bind(('127.0.0.1', Ports.beside(port).rtsp))
        stranger.listen()
        demo = start(port=port)
        demo.wait_drivable()
        assert f'tcp port {Ports.beside(port).rtsp} is held by pid {os.getpid()} (' in demo.read()
        assert 'mediamtx waits until it is free' in demo.output
        assert demo.get('/') in (200, 303)


def test_a_part_that_is_given_up_is_not_the_robots_end(start: Start, tmp_path: Path) -> None:
    config = tmp_path / 'state/config/sim_camera.yaml'
    config.parent.mkdir(parents=True)
    config.write_text('/**:\n  ros__parameters:\n    no_such_thing: 1\n')
    demo = start()
    demo.wait_drivable()

    def given_up() -> bool:
        part = json.loads((demo.state_dir / 'run/parts.json').read_text())['sim_camera']
        return part['state'] == 'given_up' and 'no_such_thing' in part['words']

    wait_for(given_up, 40, 'the camera given up', 0.2)
    parts = json.loads((demo.state_dir / 'run/parts.json').read_text())
    assert parts['sim_camera']['deaths'] == 5
    assert demo.get('/healthz') == 200
