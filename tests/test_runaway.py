# SPDX-License-Identifier: Apache-2.0
"""
The runaway matrix as a test: each row of `tests/runaway.py`, forward and spinning, 0 misses.

AVATAR_MATRIX_REPEATS says how often (3; 50 in `make matrix`). The run ends with a table of the
times and a line of JSON; `.cache/figures/runaway.json` keeps them for `make bench-drive`. The
rows that need a browser are in `tests/test_runaway_browser.py`.
"""

import random
import time
from collections.abc import Iterator

import pytest

from tests.matrix import Times
from tests.netns import Namespace, NoNamespace
from tests.runaway import MOTIONS, ROWS, Run
from tests.stack import Stack


@pytest.fixture(scope='module')
def times() -> Iterator[Times]:
    with Times() as times:
        yield times


@pytest.mark.parametrize('motion', MOTIONS)
@pytest.mark.parametrize('name', ROWS)
def test_the_wheels_stop_in_time_and_stay(
    stack: Stack, times: Times, name: str, motion: str
) -> None:
    def once(number: int) -> float:
        stack.rest()
        run = Run(stack, motion, number=number)
        with run.cleanup:
            seconds = ROWS[name](run)
            stack.close_operators()
        return seconds
    times.repeat(name, motion, once)


@pytest.fixture(scope='module')
def namespace() -> Iterator[Namespace]:
    try:
        namespace = Namespace()
    except NoNamespace as problem:
        pytest.skip(str(problem))
    yield namespace
    namespace.close()


@pytest.fixture(scope='module')
def open_stack(
    namespace: Namespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A robot that listens beyond loopback, at the other end of the namespace's cable."""
    with Stack(tmp_path_factory.mktemp('open'), gateway={
            'host': '0.0.0.0', 'tls': 'off', 'plain_http_beyond_loopback': True}) as stack:
        yield stack


@pytest.mark.xdist_group('namespace')
@pytest.mark.parametrize('motion', MOTIONS)
def test_the_kernel_drops_every_packet(
    open_stack: Stack, namespace: Namespace, times: Times, motion: str
) -> None:
    """A cut as 4G makes it: nothing is even acknowledged. It heals with the key still held."""
    stack = open_stack

    def once(number: int) -> float:
        stack.rest()
        run = Run(stack, motion, number=number)
        operator = run.drive(url=f'ws://{namespace.host}:{stack.port}/rosbridge',
                             make_socket=namespace.make_socket)
        event = namespace.cut()
        try:
            seconds = run.stopped(event)
            run.nothing_moves('network cut', random.uniform(1.5, 2.5))
        finally:
            namespace.heal()
        healed = time.monotonic()
        while operator.connected and not any(
                t > healed for t, _ in list(operator.messages)[-3:]):
            run.nothing_moves('the network is back, key held', 0.1)
        run.nothing_moves('the network is back, key held')
        stack.close_operators()
        return seconds
    times.repeat('network cut by iptables', motion, once)
