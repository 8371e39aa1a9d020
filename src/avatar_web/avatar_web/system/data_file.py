# SPDX-License-Identifier: Apache-2.0
"""Counts the data used, and keeps the sums in the state folder: `data_used.json`."""

import asyncio
import copy
import datetime
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from avatar_node import machine, store
from avatar_web.system.data_used import DataUsed, counters
from avatar_web.system.join_record import boot_id

COUNT_S = 10.0
WRITE_S = 300.0
"""What a power cut may lose; the kernel's own sums are lost anyway by the restart."""

MOST_BYTES = 1024 * 1024


class DataFile:
    """`picture_bytes()` grows by what was sent of the picture; `start` and `close` it."""

    def __init__(
        self, state_dir: Path, picture_bytes: Callable[[], int], say: Callable[[str], None],
        root: Path = Path('/'),
    ) -> None:
        self._path = state_dir / 'data_used.json'
        self._picture_bytes, self._say, self._root = picture_bytes, say, root
        self._used = DataUsed()
        self._picture = 0
        self._written_s = time.monotonic()
        self._problem = ''
        self._task: asyncio.Task[None] | None = None
        # An older reading after a newer one would look like an interface that began anew.
        self._counting = asyncio.Lock()

    async def start(self) -> None:
        """Begin to count."""
        self._used = DataUsed(await self._thread(self._read))
        await self.count()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Count for the last time, and keep it."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.count()
        await self._keep()

    def for_page(self) -> dict[str, Any]:
        """Return the sums."""
        return self._used.for_page()

    async def count(self) -> None:
        """Count what went through since the last time."""
        async with self._counting:
            said = await self._thread(lambda: machine.text(self._root / 'proc/net/dev'))
            today = datetime.date.today()
            self._used.count(counters(said), boot_id(), today)
            total = self._picture_bytes()
            self._used.picture(total - self._picture, today)
            self._picture = total

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(COUNT_S)
            await self.count()
            if time.monotonic() - self._written_s >= WRITE_S:
                await self._keep()

    async def _keep(self) -> None:
        self._written_s = time.monotonic()
        # A copy: the sums go on while the disk takes its time.
        kept = copy.deepcopy(self._used.to_json())
        problem = await self._thread(lambda: self._write(kept))
        if problem and problem != self._problem:
            self._say(f'the data used cannot be kept: {problem}')
        self._problem = problem

    def _write(self, kept: dict[str, Any]) -> str:
        try:
            store.write(self._path, kept)
        except OSError as problem:
            return str(problem)
        return ''

    def _read(self) -> Any:
        try:
            return store.read(self._path, MOST_BYTES)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as problem:
            aside = f'{self._path}.broken-{time.strftime("%Y%m%d-%H%M%S")}'
            with suppress(OSError):
                os.replace(self._path, aside)
            self._say(f'{self._path} cannot be read ({problem}); it is kept as {aside}, and data '
                      'is counted from now on')
            return None

    @staticmethod
    async def _thread(job: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, job)
