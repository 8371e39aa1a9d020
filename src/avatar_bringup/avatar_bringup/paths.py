# SPDX-License-Identifier: Apache-2.0
"""Where things lie: the state folder, the installed programs, their configuration."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path


class NotInstalled(RuntimeError):
    """A program or file of avatar is not where it should be; the text says what to do."""


def state_dir(environ: Mapping[str, str]) -> Path:
    """Return the state folder: AVATAR_STATE_DIR, or the user's own."""
    chosen = environ.get('AVATAR_STATE_DIR')
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path('~/.local/state/avatar').expanduser()


def prefixes(environ: Mapping[str, str]) -> list[Path]:
    """Return the install prefixes of the ROS packages in reach, the nearest first."""
    return [Path(p) for p in environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]


def program(package: str, executable: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what starts an executable of a package (`ros2 run` looks in the same place)."""
    for prefix in prefixes(environ):
        path = prefix / 'lib' / package / executable
        if path.is_file():
            # Named explicitly: the kernel cuts a long path in the script's first line.
            return (sys.executable, str(path))
    raise NotInstalled(
        f'{package} has no program {executable} in AMENT_PREFIX_PATH='
        f'{environ.get("AMENT_PREFIX_PATH", "")!r}: build the packages (make build) '
        'and start it by make demo, or source install/setup.bash first')


def config_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder of the installed parameter files."""
    for prefix in prefixes(environ):
        path = prefix / 'share' / 'avatar_bringup' / 'config'
        if path.is_dir():
            return path
    raise NotInstalled('the config folder of avatar_bringup is not installed: make build')
