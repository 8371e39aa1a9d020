# SPDX-License-Identifier: Apache-2.0
"""
`avatar update SOURCE`: another version, and back to the one before where it does worse.

The release that runs stays where it is (/opt/avatar/releases); what an installation writes besides
is copied to /opt/avatar/before-update first. So the way back needs neither network nor source, and
is there after a power cut, too: `avatar update --rollback`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avatar_bringup import paths
from avatar_bringup.care import condition, graph, status
from avatar_bringup.care.condition import DOWN, Condition
from avatar_bringup.care.problem import Problem
from avatar_node import store

OPT = Path('/opt/avatar')
WATCH_S = 60.0
"""So long the new version has to become as good as the old one was."""
LOOK_S = 3.0
INSTALL_S = 3600.0
KEPT = 3
PLAIN_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
EXIT_WORSE = 2


class NotUpdated(Problem):
    """Nothing was changed; the text says why."""


@dataclass(frozen=True)
class Tools:
    """What an update does to the machine; tests bring their own."""

    install: Callable[[Path, bool], None]  # source, without ROS: /opt/avatar/current is new
    restart: Callable[[], None]
    look: Callable[[], Condition]
    wait: Callable[[float], None] = time.sleep


def run(options: argparse.Namespace) -> int:
    """Update, or go back; return 0 if it runs as well as before, 2 if it went back."""
    if os.geteuid() != 0:
        raise NotUpdated('only root may: sudo avatar update ...')
    state_dir = options.state_dir or paths.state_dir(os.environ)
    # Loaded before anything changes: it must go on whatever becomes of this release.
    assert graph.look is not None
    update = Update(OPT, Path('/'), tools_of(state_dir), _tell)
    if options.rollback:
        update.back()
        return 0
    if options.source is None:
        raise NotUpdated('from where? avatar update FOLDER, the folder of a newer version')
    return update.to(options.source.absolute(), options.not_driven)


def _tell(text: str) -> None:
    print(text, flush=True)


def tools_of(state_dir: Path) -> Tools:
    """Return what acts on this machine."""
    def restart() -> None:
        for words in (('daemon-reload',), ('restart', '--no-block', 'avatar.service')):
            subprocess.run(['systemctl', *words], check=True, timeout=60)

    def look() -> Condition:
        return condition.of(status.gather(state_dir, os.environ))

    return Tools(install, restart, look)


def install(source: Path, without_ros: bool) -> None:
    """Let the new version install itself; nothing of ours in its environment."""
    environ = {name: value for name, value in os.environ.items()
               if name in ('HOME', 'LANG', 'TERM', 'SUDO_USER', 'SUDO_UID', 'SUDO_GID')
               or name.endswith('_proxy')}
    command = [str(source / 'tools' / 'avatar'), 'install', '--yes', '--no-start',
               *(['--without-ros'] if without_ros else [])]
    done = subprocess.run(command, env={**environ, 'PATH': PLAIN_PATH}, cwd=source, check=False,
                          timeout=INSTALL_S, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise NotUpdated(f'{" ".join(command)} failed with {done.returncode}')


class Update:
    """An update of what is installed below `opt`; the files of the machine are below `root`."""

    def __init__(
        self, opt: Path, root: Path, tools: Tools, tell: Callable[[str], None]
    ) -> None:
        self._opt, self._root, self._tools, self._tell = opt, root, tools, tell
        self._current, self._before = opt / 'current', opt / 'before-update'

    def to(self, source: Path, not_driven: bool = False) -> int:
        """Update; return the exit code. NotUpdated where nothing was changed."""
        if not self._current.is_symlink():
            raise NotUpdated(f'avatar is not installed here: {source}/tools/avatar install')
        if not (source / 'tools' / 'avatar').is_file():
            raise NotUpdated(f'{source} is no folder of avatar: it has no tools/avatar')
        was = self._tools.look()
        refuse_driven(was, not_driven)
        old = os.readlink(self._current)
        without_ros = not _sources_ros(self._current / 'environment')
        self._remember(old)
        try:
            self._tools.install(source, without_ros)
            new = os.readlink(self._current)
            if new == old:
                self._tell('this version is installed already')
                return 0
            # It took minutes, in which somebody may have begun to drive.
            refuse_driven(self._tools.look(), not_driven)
        except BaseException as problem:
            self._put_back()
            if isinstance(problem, (OSError, subprocess.SubprocessError)):
                raise NotUpdated(f'it could not be installed: {problem}') from None
            raise
        self._tell(f'{Path(new).name} takes the place of {Path(old).name}; watching it for '
                   f'{WATCH_S:g} s (it was {was.state})')
        worse = self._watch(was)
        if not worse:
            self._tell(f'done: {Path(new).name} is as good as {Path(old).name} was. '
                       'Back by hand: avatar update --rollback')
            self._prune(new, old)
            return 0
        self._tell(f'worse: {worse}. Going back to {Path(old).name}')
        self._put_back()
        self._tools.restart()
        still = self._settled(was)
        self._tell(f'{Path(old).name} runs again' + (f', but {still}' if still else ''))
        return EXIT_WORSE

    def back(self) -> None:
        """Go back to the version before the last update."""
        refuse_driven(self._tools.look(), False)
        self._put_back()
        self._tools.restart()
        self._tell(f'{Path(os.readlink(self._current)).name} is installed and started')

    def _watch(self, was: Condition) -> str:
        """Start what is installed; return in what it is worse than before, '' if in nothing."""
        try:
            self._tools.restart()
            return self._settled(was)
        except (OSError, subprocess.SubprocessError) as problem:
            return f'it could not be started: {problem}'

    def _settled(self, was: Condition) -> str:
        """Return how it compares when the time is over; what is bad meanwhile may be its start."""
        for _ in range(round(WATCH_S / LOOK_S)):
            self._tools.wait(LOOK_S)
        try:
            return self._tools.look().worse_than(was)
        except Exception as problem:  # noqa: BLE001 - a version that cannot be looked at is worse
            return f'it cannot be looked at ({type(problem).__name__}: {problem})'

    # ---- the way back

    def _remember(self, release: str) -> None:
        """Keep what an installation writes over, as it is now."""
        draft = self._before.with_name('.before-update.partial')
        shutil.rmtree(draft, ignore_errors=True)
        (draft / 'files').mkdir(parents=True, mode=0o700)
        paths_ = self._installed_files()
        kept = []
        for number, path in enumerate(paths_):
            source = self._root / path.lstrip('/')
            if source.is_file():
                shutil.copy2(source, draft / 'files' / str(number))
                kept.append([number, path])
        (draft / 'release.json').write_text(json.dumps({'release': release, 'files': kept}))
        for file in (*(draft / 'files').iterdir(), draft / 'release.json'):
            store.sync_file(file)
        shutil.rmtree(self._before, ignore_errors=True)
        draft.rename(self._before)

    def _installed_files(self) -> list[str]:
        try:
            written = json.loads((self._opt / 'installed.json').read_text())
            return [*map(str, written['files']), '/opt/avatar/installed.json']
        except (OSError, ValueError, LookupError, TypeError) as problem:
            raise NotUpdated(f'{self._opt}/installed.json, the list of what was installed, cannot '
                             f'be read: {problem}') from None

    def _put_back(self) -> None:
        """Make everything as it was remembered, the link last."""
        try:
            remembered = json.loads((self._before / 'release.json').read_text())
            release, files = str(remembered['release']), list(remembered['files'])
        except (OSError, ValueError, LookupError, TypeError) as problem:
            raise NotUpdated(f'nothing to go back to: {problem}') from None
        if not (self._current.parent / release).is_dir():
            raise NotUpdated(f'{release} is not there any more: nothing was changed')
        for number, path in files:
            target = self._root / str(path).lstrip('/')
            target.parent.mkdir(parents=True, exist_ok=True)
            new = target.with_name(f'.{target.name}.back')
            shutil.copy2(self._before / 'files' / str(number), new)
            store.sync_file(new)
            os.replace(new, target)
        link = self._current.with_name('.current.back')
        link.unlink(missing_ok=True)
        link.symlink_to(release)
        os.replace(link, self._current)

    def _prune(self, *kept: str) -> None:
        """Remove the oldest releases; never the one that runs or the one before."""
        folder = self._opt / 'releases'
        names = {Path(name).name for name in kept}
        there = sorted((p for p in folder.iterdir() if p.is_dir() and p.name not in names
                        and not p.name.startswith('.')), key=lambda p: p.stat().st_mtime)
        for path in there[:max(0, len(there) - (KEPT - len(names)))]:
            shutil.rmtree(path, ignore_errors=True)
            self._tell(f'removed the old release {path.name}')


def refuse_driven(found: Condition, not_driven: bool) -> None:
    """Raise NotUpdated while somebody drives, or where that cannot be known and nobody says so."""
    if found.driven_by:
        raise NotUpdated(f'{found.driven_by}: an update ends what runs. Nothing was changed; '
                         'try again when the control is given up')
    if found.driven_by is None and not not_driven and found.state != DOWN:
        raise NotUpdated('it runs, and whether somebody drives cannot be known (gateway and motor '
                         'node say nothing). Look at the robot: if it stands, add --not-driven')


def _sources_ros(environment: Path) -> bool:
    """Return whether a release runs on a ROS installation."""
    try:
        return any(line.startswith('. ') for line in environment.read_text().splitlines())
    except OSError:
        return False


if __name__ == '__main__':
    sys.exit('run it as: avatar update')
