# SPDX-License-Identifier: Apache-2.0
"""The ffmpeg of this machine: is it there, is it new enough, what does it understand."""

import re
import shutil
import subprocess
from dataclasses import dataclass

OLDEST = (4, 4)
HOW = 'on Debian or Ubuntu: sudo apt install ffmpeg'
_RENAMED_FPS_MODE = (5, 1)
ANSWER_S = 10.0


class NoFfmpeg(RuntimeError):
    """There is no ffmpeg that can be used; the text says why and what to do."""


@dataclass(frozen=True)
class Ffmpeg:
    """A usable ffmpeg."""

    program: str
    version: tuple[int, int]

    @property
    def as_they_come(self) -> tuple[str, str]:
        """Return the option that neither repeats nor drops frames."""
        name = '-fps_mode' if self.version >= _RENAMED_FPS_MODE else '-vsync'
        return name, 'passthrough'


def version_of(text: str) -> tuple[int, int]:
    """
    Return the version in the first line of `ffmpeg -version`; ValueError if it says none.

    A build from git has no number and counts as the newest.
    """
    found = re.match(r'ffmpeg version n?(\d+)\.(\d+)', text)
    if found:
        return int(found[1]), int(found[2])
    if re.match(r'ffmpeg version (N-\d+|git|\d{4}-\d\d-\d\d)', text):
        return 99, 0
    raise ValueError(f'no version of ffmpeg in {text[:80]!r}')


def find(program: str) -> Ffmpeg:
    """Return the ffmpeg of that name or path; NoFfmpeg with a sentence."""
    path = shutil.which(program)
    if path is None:
        raise NoFfmpeg(f'{program} not found: install ffmpeg {OLDEST[0]}.{OLDEST[1]} or newer '
                       f'({HOW})')
    try:
        answer = subprocess.run(
            [path, '-version'], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors='replace', timeout=ANSWER_S, check=False)
        version = version_of(answer.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise NoFfmpeg(f'{path} does not say its version ({error})') from error
    if version < OLDEST:
        raise NoFfmpeg(f'{path} is version {version[0]}.{version[1]}, too old: install ffmpeg '
                       f'{OLDEST[0]}.{OLDEST[1]} or newer ({HOW})')
    return Ffmpeg(path, version)
