# SPDX-License-Identifier: Apache-2.0
"""
One running ffmpeg that encodes: frames in by its stdin, progress out by a pipe.

The hand-over holds one frame, the newest: an encoder that stalls costs pictures, never memory.
"""

import contextlib
import fcntl
import io
import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from avatar_node import child

# A frame goes into the pipe in few pieces; what the kernel allows without rights.
PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
LAST_WORDS = 8
WORD_CHARACTERS = 300
ENDED_WITHIN_S = 2.0

Make = Callable[[int], Sequence[str]]


class Encoder:
    """
    Start it from a thread that lives as long as the process; `kill` ends it from any.

    `on_output(frames)` and `on_exit(words)` come from its own threads. OSError if it cannot start.
    """

    def __init__(
        self, make: Make, on_output: Callable[['Encoder', int], None],
        on_exit: Callable[['Encoder', list[str]], None], takes_frames: bool = True,
        gives_bytes: int = 0, on_frame: Callable[[memoryview], None] = lambda _: None,
    ) -> None:
        """
        make(progress descriptor) is the command.

        gives_bytes: it writes raw frames of this size to its stdout, each told by on_frame.
        """
        self._on_output, self._on_exit = on_output, on_exit
        self._frame: memoryview | None = None
        self._news = threading.Condition()
        self._words: deque[str] = deque(maxlen=LAST_WORDS)
        self.frames_out = 0
        self.dropped = 0
        reading, writing = os.pipe()
        try:
            self._process = child.start(
                make(writing), pass_fds=(writing,), bufsize=0,
                stdout=subprocess.PIPE if gives_bytes else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                stdin=subprocess.PIPE if takes_frames else subprocess.DEVNULL)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._threads = [
            threading.Thread(target=self._read_progress, args=(reading,), name='progress'),
            threading.Thread(target=self._read_words, name='encoder words'),
        ]
        if takes_frames:
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):  # a smaller pipe works, too
                fcntl.fcntl(self._process.stdin, _F_SETPIPE_SZ, PIPE_BYTES)
            self._threads.append(threading.Thread(target=self._write, name='encoder frames'))
        if gives_bytes:
            self._threads.append(threading.Thread(
                target=self._read_frames, args=(gives_bytes, on_frame), name='images'))
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def offer(self, frame: memoryview) -> None:
        """Hand over the newest frame; one that was not yet taken is dropped."""
        with self._news:
            if self._frame is not None:
                self.dropped += 1
            self._frame = frame
            self._news.notify()

    def kill(self) -> None:
        """End it at once and wait for it; `on_exit` is not called any more."""
        self._on_exit = lambda _encoder, _words: None
        child.kill(self._process)
        self._stop_writing()

    def _stop_writing(self) -> None:
        with self._news:
            self._frame = memoryview(b'')
            self._news.notify()

    def _write(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        descriptor = stdin.fileno()
        try:
            while True:
                with self._news:
                    while self._frame is None:
                        self._news.wait()
                    rest, self._frame = self._frame, None
                if not rest:
                    break
                while rest:
                    rest = rest[os.write(descriptor, rest):]
        except BrokenPipeError:
            pass  # it ended; `_read_words` says so
        finally:
            with contextlib.suppress(BrokenPipeError):
                stdin.close()

    def _read_progress(self, descriptor: int) -> None:
        with os.fdopen(descriptor, errors='replace') as lines:
            for line in lines:
                name, _, value = line.partition('=')
                if name == 'frame' and value.strip().isdigit():
                    frames = int(value)
                    if frames > self.frames_out:
                        self.frames_out = frames
                        self._on_output(self, frames)

    def _read_frames(self, size: int, on_frame: Callable[[memoryview], None]) -> None:
        frames = self._process.stdout
        assert isinstance(frames, io.RawIOBase)
        with frames:
            while True:
                frame = memoryview(bytearray(size))
                filled = 0
                while filled < size:
                    count = frames.readinto(frame[filled:])
                    if not count:
                        return
                    filled += count
                on_frame(frame)

    def _read_words(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as words:
            for line in iter(lambda: words.readline(WORD_CHARACTERS), b''):
                text = line.decode(errors='replace').strip()
                if text:
                    self._words.append(text)
        self._wait()
        self._stop_writing()
        self._on_exit(self, list(self._words))

    def _wait(self) -> None:
        """Wait for the process, which closed its stderr; something else may have, too."""
        deadline_s = time.monotonic() + ENDED_WITHIN_S
        while self._process.poll() is None:
            if time.monotonic() > deadline_s:
                child.kill(self._process)
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(ENDED_WITHIN_S)
