# SPDX-License-Identifier: Apache-2.0
"""argon2 in a thread of its own: one at a time, and only so many waiting."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from avatar_web.accounts import passwords

MOST_WAITING = 6
"""Passwords of strangers waiting to be judged; see `room`."""

RESERVED = 2
"""Places more for browsers that signed in before."""


class Hashing:
    """Makes and judges hashes; a flood of logins finds no room instead of a long queue."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, 'argon2')
        self._waiting = 0

    def room(self, known: bool) -> bool:
        """Return whether one more login may wait; `known`: its browser signed in before."""
        return self._waiting < MOST_WAITING + (RESERVED if known else 0)

    async def matches(self, kept: str, password: str) -> bool:
        """Return whether `kept` is the hash of the password."""
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, passwords.matches, kept, password)
        finally:
            self._waiting -= 1

    async def make(self, password: str) -> str:
        """Return the hash to keep."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, passwords.hash_of, password)

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False)
