# SPDX-License-Identifier: Apache-2.0
"""
Connections with bounds: how many there may be, and how long one may do nothing.

aiohttp waits long for the first request, and never counts: a stranger could hold every file
descriptor of the gateway with connections that say nothing, or one byte a minute.
"""

import asyncio
import json
import logging
from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from avatar_web.accounts.login_limit import network
from avatar_web.door.answers import HEADERS

MOST_CONNECTIONS = 500
MOST_PER_ADDRESS = 120

REQUEST_S = 15.0
"""From connecting, or from the last answer, to the end of the next request's headers."""

LOG = logging.getLogger('avatar_web.connections')


class Connections:
    """Makes the protocols of one server, and counts them."""

    def __init__(self, server: web.Server, **options: Any) -> None:
        self._server, self._options = server, options
        self._open: Counter[str] = Counter()

    def __call__(self) -> 'Connection':
        """Return the protocol of a new connection: the factory for `create_server`."""
        return Connection(self, self._server, loop=asyncio.get_running_loop(),
                          keepalive_timeout=REQUEST_S, lingering_time=2.0, access_log=None,
                          logger=LOG, auto_decompress=False, **self._options)

    def admit(self, address: str) -> bool:
        """Count a connection in, if there is room for it."""
        if address and (self._open[address] >= MOST_PER_ADDRESS
                        or sum(self._open.values()) >= MOST_CONNECTIONS):
            return False
        self._open[address] += 1
        return True

    def gone(self, address: str) -> None:
        """Count a connection out."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


class Connection(RequestHandler):
    """One connection of a client."""

    __slots__ = ('_connections', '_address', '_admitted', '_first')

    def __init__(self, connections: Connections, server: web.Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._connections, self._admitted = connections, False
        self._address = ''
        self._first: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or end it at once where there is no room."""
        peer = transport.get_extra_info('peername')
        # A unix socket has no address: the robot's console is never turned away.
        self._address = network(peer[0]) if isinstance(peer, tuple) else ''
        self._admitted = self._connections.admit(self._address)
        super().connection_made(transport)
        if not self._admitted:
            self._abort()
            return
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
        if self._admitted:
            self._admitted = False
            self._connections.gone(self._address)
        if self._first is not None:
            self._first.cancel()
        super().connection_lost(exc)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP like every other error, without a traceback in the log."""
        if status >= 500:
            LOG.error('a request from %s failed: %r', self._address, exc)
        response = web.Response(status=status, content_type='application/json', text=json.dumps(
            {'error': 'this is not a valid HTTP request', 'code': 'http'}))
        response.headers.update(HEADERS)
        response.force_close()
        return response
