# SPDX-License-Identifier: Apache-2.0
"""Where things lie: the state folder, the installed programs, their configuration."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


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
            return (sys.executable, str(path)) if _is_python(path) else (str(path),)
    raise NotInstalled(
        f'{package} has no program {executable} in AMENT_PREFIX_PATH='
        f'{environ.get("AMENT_PREFIX_PATH", "")!r}: build the packages (make build) '
        'and start it by make demo, or source install/setup.bash first')


def _is_python(path: Path) -> bool:
    with path.open('rb') as file:
        first = file.readline(200)
    return first.startswith(b'#!') and b'python' in first


def config_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder of the installed parameter files."""
    for prefix in prefixes(environ):
        path = prefix / 'share' / 'avatar_bringup' / 'config'
        if path.is_dir():
            return path
    raise NotInstalled('the config folder of avatar_bringup is not installed: make build')


def written(node: str, environ: Mapping[str, str], state_dir: Path) -> dict[str, Any]:
    """
    Return what the parameter files give to a node: the installed one, then the user's, which wins.

    A file that cannot be read counts for nothing: the node reads it too, and says what is wrong.
    """
    result: dict[str, Any] = {}
    for folder in (config_dir(environ), state_dir / 'config'):
        try:
            result |= yaml.safe_load((folder / f'{node}.yaml').read_text())['/**'][
                'ros__parameters']
        except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError):
            continue
    return result
