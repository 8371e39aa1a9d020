# SPDX-License-Identifier: Apache-2.0
"""A 4G stick's AT port at the host end of a chardev. Whatever is sent to it is remembered.

It answers to AT, and talks without being asked, as they do: a program that merely opens the port
with the terminal's echo on has thereby sent to it.
"""

import contextlib
import socket
import threading
from pathlib import Path

UNASKED_PERIOD_S = 1.0


class FakeModem:
    """Connects to the socket of the chardev, and is plugged in from then on."""

    def __init__(self, path: Path) -> None:
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.connect(str(path))
        self._received = bytearray()
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._answer, self._talk)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def received(self) -> bytes:
        """Everything that ever came."""
        return bytes(self._received)

    def _answer(self) -> None:
        pending = b''
        while data := self._receive():
            self._received += data
            *lines, pending = (pending + data).replace(b'\n', b'\r').split(b'\r')
            for line in lines:
                if line.upper().startswith(b'AT'):
                    self._send(line + b'\r\r\nOK\r\n')

    def _talk(self) -> None:
        while not self._closing.wait(UNASKED_PERIOD_S):
            self._send(b'\r\n^RSSI: 18\r\n')

    def _receive(self) -> bytes:
        try:
            return self._connection.recv(4096)
        except OSError:
            return b''  # closed, or the robot is off

    def _send(self, data: bytes) -> None:
        # Nobody reads an unplugged adapter, nor one that is not open: what does not fit is lost.
        with contextlib.suppress(OSError):
            self._connection.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def close(self) -> None:
        """Pull the plug."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5)
        self._connection.close()
