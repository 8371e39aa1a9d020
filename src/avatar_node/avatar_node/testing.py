# SPDX-License-Identifier: Apache-2.0
"""Helpers of the tests: wait for a thing instead of sleeping, a graph of one's own."""

import contextlib
import fcntl
import os
import random
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

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


# The domains of the last tests of this process, locked against other processes.
_claims: deque[IO[str]] = deque(maxlen=8)


def free_domain() -> int:
    """Return a ROS domain that nobody on this machine uses; it is ours for some tests."""
    for number in random.sample(range(1, 102), 101):
        claim = open(f'/tmp/avatar-test-domain-{number}', 'a')  # noqa: SIM115
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.close()
            continue
        if not _is_used(number):
            _claims.append(claim)
            return number
        claim.close()
    raise AssertionError('every ROS domain from 1 to 101 is in use on this machine')


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
