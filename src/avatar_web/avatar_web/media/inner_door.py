# SPDX-License-Identifier: Apache-2.0
"""
The door for MediaMTX's questions: plain HTTP on 127.0.0.1, one address, nothing else.

    POST /media/auth    {user, password, action, path, ip, id, ...} -> 200, or 401 with the reason

It is not the door for people: that one may be HTTPS, with a certificate MediaMTX does not know.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web

from avatar_web.door.connections import Connections
from avatar_web.media.judge import Judge, Question
from avatar_web.media.mediamtx import LOOPBACK
from avatar_web.rates import Bucket

MOST_BODY_BYTES = 64 * 1024
"""A question repeats the query of the connection, which is a stranger's to choose."""

BODY_S = 2.0
RETRY_S = 2.0


class InnerDoor:
    """
    Opens by `open`, and keeps trying while another program holds the port.

    `problem` is a sentence while it is closed. A robot without it has no picture, and drives.
    """

    def __init__(
        self, judge: Judge, port: int, clock: Callable[[], float], say: Callable[[str], None]
    ) -> None:
        self._judge, self._wanted, self._clock, self._say = judge, port, clock, say
        self._news = Bucket(0.1, 3, clock())
        self._server: asyncio.Server | None = None
        self._connections = Connections(web.Server(self._answer))
        self._retry: asyncio.Task[None] | None = None
        self.problem = 'the door for the media server is not open yet'

    async def open(self) -> None:
        """Open, now or as soon as the port is free."""
        if not await self._try():
            self._say(self.problem)
            self._retry = asyncio.ensure_future(self._try_again())

    async def close(self) -> None:
        """Close."""
        if self._retry is not None:
            self._retry.cancel()
            await asyncio.gather(self._retry, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _try(self) -> bool:
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._connections, LOOPBACK, self._wanted, family=socket.AF_INET)
        except OSError as problem:
            self.problem = (f'no picture: port {self._wanted} on {LOOPBACK}, where the media '
                            f'server asks the gateway, cannot be opened: {problem.strerror}; '
                            f'end what holds it (ss -ltnp shows that)')
            return False
        self.problem = ''
        return True

    async def _try_again(self) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            if await self._try():
                self._say(f'port {self._wanted} for the media server is open now')
                return

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.path != '/media/auth':
            return web.Response(status=404)
        if request.method != 'POST':
            return web.Response(status=405, headers={'Allow': 'POST'})
        # What a foreign page in a browser on this machine can send without being asked for.
        if request.content_type != 'application/json':
            return web.Response(status=415)
        try:
            question = Question.parse(await _json(request))
        except asyncio.TimeoutError:
            return web.Response(status=408)
        except (ValueError, RecursionError, ConnectionError, web.RequestPayloadError) as problem:
            return web.Response(status=400, text=f'{ascii(str(problem)[:200])}\n')
        now = self._clock()
        verdict = self._judge.judge(question, now)
        if verdict.allowed:
            return web.Response()
        # Players first ask without a password to learn that one is wanted.
        if (question.user or question.password) and self._news.take(now):
            self._say(f'the media server turned somebody away: {verdict.reason}')
        return web.Response(status=401, text=verdict.reason + '\n')


async def _json(request: web.BaseRequest) -> Any:
    async def read() -> bytes:
        body = b''
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > MOST_BODY_BYTES:
                raise ValueError(f'the question is longer than {MOST_BODY_BYTES} bytes')
        return body

    return json.loads(await asyncio.wait_for(read(), BODY_S))
