# SPDX-License-Identifier: Apache-2.0
"""What is remembered between two looks, and how the gateway is asked."""

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from avatar_bringup.health import healthz
from avatar_bringup.health.seen import Part, Said
from avatar_bringup.health.watch import Counters, GatewayWatch, PartsFile


def said(at_s: float, **values: object) -> Said:
    return Said(at_s, {'connected': 'true', **{name: str(v) for name, v in values.items()}})


def test_replies_that_come_and_do_not() -> None:
    counters = Counters()
    for second in range(3):
        counters.heard(said(second, replies=10 * second))
    counters.heard(said(3.0, replies=20))
    counters.heard(said(4.0, replies=20))
    assert counters.replied_s == 2.0
    counters.heard(said(5.0, replies=1))
    assert counters.replied_s == 5.0, 'a new motor node counts anew'


def test_late_passes_within_a_minute() -> None:
    counters = Counters()
    counters.heard(said(0.0, late_passes=7))
    assert counters.late_times(0.0) == 0, 'what was before is not known'
    counters.heard(said(1.0, late_passes=9))
    counters.heard(said(50.0, late_passes=10))
    assert counters.late_times(50.0) == 3
    assert counters.late_times(62.0) == 1
    counters.heard(said(70.0, late_passes=0))
    assert counters.late_times(120.0) == 0


def test_the_parts_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / 'parts.json'
    parts = PartsFile(path, frozenset({'motor'}))
    assert parts.read() == {}
    for state in ('running', 'restarting', 'given_up'):
        beside = tmp_path / 'new'
        beside.write_text(f'{{"motor": {{"state": "{state}"}}}}')
        beside.replace(path)
        assert parts.read() == {'motor': Part(state, essential=True)}
    path.unlink()
    assert parts.read() == {}


class Door:
    """A socket that answers what it is told to, or nothing."""

    def __init__(self, sock: socket.socket, answer: bytes) -> None:
        self.asked = 0
        self._sock, self._answer = sock, answer
        sock.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._sock.accept()
            except OSError:
                return
            self.asked += 1
            with client:
                client.recv(1000)
                client.sendall(self._answer)


HTTP, TLS = b'HTTP/1.1 503 Service Unavailable\r\n\r\nstarting', b'\x15\x03\x03\x00\x02\x02\x16'


def tcp(state_dir: Path, answer: bytes) -> Door:
    sock = socket.create_server(('127.0.0.1', 0))
    (state_dir / 'gateway.port').write_text(f'{sock.getsockname()[1]}\n')
    return Door(sock, answer)


def unix(state_dir: Path, answer: bytes) -> Door:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(state_dir / 'gateway.sock'))
    return Door(sock, answer)


def test_nobody_answers_where_nobody_is(tmp_path: Path) -> None:
    assert not healthz.answers(tmp_path)
    (tmp_path / 'gateway.port').write_text('nonsense')
    assert not healthz.answers(tmp_path)


def test_the_unix_socket_is_enough(tmp_path: Path) -> None:
    outer, inner = tcp(tmp_path, TLS), unix(tmp_path, HTTP)
    assert healthz.answers(tmp_path)
    assert (outer.asked, inner.asked) == (0, 1)


def test_without_a_unix_socket_it_is_asked_on_its_port(tmp_path: Path) -> None:
    door = tcp(tmp_path, HTTP)
    assert healthz.answers(tmp_path)
    (tmp_path / 'gateway.port').unlink()
    assert not healthz.answers(tmp_path)
    assert healthz.answers(tmp_path, door._sock.getsockname()[1])


def test_a_socket_that_a_dead_gateway_left(tmp_path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / 'gateway.sock'))
    sock.close()
    assert not healthz.answers(tmp_path)
    tcp(tmp_path, HTTP)
    assert healthz.answers(tmp_path)


def test_one_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthz, 'TIMEOUT_S', 0.2)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / 'gateway.sock'))
        sock.listen()
        began_s = time.monotonic()
        assert not healthz.answers(tmp_path)
        assert time.monotonic() - began_s < 2.0


def test_it_is_asked_every_two_seconds_and_oftener_while_it_is_silent(tmp_path: Path) -> None:
    watch = GatewayWatch(tmp_path, 0)
    watch.ask_if_due(0.0)
    assert watch.answered_s is None
    door = unix(tmp_path, HTTP)
    for tick in range(10, 60, 10):
        watch.ask_if_due(tick / 10)
    assert door.asked == 3
    assert watch.answered_s is not None
    os.unlink(tmp_path / 'gateway.sock')
