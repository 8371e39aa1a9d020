# SPDX-License-Identifier: Apache-2.0
"""The run folder, and what of a run is still there after its end."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from avatar_bringup.sockets import pids

# Marks every process of one run, whoever its parent has become.
RUN_VARIABLE = 'AVATAR_RUN'
STATE_VARIABLE = 'AVATAR_STATE_DIR'


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


def marks(pid: int, names: Sequence[str]) -> dict[str, str]:
    """Return those of the variables a process was started with; empty where we may not look."""
    try:
        text = Path(f'/proc/{pid}/environ').read_bytes()
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return {}
    pairs = (entry.partition(b'=') for entry in text.split(b'\0'))
    return {name.decode(): value.decode(errors='replace') for name, _, value in pairs
            if name.decode(errors='replace') in names}


def processes_marked(variable: str) -> list[int]:
    """Return the processes that were started with `NAME=value` in their environment."""
    name, _, value = variable.partition('=')
    return [pid for pid in pids() if marks(pid, (name,)).get(name) == value]


def leftovers(run: str) -> list[int]:
    """Return the processes of a run that are still there, but for ourselves."""
    return [pid for pid in processes_marked(f'{RUN_VARIABLE}={run}') if pid != os.getpid()]


def former(state_dir: Path, run: str = '') -> list[int]:
    """
    Return the processes of other runs than `run` on a state folder.

    For whoever holds the folder's lock: then no other run can be going on. We ourselves, and those
    who started us, do not count.
    """
    own = _ancestors(os.getpid())
    found = []
    for pid in pids():
        seen = marks(pid, (RUN_VARIABLE, STATE_VARIABLE))
        if (seen.get(STATE_VARIABLE) == str(state_dir) and seen.get(RUN_VARIABLE, run) != run
                and pid not in own):
            found.append(pid)
    return found


def _ancestors(pid: int) -> set[int]:
    found = set()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            # The command in brackets may contain anything.
            pid = int(Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
    return found
