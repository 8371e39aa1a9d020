# SPDX-License-Identifier: Apache-2.0
"""A real MediaMTX, a real encoder that publishes to it, and viewers that are no browsers."""

import asyncio
import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest

from avatar_bringup import media_server
from avatar_bringup.paths import NotInstalled
from avatar_bringup.ports import Ports
from avatar_node.testing import wait_for
from tests.stack import CONFIG, one_time_password


def program() -> str:
    """Return MediaMTX's program; skip the test where there is none."""
    try:
        return media_server.find(os.environ)
    except NotInstalled as problem:
        pytest.skip(str(problem))


def ffmpeg() -> str:
    """Return ffmpeg; skip the test where there is none."""
    found = shutil.which('ffmpeg')
    if found is None:
        imageio_ffmpeg = pytest.importorskip('imageio_ffmpeg', reason='ffmpeg is not installed')
        found = imageio_ffmpeg.get_ffmpeg_exe()
    return str(found)


class MediaServer:
    """MediaMTX with the robot's configuration on ports of its own; `secret` is the gateway's."""

    def __init__(self, ports: Ports, secret: str) -> None:
        self.ports, self.secret = ports, secret
        self._program = program()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it; it listens when this returns."""
        environ = {name: value for name, value in os.environ.items()
                   if not name.startswith('MTX_')}
        environ |= media_server.settings(self.ports, True, CONFIG / 'offline.mp4')
        self._process = subprocess.Popen(
            [self._program, str(CONFIG / 'mediamtx.yml')], env=environ,
            stdout=subprocess.DEVNULL)
        for port in (self.ports.api, self.ports.webrtc, self.ports.rtsp):
            wait_for(lambda port=port: self._listens(port), 10, f'MediaMTX on port {port}')

    def _listens(self, port: int) -> bool:
        with suppress(OSError), socket.create_connection(('127.0.0.1', port), 1):
            return True
        return False

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)
            self._process = None

    def signal(self, number: int) -> None:
        """Send it a signal: SIGSTOP holds all it is asked."""
        assert self._process is not None
        self._process.send_signal(number)

    def password(self, action: str, path: str) -> str:
        """Return a one-time token."""
        return one_time_password(self.secret, action, path)

    def sessions(self) -> list[dict[str, Any]]:
        """Return the WebRTC sessions there are, as the API lists them; blocks."""
        status, body = self.http('GET', self.ports.api, '/v3/webrtcsessions/list',
                                 user='avatar', password=self.password('api', ''))
        assert status == 200, body
        return list(json.loads(body)['items'])

    def http(
        self, method: str, port: int, path: str, *, user: str = '', password: str = '',
        body: bytes | None = None, content_type: str = 'application/sdp',
    ) -> tuple[int, bytes]:
        """Ask one of its ports directly; return status and body; blocks."""
        request = urllib.request.Request(
            f'http://127.0.0.1:{port}{path}', body, {'Content-Type': content_type}, method=method)
        if user:
            words = base64.b64encode(f'{user}:{password}'.encode()).decode()
            request.add_header('Authorization', f'Basic {words}')
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as problem:
            return problem.code, problem.read()


class Publisher:
    """ffmpeg, publishing a test picture to `camera` as the stream node does."""

    def __init__(self, server: MediaServer, password: str = '', user: str = 'stream') -> None:
        password = password or server.password('publish', 'camera')
        self.process = subprocess.Popen(
            [ffmpeg(), '-v', 'error', '-re', '-f', 'lavfi', '-i', 'testsrc=size=320x180:rate=10',
             '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-bf', '0',
             '-profile:v', 'baseline', '-pix_fmt', 'yuv420p', '-g', '10', '-threads', '1',
             '-rtsp_transport', 'tcp', '-f', 'rtsp',
             f'rtsp://{user}:{password}@127.0.0.1:{server.ports.rtsp}/camera'],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait(5)


class Viewer:
    """A WHEP client of the gateway, by aiortc; counts the pictures it gets."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        from aiortc import RTCPeerConnection
        self._client, self._peer = client, RTCPeerConnection()
        self.frames = 0
        self.size = 0, 0
        self.location = ''
        self.status = 0
        self.answer: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None

    async def offer(self) -> str:
        """Return an offer with all candidates."""
        from aiortc import RTCRtpReceiver
        transceiver = self._peer.addTransceiver('video', direction='recvonly')
        codecs = RTCRtpReceiver.getCapabilities('video').codecs
        transceiver.setCodecPreferences(
            [c for c in codecs if c.mimeType in ('video/H264', 'video/rtx')])
        self._peer.on('track', lambda track: self._watch(track))
        await self._peer.setLocalDescription(await self._peer.createOffer())
        return str(self._peer.localDescription.sdp)

    async def join(self, *, connect: bool = True) -> 'Viewer':
        """Ask for the picture; connect unless told not to."""
        from aiortc import RTCSessionDescription
        async with self._client.post('/whep/camera', data=(await self.offer()).encode(), headers={
                'Content-Type': 'application/sdp'}) as response:
            self.status = response.status
            if response.status != 201:
                self.answer = await response.json()
                return self
            self.location = response.headers['Location']
            text = await response.text()
        if connect:
            await self._peer.setRemoteDescription(RTCSessionDescription(text, 'answer'))
        return self

    def _watch(self, track: Any) -> None:
        async def count() -> None:
            from aiortc.mediastreams import MediaStreamError
            with suppress(MediaStreamError):
                while True:
                    frame = await track.recv()
                    self.frames += 1
                    self.size = frame.width, frame.height

        self._task = asyncio.ensure_future(count())

    @property
    def state(self) -> str:
        """Return the state of the connection."""
        return str(self._peer.connectionState)

    def transports(self) -> list[Any]:
        """Return its UDP sockets: to fall silent as a browser that lost its network."""
        found = []
        for receiver in self._peer.getTransceivers():
            ice = receiver.receiver.transport.transport._connection
            found += [protocol.transport for protocol in ice._protocols]
        return found

    async def leave(self) -> int:
        """End the session as a page does; return the status."""
        async with self._client.delete(self.location) as response:
            return response.status

    async def close(self) -> None:
        """Go without a word."""
        if self._task is not None:
            self._task.cancel()
        await self._peer.close()


async def eventually(predicate: Any, timeout_s: float, what: str) -> Any:
    """Return the first true value of a function or coroutine function, without blocking."""
    deadline = time.monotonic() + timeout_s
    while True:
        seen = predicate()
        if asyncio.iscoroutine(seen):
            seen = await seen
        if seen:
            return seen
        assert time.monotonic() < deadline, f'{what}: not within {timeout_s} s; last: {seen!r}'
        await asyncio.sleep(0.02)


@asynccontextmanager
async def viewers(client: aiohttp.ClientSession, count: int) -> AsyncIterator[list[Viewer]]:
    """Make viewers, and close them in the end."""
    made = [Viewer(client) for _ in range(count)]
    try:
        yield made
    finally:
        await asyncio.gather(*(viewer.close() for viewer in made))
