# SPDX-License-Identifier: Apache-2.0
"""QEMU's machine protocol: one JSON object a line, answers and events mixed."""

import json
import socket
import time
from typing import Any


class Qmp:
    """A connection to one QEMU. Not thread-safe: one test at a time holds the hardware."""

    def __init__(self, connection: socket.socket, timeout_s: float) -> None:
        self._connection = connection
        self._connection.settimeout(timeout_s)
        self._lines = connection.makefile('r', encoding='utf-8')
        self._events: list[dict[str, Any]] = []
        json.loads(self._lines.readline())  # the greeting
        self.execute('qmp_capabilities')

    def execute(self, command: str, **arguments: Any) -> Any:
        """Return what QEMU answers; AssertionError with its words if it refuses."""
        order = {'execute': command, 'arguments': arguments}
        self._connection.sendall(json.dumps(order).encode() + b'\n')
        while True:
            message = self._receive()
            if 'event' in message:
                self._events.append(message)
                continue
            assert 'error' not in message, f'QEMU refuses {order}: {message["error"]["desc"]}'
            return message['return']

    def wait_event(self, name: str, timeout_s: float = 20.0, **data: Any) -> None:
        """Wait for an event with these data, taking it and all before it from the queue."""
        deadline = time.monotonic() + timeout_s
        while True:
            while self._events:
                event = self._events.pop(0)
                if event['event'] == name and data.items() <= event.get('data', {}).items():
                    return
            assert time.monotonic() < deadline, f'QEMU: no {name} {data} within {timeout_s} s'
            message = self._receive()
            if 'event' in message:
                self._events.append(message)

    def _receive(self) -> Any:
        line = self._lines.readline()
        assert line, 'QEMU has ended'
        return json.loads(line)

    def close(self) -> None:
        """Let go; QEMU goes on."""
        self._lines.close()
        self._connection.close()
