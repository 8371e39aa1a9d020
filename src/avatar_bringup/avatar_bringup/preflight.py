# SPDX-License-Identifier: Apache-2.0
"""What is looked at before the parts start, and after they ended."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from avatar_bringup.lock import Taken, described
from avatar_bringup.sockets import cannot_bind, listener, pids

# Marks every process of one run, whoever its parent has become.
RUN_VARIABLE = 'AVATAR_RUN'


def check_port(host: str | None, port: int) -> None:
    """Raise Taken, naming the holder, where the gateway's port cannot be had."""
    host = host or '127.0.0.1'
    if port == 0:
        return
    reason = cannot_bind('tcp', host, port)
    if reason == 'taken':
        raise Taken(
            f'port {port} is taken by {described(listener(port) or 0)}; end that program, '
            f'or choose another port: AVATAR_PORT={port + 10}')
    if reason:
        raise Taken(f'cannot listen on {host} port {port}: {reason}; choose another one: '
                    'AVATAR_PORT=8090')


def run_folder(state_dir: Path, tell: Callable[[str], None]) -> Path:
    """Return a folder for configuration and logs, elsewhere where the state folder is unusable."""
    folder = state_dir / 'run'
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        probe = folder / 'writable'
        probe.write_text('.')
        probe.unlink()
    except OSError as error:
        folder = Path(tempfile.mkdtemp(prefix='avatar-run-'))
        tell(f'{state_dir} cannot be written ({error.strerror}): nothing will be remembered; '
             f'logs are in {folder}')
    return folder


def processes_marked(variable: str) -> list[int]:
    """Return the processes that were started with `NAME=value` in their environment."""
    mark = variable.encode()
    result = []
    for pid in pids():
        try:
            if mark in Path(f'/proc/{pid}/environ').read_bytes().split(b'\0'):
                result.append(pid)
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return result


def leftovers(run: str) -> list[int]:
    """Return the processes of a run that are still there, but for ourselves."""
    return [pid for pid in processes_marked(f'{RUN_VARIABLE}={run}') if pid != os.getpid()]
