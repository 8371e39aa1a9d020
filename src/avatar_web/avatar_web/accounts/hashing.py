# SPDX-License-Identifier: Apache-2.0
"""
argon2 in a thread of its own: one at a time, in a fair order, and only so many waiting.

Each lane (an address, or an account on a browser that signed in before) has two places and its
turn: who fills one waits behind himself, and nobody else does. Lanes of browsers that signed in
before go first.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from avatar_web.accounts import passwords

MOST_PER_LANE = 2
MOST_STRANGERS = 24
"""So many passwords of strangers wait at most, from however many addresses."""


@dataclass(frozen=True)
class Lane:
    """Whose turn it is: a stranger's address, or an account on a known browser."""

    name: str
    known: bool = False


class Turns:
    """One at a time, the lanes in turn."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[Lane, deque[asyncio.Future[None]]] = OrderedDict()
        self._taken: Lane | None = None

    def room(self, lane: Lane) -> bool:
        """Return whether one more may wait in this lane."""
        there = len(self._lanes.get(lane, ())) + (self._taken == lane)
        strangers = sum(len(waiting) for other, waiting in self._lanes.items() if not other.known)
        return there < MOST_PER_LANE and (lane.known or strangers < MOST_STRANGERS)

    @asynccontextmanager
    async def turn(self, lane: Lane) -> AsyncIterator[None]:
        """Wait for a turn, and have it."""
        if self._taken is None:
            self._taken = lane
        else:
            future = asyncio.get_running_loop().create_future()
            self._lanes.setdefault(lane, deque()).append(future)
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled():
                    self._next()
                raise
        try:
            yield
        finally:
            self._next()

    def _next(self) -> None:
        self._taken = None
        while self._lanes:
            lane = next((lane for lane in self._lanes if lane.known), next(iter(self._lanes)))
            waiting = self._lanes.pop(lane)
            future = waiting.popleft()
            if waiting:
                # To the end: its next turn comes after everybody else's.
                self._lanes[lane] = waiting
            if not future.cancelled():
                self._taken = lane
                future.set_result(None)
                return


class Hashing:
    """Makes and judges hashes; `room` says whether a login may wait for its turn."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, 'argon2')
        self._turns = Turns()
        self.room = self._turns.room

    async def matches(self, lane: Lane, kept: str, password: str) -> bool:
        """Return whether `kept` is the hash of the password."""
        async with self._turns.turn(lane):
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, passwords.matches, kept, password)

    async def make(self, password: str) -> str:
        """Return the hash to keep; for those who are in already."""
        async with self._turns.turn(Lane('new', known=True)):
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, passwords.hash_of, password)

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False)
