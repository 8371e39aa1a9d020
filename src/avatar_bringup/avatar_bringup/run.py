# SPDX-License-Identifier: Apache-2.0
"""
`avatar run`: what the unit starts. Preflight, then this process becomes `ros2 launch`.

Without a ROS installation it goes on as `avatar up`, which runs the same table under supervisord.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from avatar_bringup import paths, up
from avatar_bringup.ends import COUNTED_VARIABLE, Ends, delay_s
from avatar_bringup.lock import Lock
from avatar_bringup.preflight.second import check_port
from avatar_bringup.session import place_of, take_lock

LAUNCH_FILE = ('avatar_bringup', 'avatar.launch.py')
# One folder a start, with a few lines each.
KEPT_LOG_FOLDERS = 5


@dataclass(frozen=True)
class Wish:
    """What the command line asks for; `launch` are further arguments of the launch file."""

    sim: bool = False
    host: str | None = None
    port: int | None = None
    without_ros: bool = False
    launch: tuple[str, ...] = ()


def has_ros(environ: Mapping[str, str]) -> bool:
    """Return whether `ros2 launch` is there."""
    return bool(shutil.which('ros2', path=environ.get('PATH'))) and any(
        (prefix / 'share/ros2launch').is_dir() for prefix in paths.prefixes(environ))


def launch_command(wish: Wish, port: int) -> list[str]:
    """Return the command that starts the launch file."""
    words = [f'sim:={str(wish.sim).lower()}', f'port:={port}']
    if wish.host is not None:
        words.append(f'host:={wish.host}')
    return ['ros2', 'launch', '--noninteractive', *LAUNCH_FILE, *words, *wish.launch]


def told_to_end_within(seconds: float) -> bool:
    """Wait; return whether SIGINT or SIGTERM came meanwhile."""
    ends = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        return signal.sigtimedwait(ends, seconds) is not None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def prune(folder: Path, keep: int = KEPT_LOG_FOLDERS) -> None:
    """Remove the oldest log folders of launch, which makes one at every start, for ever."""
    try:
        there = sorted((p for p in folder.iterdir() if p.is_dir() and not p.is_symlink()),
                       key=lambda p: p.stat().st_mtime)
    except OSError:
        return
    for old in there[:-keep]:
        shutil.rmtree(old, ignore_errors=True)


def log_folder(state_dir: Path) -> Path:
    """Return a folder for the logs of launch, which does not start where it cannot write one."""
    folder = state_dir / 'run/ros'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / 'writable'
        probe.write_text('.')
        probe.unlink()
    except OSError:
        return Path(tempfile.mkdtemp(prefix='avatar-ros-'))
    prune(folder)
    return folder


def main(
    wish: Wish,
    environ: Mapping[str, str],
    starting: Callable[[up.Up, float], bool],
    tell: Callable[[str], None] = up.say,
) -> int:
    """Return the exit code where it does not become another program. Raises Taken."""
    place = place_of(environ, sim=wish.sim, host=wish.host, port=wish.port)
    own = dict(environ)
    lock = Lock(place.state_dir)
    take_lock(lock, place.state_dir, own)
    check_port(place.host, place.port, place.state_dir)
    ends = Ends(place.state_dir)
    bad = ends.bad()
    if delay_s(bad):
        tell(f'the last {bad} runs ended badly: starting in {delay_s(bad):.0f} s '
             f'(to end the waiting for good: remove {ends.path})')
        if told_to_end_within(delay_s(bad)):
            return 0
    ends.begin()
    own[COUNTED_VARIABLE] = '1'
    lock.hand_on(own)
    if not wish.without_ros and has_ros(own):
        become_launch(launch_command(wish, place.port), place.state_dir, own)
    if not wish.without_ros:
        tell('no ROS installation: the parts run under supervisord')
    return up.main(place, own, starting, tell)


def become_launch(command: list[str], state_dir: Path, own: dict[str, str]) -> NoReturn:
    """Exec the command. OSError where that is not possible."""
    own['ROS_LOG_DIR'] = str(log_folder(state_dir))
    # A shell's background job has it ignored, and what it becomes would never end by it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execvpe(command[0], command, own)
