# SPDX-License-Identifier: Apache-2.0
"""What is measured: avatar as it is started by hand, and the bare recipe beside it."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from idle import cpu_s, name_of, pss_mb

from avatar_bringup.health import probe
from avatar_bringup.ports import Ports
from avatar_bringup.preflight.leftovers import processes_marked
from tests.operator_client import Operator
from tests.stack import die_with_parent
from tests.wheels import SerialLines, Wheels


def mediamtx() -> str:
    """Return the media server of this machine."""
    found = os.environ.get('AVATAR_MEDIAMTX') or shutil.which('mediamtx')
    if not found:
        raise SystemExit('no mediamtx found; name one in AVATAR_MEDIAMTX')
    return found


HERE = Path(__file__).parent
START_S = 90.0
Parameters = Mapping[str, Mapping[str, Any]]


class Avatar:
    """Simulated avatar with parameters of our own: {node: {parameter: value}}."""

    def __init__(self, folder: Path, parameters: Parameters, host: str = '127.0.0.1') -> None:
        self.folder, self.host = folder, host
        self.token = secrets.token_urlsafe(24)
        config = folder / 'config'
        config.mkdir(parents=True, exist_ok=True)
        for node, values in parameters.items():
            (config / f'{node}.yaml').write_text(
                # JSON is YAML.
                json.dumps({'/**': {'ros__parameters': dict(values)}}))
        self._log = (folder / 'up.log').open('wb')
        self._up = subprocess.Popen(
            [sys.executable, '-m', 'avatar_bringup.cli', 'up', '--sim', '--host', host,
             '--port', '0'],
            env={**os.environ, 'AVATAR_STATE_DIR': str(folder), 'AVATAR_DEMO_TOKEN': self.token,
                 'AVATAR_BOARD_LINES': str(folder / 'lines.jsonl')},
            stdout=self._log, stderr=self._log, preexec_fn=die_with_parent)
        try:
            self._wait_ready()
        except BaseException:
            self.close()
            raise
        self.wheels = Wheels(folder / 'sim/board.jsonl')
        self.lines = SerialLines(folder / 'lines.jsonl')

    def _wait_ready(self) -> None:
        port_file = self.folder / 'gateway.port'
        deadline = time.monotonic() + START_S
        while not (port_file.exists() and (text := port_file.read_text()).strip()
                   and probe(self.host, int(text)).drivable):
            if self._up.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / 'up.log').read_text(errors='replace')
                raise SystemExit(f'avatar cannot be driven after {START_S:.0f} s:\n{said}')
            time.sleep(0.2)
        self.port = int(text)

    @property
    def url(self) -> str:
        """Return the page."""
        return f'http://{self.host}:{self.port}'

    @property
    def link(self) -> str:
        """Return the page for an admin."""
        return f'{self.url}/?token={self.token}'

    def operator(self, **options: Any) -> Operator:
        """Return a connected admin without a page."""
        return Operator(f'ws://{self.host}:{self.port}/rosbridge', token=self.token,
                        **options).connect()

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """GET a path of the API, or POST to it."""
        request = urllib.request.Request(
            f'{self.url}{path}', None if body is None else json.dumps(body).encode(),
            {'Authorization': f'Bearer {self.token}', 'Content-Type': 'application/json'})
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read() or b'{}')
        return found

    def pids(self) -> dict[int, str]:
        """Return every process of it and its name."""
        found = {}
        for pid in processes_marked(f'AVATAR_STATE_DIR={self.folder}'):
            with contextlib.suppress(OSError):
                found[pid] = name_of(pid)
        return found

    def encoders(self) -> int:
        """Return how many encoders run."""
        return sum(name == 'ffmpeg' for name in self.pids().values())

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let what makes the picture stand still, so that it takes no CPU from the other chain."""
        held = [pid for pid, name in self.pids().items() if name in ('sim_camera', 'stream')]
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in held:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """End it."""
        self._up.send_signal(signal.SIGINT)
        try:
            self._up.wait(15)
        except subprocess.TimeoutExpired:
            self._up.kill()
            self._up.wait()
        self._log.close()

    def __enter__(self) -> 'Avatar':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


BARE_SERVER = """\
logLevel: warn
rtspAddress: 127.0.0.1:{ports.rtsp}
rtspTransports: [tcp]
rtmp: false
hls: false
srt: false
moq: false
webrtcAddress: 127.0.0.1:{ports.webrtc}
webrtcLocalUDPAddress: 127.0.0.1:{ports.media}
paths:
  camera:
"""


class Bare:
    """MediaMTX and its own page; a camera and ffmpeg only while asked for."""

    def __init__(self, folder: Path, mediamtx: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._ports = Ports.free()
        config = folder / 'mediamtx.yml'
        config.write_text(BARE_SERVER.format(ports=self._ports))
        self._log = (folder / 'bare.log').open('wb')
        self._server = self._start(mediamtx, str(config))

    @property
    def url(self) -> str:
        """Return the server's own page."""
        return f'http://127.0.0.1:{self._ports.webrtc}/camera/?controls=false'

    def _start(self, *command: str) -> 'subprocess.Popen[bytes]':
        return subprocess.Popen(command, stdout=self._log, stderr=self._log,
                                preexec_fn=die_with_parent)

    @contextlib.contextmanager
    def publishing(
        self, width: int, height: int, time_per_frame: tuple[int, int], kbit_s: int
    ) -> Iterator[None]:
        """Publish stamped pictures meanwhile; a frame takes so many of so many parts of 1 s."""
        camera = self._start(sys.executable, str(HERE / 'bare_camera.py'), str(width),
                             str(height), f'{time_per_frame[1]}/{time_per_frame[0]}', str(kbit_s),
                             f'rtsp://127.0.0.1:{self._ports.rtsp}/camera')
        try:
            yield
        finally:
            camera.terminate()
            camera.wait()

    def close(self) -> None:
        """End the server."""
        self._server.kill()
        self._server.wait()
        self._log.close()

    def __enter__(self) -> 'Bare':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Usage:
    """Processor time [% of a core] and PSS [MB] of each process since it was made."""

    def __init__(self, avatar: Avatar) -> None:
        self._avatar = avatar
        self._began = time.monotonic()
        self._before = self._cpu()

    def _cpu(self) -> dict[int, float]:
        used = {}
        for pid in self._avatar.pids():
            with contextlib.suppress(OSError):
                used[pid] = cpu_s(pid)
        return used

    def rows(self) -> dict[str, dict[str, float]]:
        """Return it by name; two of one name are added."""
        elapsed = time.monotonic() - self._began
        rows: dict[str, dict[str, float]] = {}
        now = self._cpu()
        for pid, name in self._avatar.pids().items():
            row = rows.setdefault(name, {'cpu_percent': 0.0, 'pss_mb': 0.0})
            with contextlib.suppress(OSError):
                row['cpu_percent'] += (now[pid] - self._before.get(pid, 0.0)) / elapsed * 100
                row['pss_mb'] += pss_mb(pid)
        return {name: {k: round(v, 1) for k, v in row.items()} for name, row in rows.items()}
