# SPDX-License-Identifier: Apache-2.0
"""
The routes of snapshots and recordings: lists, files in parts, small pictures, deletion.

A file is read in pieces by a thread and written as the browser takes them: a recording of
gigabytes on its way must not keep the event loop, which carries the commands, from anything.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

from aiohttp import web

from avatar_web.accounts.identity import Role
from avatar_web.door.answers import HEADERS
from avatar_web.door.auth import Auth, Denied
from avatar_web.media.files import RECORDINGS, SNAPSHOTS, Folder, NoSuchFile, Opened

T = TypeVar('T')

PIECE_BYTES = 128 * 1024
"""What is copied at once on the loop: some 20 us."""

THREADS = 2
MOST_AT_ONCE = 6
"""Files on their way to one signed-in browser; the rest of a gallery waits its turn."""

STALLED_S = 30.0
"""A browser that takes nothing for so long is gone, or pauses; it can go on from there."""


class FileRoutes:
    """`writing()` is the name of the recording that is being written, or ''."""

    def __init__(self, auth: Auth, state_dir: Path, writing: Callable[[], str]) -> None:
        self._auth, self._writing = auth, writing
        self._folders = {kind.folder: Folder(state_dir, kind) for kind in (SNAPSHOTS, RECORDINGS)}
        self._threads = ThreadPoolExecutor(THREADS, 'files')
        self._rooms: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def table(self) -> list[web.RouteDef]:
        """Return the routes, to be added to the application."""
        kinds = '{kind:snapshots|recordings}'
        return [
            web.get(f'/api/{kinds}', self.list),
            web.get(f'/api/{kinds}/{{name}}', self.file),
            web.get(f'/api/{kinds}/{{name}}/thumb', self.thumb),
            web.delete(f'/api/{kinds}/{{name}}', self.delete),
        ]

    def close(self) -> None:
        """End the threads; files on their way end with their connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def list(self, request: web.Request) -> web.Response:
        """List a folder."""
        self._auth.identity(request)
        entries = await self._run(self._folder(request).list)
        writing = self._writing()
        return web.json_response({'files': [{
            'name': entry.name, 'bytes': entry.size, 'time': round(entry.time_s, 3),
            'thumb': entry.has_thumb, 'writing': entry.name == writing,
        } for entry in entries]})

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Serve a file, or a part of it."""
        folder, name = self._folder(request), request.match_info['name']
        how = 'attachment' if 'download' in request.query else 'inline'
        return await self._serve(request, lambda: folder.open(name), folder.kind.type, {
            'Content-Disposition': f'{how}; filename="{name}"'})

    async def thumb(self, request: web.Request) -> web.StreamResponse:
        """Serve the small picture of a file."""
        folder, name = self._folder(request), request.match_info['name']
        return await self._serve(request, lambda: folder.open_thumb(name), SNAPSHOTS.type, {})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a file."""
        self._auth.identity(request, Role.DRIVER)
        folder, name = self._folder(request), request.match_info['name']
        if name == self._writing():
            raise Denied(409, 'writing', f'{name} is being recorded: stop the recording first')
        await self._run(lambda: folder.delete(name))
        return web.json_response({})

    def _folder(self, request: web.Request) -> Folder:
        return self._folders[request.match_info['kind']]

    async def _run(self, job: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, job)
        except NoSuchFile:
            raise Denied(404, 'file', 'there is no such file') from None
        except OSError as problem:
            raise Denied(500, 'storage', f'the file cannot be used: {problem.strerror}') from None

    async def _serve(
        self, request: web.Request, find: Callable[[], Opened], kind: str, headers: dict[str, str]
    ) -> web.StreamResponse:
        owner = self._auth.identity(request).session_id
        room = self._rooms.setdefault(owner, asyncio.Semaphore(MOST_AT_ONCE))
        async with room:
            opened = await self._run(find)
            try:
                return await _send(self._run, request, opened, {
                    **HEADERS, **headers, 'Content-Type': kind, 'ETag': f'"{opened.etag}"',
                    'Accept-Ranges': 'bytes', 'Cache-Control': 'private, no-cache'})
            finally:
                opened.close()


class _Run(Protocol):
    async def __call__(self, job: Callable[[], bytes], /) -> bytes:
        """Run a job in a thread."""


async def _send(
    run: _Run, request: web.Request, opened: Opened, headers: dict[str, str]
) -> web.StreamResponse:
    etag = headers['ETag']
    if etag in request.headers.get('If-None-Match', ''):
        return web.Response(status=304, headers=headers)
    part = slice(None)
    if request.headers.get('If-Range', etag) == etag:
        # A range that is not understood is as good as none (RFC 9110).
        with suppress(ValueError):
            part = request.http_range
    start, end, _ = part.indices(opened.size)
    status = 200
    if part.start is not None or part.stop is not None:
        if start >= end:
            headers['Content-Range'] = f'bytes */{opened.size}'
            return web.Response(status=416, headers=headers)
        status = 206
        headers['Content-Range'] = f'bytes {start}-{end - 1}/{opened.size}'
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = end - start
    await response.prepare(request)
    if request.method != 'HEAD':
        try:
            await _write(run, response, opened, start, end)
        except (ConnectionError, asyncio.TimeoutError, Denied):
            # Gone, asleep, or the file became shorter: a part must not pass for the whole.
            if request.transport is not None:
                request.transport.close()
    return response


async def _write(
    run: _Run, response: web.StreamResponse, opened: Opened, start: int, end: int
) -> None:
    for at in range(start, end, PIECE_BYTES):
        wanted = min(PIECE_BYTES, end - at)
        piece = await run(partial(opened.read, at, wanted))
        if len(piece) != wanted:
            raise ConnectionResetError('the file became shorter')
        await asyncio.wait_for(response.write(piece), STALLED_S)
