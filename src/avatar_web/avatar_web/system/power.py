# SPDX-License-Identifier: Apache-2.0
"""Restarts the machine and switches it off, by a command of the system's."""

import asyncio
import shlex
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from avatar_node import child
from avatar_web.system.nmcli import environment

COMMAND_S = 20.0
MOST_BYTES = 4096

ACTIONS = ('reboot', 'poweroff')

_FORBIDDEN = ('authentication required', 'access denied', 'not authorized', 'permission denied',
              'operation not permitted')


class PowerProblem(RuntimeError):
    """It was not done: a sentence, and `code` (missing, forbidden, timeout, busy, failed)."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Power:
    """`commands` by action, as a person would type them."""

    def __init__(self, commands: Mapping[str, str]) -> None:
        self._commands = {action: shlex.split(commands[action]) for action in ACTIONS}
        self._threads = ThreadPoolExecutor(1, 'power')
        self._busy = False

    async def do(self, action: str) -> None:
        """Have it done; it ends this program soon after. PowerProblem if it is not done."""
        if self._busy:
            raise PowerProblem('busy', 'the robot is being restarted or switched off already')
        self._busy = True
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._threads, _run, self._commands[action])
        finally:
            self._busy = False

    def close(self) -> None:
        """End; a command that was begun goes on."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _run(command: list[str]) -> None:
    if not command:
        raise PowerProblem('missing', 'this robot was not told how')
    try:
        process = child.start(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, env=environment())
    except OSError as why:
        raise PowerProblem('missing', f'{command[0]} cannot be started: {why.strerror}') from None
    try:
        _, said = process.communicate(timeout=COMMAND_S)
    except subprocess.TimeoutExpired:
        raise PowerProblem('timeout', f'{command[0]} did not end within {COMMAND_S:g} s') from None
    finally:
        child.kill(process)
    if process.returncode:
        raise problem(process.returncode, said[-MOST_BYTES:].decode('utf-8', 'replace'))


def problem(exit_code: int, said: str) -> PowerProblem:
    """Return what is wrong, from exit code and standard error. Pure."""
    lines = [line for line in said.splitlines() if line.strip()]
    sentence = ''.join(c for c in (lines or [''])[-1] if c.isprintable())[:200]
    if any(words in said.lower() for words in _FORBIDDEN):
        return PowerProblem('forbidden', "the robot's user is not allowed to do this; the rule "
                            f'for it is a part of `avatar install` ({sentence})')
    return PowerProblem('failed', sentence or f'the command ended with code {exit_code}')
