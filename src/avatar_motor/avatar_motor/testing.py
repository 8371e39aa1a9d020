# SPDX-License-Identifier: Apache-2.0
"""The fake board as a process, for tests of what drives it."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from avatar_node.testing import wait_for

NEUTRAL_US = 1500


class BoardProcess:
    """One fake board; times are CLOCK_MONOTONIC, in seconds."""

    def __init__(self, state_dir: Path, *args: str) -> None:
        """Start it and wait for its port."""
        self.sim = state_dir / 'sim'
        self.tty = self.sim / 'ttyBOARD'
        self._popen = subprocess.Popen(
            [sys.executable, '-m', 'avatar_motor.fake_board', '--state-dir', str(state_dir),
             '--lines', str(state_dir / 'lines.jsonl'), *args])
        self._lines = state_dir / 'lines.jsonl'
        wait_for(lambda: self.tty.exists() and (self.sim / 'board.sock').exists(), 5.0,
                 'a fake board')

    def do(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Ask it for a fault or for its state; return its answer."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(5.0)
            control.connect(str(self.sim / 'board.sock'))
            control.sendall(json.dumps({'do': what, **arguments}).encode() + b'\n')
            with control.makefile() as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
        return answer

    def outputs(self) -> list[tuple[float, int, int]]:
        """Return every change of the outputs: when, left and right pulse [us]."""
        return [(line['t'], line['left_us'], line['right_us'])
                for line in _records(self.sim / 'board.jsonl')]

    def received(self) -> list[tuple[float, str]]:
        """Return every line that reached it, and when."""
        return [(line['t'], line['line']) for line in _records(self._lines)
                if line['dir'] == 'rx']

    def pulses(self) -> tuple[int, int]:
        """Return its outputs now [us]."""
        outputs = self.outputs()
        return outputs[-1][1:] if outputs else (NEUTRAL_US, NEUTRAL_US)

    def stands(self) -> bool:
        """Return whether both tracks stand now."""
        return self.pulses() == (NEUTRAL_US, NEUTRAL_US)

    def wait_moving(self, timeout_s: float = 3.0) -> None:
        """Wait until a track turns."""
        wait_for(lambda: not self.stands(), timeout_s, 'turning tracks', 0.005)

    def stop_time_s(self, event_s: float, timeout_s: float = 5.0) -> float:
        """Wait until it stands; return how long after event_s it still turned."""
        wait_for(self.stands, timeout_s, 'standing tracks', 0.005)
        return max(0.0, self.outputs()[-1][0] - event_s)

    def assert_still(self, seconds: float, why: str) -> None:
        """Watch that nothing moves."""
        began_s = time.monotonic()
        assert self.stands(), f'{why}: it moves already: {self.pulses()}'
        time.sleep(seconds)
        moved = [o for o in self.outputs() if o[0] > began_s and o[1:] != (1500, 1500)]
        assert not moved, f'{why}: it moved: {moved[0]}'

    def end(self) -> None:
        """End it."""
        self._popen.terminate()
        self._popen.wait(5)


def _records(path: Path) -> list[dict[str, Any]]:
    if not os.path.exists(path):
        return []
    data = path.read_bytes()
    # The last line may be under way.
    return [json.loads(line) for line in data[:data.rfind(b'\n') + 1].splitlines()]
