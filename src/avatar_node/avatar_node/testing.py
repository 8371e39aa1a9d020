# SPDX-License-Identifier: Apache-2.0
"""Helpers of the tests: wait for a thing instead of sleeping, a graph of one's own."""

import os
import random
import time
from collections.abc import Callable
from typing import TypeVar

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


def ros_env(state_dir: os.PathLike[str] | str) -> dict[str, str]:
    """Return an environment with a graph and a state folder of its own for child processes."""
    return {
        **dds_environment(os.environ, domain=random.randint(1, 101)),
        'ROS_LOG_DIR': os.path.join(state_dir, 'log'),
        'AVATAR_STATE_DIR': str(state_dir),
        'PYTHONUNBUFFERED': '1',
    }
