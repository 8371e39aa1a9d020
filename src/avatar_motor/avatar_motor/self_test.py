# SPDX-License-Identifier: Apache-2.0
"""
The self-test: a few short runs of the tracks, wheels off the ground, watched by a person.

It is made of ordinary drive lines (the firmware's own TEST is deaf to a stop for 4.5 s) and
anything stops it. The two backward runs are sent as the board's own numbers: firmware 2.0
reads the small one as fast, a repaired firmware as slow. Which one it was, only a person sees.
"""

from dataclasses import dataclass

RUN_S = 0.8
PAUSE_S = 0.6
FORWARD_DUTY = 100
FIRST_BACKWARD_DUTY = -64
SECOND_BACKWARD_DUTY = -192

QUESTION = ('Which of the two backward runs was the faster one? Answer motor/confirm_reverse '
            'with true for the first, with false for the second.')


@dataclass(frozen=True)
class Run:
    """Some time with these duties on the wire (forward is the same in every reading)."""

    says: str
    left: int
    right: int
    seconds: float


PAUSE = Run('pause', 0, 0, PAUSE_S)


def runs(asks_reverse: bool, max_duty: int) -> tuple[Run, ...]:
    """Return the runs for a board whose reading of reverse is asked for, or known."""
    forward = min(FORWARD_DUTY, max_duty)
    tracks = (
        Run('left track forward', forward, 0, RUN_S), PAUSE,
        Run('right track forward', 0, forward, RUN_S), PAUSE,
    )
    if not asks_reverse:
        return (*tracks, Run('both tracks backward', -forward, -forward, RUN_S))
    first, second = FIRST_BACKWARD_DUTY, SECOND_BACKWARD_DUTY
    return (
        *tracks,
        Run('both tracks backward, first run', first, first, RUN_S), PAUSE,
        Run('both tracks backward, second run', second, second, RUN_S),
    )


class SelfTest:
    """One self-test from its start."""

    def __init__(self, start_s: float, asks_reverse: bool, max_duty: int) -> None:
        """Begin at start_s."""
        self.start_s = start_s
        self.asks_reverse = asks_reverse
        self._ends: list[tuple[float, Run]] = []
        end_s = start_s
        for run in runs(asks_reverse, max_duty):
            end_s += run.seconds
            self._ends.append((end_s, run))
        self.end_s = end_s

    def at(self, now_s: float) -> tuple[Run, float] | None:
        """Return the run of this moment and when it ends; None after the last."""
        for end_s, run in self._ends:
            if now_s < end_s:
                return run, end_s
        return None
