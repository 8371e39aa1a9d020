# SPDX-License-Identifier: Apache-2.0
"""
Recordings: a second ffmpeg that copies the stream into fragmented MP4, never encodes.

A fragment is written with each key frame, so that a file cut off at any moment lacks a second at
most. The pictures of one file have one size: another profile begins another file.
"""

import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from avatar_camera.ffmpeg import NoFfmpeg
from avatar_camera.stream import files
from avatar_node import child

SUFFIX = '.mp4'
# One that has no picture yet is only a header.
LEAST_BYTES = 2000
CHECK_S = 2.0
END_S = 1.0
# Files that end at once, one after the other: something is wrong that time does not mend.
FAILURES = 3
PAUSE_S = 1.0
# So that the oldest piece of a long recording can go, too.
PIECES = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Quota:
    """How much recordings may take: together, and what stays free of the disk."""

    most_bytes: int = 2_000_000_000
    least_free: float = 0.1


class Recorder:
    """All methods belong to one thread, `wanted` and what is shown excepted."""

    def __init__(
        self, folder: Path, quota: Quota, make: Callable[[Path], Sequence[str]],
        on_file: Callable[[Path], None],
    ) -> None:
        """make(path) is the command; on_file is called when a file was begun."""
        self._folder, self._quota = folder, quota
        self._make, self._on_file = make, on_file
        self.wanted = False
        self.ended = ''
        self._process: subprocess.Popen[bytes] | None = None
        self._words: list[str] = []
        self._path: Path | None = None
        self._began_s = self._pictures_s = 0.0
        self._next_check_s = self._next_try_s = float('-inf')
        self._failures = 0
        self.last = ''

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def name(self) -> str:
        """Return the file that is being written, '' for none; it has a picture already."""
        path = self._path
        return path.name if path is not None and _size(path) >= LEAST_BYTES else ''

    def seconds(self, now_s: float) -> int:
        """Return for how long pictures have been written to the current file."""
        return int(now_s - self._pictures_s) if self._pictures_s else 0

    def begin(self) -> None:
        """Record from now on."""
        self.ended, self._failures, self._next_try_s = '', 0, float('-inf')
        self.wanted = True

    def step(self, now_s: float, live: bool) -> None:
        """Look after it; `live`: the stream has a picture."""
        if self._process is not None and self._process.poll() is not None:
            self._on_exit(now_s)
        if self._process is not None and (not self.wanted or not live):
            self.end()
        if self._process is not None and not self._pictures_s and self.name:
            self._pictures_s = now_s
        if self._process is not None and now_s >= self._next_check_s:
            self._next_check_s = now_s + CHECK_S
            self._make_room()
        if self.wanted and live and self._process is None and now_s >= self._next_try_s:
            self._start(now_s)

    def end(self) -> None:
        """End the file in order; it is playable in any case."""
        process, path = self._process, self._path
        if process is None or path is None:
            return
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        child.kill(process)
        self._process = self._path = None
        self._pictures_s = 0.0
        self._close(path)

    def _start(self, now_s: float) -> None:
        if not self._make_room():
            return
        try:
            self._path = files.new_file(self._folder, SUFFIX)
            self._process = child.start(
                self._make(self._path), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE)
        except (OSError, NoFfmpeg) as error:
            if self._path is not None:
                self._close(self._path)
                self._path = None
            self._give_up(f'no file can be written in {self._folder} ({error})')
            return
        self._began_s, self._next_check_s = now_s, now_s + CHECK_S
        self._pictures_s = 0.0
        self._words = []
        threading.Thread(target=_read, args=(self._process, self._words), daemon=True).start()
        self._on_file(self._path)

    def _on_exit(self, now_s: float) -> None:
        process, path = self._process, self._path
        assert process is not None and path is not None
        child.kill(process)
        self._process = self._path = None
        self._pictures_s = 0.0
        self._next_try_s = now_s + PAUSE_S
        words = ' '.join(self._words[-3:])
        self._failures = 0 if now_s - self._began_s > 10 * PAUSE_S else self._failures + 1
        self._close(path)
        if 'No space left' in words:
            self._give_up('the disk is full')
        elif self._failures >= FAILURES:
            self._give_up(f'it ended by itself {FAILURES} times ({words[:200]})')

    def _make_room(self) -> bool:
        """Remove the oldest files as far as needed; give up if that is not enough."""
        writing = self._path.name if self._path is not None else ''
        try:
            disk = os.statvfs(self._folder if self._folder.exists() else self._folder.parent)
        except OSError as error:
            self._give_up(f'{self._folder} cannot be used ({error.strerror})')
            return False
        removed, enough = files.to_remove(
            files.stored(self._folder, SUFFIX), writing, self._quota.most_bytes,
            disk.f_bavail * disk.f_frsize, int(self._quota.least_free * disk.f_blocks)
            * disk.f_frsize)
        for name in removed:
            _log.warning('recording %s was removed to make room', name)
            (self._folder / name).unlink(missing_ok=True)
            (self._folder / name).with_suffix(files.THUMBNAIL).unlink(missing_ok=True)
        if self._path is not None and _size(self._path) * PIECES > self._quota.most_bytes:
            self.end()  # the next step begins another file
            return True
        if not enough:
            self._give_up(f'less than {self._quota.least_free:.0%} of the disk is free, or '
                          'recordings take all that they may')
        return enough

    def _give_up(self, reason: str) -> None:
        self.end()
        self.wanted, self.ended = False, reason
        _log.warning('recording ended: %s', reason)

    def _close(self, path: Path) -> None:
        """Keep a file that has a picture."""
        if _size(path) >= LEAST_BYTES:
            self.last = path.name
            return
        path.unlink(missing_ok=True)
        path.with_suffix(files.THUMBNAIL).unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(process: 'subprocess.Popen[bytes]', words: list[str]) -> None:
    assert process.stderr is not None
    with process.stderr as lines:
        for line in iter(lambda: lines.readline(300), b''):
            words.append(line.decode(errors='replace').strip())
            del words[:-5]
