# SPDX-License-Identifier: Apache-2.0
"""Snapshots of the newest frame, and the thumbnails of recordings; in the threads of services."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from avatar_camera.ffmpeg import Ffmpeg, NoFfmpeg
from avatar_camera.stream import files, jpeg
from avatar_camera.stream.intake import Frame, Intake

# A snapshot may show what arrived this long before it was asked for.
RECENT_S = 0.5
FRAME_WITHIN_S = 4.0
# A device is opened for it first.
DEVICE_FRAME_WITHIN_S = 8.0

_log = logging.getLogger(__name__)


class Refusal(RuntimeError):
    """What was asked for cannot be done; the text says why."""


class Snapshots:
    """`users` counts who waits for a frame just now; `changed` is called when that changes."""

    def __init__(
        self, folder: Path, intake: Intake, ffmpeg: Callable[[], Ffmpeg],
        changed: Callable[[], None], why_none: Callable[[], str],
        live_url: Callable[[], str | None], within_s: float, least_free: float,
    ) -> None:
        """
        why_none: why no frame comes; live_url: where a picture is read that has no frames;
        least_free: share of the disk that snapshots leave free.
        """
        self._folder, self._intake, self._ffmpeg = folder, intake, ffmpeg
        self._changed, self._why_none, self._live_url = changed, why_none, live_url
        self._within_s, self._least_free = within_s, least_free
        self._lock = threading.Lock()
        self.users = 0

    def take(self) -> str:
        """Write the newest frame to a file; return its name. Raises Refusal."""
        url = self._live_url()
        frame = self._frame() if url is None else None
        try:
            path = files.new_file(self._folder, '.jpg')
            disk = os.statvfs(self._folder)
        except OSError as error:
            raise Refusal(f'no snapshot can be written: {error}') from error
        try:
            if disk.f_bavail < self._least_free * disk.f_blocks:
                raise Refusal(f'no snapshot: less than {self._least_free:.0%} of the disk is '
                              'free; delete some files')
            if frame is not None:
                jpeg.write(self._ffmpeg(), frame, path)
            elif url is not None:
                jpeg.grab(self._ffmpeg(), url, path)
        except Refusal:
            path.unlink(missing_ok=True)
            raise
        except (jpeg.NoJpeg, NoFfmpeg) as problem:
            path.unlink(missing_ok=True)
            raise Refusal(f'no snapshot: {problem}') from problem
        _log.info('snapshot %s', path.name)
        return path.name

    def add_thumbnail(self, path: Path) -> None:
        """Make the thumbnail of a recording that was just begun."""
        frame = self._intake.newest
        if frame is None:
            return

        def make() -> None:
            # A recording is one without it, too.
            with contextlib.suppress(jpeg.NoJpeg, NoFfmpeg):
                jpeg.write(self._ffmpeg(), frame, path.with_suffix(files.THUMBNAIL),
                           jpeg.THUMBNAIL_WIDTH)

        threading.Thread(target=make, name='thumbnail', daemon=True).start()

    def _frame(self) -> Frame:
        asked_s = time.monotonic()
        self._count(1)
        try:
            frame = self._intake.newer_than(asked_s - RECENT_S, self._within_s)
        finally:
            self._count(-1)
        if frame is not None:
            return frame
        raise Refusal(self._intake.bad if self._intake.bad_s > asked_s else self._why_none())

    def _count(self, change: int) -> None:
        with self._lock:
            self.users += change
        self._changed()
