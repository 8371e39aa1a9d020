# SPDX-License-Identifier: Apache-2.0
"""Helpers of the tests: the real server with a gateway that only echoes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from avatar_web.accounts.gatekeeper import Gatekeeper
from avatar_web.accounts.identity import Identity
from avatar_web.door.parts import MakePart
from avatar_web.door.server import Server, ServerConfig
from avatar_web.media.camera_routes import NoAnswer
from avatar_web.media.media import Media, MediaConfig
from avatar_web.system.system import System, SystemConfig

DEMO_TOKEN = 'the-token-of-the-demo'


class EchoGateway:
    """What the HTTP side needs, without a robot: sockets echo, and close when told to."""

    def __init__(self) -> None:
        self.sockets: list[tuple[Identity, web.WebSocketResponse]] = []
        self.ended: list[tuple[str, str]] = []
        self.is_ready = True
        self.stream: Mapping[str, str] = {}
        self.camera_problem = ''
        self.driver_name = ''
        self.stood: list[tuple[str, str]] = []

    async def websocket(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        """Echo."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        entry = identity, socket
        self.sockets.append(entry)
        with suppress(ConnectionError):
            await socket.send_json(
                {'op': 'hello', 'name': identity.name, 'role': identity.role.word,
                 'session': identity.session_id})
            async for message in socket:
                await socket.send_str(str(message.data))
        self.sockets.remove(entry)
        return socket

    def stream_state(self) -> Mapping[str, str]:
        """Return what the test set."""
        return self.stream

    def viewer_came(self) -> None:
        """There is no stream node to tell."""

    def may_set_camera(self, identity: Identity) -> str:
        """Return what the test set."""
        return self.camera_problem

    async def call_stream(
        self, service: str, type_name: str, args: Mapping[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """Answer as a robot without a stream node."""
        raise NoAnswer(f'service {service} is not there: is its node running?')

    def driver(self) -> str:
        """Return what the test set."""
        return self.driver_name

    def stand(self, who: str, what: str) -> None:
        """Note that the wheels were stopped; nobody drives then."""
        self.stood.append((who, what))
        self.driver_name = ''

    def ready(self) -> bool:
        """Return what the test set."""
        return self.is_ready

    def about(self) -> dict[str, Any]:
        """Return limits."""
        return {'max_speed_mps': 0.5, 'max_turn_radps': 1.5}

    def report(self) -> dict[str, Any]:
        """Return a report."""
        return {'drives': []}

    def metrics(self) -> str:
        """Return one metric."""
        return 'avatar_up 1\n'

    async def identity_ended(self, *, session_id: str = '', user: str = '') -> None:
        """Close the sockets it is about."""
        self.ended.append((session_id, user))
        for identity, socket in list(self.sockets):
            if session_id == identity.session_id or user == identity.name:
                await socket.close(code=4401)


class Door:
    """A running server, and clients for it."""

    def __init__(
        self, server: Server, gateway: EchoGateway, media: Media, port: int, said: list[str]
    ) -> None:
        self.server, self.gateway, self.media = server, gateway, media
        self.port, self.said = port, said
        host = '[::1]' if '[::1]' in server.url else '127.0.0.1'
        self.url = f'{server.url.split(":")[0]}://{host}:{port}'

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Like a page of ours: cookies, and its Origin on everything."""
        async with aiohttp.ClientSession(
                self.url, cookie_jar=aiohttp.CookieJar(unsafe=True), headers={'Origin': self.url},
                connector=aiohttp.TCPConnector(ssl=False)) as session:
            yield session

    @asynccontextmanager
    async def script(self, token: str = '') -> AsyncIterator[aiohttp.ClientSession]:
        """Like a script: no cookies, no Origin, a Bearer token."""
        headers = {'Authorization': f'Bearer {token}'} if token else {}
        async with aiohttp.ClientSession(
                self.url, cookie_jar=aiohttp.DummyCookieJar(), headers=headers,
                connector=aiohttp.TCPConnector(ssl=False)) as session:
            yield session


@asynccontextmanager
async def open_door(
    state_dir: Path, *, media: MediaConfig | None = None, system: SystemConfig | None = None,
    parts: Sequence[MakePart] = (),
    **config: Any
) -> AsyncIterator[Door]:
    """Run a server on any free port of loopback; the demo's token lets in."""
    said: list[str] = []
    gateway = EchoGateway()
    settings: dict[str, Any] = {'port': 0, 'demo_token': DEMO_TOKEN, **config}
    made: list[Media] = []

    def make_media(gatekeeper: Gatekeeper) -> Media:
        made.append(Media(
            gatekeeper, gateway, state_dir, media or MediaConfig(), said.append))
        return made[-1]

    def make_system(gatekeeper: Gatekeeper) -> System:
        return System(gatekeeper, gateway, state_dir, system or SystemConfig(),
                      lambda: made[-1].picture_bytes, said.append)

    server = Server(gateway, ServerConfig(state_dir, **settings), said.append,
                    [make_media, make_system, *parts])
    port = await server.start()
    try:
        yield Door(server, gateway, made[-1], port, said)
    finally:
        await server.close()
