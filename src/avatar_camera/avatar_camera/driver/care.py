# SPDX-License-Identifier: Apache-2.0
"""
When the driver of a camera is started and ended. Pure.

A driver that lives may still be dead: what counts is that pictures come. Time is an argument
(CLOCK_MONOTONIC, s).
"""

import enum

from avatar_camera.stream.supervision import FIRST_PAUSE_S, LONGEST_PAUSE_S, SOUND_S

# Until the first picture of a driver that was just started.
PATIENCE_S = 10.0
# A driver that was asked to end and does not is killed.
KILL_S = 2.0
# Until a camera that was not there is looked for again: one that is plugged in is seen soon.
LOOK_AGAIN_S = 1.0


class Action(enum.Enum):
    """What is to be done with the driver now."""

    NOTHING = enum.auto()
    START = enum.auto()
    END = enum.auto()
    KILL = enum.auto()


class Care:
    """One driver after another; `step` says what to do, `started` and `failed` are told to it."""

    def __init__(self, silent_s: float) -> None:
        self.silent_s = silent_s
        self.live = False
        """Pictures come."""
        self._started_s: float | None = None
        self._asked_s: float | None = None
        self._next_s = float('-inf')
        self._pause_s = FIRST_PAUSE_S

    def started(self, now_s: float) -> None:
        """It was started."""
        self._started_s, self._asked_s = now_s, None

    def failed(self, now_s: float) -> None:
        """It cannot be started: there is no camera, or somebody else has it."""
        self._next_s = now_s + LOOK_AGAIN_S

    def step(self, now_s: float, running: bool, picture_s: float | None) -> Action:
        """Return what to do; `picture_s` is when the last picture came."""
        began = self._started_s
        fresh = began is not None and picture_s is not None and picture_s >= began
        if not running:
            self.live = False
            if began is not None:  # it has ended, asked or not
                self._rest(now_s, now_s - began)
            return Action.START if now_s >= self._next_s else Action.NOTHING
        assert began is not None, 'it runs, so it was started'
        if self._asked_s is not None:
            return Action.KILL if now_s - self._asked_s > KILL_S else Action.NOTHING
        waited = now_s - (picture_s if fresh and picture_s is not None else began)
        limit = self.silent_s if fresh else max(PATIENCE_S, self.silent_s)
        self.live = fresh and waited <= self.silent_s
        if waited <= limit:
            return Action.NOTHING
        self._asked_s = now_s
        return Action.END

    def _rest(self, now_s: float, ran_s: float) -> None:
        if ran_s > SOUND_S + PATIENCE_S:
            self._pause_s = FIRST_PAUSE_S
        self._next_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._started_s = self._asked_s = None
