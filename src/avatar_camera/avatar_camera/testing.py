# SPDX-License-Identifier: Apache-2.0
"""A real media server, real viewers and a camera of single colours, for tests of the picture."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from avatar_camera.ffmpeg import find
from avatar_node import child
from avatar_node.testing import wait_for

# authMethod internal: whom the gateway lets in is tested with the gateway.
_CONFIGURATION = """
logLevel: warn
authMethod: internal
authInternalUsers:
- {{user: any, pass: '', ips: [], permissions: [{{action: publish}}, {{action: read}},
   {{action: api}}]}}
rtsp: true
rtspTransports: [tcp]
rtspAddress: 127.0.0.1:{rtsp}
rtmp: false
hls: false
srt: false
moq: false
webrtc: false
api: true
apiAddress: 127.0.0.1:{api}
paths:
  camera:
    overridePublisher: false
    alwaysAvailable: true
    alwaysAvailableTracks: [{{codec: H264}}]
"""


def mediamtx() -> str | None:
    """Return the media server of this machine, None where there is none."""
    return os.environ.get('AVATAR_MEDIAMTX') or shutil.which('mediamtx')


def free_ports(count: int) -> list[int]:
    """Return TCP ports that nobody uses."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(('127.0.0.1', 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class MediaServerProcess:
    """One media server that lets everybody in; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.rtsp, self.api = free_ports(2)
        self._file = folder / 'mediamtx.yml'
        self._file.write_text(_CONFIGURATION.format(rtsp=self.rtsp, api=self.api))
        self._log = folder / 'mediamtx.log'
        self.start()

    def start(self) -> None:
        program = mediamtx()
        assert program is not None
        with self._log.open('a') as log:
            self.process = child.start([program, str(self._file)], stdout=log, stderr=log)
        wait_for(self._answers, 10, 'a media server')

    def _answers(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(('127.0.0.1', self.api)) == 0

    def kill(self) -> None:
        child.kill(self.process)

    def path(self) -> dict[str, Any]:
        """Return what it says of the path."""
        url = f'http://127.0.0.1:{self.api}/v3/paths/get/camera'
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    @property
    def url(self) -> str:
        return f'rtsp://127.0.0.1:{self.rtsp}/camera'


class Viewer:
    """Reads and decodes the path like a real viewer; knows the colour of what it sees."""

    def __init__(self, url: str) -> None:
        self.frames: list[tuple[float, tuple[int, int, int]]] = []
        ffmpeg = find(os.environ)
        self._process = child.start(
            [ffmpeg.path, '-hide_banner', '-nostdin', '-loglevel', 'error', '-fflags', 'nobuffer',
             '-flags', 'low_delay', '-probesize', '32', '-analyzeduration', '0',
             '-rtsp_transport', 'tcp', '-i', url, *ffmpeg.as_they_come,
             '-vf', 'scale=1:1:flags=area', '-pix_fmt', 'rgb24', '-f', 'rawvideo', 'pipe:1'],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            bufsize=0)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while len(pixel := self._process.stdout.read(3)) == 3:
            self.frames.append((time.monotonic(), (pixel[0], pixel[1], pixel[2])))

    @property
    def connected(self) -> bool:
        return self._process.poll() is None

    def sees(self, colour: tuple[int, int, int], since_s: float = 0.0) -> bool:
        """Return whether the newest picture has about this colour."""
        if not self.frames or self.frames[-1][0] < since_s:
            return False
        return all(abs(a - b) < 40 for a, b in zip(self.frames[-1][1], colour, strict=True))

    def close(self) -> None:
        child.kill(self._process)


def processes(wanted: Callable[[list[str]], bool]) -> list[int]:
    """Return the processes of the kernel's table whose words (command line) are wanted."""
    found = []
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / 'cmdline').read_bytes().decode(errors='replace').split('\0')
            except OSError:
                continue
            if wanted(words):
                found.append(int(entry.name))
    return found


def encoders(rtsp_port: int) -> list[int]:
    """Return the processes that publish to a media server."""
    return processes(lambda words: 'ffmpeg' in words[0] and '-progress' in words
                     and any(f':{rtsp_port}/' in w for w in words))


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds that processes have used so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf('SC_CLK_TCK')
