# SPDX-License-Identifier: Apache-2.0
"""Find ffmpeg: AVATAR_FFMPEG, else the PATH's, else the one that came with imageio-ffmpeg."""

import importlib
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

OLDEST = (4, 4)
_RENAMED_FPS_MODE = (5, 1)


class NoFfmpeg(RuntimeError):
    """There is no ffmpeg that can be used; the text says why and what to install."""


@dataclass(frozen=True)
class Ffmpeg:
    """An ffmpeg that starts; `version` is (0, 0) where its words do not tell one (git builds)."""

    path: str
    version: tuple[int, int]

    @property
    def as_they_come(self) -> tuple[str, str]:
        """Return the option that neither repeats nor drops frames."""
        old = (0, 0) < self.version < _RENAMED_FPS_MODE
        return '-vsync' if old else '-fps_mode', 'passthrough'


def version_of(words: str) -> tuple[int, int]:
    """Return the version in what `ffmpeg -version` prints, (0, 0) where there is none."""
    found = re.match(r'ffmpeg version n?(\d+)\.(\d+)', words)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _bundled() -> str | None:
    try:
        module = importlib.import_module('imageio_ffmpeg')
        return str(module.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None  # not installed, or without a program for this machine


def find(environ: Mapping[str, str]) -> Ffmpeg:
    """Return ffmpeg, 4.4 or newer, or raise NoFfmpeg."""
    chosen = environ.get('AVATAR_FFMPEG')
    path = chosen or shutil.which('ffmpeg', path=environ.get('PATH'))
    problem = '' if path else 'there is no ffmpeg'
    if path:
        try:
            return _checked(path)
        except NoFfmpeg as error:
            problem = str(error)
    # What somebody has chosen is not silently replaced; a system's old one is.
    bundled = None if chosen else _bundled()
    if bundled:
        return _checked(bundled)
    raise NoFfmpeg(f'{problem}: install ffmpeg 4.4 or newer, or name one in AVATAR_FFMPEG')


def _checked(path: str) -> Ffmpeg:
    try:
        words = subprocess.run([path, '-hide_banner', '-version'], capture_output=True, text=True,
                               errors='replace', timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise NoFfmpeg(f'{path} does not start ({error})') from None
    version = version_of(words)
    if (0, 0) < version < OLDEST:
        raise NoFfmpeg(f'{path} is ffmpeg {version[0]}.{version[1]}')
    return Ffmpeg(path, version)
