# SPDX-License-Identifier: Apache-2.0
"""
The way to the picture: WHEP of the page, handed on to MediaMTX with our own credentials.

    POST   /whep/camera      an offer -> 201, the answer, Location: /whep/camera/ID
    PATCH  /whep/camera/ID   candidates (trickle ICE) -> 204
    DELETE /whep/camera/ID   -> 200

A session belongs to the one who opened it, and ends with his being signed in. What a browser never
connected or left behind is found by asking MediaMTX once a second while there are sessions.
"""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

from avatar_web.door.answers import error, read_body
from avatar_web.door.auth import Auth, Denied
from avatar_web.media import offer
from avatar_web.media.ice import IceServers, link_header
from avatar_web.media.mediamtx import MediaMtx, ServerDown, ServerGone, ServerRefused
from avatar_web.media.sessions import Full, Seen, Sessions, Viewing
from avatar_web.media.volume import Volume

PATHS = ('camera',)

POLL_S = 1.0
MOST_OFFERS_AT_ONCE = 1
"""With four at once a command waited for 44 ms (p99) while twenty joined; with one for 7 ms."""

MOST_FRAGMENT_BYTES = 16 * 1024


class Whep:
    """
    The routes, and the watch over the sessions.

    `lives(session_id)` says whether somebody is still signed in; `trouble()` why nobody can be
    let in just now, '' if nothing is wrong; `came()` is called for each who is; `say(sentence)`
    takes what the log should have.
    """

    def __init__(
        self, auth: Auth, server: MediaMtx, ice: IceServers, *,
        lives: Callable[[str], bool], trouble: Callable[[], str], came: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._auth, self._server, self._ice = auth, server, ice
        self._lives, self._trouble, self._came, self._say = lives, trouble, came, say
        self.sessions = Sessions()
        self.volume = Volume()
        self._room = asyncio.Semaphore(MOST_OFFERS_AT_ONCE)
        self._watch: asyncio.Task[None] | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self._down = ''

    def table(self) -> list[web.RouteDef]:
        """Return the routes, to be added to the application."""
        return [
            web.post('/whep/{path}', self.post),
            web.patch('/whep/{path}/{id}', self.patch),
            web.delete('/whep/{path}/{id}', self.delete),
        ]

    def start(self) -> None:
        """Look whether a gateway before this one left sessions."""
        self._look()

    async def close(self) -> None:
        """Stop to look; who watches goes on watching, and is found again by the next gateway."""
        tasks = [*self._endings, *filter(None, [self._watch])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------ the routes

    async def post(self, request: web.Request) -> web.Response:
        """Open a session."""
        identity = self._auth.identity(request)
        path = _path(request)
        text = await self._offer(request)
        if trouble := self._trouble():
            raise Denied(503, 'no_media', trouble)
        try:
            viewing, goes = self.sessions.admit(
                identity.session_id, identity.name, path, time.monotonic())
        except Full as problem:
            # Places become free when somebody leaves; a reloaded page's does within seconds.
            return _full(problem)
        if goes is not None:
            self._end(goes, 'it made room for another of the same browser')
        try:
            async with self._room:
                answer = await self._server.offer(path, text, viewing.query)
        except BaseException as problem:
            self.sessions.remove(viewing)
            if isinstance(problem, (ServerDown, ServerRefused)):
                raise self._failed(problem) from None
            raise
        finally:
            self._look()
        viewing.server_id, viewing.location = answer.id, answer.location
        if not self.sessions.has(viewing) or not self._lives(identity.session_id):
            self.sessions.remove(viewing)
            self._end(viewing, 'its owner is signed out')
            raise Denied(401, 'login', 'sign in first')
        self._is_up()
        self._came()
        links = link_header(self._ice.for_page(identity.session_id, time.time()))
        return web.Response(
            status=201, body=answer.sdp, content_type='application/sdp',
            headers={'Location': f'/whep/{path}/{viewing.id}', 'ETag': '"*"',
                     'Cache-Control': 'no-store', **({'Link': links} if links else {})})

    async def _offer(self, request: web.Request) -> str:
        if request.content_type != 'application/sdp':
            raise Denied(415, 'request', 'an offer has the Content-Type application/sdp')
        try:
            return offer.check(await read_body(request, offer.MOST_BYTES))
        except offer.OfferProblem as problem:
            raise Denied(400, problem.code, str(problem)) from None

    async def patch(self, request: web.Request) -> web.Response:
        """Add candidates."""
        viewing = self._viewing(request)
        if request.content_type != 'application/trickle-ice-sdpfrag':
            raise Denied(415, 'request', 'candidates have the Content-Type '
                         'application/trickle-ice-sdpfrag')
        fragment = await read_body(request, MOST_FRAGMENT_BYTES)
        if not viewing.location:
            # Taken over from the gateway before: MediaMTX's key to it went with that one.
            raise _no_session()
        try:
            status, body = await self._server.patch(viewing.location, fragment)
        except ServerRefused as problem:
            if problem.status == 404:
                self.sessions.remove(viewing)
                raise _no_session() from None
            raise self._failed(problem) from None
        except ServerDown as problem:
            raise self._failed(problem) from None
        if status == 204:
            return web.Response(status=204)
        return web.Response(body=body, content_type='application/trickle-ice-sdpfrag')

    async def delete(self, request: web.Request) -> web.Response:
        """End a session."""
        viewing = self._viewing(request)
        self.sessions.remove(viewing)
        self._end(viewing, '')
        return web.json_response({})

    def _viewing(self, request: web.Request) -> Viewing:
        identity = self._auth.identity(request)
        viewing = self.sessions.find(
            request.match_info['id'], identity.session_id, _path(request))
        if viewing is None:
            raise _no_session()
        return viewing

    # ------------------------------------------------------------------ ends

    def identity_ended(self, *, session_id: str = '', user: str = '') -> None:
        """End what a signed-in session, or a user, watches; must not wait, and does not."""
        for viewing in self.sessions.of(session_id=session_id, user=user):
            self.sessions.remove(viewing)
            self._end(viewing, 'its owner is signed out')

    def _end(self, viewing: Viewing, why: str) -> None:
        if why:
            self._say(f'{viewing.user}: session of {viewing.path} ended: {why}')
        if viewing.server_id:
            ending = asyncio.ensure_future(self._end_at_server(viewing))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
        self._look()

    async def _end_at_server(self, viewing: Viewing) -> None:
        try:
            if viewing.location:
                await self._server.end(viewing.location)
            else:
                await self._server.kick(viewing.server_id)
        except (ServerDown, ServerRefused) as problem:
            # It is still on MediaMTX's list then, and the watch ends it.
            self._is_down(str(problem))

    # ------------------------------------------------------------------ the watch

    def _look(self) -> None:
        if self._watch is None or self._watch.done():
            self._watch = asyncio.ensure_future(self._look_until_nobody_watches())

    async def _look_until_nobody_watches(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            some = await self._compare()
            if not some and not self.sessions and not self._endings:
                return

    async def _compare(self) -> bool:
        """Return whether MediaMTX may have sessions."""
        asked_s = time.monotonic()
        seen: list[Seen] = []
        try:
            seen = await self._server.sessions()
            self._is_up()
        except ServerGone as problem:
            self._is_down(str(problem))
        except (ServerDown, ServerRefused) as problem:
            # They may all be there still: it lists them when it is well again.
            self._is_down(str(problem))
            return True
        self.volume.seen(seen)
        ends = self.sessions.compare(seen, self._lives, asked_s, time.monotonic())
        for viewing, why in ends:
            self._end(viewing, why)
        return bool(seen)

    def _is_down(self, why: str) -> None:
        if not self._down:
            self._say(f'the media server (MediaMTX) does not work: {why}')
        self._down = why

    def _is_up(self) -> None:
        if self._down:
            self._say('the media server (MediaMTX) works again')
        self._down = ''

    def _failed(self, problem: ServerDown | ServerRefused) -> Denied:
        if isinstance(problem, ServerRefused) and problem.status in (400, 406):
            return Denied(400, 'sdp', f'the media server cannot use this: {problem}')
        self._is_down(str(problem))
        return Denied(503, 'server_down', 'the media server of the robot does not answer: it is '
                      'being started again')


def _path(request: web.Request) -> str:
    path = request.match_info['path']
    if path not in PATHS:
        raise Denied(404, 'path', f'there is no such picture; there are: {", ".join(PATHS)}')
    return path


def _no_session() -> Denied:
    return Denied(404, 'session', 'this session is over: join again')


def _full(problem: Full) -> web.Response:
    return error(429, 'too_many', str(problem), **{'Retry-After': '3'})
