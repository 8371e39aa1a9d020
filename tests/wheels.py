# SPDX-License-Identifier: Apache-2.0
"""
Read what the fake board did: its outputs (`sim/board.jsonl`) and its serial line (`--lines`).

All times are CLOCK_MONOTONIC in seconds, the same clock as `time.monotonic()` here.
"""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avatar_node.testing import wait_for

NEUTRAL_US = 1500


class NothingMeasured(AssertionError):
    """The wheels stood already at the event: a busy machine can do that, and it is no stop."""


@dataclass(frozen=True)
class Output:
    """Pulses at both wheel outputs [us] from the moment `t` [s] on, and what set them."""

    t: float
    left_us: int
    right_us: int
    cause: str

    @property
    def neutral(self) -> bool:
        """Return whether both tracks stand."""
        return self.left_us == NEUTRAL_US and self.right_us == NEUTRAL_US


@dataclass(frozen=True)
class Line:
    """One line of the serial line as the board saw it: rx = it came in."""

    t: float
    direction: str
    text: str


class Tail:
    """Reads a file of JSON lines that another process is still writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        self.records: list[dict[str, Any]] = []

    def update(self) -> list[dict[str, Any]]:
        """Return all records written so far."""
        try:
            with self.path.open('rb') as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return self.records
        whole = data[:data.rfind(b'\n') + 1]
        self._read += len(whole)
        self.records += [json.loads(line) for line in whole.splitlines()]
        return self.records


class Wheels:
    """The outputs of the fake board, from its trace file."""

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path)
        self._outputs: list[Output] = []

    @property
    def outputs(self) -> list[Output]:
        """Return every change of the outputs so far."""
        records = self._tail.update()
        self._outputs += [
            Output(r['t'], r['left_us'], r['right_us'], r['cause'])
            for r in records[len(self._outputs):]]
        return self._outputs

    @property
    def now(self) -> Output:
        """Return the outputs as they are; a board that never wrote stands."""
        outputs = self.outputs
        return outputs[-1] if outputs else Output(0.0, NEUTRAL_US, NEUTRAL_US, 'none')

    def at(self, t: float) -> Output:
        """Return the outputs as they were at `t`."""
        past = [o for o in self.outputs if o.t <= t]
        return past[-1] if past else Output(0.0, NEUTRAL_US, NEUTRAL_US, 'none')

    def wait_moving(self, timeout_s: float = 3.0) -> Output:
        """Wait until a track turns."""
        wait_for(lambda: not self.now.neutral, timeout_s, 'the wheels turn', 0.002)
        return self.now

    def wait_neutral(self, timeout_s: float = 3.0) -> Output:
        """Wait until both tracks stand."""
        wait_for(lambda: self.now.neutral, timeout_s, 'the wheels stand', 0.002)
        return self.now

    def stop_time_s(self, since: float, timeout_s: float = 4.0) -> float:
        """
        Return how long after `since` [s] both outputs went to neutral; waits for it.

        Raises NothingMeasured if the wheels were not turning at `since`.
        """
        before = self.at(since)
        if before.neutral:
            raise NothingMeasured(f'the wheels stood already at the event: {before}')

        def first() -> Output | None:
            return next((o for o in self.outputs if o.t >= since and o.neutral), None)

        stop = wait_for(first, timeout_s, f'wheels neutral after the event at {since:.3f}', 0.002)
        assert stop is not None
        return stop.t - since

    def moves_between(self, start: float, end: float) -> list[Output]:
        """Return every output that was not neutral at some time between `start` and `end`."""
        inside = [o for o in self.outputs if start < o.t <= end]
        return [o for o in (self.at(start), *inside) if not o.neutral]

    def assert_still(self, seconds: float, why: str) -> None:
        """Watch for `seconds` and fail if a track turns."""
        start = time.monotonic()
        # A fixed time on purpose: that nothing happens cannot be waited for.
        while (left_s := start + seconds - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.02))
            assert self.now.neutral, f'{why}: the wheels turn: {self.now}'
        moves = self.moves_between(start, time.monotonic())
        assert not moves, f'{why}: the wheels turned: {moves}'


class SerialLines:
    """The lines of the serial line, from the fake board's `--lines` file."""

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path)

    @property
    def lines(self) -> list[Line]:
        """Return every line so far."""
        return [Line(r['t'], r['dir'], r['line']) for r in self._tail.update()]

    def received(self, since: float = 0.0) -> list[Line]:
        """Return the lines that came in at the board after `since`."""
        return [line for line in self.lines if line.direction == 'rx' and line.t >= since]

    def wait_idle(
        self, quiet_s: float = 0.07, timeout_s: float = 3.0, most_s: float = math.inf
    ) -> None:
        """
        Wait until no line passed for `quiet_s`: the board is over its blink and listens.

        Nor for more than `most_s`: the motor node repeats a target 0.5 s after its last line.
        """
        def idle() -> bool:
            lines = self.lines
            return not lines or quiet_s < time.monotonic() - lines[-1].t < most_s
        wait_for(idle, timeout_s, 'an idle serial line', 0.002)
