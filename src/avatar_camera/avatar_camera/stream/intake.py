# SPDX-License-Identifier: Apache-2.0
"""The newest frame of the camera: handed to the encoder at once, kept for a snapshot."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from avatar_camera.stream.frames import BadFrame, Format, format_of, packed
from avatar_camera.stream.pace import Pace

# A camera that sends two sizes in turn must not restart the encoder with each frame: another
# format counts when the one before did not come for this long.
CHANGED_S = 0.25

Offer = Callable[[memoryview], None]


@dataclass(frozen=True)
class Frame:
    """One frame and when it arrived (CLOCK_MONOTONIC)."""

    format: Format
    data: memoryview
    at_s: float


class Intake:
    """For several threads; holds one frame."""

    def __init__(self, news: Callable[[], None]) -> None:
        """News: called when a first frame or another format came."""
        self._news = news
        self._arrived = threading.Condition()
        self._newest: Frame | None = None
        self._pace = Pace(1.0)
        self._offer: Offer | None = None
        self._offered_format: Format | None = None
        self.bad = ''
        self.bad_s = float('-inf')

    @property
    def newest(self) -> Frame | None:
        return self._newest

    def put(self, encoding: str, width: int, height: int, step: int, big_endian: bool,
            data: memoryview) -> bool:
        """Take a frame; return whether it was handed to the encoder."""
        now_s = time.monotonic()
        try:
            frame_format = format_of(encoding, width, height, big_endian)
            frame = Frame(frame_format, packed(data, step, frame_format), now_s)
        except BadFrame as problem:
            self.bad, self.bad_s = str(problem), now_s
            return False
        with self._arrived:
            before = self._newest
            if (before is not None and before.format != frame_format
                    and now_s - before.at_s < CHANGED_S):
                return False
            self._newest = frame
            self._arrived.notify_all()
            offered = (self._offer is not None and frame_format == self._offered_format
                       and self._pace.takes(now_s))
            if offered:
                assert self._offer is not None
                self._offer(frame.data)
        if before is None or before.format != frame_format:
            self._news()
        return offered

    def connect(self, offer: Offer, frame_format: Format, fps: int) -> bool:
        """Hand frames of this format to an encoder from now on; return whether one was there."""
        with self._arrived:
            self._pace = Pace(fps)
            self._offer, self._offered_format = offer, frame_format
            frame = self._newest
            if frame is None or frame.format != frame_format:
                return False
            # The newest one, so that the first picture does not wait for the next.
            self._pace.takes(frame.at_s)
            offer(frame.data)
            return True

    def disconnect(self) -> None:
        """Hand no more frames to anybody."""
        with self._arrived:
            self._offer = self._offered_format = None

    def forget(self) -> None:
        """Let go of the newest frame: nobody wants frames."""
        with self._arrived:
            self._newest = None

    def newer_than(self, at_s: float, timeout_s: float) -> Frame | None:
        """Wait for a frame that arrived after at_s; None if none came in time."""
        with self._arrived:
            self._arrived.wait_for(
                lambda: self._newest is not None and self._newest.at_s > at_s, timeout_s)
            newest = self._newest
        return newest if newest is not None and newest.at_s > at_s else None
