# SPDX-License-Identifier: Apache-2.0
"""
A bad network between an operator and the gateway, without root: a TCP proxy with faults.

TCP loses nothing, so a cut that heals delivers everything late and in one burst: `hold` and
`release`. What a cut looks like from the gateway while it lasts is the same: not a word.
"""

import contextlib
import socket
import threading
import time
from collections import deque

from tests.websocket import reset


class Pipe:
    """One direction of one connection: bytes come in, wait for their delay, go out."""

    def __init__(self, source: socket.socket, sink: socket.socket, delay_s: float) -> None:
        self.source, self.sink, self.delay_s = source, sink, delay_s
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._change = threading.Condition()
        self._held = self._ended = False
        for work in (self._read, self._write):
            threading.Thread(target=work, daemon=True).start()

    def hold(self) -> None:
        with self._change:
            self._held = True

    def release(self) -> None:
        with self._change:
            self._held = False
            self._change.notify_all()

    @property
    def waiting_bytes(self) -> int:
        with self._change:
            return sum(len(data) for _, data in self._waiting)

    def _read(self) -> None:
        data = b'...'
        while data:
            try:
                data = self.source.recv(65536)
            except OSError:
                data = b''
            with self._change:
                self._waiting.append((time.monotonic() + self.delay_s, data))
                self._change.notify_all()

    def _write(self) -> None:
        while True:
            with self._change:
                while self._held or not self._waiting:
                    self._change.wait()
                due, data = self._waiting[0]
                if (pause := due - time.monotonic()) > 0:
                    self._change.wait(pause)
                    continue
                self._waiting.popleft()
            try:
                if data:
                    self.sink.sendall(data)
                else:
                    self.sink.shutdown(socket.SHUT_WR)
                    return
            except OSError:
                return


class Proxy:
    """Listens on `port` and passes everything on to `target_port` of this machine."""

    def __init__(self, target_port: int, delay_s: float = 0.0) -> None:
        self.target_port, self.delay_s = target_port, delay_s
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[tuple[socket.socket, socket.socket, Pipe, Pipe]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def ws_url(self) -> str:
        """Return the address of the gateway's WebSocket through this proxy."""
        return f'ws://127.0.0.1:{self.port}/rosbridge'

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(('127.0.0.1', self.target_port), 5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append((
                near, far, Pipe(near, far, self.delay_s), Pipe(far, near, self.delay_s)))

    def hold_up(self) -> float:
        """Hold what the operator sends; the other direction passes. Return when."""
        event = time.monotonic()
        for *_, up, _down in self._connections:
            up.hold()
        return event

    def cut(self) -> float:
        """Let nothing pass in either direction, without a word to anybody. Return when."""
        event = self.hold_up()
        for *_, down in self._connections:
            down.hold()
        return event

    def release(self) -> float:
        """Deliver everything that was held, in one burst. Return when."""
        event = time.monotonic()
        for *_, up, down in self._connections:
            up.release()
            down.release()
        return event

    @property
    def held_bytes(self) -> int:
        """Return how much of the operator's waits."""
        return sum(up.waiting_bytes for *_, up, _down in self._connections)

    def half_open(self) -> float:
        """The operator's end is gone and the gateway's end was never told. Return when."""
        event = self.cut()
        for near, *_ in self._connections:
            reset(near)
        return event

    def abort(self) -> float:
        """Reset the connection to the gateway (RST). Return when."""
        event = time.monotonic()
        for near, far, *_ in self._connections:
            reset(far)
            reset(near)
        return event

    def close(self) -> None:
        """Close everything."""
        self._listener.close()
        for near, far, *_ in self._connections:
            for end in (near, far):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def __enter__(self) -> 'Proxy':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
