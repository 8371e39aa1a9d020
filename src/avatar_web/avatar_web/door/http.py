# SPDX-License-Identifier: Apache-2.0
"""
The HTTP side of the gateway: the application, its routes, and what it asks of the gateway.

Errors of every route are `{"error": sentence, "code": word}`. What the page calls:

    GET    /                        the page; with ?token= of a link: a cookie, and back to /
    GET    /v/EDITION/PATH          a file that the page names; see static_files.py
    POST   /api/login               {name, password, remember} -> {name, role}; with bearer: true
                                    no cookie, the answer has a token (for scripts)
    POST   /api/logout
    GET    /api/session             {name, role, robot, version, max_...} or 401;
                                    {setup: true, robot, version} after the one-time link
    POST   /api/setup               {name, password, remember}: the first admin, signed in at once
    POST   /api/password            {current, password}: one's own
    GET    /api/devices             {devices: [{id, device, last_seen, created, current, ...}]}
    DELETE /api/devices/ID          an admin may end anybody's
    GET    /api/camera              {profile, fps, profiles, fps_choices, ice_servers}
    POST   /api/camera              {profile?, fps?}
    POST   /whep/camera             an SDP offer -> 201, the answer, Location; see media/whep.py
    GET    /api/snapshots           {files: [{name, bytes, time, thumb, writing}]}; the newest
    GET    /api/snapshots/NAME      first; Range; with ?download as an attachment
    GET    /api/snapshots/NAME/thumb
    DELETE /api/snapshots/NAME
    POST   /api/snapshots           -> 201 {name}: takes one
    GET    /api/recordings, ...     the same
    POST   /api/recordings          {on} -> {name}: begins or ends one
    GET    /api/health              {state, message, findings, machine, changes}; see health.py
    GET    /api/report              the session report, as a file
    GET    /api/users               {users: [{name, role, created, devices}]}; admins, as below
    POST   /api/users               {name, role, password}
    DELETE /api/users/NAME
    POST   /api/users/NAME/password {password}
    POST   /api/users/NAME/role     {role}
    POST   /api/users/NAME/token    {label, days} -> {token}: for scripts; on the console only
    POST   /api/link                -> {url}: the one-time link again; on the console only
    POST   /api/tls/reload          after the certificate changed; on the console only
    GET    /api/system, ...         the machine and its WiFi, for admins; see system/routes.py
    GET    /healthz                 200 "ok" or 503 "starting"; open
    GET    /metrics                 Prometheus text
    GET    /rosbridge               the WebSocket (a stock client asks for it at /, so there too)
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from avatar_web.accounts.gatekeeper import Gatekeeper, Login
from avatar_web.accounts.identity import AccountProblem, Identity
from avatar_web.door.account_routes import AccountRoutes, ForConsole
from avatar_web.door.answers import MOST_BODY_BYTES, middleware
from avatar_web.door.auth import Auth, Denied, is_websocket
from avatar_web.door.crowd import guest_of
from avatar_web.door.parts import Part
from avatar_web.door.static_files import StaticFiles

STATIC = Path(__file__).parents[1] / 'static'

HANDSHAKE_S = 0.5
"""A socket this young may have been let in just before its session ended: closed again."""


class GatewayHooks(Protocol):
    """What the HTTP side needs from the gateway; all of it runs on the event loop."""

    async def websocket(
        self, request: web.Request, identity: Identity
    ) -> web.StreamResponse:
        """Serve one rosbridge socket until it closes; identity and Origin are checked already."""

    def ready(self) -> bool:
        """Return whether a person could drive now: the board is connected."""

    def about(self) -> dict[str, Any]:
        """Return what a signed-in page is told: max_speed_mps, max_turn_radps, picture."""

    def report(self) -> dict[str, Any]:
        """Return the session report."""

    def metrics(self) -> str:
        """Return the gateway's metrics, Prometheus text."""

    async def identity_ended(self, *, session_id: str = '', user: str = '') -> None:
        """
        Close (4401) at once every socket of this session, or of this user's every session.

        Called on logout, revoked device, expiry, removed user, changed password or role. Must
        return soon: it may start the closing and need not wait for its end.
        """


@dataclass(frozen=True)
class HttpConfig:
    """What the application says about the robot, and the names it answers to."""

    robot_name: str = 'avatar'
    version: str = ''
    known_host: Callable[[str], bool] = 'localhost'.__eq__
    static_root: Path = STATIC
    console: ForConsole = ForConsole()


def make_app(
    gateway: GatewayHooks, gatekeeper: Gatekeeper, parts: Sequence[Part], config: HttpConfig
) -> web.Application:
    """Return the application; the gatekeeper is open already, and is closed by its owner."""
    app = web.Application(middlewares=[middleware(config.known_host)],
                          client_max_size=MOST_BODY_BYTES)
    auth = Auth(gatekeeper)
    routes = _Routes(gateway, gatekeeper, parts, auth, config)
    gatekeeper.sessions.on_ended = routes.ended
    app.add_routes([
        *AccountRoutes(gatekeeper, auth, config.console).table(),
        *(route for part in parts for route in part.table()),
        web.get('/', routes.index),
        web.get('/api/session', routes.session),
        web.get('/api/report', routes.report),
        web.get('/healthz', routes.healthz),
        web.get('/metrics', routes.metrics),
        web.get('/rosbridge', routes.websocket),
        web.get('/{path:.+}', routes.file),
    ])
    return app


class _Routes:
    def __init__(
        self, gateway: GatewayHooks, gatekeeper: Gatekeeper, parts: Sequence[Part], auth: Auth,
        config: HttpConfig,
    ) -> None:
        self._gateway, self._gatekeeper, self._config = gateway, gatekeeper, config
        self._parts, self._auth = parts, auth
        self._files = StaticFiles(config.static_root)
        self._sockets: dict[int, tuple[Identity, float]] = {}

    # The page.

    async def index(self, request: web.Request) -> web.StreamResponse:
        if is_websocket(request):
            return await self.websocket(request)
        # HEAD is what chat programs send to preview a link: it must not use the link up.
        if 'token' not in request.query or request.method == 'HEAD':
            return await self._files.serve(request, 'index.html')
        back = web.Response(status=303, headers={'Location': '/'})
        try:
            login = await self._gatekeeper.redeem(
                request.query['token'], self._auth.visitor(request))
        except AccountProblem:
            # A used link in the history of a browser that is in already just works.
            if self._gatekeeper.identify(self._auth.cookie(request)) is not None:
                return back
            page = await self._files.serve(request, 'index.html')
            page.set_status(401)
            return page
        if isinstance(login, Login):
            self._auth.set_cookies(request, back, login)
        else:
            self._auth.set_token(request, back, login)
        return back

    async def file(self, request: web.Request) -> web.StreamResponse:
        return await self._files.serve(request, request.match_info['path'])

    async def session(self, request: web.Request) -> web.Response:
        about = {'robot': self._config.robot_name, 'version': self._config.version}
        try:
            identity = self._auth.identity(request)
        except Denied as problem:
            if problem.code != 'setup':
                raise
            return web.json_response({'setup': True, **about})
        return web.json_response({
            'name': identity.name, 'role': identity.role.word, 'session': identity.session_id,
            **about, **self._gateway.about()})

    # The robot.

    async def healthz(self, _: web.Request) -> web.Response:
        ready = self._gateway.ready()
        return web.Response(text='ok' if ready else 'starting', status=200 if ready else 503)

    async def report(self, request: web.Request) -> web.Response:
        self._auth.identity(request)
        name = time.strftime('avatar-report-%Y%m%d-%H%M%S.json')
        return web.Response(
            text=json.dumps(self._gateway.report()), content_type='application/json',
            headers={'Content-Disposition': f'attachment; filename="{name}"'})

    async def metrics(self, request: web.Request) -> web.Response:
        self._auth.identity(request)
        lines = [text.rstrip('\n') for text in (
            self._gateway.metrics(), *(part.metrics() for part in self._parts))]
        lines = [*filter(None, lines),
                 '# HELP avatar_logins_total Logins by their result.',
                 '# TYPE avatar_logins_total counter']
        lines += [f'avatar_logins_total{{result="{result}"}} {count}'
                  for result, count in self._gatekeeper.counts.items()]
        return web.Response(
            text='\n'.join(lines).lstrip('\n') + '\n',
            headers={'Content-Type': 'text/plain; version=0.0.4; charset=utf-8'})

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        if not is_websocket(request):
            raise Denied(426, 'request', 'this address is for WebSockets')
        identity = self._auth.identity(request)
        key = id(request)
        self._sockets[key] = identity, time.monotonic()
        guest = guest_of(request.protocol)
        guest.stays = True
        try:
            with self._gatekeeper.in_use(identity.session_id):
                return await self._gateway.websocket(request, identity)
        finally:
            guest.stays = False
            del self._sockets[key]

    async def ended(self, *, session_id: str = '', user: str = '') -> None:
        """Pass on what ended; once more for a socket that was just being let in."""
        for part in self._parts:
            part.identity_ended(session_id=session_id, user=user)
        await self._gateway.identity_ended(session_id=session_id, user=user)
        now_s = time.monotonic()
        if any(now_s - since_s < HANDSHAKE_S and (
                session_id == identity.session_id or user == identity.name)
               for identity, since_s in self._sockets.values()):
            asyncio.get_running_loop().call_later(HANDSHAKE_S, lambda: asyncio.ensure_future(
                self._gateway.identity_ended(session_id=session_id, user=user)))
