# SPDX-License-Identifier: Apache-2.0
"""
Runs nmcli: a child process with a time limit, in a thread, so that the event loop never waits.

A password goes in by standard input. It is never in the arguments (any user of the machine can
read those), in the environment, in a file or in a log.
"""

import asyncio
import contextlib
import os
import selectors
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from avatar_node import child

LIST_S = 10.0
MOST_BYTES = 256 * 1024
"""What nmcli may say: 500 networks are 30 KB."""

THREADS = 2
"""A join takes up to half a minute; what is asked meanwhile is answered."""

NOT_RUNNING, TIMEOUT, ACTIVATION, NOT_FOUND = 8, 3, 4, 10
"""Exit codes of nmcli."""

_FORBIDDEN = ('insufficient privileges', 'not authorized', 'access denied', 'permission denied')
_PASSWORD = ('secrets were required', 'no secrets', 'supplicant took too long',
             'supplicant disconnected', 'supplicant failed', 'supplicant configuration failed')
_VANISHED = ('network could not be found', 'no network with ssid', 'no suitable device')


class NmcliProblem(RuntimeError):
    """
    nmcli did not do it: a sentence, and `code`.

    missing: it is not installed; not_running: NetworkManager; forbidden; password; vanished: the
    network is not there; gone: no such profile; timeout; failed: anything else.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def problem(exit_code: int, said: str) -> NmcliProblem:
    """Return what is wrong, from exit code and standard error. Pure."""
    line = next((line for line in said.splitlines() if line.startswith('Error:')), said[:200])
    sentence = ''.join(c for c in line.removeprefix('Error:').strip() if c.isprintable())[:200]
    low = said.lower()
    if any(words in low for words in _FORBIDDEN):
        return NmcliProblem('forbidden', f'NetworkManager does not let the robot do this: '
                            f'{sentence}; the rule for it is a part of `avatar install`')
    if exit_code == NOT_RUNNING or 'networkmanager is not running' in low:
        return NmcliProblem('not_running', 'NetworkManager is not running')
    if exit_code == TIMEOUT:
        return NmcliProblem('timeout', sentence)
    if exit_code == NOT_FOUND:
        return NmcliProblem('gone', sentence)
    if exit_code == ACTIVATION and any(words in low for words in _PASSWORD):
        return NmcliProblem('password', sentence)
    if any(words in low for words in _VANISHED):
        return NmcliProblem('vanished', sentence)
    return NmcliProblem('failed', sentence or f'nmcli ended with code {exit_code}')


def secret_line(name: str, secret: str) -> bytes:
    """Return a line of nmcli's passwd-file: backslashes and outer spaces are escaped. Pure."""
    escaped = secret.replace('\\', '\\\\')
    inner = escaped.strip(' ')
    before = len(escaped) - len(escaped.lstrip(' '))
    after = len(escaped) - len(inner) - before
    space = '\\040'
    return f'{name}:{space * before}{inner}{space * after}\n'.encode()


class Nmcli:
    """The program; `close` ends what still runs."""

    def __init__(self, program: str = 'nmcli') -> None:
        self._program = program
        self._threads = ThreadPoolExecutor(THREADS, 'nmcli')
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    async def run(
        self, *words: str | bytes, timeout_s: float = LIST_S, secret: bytes = b''
    ) -> str:
        """Return what it prints; `secret` is its standard input. NmcliProblem says what failed."""
        if self._closed:
            raise NmcliProblem('failed', 'the gateway ends')
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._run, words, timeout_s, secret)

    def close(self) -> None:
        """End what still runs."""
        self._closed = True
        for process in list(self._running):
            child.kill(process)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, words: tuple[str | bytes, ...], timeout_s: float, secret: bytes) -> str:
        # Bytes stay as they are: the name of a network need not be text.
        command = [os.fsdecode(word) for word in (self._program, *words)]
        try:
            process = child.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, env=environment())
        except FileNotFoundError:
            raise NmcliProblem('missing', 'nmcli is not installed: this robot has no '
                               'NetworkManager (apt install network-manager)') from None
        except OSError as why:
            raise NmcliProblem('failed', f'nmcli cannot be started: {why.strerror}') from None
        self._running.add(process)
        try:
            output, said = _talk(process, secret, timeout_s)
        finally:
            child.kill(process)
            self._running.discard(process)
        if process.returncode:
            raise problem(process.returncode, said)
        return output


def environment() -> dict[str, str]:
    """Return a child's environment: English sentences, and none of the gateway's secrets."""
    kept = ('PATH', 'HOME', 'DBUS_SYSTEM_BUS_ADDRESS')
    return {'LC_ALL': 'C.UTF-8',
            **{name: os.environ[name] for name in kept if name in os.environ}}


def _talk(
    process: 'subprocess.Popen[bytes]', secret: bytes, timeout_s: float
) -> tuple[str, str]:
    """Return standard output and standard error; both are bounded, and so is the time."""
    assert process.stdin and process.stdout and process.stderr
    until_s = time.monotonic() + timeout_s
    texts = {process.stdout: b'', process.stderr: b''}
    with process.stdin, process.stdout, process.stderr, selectors.DefaultSelector() as selector:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(secret)
            process.stdin.close()
        for pipe in texts:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise NmcliProblem('timeout', f'nmcli did not end within {timeout_s:g} s')
            for key, _ in selector.select(left_s):
                piece = os.read(key.fd, 65536)
                if not piece:
                    selector.unregister(key.fileobj)
                    continue
                pipe = process.stdout if key.fileobj is process.stdout else process.stderr
                texts[pipe] += piece
                if len(texts[pipe]) > MOST_BYTES:
                    raise NmcliProblem('failed', f'nmcli said more than {MOST_BYTES} bytes')
        try:
            process.wait(max(0.1, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise NmcliProblem('timeout', f'nmcli did not end within {timeout_s:g} s') from None
    output, said = (texts[pipe].decode('utf-8', 'replace')
                    for pipe in (process.stdout, process.stderr))
    return output, said
