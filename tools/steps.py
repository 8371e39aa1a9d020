# SPDX-License-Identifier: Apache-2.0
"""Steps of the set-up: each shows its progress, logs its output, and says how it failed."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

# What the output of a failed step means, and what to do; the first that matches is told.
HINTS = (
    (r'No space left on device', 'the disk is full: free about 2 GB'),
    (r'dial tcp|no such host|module lookup disabled',
     'the Go modules cannot be reached: check the network (and GOPROXY: go env GOPROXY)'),
    (r'x509: ',
     'the Go modules cannot be verified: sudo apt install ca-certificates, and check the clock'),
    (r'CERTIFICATE_VERIFY_FAILED|SSLError',
     'the package index cannot be verified: install ca-certificates, check the clock, '
     'or set PIP_CERT'),
    (r'name resolution|Name or service not known|Failed to establish a new connection'
     r'|Network is unreachable|Connection refused|timed out|ProxyError|Max retries exceeded',
     'the package index cannot be reached: check the network (and the proxy and index settings '
     'of pip: pip config list)'),
    (r'No matching distribution found|Could not find a version',
     'the package index has no fitting package: check the network and the index settings of pip '
     '(pip config list), or try another Python (make demo PYTHON=python3.12)'),
    (r'ensurepip is\s+not\s+available|No module named .?(venv|ensurepip)',
     'Python cannot make environments: sudo apt install python3-venv'),
    (r'Permission denied|Read-only file system',
     'a file cannot be written: the project folder must belong to you'),
)
# What of pip's and colcon's output is worth a glance while one waits.
PROGRESS = re.compile(
    r'^\s*(Collecting \S+|Downloading \S+|Using cached \S+|Building \S+ \S+ \S+|'
    r'Installing collected packages|Starting >>> \S+|Finished <<< \S+|'
    r'go: downloading \S+|(?:[\w.-]+/)+[\w.-]+$)')


class Failed(RuntimeError):
    """A step failed; the text says which, why as far as known, and what to do."""


@dataclass(frozen=True)
class Step:
    """
    One step: `do(output)` raises Failed; `output(line)` shows where it is.

    With `without`, which says what is then missing, a failure does not end the set-up.
    """

    title: str
    do: Callable[[Callable[[str], None]], None]
    without: str = ''


class Display:
    """One line per step; on a terminal it lives, elsewhere it is said again now and then."""

    def __init__(self, title: str) -> None:
        self._title, self._detail = title, ''
        self._began = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> 'Display':
        print(f'{self._title} ...', end='' if self._terminal else '\n', flush=True)
        self._thread.start()
        return self

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def _run(self) -> None:
        while not self._ended.wait(0.5 if self._terminal else 15.0):
            if self._terminal:
                text = f'{self._title} ... {self.seconds:.0f} s  {self._detail}'
                columns = os.get_terminal_size(sys.stdout.fileno()).columns
                print('\r\033[K' + text[:columns - 1], end='', flush=True)
            else:
                print(f'    {self.seconds:.0f} s  {self._detail}', flush=True)

    def output(self, line: str) -> None:
        """Take a line of the step's output."""
        found = PROGRESS.match(line)
        if found:
            self._detail = found.group(1).split('?')[0]

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        result = (f'{self.seconds:.1f} s' if kind is None else
                  'interrupted' if kind is KeyboardInterrupt else 'failed')
        print(f'\r\033[K{self._title} ... {result}' if self._terminal
              else f'    {result}', flush=True)


def run_steps(steps: list[Step]) -> None:
    """Do the steps in order, numbered."""
    for number, step in enumerate(steps, start=1):
        try:
            with Display(f'[{number}/{len(steps)}] {step.title}') as display:
                step.do(display.output)
        except Failed as failed:
            if not step.without:
                raise
            print(f'{failed}\n    going on without it: {step.without}', flush=True)


def hint(output: str) -> str:
    """Return what the output of a failed command means, or ''."""
    return next((text for pattern, text in HINTS if re.search(pattern, output)), '')


def end(process: subprocess.Popen[str]) -> None:
    """End a command and whatever it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)


def command(
    words: list[str], what: str, log: Path, output: Callable[[str], None],
    env: Mapping[str, str], cwd: Path,
) -> str:
    """Run a command, its output into the log; return it. Failed, with the reason, if it fails."""
    lines = []
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('a') as file:
        file.write('$ ' + ' '.join(words) + '\n')
        try:
            process = subprocess.Popen(
                words, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, text=True,
                errors='replace', stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True)
        except OSError as error:
            raise Failed(f'{what}: {words[0]} cannot be started: {error.strerror}') from None
        assert process.stdout is not None
        try:
            for line in process.stdout:
                file.write(line)
                file.flush()
                lines.append(line)
                output(line)
        except KeyboardInterrupt:
            end(process)
            raise
        process.wait()
    text = ''.join(lines)
    if process.returncode:
        reason = hint(text)
        shown = '' if reason else '\n' + ''.join('    | ' + line for line in lines[-12:])
        raise Failed(f'{what} failed{": " + reason if reason else shown.rstrip()}\n'
                     f'    all of its output: {log}')
    return text
