# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive us, whatever kills us."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import Any


def tied_to_parent(number: signal.Signals = signal.SIGTERM) -> list[str]:
    """
    Return the words before a command that make it end with its parent, where there are any.

    The kernel's parent is the thread that starts it: start it from one that lives as long as you.
    """
    setpriv = shutil.which('setpriv')
    return [setpriv, '--pdeathsig', number.name.removeprefix('SIG'), '--'] if setpriv else []


def start(command: Sequence[str], **options: Any) -> 'subprocess.Popen[bytes]':
    """
    Start a child that is killed with us, in a process group of its own; OSError if it cannot be.

    A Ctrl-C at the terminal does not reach it: whoever started it ends it with `kill`.
    """
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(2, f'program not found: {command[0]}')
    return subprocess.Popen(
        [*tied_to_parent(signal.SIGKILL), program, *command[1:]],
        start_new_session=True, **options)


def kill(process: 'subprocess.Popen[bytes]') -> None:
    """End a child and whatever it started, at once, and wait for it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
