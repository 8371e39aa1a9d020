# SPDX-License-Identifier: Apache-2.0
"""
Connections with bounds: how many there may be, and how long one may do nothing.

aiohttp waits long for the first request, and never counts: a stranger could hold every file
descriptor of the gateway with connections that say nothing, or one byte a minute. Doorway counts
them in as soon as they are accepted; where there is none (the unix socket, the inner door) they
are counted when they are made.
"""

import asyncio
import json
import logging
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from avatar_web.accounts.login_limit import network
from avatar_web.door.answers import HEADERS
from avatar_web.door.crowd import Crowd, Guest

MOST_CONNECTIONS = 160
MOST_PER_ADDRESS = 96
"""One with TLS takes 350 KB. Who is not let in yet, or idle, makes room where all are taken."""

REQUEST_S = 15.0
"""From connecting, or from the last answer, to the end of the next request's headers."""

LOG = logging.getLogger('avatar_web.connections')


class Connections:
    """Makes the protocols of one server, and counts them."""

    def __init__(self, server: web.Server, **options: Any) -> None:
        self._server, self._options = server, options
        self._crowd = Crowd(MOST_CONNECTIONS, MOST_PER_ADDRESS)

    def __call__(self) -> 'Connection':
        """Return the protocol of a new connection: the factory for `create_server`."""
        return self.protocol(None)

    def protocol(self, guest: Guest | None) -> 'Connection':
        """Return the protocol of a connection, which was admitted already if it has a guest."""
        return Connection(self, guest, self._server, loop=asyncio.get_running_loop(),
                          keepalive_timeout=REQUEST_S, lingering_time=2.0, access_log=None,
                          logger=LOG, auto_decompress=False, **self._options)

    def admit(self, guest: Guest) -> bool:
        """Count a connection in, if there is or can be made room for it."""
        allowed, goes = self._crowd.enter(guest)
        if goes is not None:
            goes.go()
        return allowed

    def gone(self, guest: Guest) -> None:
        """Count a connection out; twice is as good as once."""
        self._crowd.leave(guest)


class Connection(RequestHandler):
    """One connection of a client."""

    __slots__ = ('_connections', 'guest', '_first')

    def __init__(
        self, connections: Connections, guest: Guest | None, server: web.Server, **options: Any
    ) -> None:
        super().__init__(server, **options)
        self._connections, self.guest = connections, guest
        self._first: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or end it at once where there is no room."""
        super().connection_made(transport)
        peer = transport.get_extra_info('peername')
        # A unix socket has no address: the robot's console is never turned away.
        if self.guest is None and isinstance(peer, tuple):
            guest = Guest(network(peer[0]))
            if not self._connections.admit(guest):
                self._abort()
                return
            self.guest = guest
        if self.guest is not None:
            self.guest.go = self._abort
        # Newer aiohttp times the first request itself; the one of Ubuntu 22.04 does not.
        self._first = asyncio.get_running_loop().call_later(REQUEST_S, self._first_is_due)

    def _first_is_due(self) -> None:
        if not self._request_count:
            self._abort()

    def _abort(self) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room."""
        if self.guest is not None:
            self._connections.gone(self.guest)
        if self._first is not None:
            self._first.cancel()
        super().connection_lost(exc)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP like every other error, without a traceback in the log."""
        if status >= 500:
            LOG.error('a request from %s failed: %r',
                      self.guest.address if self.guest else 'this machine', exc)
        response = web.Response(status=status, content_type='application/json', text=json.dumps(
            {'error': 'this is not a valid HTTP request', 'code': 'http'}))
        response.headers.update(HEADERS)
        response.force_close()
        return response
