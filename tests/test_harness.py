# SPDX-License-Identifier: Apache-2.0
"""The tools of these tests do what they say: otherwise every green test is worth nothing."""

import json
import socket
import threading
import time
from pathlib import Path

import pytest

from avatar_node.testing import wait_for
from tests.proxy import Proxy
from tests.websocket import PONG, TEXT, HandshakeRefused, WebSocket, frame
from tests.wheels import Wheels


class Peer:
    """A TCP server that keeps what it hears, with the times."""

    def __init__(self, greeting: bytes = b'HTTP/1.1 101 Switching Protocols\r\n\r\n') -> None:
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port: int = self.listener.getsockname()[1]
        self.heard: list[tuple[float, bytes]] = []
        self.end: str | None = None
        self.greeting = greeting
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        self.connection, _ = self.listener.accept()
        head = b''
        while not head.endswith(b'\r\n\r\n'):
            head += self.connection.recv(1)
        self.connection.sendall(self.greeting)
        try:
            while data := self.connection.recv(65536):
                self.heard.append((time.monotonic(), data))
            self.end = 'FIN'
        except ConnectionResetError:
            self.end = 'RST'

    @property
    def text(self) -> bytes:
        return b''.join(data for _, data in self.heard)


def connect(port: int) -> WebSocket:
    return WebSocket(f'ws://127.0.0.1:{port}/rosbridge', {})


def test_a_frame_is_masked_and_its_length_has_the_right_form() -> None:
    for size in (0, 5, 125, 126, 65535, 65536):
        payload = bytes(i % 251 for i in range(size))
        data = frame(TEXT, payload)
        head = 2 if size < 126 else 4 if size < 65536 else 10
        key, body = data[head:head + 4], data[head + 4:]
        assert data[0] == 0x81 and data[1] & 0x80
        assert bytes(b ^ key[i % 4] for i, b in enumerate(body)) == payload


def test_an_aborted_socket_resets_and_a_dropped_one_ends() -> None:
    for how, end in (('abort', 'RST'), ('drop', 'FIN')):
        peer = Peer()
        ws = connect(peer.port)
        reader = threading.Thread(target=lambda ws=ws: pytest.raises(OSError, ws.receive))
        reader.start()
        getattr(ws, how)()
        wait_for(lambda p=peer: p.end, 1.0, 'the end of the connection')
        reader.join(1)
        assert peer.end == end and not reader.is_alive()


def test_a_refused_handshake_says_why() -> None:
    peer = Peer(b'HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno')
    with pytest.raises(HandshakeRefused, match='401: no'):
        connect(peer.port)


def test_the_proxy_delays() -> None:
    peer = Peer()
    with Proxy(peer.port, delay_s=0.15) as proxy:
        start = time.monotonic()
        ws = connect(proxy.port)
        assert time.monotonic() - start >= 0.3
        sent = time.monotonic()
        ws.send(PONG, b'x')
        wait_for(lambda: peer.heard, 1.0, 'bytes through the proxy')
        assert 0.15 <= peer.heard[0][0] - sent < 0.25


def test_the_proxy_holds_and_bursts() -> None:
    peer = Peer()
    with Proxy(peer.port) as proxy:
        ws = connect(proxy.port)
        proxy.cut()
        for _ in range(5):
            ws.send_bytes(b'abc')
        wait_for(lambda: proxy.held_bytes == 15, 5.0, 'held bytes')
        assert peer.text == b'' and peer.end is None
        proxy.release()
        wait_for(lambda: peer.text == b'abc' * 5, 1.0, 'the burst')


def test_half_open_tells_the_operator_and_not_the_gateway() -> None:
    peer = Peer()
    with Proxy(peer.port) as proxy:
        ws = connect(proxy.port)
        proxy.half_open()
        with pytest.raises(OSError):
            ws.receive()
        time.sleep(0.2)
        assert peer.end is None


def test_the_proxy_resets() -> None:
    peer = Peer()
    with Proxy(peer.port) as proxy:
        ws = connect(proxy.port)
        proxy.abort()
        wait_for(lambda: peer.end == 'RST', 1.0, 'a reset')
        ws.abort()  # kept until now: a socket nobody holds closes by itself, in order


def test_wheels_measure_a_stop_and_see_a_second_move(tmp_path: Path) -> None:
    trace = tmp_path / 'board.jsonl'

    def write(t: float, left: int, right: int) -> None:
        with trace.open('a') as file:
            record = {'t': t, 'left_us': left, 'right_us': right, 'cause': 'PWM'}
            file.write(json.dumps(record) + '\n')

    wheels = Wheels(trace)
    assert wheels.now.neutral
    write(10.0, 1700, 1700)
    write(11.0, 1500, 1700)
    write(11.2, 1500, 1500)
    assert wheels.stop_time_s(10.5) == pytest.approx(0.7)
    assert not wheels.moves_between(11.2, 12.0)
    write(12.5, 1500, 1499)
    assert wheels.moves_between(11.3, 13.0)
    assert wheels.moves_between(12.6, 13.0), 'moving since before the window'
    with pytest.raises(AssertionError, match='stood already'):
        wheels.stop_time_s(11.5)
