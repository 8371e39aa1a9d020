# SPDX-License-Identifier: Apache-2.0
"""
The robot as a test runs it: fake board, motor node and gateway as real processes.

    def test_something(stack):                 # one robot per test file, at rest at the start
        operator = stack.operator()            # tests/operator_client.py, connected, as an admin
        operator.take()
        operator.drive(0.3, 0.0)
        stack.wheels.wait_moving()             # tests/wheels.py
        event = operator.stop()
        assert stack.wheels.stop_time_s(event) < 0.1

- `stack` is shared by the tests of a file; `fresh_stack` is started for one test alone;
  `make_stack(board_args=[...], motor={...}, gateway={...})` for others. All wait until a person
  can drive, and end every process, by its pid, whatever happened. A failed test shows the logs.
- `stack.url` is the page (`http://127.0.0.1:PORT`), `stack.link` the page with the token of an
  admin, `stack.token` that token, `stack.ws_url` the WebSocket.
- `stack.board`, `stack.motor`, `stack.gateway` are `Process`: `pid`, `kill()` (SIGKILL),
  `terminate()`, `freeze()` and `thaw()` (SIGSTOP, SIGCONT), `start()` again, `log`. Each but
  `start()` returns the time of the event, CLOCK_MONOTONIC.
- `make_stack(camera=True)` has a picture, too: `stack.mediamtx`, `stack.camera` (simulated),
  `stack.stream` are further `Process`es, not started again by anybody but the test;
  `stack.encoders()` are the pids of ffmpeg, `stack.viewers()` how many MediaMTX sends to.
- `make_stack(health=True)` has the health node, too: `stack.health`.
- `stack.board_do('unplug', s=2)` asks the fake board for a fault and returns its answer.
- `stack.rest()` brings a used robot back to rest: everything runs, nobody drives, no latch.

Environment: AVATAR_SRC = another `src` folder to run the processes from.
"""

import base64
import contextlib
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from avatar_bringup.ports import Ports
from avatar_bringup.processes import GATEWAY_PARTS
from avatar_node import media_token
from avatar_node.testing import ros_env, wait_for
from tests.operator_client import Operator
from tests.wheels import SerialLines, Wheels

ROOT = Path(__file__).resolve().parents[1]
SRC = Path(os.environ.get('AVATAR_SRC', ROOT / 'src'))
# The configuration comes with what is tested: the built packages, or the sources.
_BUILT = SRC / 'share/avatar_bringup/config'
CONFIG = _BUILT if _BUILT.is_dir() else SRC / 'avatar_bringup/config'
PACKAGES = ('avatar_node', 'avatar_motor', 'avatar_camera', 'avatar_web', 'avatar_bringup')

Value = str | float | bool

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Run in a new child: a killed pytest must not leave anything behind."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One process of the robot; its output goes to a file."""

    def __init__(self, name: str, command: list[str], env: Mapping[str, str], log: Path) -> None:
        self.name, self.command, self.env, self.log_path = name, command, dict(env), log
        self.starts = 0
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again."""
        assert not self.alive, f'{self.name} runs already'
        self.starts += 1
        if self._popen is not None:
            self._popen.wait()
        with self.log_path.open('ab') as log:
            self._popen = subprocess.Popen(
                self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, preexec_fn=die_with_parent)

    @property
    def alive(self) -> bool:
        """Return whether it runs."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def pid(self) -> int:
        """Return its pid."""
        assert self._popen is not None, f'{self.name} was never started'
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """Return its exit code, None while it runs."""
        return None if self._popen is None else self._popen.poll()

    @property
    def log(self) -> str:
        """Return what it printed."""
        with contextlib.suppress(FileNotFoundError):
            return self.log_path.read_text(errors='replace')
        return ''

    def signal(self, number: int) -> float:
        """Send a signal; return when."""
        assert self.alive, f'{self.name} is not running; its output:\n{self.log[-3000:]}'
        event = time.monotonic()
        os.kill(self.pid, number)
        return event

    def kill(self) -> float:
        """Kill it without a chance to clean up; return when."""
        event = self.signal(signal.SIGKILL)
        self.wait()
        return event

    def terminate(self) -> float:
        """Ask it to end; return when."""
        return self.signal(signal.SIGTERM)

    def freeze(self) -> float:
        """Stop it in the middle of whatever it does (SIGSTOP); return when."""
        return self.signal(signal.SIGSTOP)

    def thaw(self) -> float:
        """Let a frozen process go on; return when."""
        return self.signal(signal.SIGCONT)

    def wait(self, timeout_s: float = 5.0) -> int:
        """Wait for its end; return the exit code."""
        assert self._popen is not None
        return self._popen.wait(timeout_s)

    def end(self) -> None:
        """End it, politely first, whatever state it is in."""
        if self._popen is None or self._popen.poll() is not None:
            return
        self._popen.send_signal(signal.SIGCONT)
        self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


class Stack:
    """A robot with a fake board; see the text at the top of this file."""

    def __init__(
        self,
        folder: Path,
        *,
        board_args: tuple[str, ...] | list[str] = (),
        motor: Mapping[str, Value] | None = None,
        gateway: Mapping[str, Value] | None = None,
        env: Mapping[str, str] | None = None,
        trace: Path | None = None,
        camera: bool = False,
        health: bool = False,
        stream: Mapping[str, Value] | None = None,
    ) -> None:
        self.state_dir = folder / 'state'
        self.log_dir = folder / 'log'
        self.log_dir.mkdir(parents=True, exist_ok=True)
        (self.state_dir / 'sim').mkdir(parents=True, exist_ok=True)
        self.token = secrets.token_urlsafe(24)
        python_path = [str(ROOT), *(str(SRC / p) for p in PACKAGES)]
        if 'PYTHONPATH' in os.environ:
            python_path.append(os.environ['PYTHONPATH'])
        self.env = {**ros_env(self.state_dir), 'ROS_LOG_DIR': str(self.log_dir),
                    'AVATAR_DEMO_TOKEN': self.token, 'PYTHONPATH': os.pathsep.join(python_path)}
        self.env.update(env or {})
        self.password = secrets.token_urlsafe(12)
        self._starts_seen = 0
        self._port = int((gateway or {}).get('port', 0))
        self._operators: list[Operator] = []
        self._started: list[Process] = []

        trace = trace or self.state_dir / 'sim/board.jsonl'
        lines = self.log_dir / 'lines.jsonl'
        self.wheels, self.lines = Wheels(trace), SerialLines(lines)
        self.board = self.python(
            'board', 'avatar_motor.fake_board', '--state-dir', str(self.state_dir),
            '--trace', str(trace), '--lines', str(lines), *board_args)
        self.motor = self.python('motor', 'avatar_motor.node', *_ros_args({
            'port': str(self.state_dir / 'sim/ttyBOARD'), 'state_dir': str(self.state_dir),
            'reverse_confirmed': True, **(motor or {})}))
        self.picture: tuple[Process, ...] = ()
        picture = self._add_picture(stream or {}) if camera else {}
        self.gateway = self.python('gateway', 'avatar_web.node', *_ros_args({
            'port': 0, 'state_dir': str(self.state_dir), 'parts': GATEWAY_PARTS,
            'manages_machine': False, **picture, **(gateway or {})}))
        self.health = self.python('health', 'avatar_bringup.health.node', *_ros_args({
            'state_dir': str(self.state_dir), 'is_robot': False, 'camera': camera}))
        self._has_health = health

    def _add_picture(self, stream: Mapping[str, Value]) -> dict[str, Value]:
        """Add what a picture needs; return the parameters of the gateway for it."""
        self.ports = ports = Ports.free()
        self._secret = self.env['AVATAR_MEDIA_SECRET'] = secrets.token_urlsafe(24)
        share = self.log_dir / 'share/avatar_bringup'
        share.mkdir(parents=True)
        (share / 'config').symlink_to(CONFIG)
        self.mediamtx = self.python(
            'mediamtx', 'avatar_bringup.media_server', '--state-dir', str(self.state_dir),
            '--host', '127.0.0.1',
            *(word for name, port in asdict(ports).items() for word in (f'--{name}', str(port))))
        self.mediamtx.env['AMENT_PREFIX_PATH'] = str(self.log_dir)
        self.camera = self.python('sim_camera', 'avatar_camera.sim.node')
        media: dict[str, Value] = {'rtsp_port': ports.rtsp, 'api_port': ports.api}
        self.stream = self.python('stream', 'avatar_camera.stream.node', *_ros_args({
            **media, 'state_dir': str(self.state_dir), **stream}))
        self.picture = (self.mediamtx, self.camera, self.stream)
        return {'camera': True, 'webrtc_port': ports.webrtc, 'api_port': ports.api,
                'inner_port': ports.inner}

    def python(self, name: str, module: str, *args: str) -> Process:
        """Return one more process in the robot's graph, not started."""
        command = [sys.executable, '-m', module, *args]
        return self._add(name, command)

    def encoders(self) -> list[int]:
        """Return the pids of ffmpeg."""
        import psutil  # not needed by who only drives
        return [child.pid for child in psutil.Process(self.stream.pid).children(recursive=True)
                if 'ffmpeg' in child.name()]

    def viewers(self) -> int:
        """Return how many sessions MediaMTX sends the picture to."""
        token = one_time_password(self._secret, 'api', '')
        user = base64.b64encode(f'avatar:{token}'.encode()).decode()
        request = urllib.request.Request(
            f'http://127.0.0.1:{self.ports.api}/v3/paths/get/camera',
            headers={'Authorization': f'Basic {user}'})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return len(json.load(answer)['readers'])

    def another(self, of: str, name: str) -> Process:
        """Return a second copy of a process, not started; it ends with the robot."""
        process: Process = getattr(self, of)
        return self._add(name, process.command)

    def _add(self, name: str, command: list[str]) -> Process:
        process = Process(name, command, self.env, self.log_dir / f'{name}.log')
        self._started.append(process)
        return process

    @property
    def processes(self) -> tuple[Process, ...]:
        """Return the processes of a robot."""
        health = (self.health,) if self._has_health else ()
        return (self.board, self.motor, self.gateway, *self.picture, *health)

    def start(self) -> 'Stack':
        """Start everything and wait until a person can drive."""
        for process in self.processes:
            if process is not self.gateway:
                process.start()
        self.start_gateway(wait=False)
        try:
            self.wait_ready(40.0)
        except AssertionError as problem:
            # Raised while a fixture is made: no report would show the logs.
            raise AssertionError(f'{problem}\n{self.logs()}') from None
        return self

    def start_gateway(self, wait: bool = True) -> None:
        """Start the gateway; it may get another port than before."""
        self.port_file.unlink(missing_ok=True)
        self.gateway.start()
        if wait:
            self.wait_ready()

    @property
    def port_file(self) -> Path:
        """Return where the gateway writes its port."""
        return self.state_dir / 'gateway.port'

    @property
    def port(self) -> int:
        """Return the gateway's port."""
        return self._port or int(self.port_file.read_text())

    @property
    def url(self) -> str:
        """Return the address of the page, without a slash at its end."""
        return f'http://127.0.0.1:{self.port}'

    @property
    def link(self) -> str:
        """Return the page's address with the token."""
        return f'{self.url}/?token={self.token}'

    @property
    def ws_url(self) -> str:
        """Return the address of the WebSocket."""
        return f'ws://127.0.0.1:{self.port}/rosbridge'

    def ready(self) -> bool:
        """Return whether the gateway answers and the board is connected."""
        try:
            with urllib.request.urlopen(f'{self.url}/healthz', timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, ValueError):  # not there yet: no port file, no listener, 503
            return False

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until a person can drive."""
        def ready() -> bool:
            for process in self.processes:
                assert process.alive, (
                    f'{process.name} ended with {process.exit_code}:\n{process.log[-3000:]}')
            return self.ready()
        wait_for(ready, timeout_s, 'a robot that can be driven', 0.05)
        starts = self.motor.starts + self.board.starts
        if starts > self._starts_seen > 0:
            # For some seconds the gateway cannot know that its motor node is a new one.
            with self.operator() as operator:
                operator.wait_living_motor(timeout_s)
        self._starts_seen = starts

    def operator(self, **options: Any) -> Operator:
        """Return a connected operator client with the token of an admin; closed at the end."""
        options = {'token': self.token, **options}
        operator = Operator(options.pop('url', self.ws_url), **options)
        self._operators.append(operator)
        operator.connect()
        return operator

    def make_user(self, name: str, role: str) -> None:
        """Make an account with `self.password`."""
        body = json.dumps({'name': name, 'password': self.password, 'role': role}).encode()
        request = urllib.request.Request(f'{self.url}/api/users', body, {
            'Content-Type': 'application/json', 'Authorization': f'Bearer {self.token}'})
        with urllib.request.urlopen(request, timeout=10):
            pass

    def board_do(self, fault: str, **arguments: Any) -> dict[str, Any]:
        """Ask the fake board for something; return its answer."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(5)
            control.connect(str(self.state_dir / 'sim/board.sock'))
            control.sendall(json.dumps({'do': fault, **arguments}).encode() + b'\n')
            with control.makefile('r') as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
        return answer

    def rest(self) -> None:
        """Bring the robot to rest: all run, no client of ours, no latch, wheels neutral."""
        self.close_operators()
        for process in self.processes:
            if process.alive:
                process.thaw()
        for process in self.processes:
            if process is not self.gateway and not process.alive:
                process.start()
        if not self.gateway.alive:
            self.start_gateway(wait=False)
        self.wait_ready()
        with self.operator() as operator:
            operator.clear_e_stop()
        self.wheels.wait_neutral()

    def close_operators(self) -> None:
        """Close every client made by `operator`."""
        for operator in self._operators:
            operator.close()
        self._operators.clear()

    def close(self) -> None:
        """End everything."""
        self.close_operators()
        for process in reversed(self._started):
            process.end()

    def __enter__(self) -> 'Stack':
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def logs(self, last: int = 4000) -> str:
        """Return the last characters of every log."""
        return '\n'.join(
            f'--- {p.name} (exit code {p.exit_code}) ---\n{p.log[-last:]}' for p in self._started)


def one_time_password(secret: str, action: str, path: str) -> str:
    """Return what MediaMTX lets somebody in by, once."""
    return media_token.make(secret, action, path, time.monotonic(), secrets.token_bytes(8))


def _ros_args(parameters: Mapping[str, Value]) -> list[str]:
    args = ['--ros-args']
    for name, value in parameters.items():
        # JSON is YAML: a string stays one even where it looks like a number.
        args += ['-p', f'{name}:={json.dumps(value)}']
    return args
