# SPDX-License-Identifier: Apache-2.0
"""
When an encoder is started and ended, and what is said of the picture. Pure.

Supervised by frames, not by process: what counts is that pictures come out. Time is an argument
(CLOCK_MONOTONIC, s).
"""

import enum
import math

# Pictures came in and none came out for this long: the encoder hangs.
HUNG_S = 5.0
# No picture came in for this long: the encoder ends, and viewers see the offline card.
SILENT_S = 5.0
# Without a new picture for this long it is not live. A camera of 1 fps is.
STALLED_S = 2.0
# Until a picture may have come.
PATIENCE_S = 3.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
# An encoder that ran for this long is sound: its end is a first failure again.
SOUND_S = 10.0
NO_FFMPEG_PAUSE_S = 10.0
# A camera that is plugged in again is seen soon.
NO_CAMERA_PAUSE_S = 1.0


class State(enum.Enum):
    """What `camera/stream_state` says."""

    OFF = 'off'
    STARTING = 'starting'
    LIVE = 'live'
    STALLED = 'stalled'


class Reason(enum.Enum):
    """Why there is no picture although there should be one."""

    NONE = ''
    NO_CAMERA = 'no_camera'
    NO_FRAMES = 'no_frames'
    BAD_FRAMES = 'bad_frames'
    DEVICE_BUSY = 'device_busy'
    NO_FFMPEG = 'no_ffmpeg'
    ENCODER_FAILED = 'encoder_failed'
    SERVER_DOWN = 'server_down'
    REFUSED = 'refused'


NO_DEVICE = (Reason.NO_CAMERA, Reason.DEVICE_BUSY)
"""The camera is not there for us; nothing is wrong with the encoder."""


class Action(enum.Enum):
    """What is to be done with the encoder now."""

    NOTHING = enum.auto()
    START = enum.auto()
    END = enum.auto()


class Supervision:
    """One picture, of which at most one encoder runs. Tell it what happens; ask `decide`."""

    def __init__(self, needs_frames: bool = True) -> None:
        """needs_frames: the encoder is handed frames; else it has the camera itself."""
        self._needs_frames = needs_frames
        # What it means that nothing comes out: a device may be there and send nothing.
        self.silence = Reason.ENCODER_FAILED if needs_frames else Reason.NO_FRAMES
        self._wanted_since_s: float | None = None
        self._frame_s: float | None = None
        self._started_s: float | None = None
        self._output_s: float | None = None
        self._unanswered_s: float | None = None
        self._failures = 0
        self._pause_until_s = float('-inf')
        self._failure = Reason.NONE

    # ---- what happens

    def on_frame(self, now_s: float) -> None:
        """A good frame came from the camera."""
        self._frame_s = now_s

    def on_offered(self, now_s: float) -> None:
        """A frame was handed to the encoder."""
        if self._unanswered_s is None:
            self._unanswered_s = now_s

    def on_output(self, now_s: float) -> None:
        """The encoder has put out more than before."""
        self._output_s = now_s
        self._unanswered_s = None if self._needs_frames else now_s
        if not self._needs_frames:
            self._frame_s = now_s
        if self._started_s is not None and now_s - self._started_s >= SOUND_S:
            self._failures = 0
        self._failure = Reason.NONE

    def on_started(self, now_s: float) -> None:
        """An encoder was started."""
        self._started_s, self._output_s = now_s, None
        self._unanswered_s = None if self._needs_frames else now_s

    def on_ended(self) -> None:
        """The encoder was ended in order."""
        self._started_s = self._output_s = self._unanswered_s = None

    def on_failed(self, now_s: float, reason: Reason) -> None:
        """The encoder ended by itself, hung, or could not be started."""
        if self._started_s is not None and now_s - self._started_s >= SOUND_S:
            self._failures = 0
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures, 10))
        if reason is Reason.NO_FFMPEG:
            pause_s = NO_FFMPEG_PAUSE_S
        self._failures += 1
        if reason in NO_DEVICE:
            # However long it was away: what fails once it is back is a first failure.
            pause_s, self._failures = NO_CAMERA_PAUSE_S, 0
        self._pause_until_s = now_s + pause_s
        self._failure = reason
        self.on_ended()

    # ---- what to do

    def decide(self, now_s: float, wanted: bool) -> Action:
        """Return what to do with the encoder now."""
        if not wanted:
            self._wanted_since_s = None
            self._failures, self._pause_until_s = 0, float('-inf')
            self._failure = Reason.NONE
            return Action.END if self._started_s is not None else Action.NOTHING
        if self._wanted_since_s is None:
            self._wanted_since_s = now_s
        if self._started_s is None:
            may = now_s >= self._pause_until_s
            return Action.START if may and self._has_camera(now_s) else Action.NOTHING
        if self._needs_frames and not self._has_camera(now_s):
            return Action.END
        return Action.NOTHING

    def is_hung(self, now_s: float) -> bool:
        """Return whether the encoder gets pictures and puts none out."""
        waiting = self._unanswered_s
        if self._needs_frames and self._frame_age_s(now_s) >= STALLED_S:
            return False  # it may keep the last ones until more come
        return self._started_s is not None and waiting is not None and now_s - waiting >= HUNG_S

    def next_s(self, now_s: float) -> float:
        """Return when to look again at the latest, if nothing happens before."""
        return self._pause_until_s if now_s < self._pause_until_s else now_s + 1.0

    def _has_camera(self, now_s: float) -> bool:
        if not self._needs_frames:
            return True
        return self._frame_age_s(now_s) < SILENT_S

    def _frame_age_s(self, now_s: float) -> float:
        return math.inf if self._frame_s is None else now_s - self._frame_s

    # ---- what is said

    def state(self, now_s: float) -> tuple[State, Reason]:
        """Return the state and its reason, which says what is missing and not what follows."""
        wanted_s = self._wanted_since_s
        if wanted_s is None:
            return State.OFF, Reason.NONE
        frame_s = self._frame_s if self._frame_s is not None else wanted_s
        output_s = self._output_s
        if output_s is not None and now_s - max(output_s, wanted_s) < STALLED_S:
            return State.LIVE, Reason.NONE
        if self._failure is not Reason.NONE:
            return State.STALLED, self._failure
        if self._needs_frames and now_s - max(frame_s, wanted_s) >= STALLED_S:
            # The device may be open and dark, or not be there: the node knows which.
            late = now_s - wanted_s >= PATIENCE_S
            return (State.STALLED if late else State.STARTING), Reason.NO_FRAMES
        begun_s = max(wanted_s, self._started_s if self._started_s is not None else wanted_s)
        if output_s is None and now_s - begun_s < PATIENCE_S:
            return State.STARTING, Reason.NONE
        if self._needs_frames and output_s is not None and frame_s - output_s < STALLED_S / 2:
            return State.STALLED, Reason.NO_FRAMES  # out came all that went in
        return State.STALLED, self.silence

    def frame_age_s(self, now_s: float) -> float | None:
        """Return the age of the newest frame of the camera, None before the first."""
        return None if self._frame_s is None else now_s - self._frame_s
