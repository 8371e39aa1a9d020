# SPDX-License-Identifier: Apache-2.0
"""One frame as a JPEG file."""

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from avatar_camera.ffmpeg import Ffmpeg
from avatar_camera.stream import commands
from avatar_camera.stream.intake import Frame

WITHIN_S = 10.0
THUMBNAIL_WIDTH = 320


class NoJpeg(RuntimeError):
    """No JPEG was made; the text says why."""


def write(ffmpeg: Ffmpeg, frame: Frame, path: Path, width: int = 0) -> None:
    """Write a frame to `path`, all of it or nothing; `width` 0 keeps its size. Raises NoJpeg."""
    if not width:
        width, height = frame.format.width, frame.format.height
    else:
        height = max(2, round(frame.format.height * width / frame.format.width / 2) * 2)
    _save(commands.to_jpeg(ffmpeg, frame.format, width, height), frame.data, path)


def grab(ffmpeg: Ffmpeg, url: str, path: Path) -> None:
    """Write what is streamed now to `path`, all of it or nothing. Raises NoJpeg."""
    _save(commands.grab(ffmpeg, url), None, path)


def _save(command: Sequence[str], data: memoryview | None, path: Path) -> None:
    partial = path.with_suffix('.part')
    try:
        made = subprocess.run(
            command, input=b'' if data is None else data, capture_output=True, timeout=WITHIN_S,
            check=False)
        if made.returncode or not made.stdout:
            words = made.stderr.decode(errors='replace').strip().splitlines()
            raise NoJpeg(f'ffmpeg made no picture ({words[-1][:200] if words else "silently"})')
        with open(partial, 'wb', opener=_private) as file:
            file.write(made.stdout)
        os.replace(partial, path)
    except (OSError, subprocess.TimeoutExpired) as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise NoJpeg(f'{path.name} could not be written: {error}') from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
