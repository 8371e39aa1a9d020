# SPDX-License-Identifier: Apache-2.0
"""The database in a thread of its own, for the event loop; says once when it fails."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from avatar_web.accounts.database import Change, Contents, Database, StorageProblem


class Storage:
    """Writes in the order asked for, one after the other, never on the event loop."""

    def __init__(self, database: Database, say: Callable[[str], None]) -> None:
        self._database, self._say = database, say
        self._thread = ThreadPoolExecutor(1, 'accounts')
        self.failed = False

    async def open(self) -> Contents:
        """Return what is stored; never fails, what is wrong is said."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._database.open)

    async def write(self, change: Change) -> None:
        """Write it; StorageProblem if that is not possible now."""
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._thread, self._database.apply, change)
        except StorageProblem as problem:
            if not self.failed:
                self._say(f'{problem} People can still sign in; it lasts until the next start.')
            self.failed = True
            raise
        if self.failed:
            self._say('accounts and sessions can be written again')
        self.failed = False

    async def try_to_write(self, change: Change) -> bool:
        """Write it; return whether it was."""
        try:
            await self.write(change)
        except StorageProblem:
            return False
        return True

    async def close(self) -> None:
        """Let go of the file and the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
        self._thread.shutdown(wait=False)
