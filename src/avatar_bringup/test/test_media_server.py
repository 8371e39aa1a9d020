# SPDX-License-Identifier: Apache-2.0
"""The start of MediaMTX: what is decided, what is waited for, and what is then really bound."""

import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

import pytest

from avatar_bringup import paths
from avatar_bringup.media_server import (
    configuration,
    find,
    gateway_host,
    is_loopback,
    problems,
    settings,
    wait_ready,
)
from avatar_bringup.ports import Ports
from avatar_bringup.sockets import Bound, bound, inodes
from avatar_camera.ffmpeg import find as find_ffmpeg
from avatar_node.testing import wait_for

built = pytest.mark.skipif(
    not os.environ.get('AMENT_PREFIX_PATH') or not os.environ.get('AVATAR_MEDIAMTX'),
    reason='needs the built packages: sh tools/setup.sh run python -m pytest')


def test_everything_is_on_loopback_where_the_gateway_is() -> None:
    ports = Ports.beside(8090)
    there = settings(ports, True, Path('/card.mp4'))
    addresses = {name: value for name, value in there.items() if name.endswith('ADDRESS')}
    assert all('127.0.0.1' in value for value in addresses.values())
    everywhere = settings(ports, False, Path('/card.mp4'))
    assert {name for name in there if there[name] != everywhere.get(name)} == {
        'MTX_WEBRTCLOCALUDPADDRESS', 'MTX_WEBRTCLOCALTCPADDRESS', 'MTX_WEBRTCIPSFROMINTERFACES',
        'MTX_WEBRTCADDITIONALHOSTS'}
    assert everywhere['MTX_WEBRTCLOCALUDPADDRESS'] == ':8199'


def test_the_gateways_own_files_say_where_it_listens(tmp_path: Path) -> None:
    share, state = tmp_path / 'share/avatar_bringup/config', tmp_path / 'state/config'
    share.mkdir(parents=True)
    state.mkdir(parents=True)
    environ = {'AMENT_PREFIX_PATH': str(tmp_path)}
    text = '/**:\n  ros__parameters:\n    host: "%s"\n'
    (share / 'gateway.yaml').write_text(text % '127.0.0.1')
    assert gateway_host(environ, state.parent) == '127.0.0.1'
    for broken in ('a: [', '', 'x: 1', '/**: []'):
        (state / 'gateway.yaml').write_text(broken)
        assert gateway_host(environ, state.parent) == '127.0.0.1'
    (state / 'gateway.yaml').write_text(text % '0.0.0.0')
    assert gateway_host(environ, state.parent) == '0.0.0.0'
    assert configuration(environ, state.parent) == share / 'mediamtx.yml'
    (state / 'mediamtx.yml').touch()
    assert configuration(environ, state.parent) == state / 'mediamtx.yml'


@pytest.mark.parametrize('host, loopback', [
    ('', True), ('127.0.0.1', True), ('::1', True), ('localhost', True),
    ('0.0.0.0', False), ('::', False), ('10.8.0.5', False), ('robot.vpn', False)])
def test_which_hosts_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


def test_another_version_is_refused_by_name(tmp_path: Path) -> None:
    program = tmp_path / 'mediamtx'
    program.write_text('#!/bin/sh\necho v1.2.3\n')
    program.chmod(0o755)
    with pytest.raises(paths.NotInstalled, match=r'is MediaMTX v1\.2\.3, and v1\.20\.1 is needed'):
        find({'PATH': str(tmp_path)})
    with pytest.raises(paths.NotInstalled, match='cannot be started'):
        find({'AVATAR_MEDIAMTX': '/nowhere'})
    with pytest.raises(paths.NotInstalled, match='make build'):
        find({'PATH': '/nowhere'})


def test_a_taken_port_is_told_with_its_holder() -> None:
    ports = Ports.free()
    assert list(problems(ports, True)) == []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(('127.0.0.1', ports.media))
        told = list(problems(ports, True))
        assert len(told) == 1
        assert f'udp port {ports.media} (pictures to browsers) is taken by pid {os.getpid()} ' \
            in told[0]


def test_a_problem_is_told_once_and_its_end_too() -> None:
    seen, told = iter(['a', 'a', 'b', 'b', '']), []
    wait_ready(lambda: next(seen), told.append, 0.0)
    assert told == ['a', 'b', 'that is over: MediaMTX is started']


class Door:
    """Stands where the gateway's inner door is, and lets in who says the password `good`."""

    def __init__(self, port: int) -> None:
        self.asked: list[dict[str, Any]] = []
        door = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
                door.asked.append({'at': self.path, **question})
                self.send_response(200 if question['password'] == 'good' else 401)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Server:
    """One media server, and the door it asks at."""

    def __init__(self, folder: Path, host: str = '127.0.0.1', ports: Ports | None = None) -> None:
        self.ports = ports or replace(Ports.free(), gateway=8080)
        self.door = Door(self.ports.inner)
        self.log = folder / 'mediamtx.log'
        words = [f'--{f.name}={getattr(self.ports, f.name)}' for f in fields(Ports)]
        with self.log.open('w') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'avatar_bringup.media_server', '--state-dir', str(folder),
                 '--host', host, *words], stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, 'MTX_RTMP': 'true', 'PYTHONUNBUFFERED': '1'})

    def listens(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return any(s.port == self.ports.api for s in self.sockets())

    def wait(self) -> 'Server':
        wait_for(self.listens, 15, 'MediaMTX')
        return self

    def sockets(self) -> list[Bound]:
        held = inodes(self.process.pid)
        return [s for s in bound() if s.inode in held]

    def api(self, path: str, password: str = 'good') -> Any:
        request = urllib.request.Request(f'http://127.0.0.1:{self.ports.api}/v3/{path}')
        manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        manager.add_password(None, request.full_url, 'avatar', password)
        opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))
        with opener.open(request, timeout=5) as reply:
            return json.loads(reply.read())

    def camera(self) -> dict[str, Any]:
        result: dict[str, Any] = self.api('paths/get/camera')
        return result

    def url(self, user: str, password: str = 'good', path: str = 'camera') -> str:
        return f'rtsp://{user}:{password}@127.0.0.1:{self.ports.rtsp}/{path}'

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.door.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start media servers; all end with the test."""
    with contextlib.ExitStack() as stack:
        def start(**options: Any) -> Server:
            server = Server(tmp_path, **options)
            stack.callback(server.close)
            return server
        yield start


def publisher(url: str) -> 'subprocess.Popen[str]':
    """Publish a test picture."""
    return subprocess.Popen(
        [find_ffmpeg(os.environ).path, '-loglevel', 'error', '-re', '-f', 'lavfi', '-i',
         'testsrc=s=320x180:r=10', '-c:v', 'libx264', '-profile:v', 'baseline', '-preset',
         'ultrafast', '-g', '10', '-pix_fmt', 'yuv420p', '-f', 'rtsp', '-rtsp_transport', 'tcp',
         url], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@built
def test_it_binds_what_the_contract_says_and_nothing_else(start: Callable[..., Server]) -> None:
    server = start().wait()
    ports = server.ports
    assert {(s.protocol, s.address, s.port) for s in server.sockets()} == {
        ('tcp', '127.0.0.1', ports.rtsp), ('tcp', '127.0.0.1', ports.webrtc),
        ('tcp', '127.0.0.1', ports.api), ('tcp', '127.0.0.1', ports.media),
        ('udp', '127.0.0.1', ports.media)}


@built
def test_beyond_loopback_only_media_is_open(start: Callable[..., Server]) -> None:
    server = start(host='0.0.0.0').wait()
    opened = {(s.protocol.rstrip('6'), s.port) for s in server.sockets() if not s.on_loopback}
    assert opened == {('tcp', server.ports.media), ('udp', server.ports.media)}


@built
def test_everybody_is_judged_at_the_inner_door(start: Callable[..., Server]) -> None:
    server = start().wait()
    with pytest.raises(urllib.error.HTTPError, match='401'):
        server.api('paths/list', 'wrong')
    assert server.camera()['name'] == 'camera'
    for url in (server.url('stream', 'wrong'), server.url('stream', path='other')):
        refused = publisher(url)
        assert refused.wait(10) != 0
    whep = urllib.request.Request(f'http://127.0.0.1:{server.ports.webrtc}/camera/whep',
                                  data=b'v=0', headers={'Content-Type': 'application/sdp'})
    with pytest.raises(urllib.error.HTTPError, match='401'):
        urllib.request.urlopen(whep, timeout=5)
    asked = {(q['action'], q['path'], q['protocol']) for q in server.door.asked}
    assert {q['at'] for q in server.door.asked} == {'/media/auth'}
    assert asked >= {('api', '', ''), ('publish', 'camera', 'rtsp'), ('read', 'camera', 'webrtc')}


@built
def test_the_card_is_shown_until_a_publisher_comes_and_there_is_one_only(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    server = start().wait()
    frame = tmp_path / 'frame.gray'

    def reader() -> bytes:
        subprocess.run(
            [find_ffmpeg(os.environ).path, '-loglevel', 'error', '-y', '-rtsp_transport', 'tcp',
             '-i', server.url('avatar'), '-frames:v', '1', '-f', 'rawvideo', '-pix_fmt', 'gray',
             str(frame)], check=True, timeout=20)
        return frame.read_bytes()

    card = reader()
    assert len(card) == 640 * 360
    assert max(card) > 200 and sum(value < 60 for value in card) > len(card) * 0.8
    first = publisher(server.url('stream'))
    try:
        wait_for(lambda: (server.camera().get('source') or {}).get('id'), 10, 'a publisher')
        source = server.camera()['source']
        second = publisher(server.url('stream'))
        assert second.wait(10) != 0
        assert server.camera()['source'] == source
    finally:
        first.kill()
        first.wait()


@built
def test_a_taken_port_is_waited_for(start: Callable[..., Server]) -> None:
    ports = replace(Ports.free(), gateway=8080)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(('127.0.0.1', ports.media))
        server = start(ports=ports)
        wait_for(lambda: f'taken by pid {os.getpid()} ' in server.log.read_text(), 10, 'the words')
        assert server.process.poll() is None
    server.wait()
    assert len(set(astuple(ports))) == len(astuple(ports))
    # The one that waited has become the server: a polite end is its own.
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(5) == 0
