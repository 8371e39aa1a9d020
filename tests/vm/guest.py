# SPDX-License-Identifier: Apache-2.0
"""The test's end of the agent: programs inside the virtual robot, as objects outside."""

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any


class GuestProcess:
    """One program inside: its lines as they come, its code when it has ended."""

    def __init__(self, guest: 'Guest', number: int, what: str) -> None:
        self._guest, self._number, self._what = guest, number, what
        self._changed = threading.Condition()
        self.lines: list[str] = []
        self.pid: int | None = None
        self.code: int | None = None

    def take(self, message: dict[str, Any]) -> None:
        """Note what the agent says (called by the reader thread)."""
        with self._changed:
            if 'line' in message:
                self.lines.append(message['line'])
            self.pid = message.get('pid', self.pid)
            if 'error' in message:
                self.lines.append(message['error'])
                self.code = 127
            self.code = message.get('code', self.code)
            self._changed.notify_all()

    def text(self) -> str:
        """Return all it has said so far, standard error included."""
        return '\n'.join(self.lines)

    def wait_line(
        self, wanted: Callable[[str], bool], timeout_s: float, what: str, after: int = 0
    ) -> str:
        """Return the first line that is wanted, old or new, but for the first `after` ones."""
        seen = after
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for line in self.lines[seen:]:
                    if wanted(line):
                        return line
                seen = len(self.lines)
                left = deadline - time.monotonic()
                assert left > 0 and self.code is None, (
                    f'{self._what}: no {what} within {timeout_s} s (code {self.code}); its last '
                    'lines:\n' + '\n'.join(self.lines[-30:])
                )
                self._changed.wait(left)

    def wait(self, timeout_s: float) -> int:
        """Return the code it ended with (negative: the signal that ended it)."""
        with self._changed:
            ended = self._changed.wait_for(lambda: self.code is not None, timeout_s)
        assert ended and self.code is not None, (
            f'{self._what}: not ended within {timeout_s} s; its last lines:\n'
            + '\n'.join(self.lines[-30:])
        )
        return self.code

    def wait_pid(self, timeout_s: float = 10.0) -> int:
        """Return its process id inside."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.pid is not None, timeout_s), self._what
        assert self.pid is not None
        return self.pid

    def write(self, text: str) -> None:
        """Send text to its standard input."""
        self._guest.send({'id': self._number, 'do': 'write', 'text': text})

    def signal(self, number: int) -> None:
        """Signal it and all it started; nothing happens if it has ended."""
        self._guest.send({'id': self._number, 'do': 'signal', 'number': int(number)})


class Guest:
    """The connection to the agent, with one reader thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._processes: dict[int, GuestProcess] = {}
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait for the agent's first word."""
        deadline = time.monotonic() + timeout_s
        while not self._ready.wait(0.2):
            if self._ended.is_set() or time.monotonic() > deadline:
                return False
        return True

    def spawn(self, argv: list[str], env: dict[str, str]) -> GuestProcess:
        """Start a program inside, in the folder /."""
        number = next(self._numbers)
        process = self._processes[number] = GuestProcess(self, number, ' '.join(argv))
        self.send({'id': number, 'do': 'spawn', 'argv': argv, 'env': env, 'cwd': '/'})
        return process

    def send(self, message: dict[str, Any]) -> None:
        """Give the agent an order."""
        with self._lock:
            self._connection.sendall(json.dumps(message).encode() + b'\n')

    def _read(self) -> None:
        try:
            for line in self._connection.makefile('rb'):
                message = json.loads(line)
                if 'agent' in message:
                    self._ready.set()
                else:
                    self._processes[message['id']].take(message)
        except OSError:
            pass  # closed, or QEMU gone: the processes below are told
        self._ended.set()
        for process in self._processes.values():
            if process.code is None:
                process.take({'code': -1, 'line': '(the virtual robot is off)'})

    def close(self) -> None:
        """Let go; the agent and the robot end by themselves."""
        self._connection.close()
