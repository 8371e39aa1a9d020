# SPDX-License-Identifier: Apache-2.0
"""Helpers of the tests: wait for a thing instead of sleeping, a graph of one's own."""

import contextlib
import fcntl
import os
import queue
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, AnyStr, TypeVar

from avatar_node.environment import dds_environment

T = TypeVar('T')

# One knob for slow machines (the virtual robot is ten times slower).
TIMEOUT_SCALE = float(os.environ.get('TEST_TIMEOUT_SCALE', '1'))


def wait_for(
    predicate: Callable[[], T], timeout_s: float, what: str, period_s: float = 0.01
) -> T:
    """Return the first true value of `predicate`; AssertionError with the last value seen."""
    deadline = time.monotonic() + timeout_s * TIMEOUT_SCALE
    while True:
        seen = predicate()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f'{what}: not within {timeout_s} s; last seen: {seen!r}')
        time.sleep(period_s)


class Lines:
    """What a process prints: waiting for its next line has a limit, and ends with the process."""

    def __init__(self, stream: IO[AnyStr] | None) -> None:
        assert stream is not None, 'the process was started without a pipe'
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def next(self, timeout_s: float = 60.0) -> str:
        """Return the next line without its end; '' where the stream has ended."""
        try:
            return self._lines.get(timeout=timeout_s * TIMEOUT_SCALE)
        except queue.Empty:
            raise AssertionError(f'no line within {timeout_s} s') from None

    def _read(self, stream: IO[AnyStr]) -> None:
        for line in stream:
            text = line if isinstance(line, str) else line.decode(errors='replace')
            self._lines.put(text.rstrip('\r\n'))
        self._lines.put('')


# The domains of the last tests of this process, locked against other processes.
_claims: deque[IO[str]] = deque(maxlen=8)


def free_domain() -> int:
    """Return a ROS domain that nobody on this machine uses; it is ours for some tests."""
    for number in random.sample(range(1, 102), 101):
        if _claim(number):
            return number
    raise AssertionError('every ROS domain from 1 to 101 is in use on this machine')


def free_port(first: int = 8080, domains: int = 102) -> int:
    """
    Return a port that nobody uses, for `avatar up`.

    It takes its ROS domain from the port: how far that is from `first`, modulo `domains`. That
    domain is ours, too, or two robots of two tests would meet.
    """
    for _ in range(1000):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port: int = probe.getsockname()[1]
        if _claim((port - first) % domains):
            return port
    raise AssertionError('no port found whose ROS domain nobody uses')


def _claim(domain: int) -> bool:
    claim = open(f'/tmp/avatar-test-domain-{domain}', 'a')  # noqa: SIM115
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        claim.close()
        return False
    if _is_used(domain):
        claim.close()
        return False
    _claims.append(claim)
    return True


def _is_used(domain: int) -> bool:
    # DDS: a participant of domain d listens on ports from 7400 + 250 d on.
    ports = range(7400 + 250 * domain, 7400 + 250 * (domain + 1))
    for table in ('/proc/net/udp', '/proc/net/udp6'):
        with contextlib.suppress(FileNotFoundError):
            for line in Path(table).read_text().splitlines()[1:]:
                if int(line.split()[1].rsplit(':', 1)[1], 16) in ports:
                    return True
    return False


def ros_env(state_dir: os.PathLike[str] | str) -> dict[str, str]:
    """Return an environment with a graph and a state folder of its own for child processes."""
    return {
        **dds_environment(os.environ, domain=free_domain()),
        'ROS_LOG_DIR': os.path.join(state_dir, 'log'),
        'AVATAR_STATE_DIR': str(state_dir),
        'PYTHONUNBUFFERED': '1',
    }
