# SPDX-License-Identifier: Apache-2.0
"""
A WebSocket client on a bare socket, for tests that have to misbehave.

Libraries answer pings, refuse to send bad frames and close politely; here nothing happens that
the test did not ask for: raw frames, no pong, no reading, FIN without a close frame, RST.
"""

import base64
import contextlib
import ctypes
import http.client
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

_libc = ctypes.CDLL(None)

MakeSocket = Callable[[str, int], socket.socket]


def reset(connection: socket.socket) -> None:
    """Reset a TCP connection (RST)."""
    # Not by close(): a reader in another thread would keep the socket open. Connecting it to
    # "nobody" resets it at once (Linux).
    nobody = struct.pack('H14x', socket.AF_UNSPEC)
    _libc.connect(connection.fileno(), nobody, len(nobody))
    connection.close()


class HandshakeRefused(Exception):
    """The server answered the handshake with something else than 101."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f'{status}: {text}')
        self.status = status


def login(url: str, name: str, password: str) -> str:
    """Log in at `http://host:port`; return the Cookie header."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or '', parts.port, timeout=10)
    body = json.dumps({'name': name, 'password': password, 'remember': False})
    connection.request('POST', '/api/login', body, {
        'Content-Type': 'application/json', 'Origin': url})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    cookies = answer.headers.get_all('Set-Cookie') or []
    if answer.status != 200 or not cookies:
        raise HandshakeRefused(answer.status, text)
    return '; '.join(c.split(';', 1)[0] for c in cookies)


def frame(opcode: int, payload: bytes, *, final: bool = True, masked: bool = True) -> bytes:
    """Return the bytes of one frame as a client sends it."""
    mask_bit = 0x80 if masked else 0
    head = bytes([(0x80 if final else 0) | opcode])
    size = len(payload)
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 1 << 16:
        head += bytes([mask_bit | 126]) + struct.pack('!H', size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack('!Q', size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    stream = (key * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, 'little') ^ int.from_bytes(stream, 'little')
    return head + key + mixed.to_bytes(size, 'little')


class WebSocket:
    """One connection; reading and writing may happen in different threads."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        make_socket: MakeSocket | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        parts = urlsplit(url)
        host, port = parts.hostname or '', parts.port or 80
        self._send_lock = threading.Lock()
        self.socket = make_socket(host, port) if make_socket else (
            socket.create_connection((host, port), timeout_s))
        self.socket.settimeout(timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [
            f'GET {parts.path}{"?" + parts.query if parts.query else ""} HTTP/1.1',
            f'Host: {parts.netloc}', 'Upgrade: websocket', 'Connection: Upgrade',
            'Sec-WebSocket-Key: ' + base64.b64encode(os.urandom(16)).decode(),
            'Sec-WebSocket-Version: 13', *(f'{k}: {v}' for k, v in headers.items()), '', '']
        self.socket.sendall('\r\n'.join(lines).encode())
        self._reader = self.socket.makefile('rb')
        status = int(self._reader.readline().split()[1])
        length = 0
        while (line := self._reader.readline().strip()):
            name, _, value = line.partition(b':')
            if name.lower() == b'content-length':
                length = int(value)
        if status != 101:
            text = self._reader.read(length).decode(errors='replace')
            self.socket.close()
            raise HandshakeRefused(status, text)
        self.socket.settimeout(None)

    def send(self, opcode: int, payload: bytes = b'') -> None:
        """Send one frame; OSError when the connection is gone."""
        self.send_bytes(frame(opcode, payload))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are, for frames that no client should send."""
        with self._send_lock:
            self.socket.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """Wait for a frame; ConnectionError at the end of the connection."""
        first, second = self._exactly(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack('!H', self._exactly(2))[0]
        elif size == 127:
            size = struct.unpack('!Q', self._exactly(8))[0]
        return first & 0x0F, self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        try:
            data = self._reader.read(size)
        except ValueError as problem:  # the file was closed by another thread
            raise ConnectionError('closed here') from problem
        if data is None or len(data) < size:
            raise ConnectionError('closed by the server')
        return data

    def close(self, code: int = 1000) -> None:
        """Close in order: a close frame, then FIN."""
        with contextlib.suppress(OSError):
            self.send(CLOSE, struct.pack('!H', code))
        self.drop()

    def drop(self) -> None:
        """Close the TCP connection without a close frame (FIN)."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def abort(self) -> None:
        """Reset the TCP connection (RST), as a crashed or rebooted peer does."""
        reset(self.socket)
