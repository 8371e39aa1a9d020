# SPDX-License-Identifier: Apache-2.0
"""A real fake board for each test that asks for one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from avatar_node.testing import wait_for


class BoardProcess:
    """The fake board as its users run it, with its files read back."""

    def __init__(self, folder: Path, *options: str, user: int | None = None) -> None:
        self.sim = folder / 'sim'
        self.port = str(self.sim / 'ttyBOARD')
        self._lines = folder / 'lines.jsonl'
        command = [sys.executable, '-m', 'avatar_motor.fake_board', '--state-dir', str(folder)]
        self.process = subprocess.Popen(
            [*command, '--lines', str(self._lines), *options], user=user
        )
        wait_for((self.sim / 'board.sock').exists, 10, 'the fake board has started')

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(self.sim / 'board.sock'))
            client.sendall(json.dumps({'do': do, **arguments}).encode() + b'\n')
            answer: dict[str, Any] = json.loads(client.makefile().readline())
        assert answer['ok'], answer
        return answer

    def look(self) -> None:
        """Return when the board has looked at its port since the call."""
        self.ask('state')  # answered in one pass of its loop, in which the port may be read late
        self.ask('state')

    def trace(self) -> list[dict[str, Any]]:
        return _read(self.sim / 'board.jsonl')

    def lines(self, direction: str = 'rx') -> list[tuple[float, str]]:
        return [(one['t'], one['line']) for one in _read(self._lines) if one['dir'] == direction]

    @property
    def pulses(self) -> tuple[int, int]:
        last = self.trace()[-1]
        return last['left_us'], last['right_us']

    def until(self, pulses: tuple[int, int], timeout_s: float = 2.0) -> float:
        """Wait for these pulses at the outputs; return when they began."""
        wait_for(lambda: self.pulses == pulses, timeout_s, f'pulses {pulses}', 0.002)
        return float(self.trace()[-1]['t'])

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(5)


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True)
            if line.endswith('\n')]  # fmt: skip


@pytest.fixture
def make_board(tmp_path: Path) -> Iterator[Callable[..., BoardProcess]]:
    boards: list[BoardProcess] = []

    def make(*options: str, name: str = 'state', user: int | None = None) -> BoardProcess:
        boards.append(BoardProcess(tmp_path / name, *options, user=user))
        return boards[-1]

    yield make
    for board in boards:
        board.end()


def cpu_s(pid: int) -> float:
    """CPU seconds a process has used so far."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


@pytest.fixture
def idle_cpu() -> Callable[[int, float], float]:
    """Measure which share of a core a process uses over some seconds."""

    def measure(pid: int, seconds: float) -> float:
        began, used = time.monotonic(), cpu_s(pid)
        time.sleep(seconds)
        return (cpu_s(pid) - used) / (time.monotonic() - began)

    return measure
