# SPDX-License-Identifier: Apache-2.0
"""
Accepts connections, and counts them before they cost anything.

asyncio's own server shows a connection only after its TLS handshake, which takes 350 KB and some
milliseconds of the loop: a stranger could have as many as he likes, of both.
"""

import asyncio
import socket
import ssl
import time
import traceback
from contextlib import suppress
from functools import partial

from avatar_web.accounts.login_limit import Buckets, network
from avatar_web.door.connections import Connections
from avatar_web.door.crowd import Crowd, Guest

HANDSHAKE_S = 10.0
MOST_HANDSHAKES = 32
MOST_HANDSHAKES_PER_ADDRESS = 8

HANDSHAKES_AT_ONCE = 40
HANDSHAKE_PERIOD_S = 0.1
"""An address may begin so many at once, then one each period: the loop has other things to do."""

RETRY_S = 0.1


class Doorway:
    """One listening socket, with TLS where there is a context."""

    def __init__(
        self, connections: Connections, sock: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        self._connections, self._sock, self._context = connections, sock, context
        self._handshakes = Crowd(MOST_HANDSHAKES, MOST_HANDSHAKES_PER_ADDRESS)
        self._rate = Buckets(HANDSHAKES_AT_ONCE, HANDSHAKE_PERIOD_S)
        self._arriving: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.ensure_future(self._accept())

    async def close(self) -> None:
        """Accept no more; connections that are through go on."""
        tasks = [self._accepting, *self._arriving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sock.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                conn, peer = await loop.sock_accept(self._sock)
            except OSError:
                # It went before it came, or there are no file descriptors just now.
                await asyncio.sleep(RETRY_S)
                continue
            # `sock_accept` does not give way while others wait to be accepted: a flood would keep
            # the loop from the commands, and begin hundreds of handshakes before one can end.
            await asyncio.sleep(0)
            conn.setblocking(False)
            guest = Guest(network(peer[0]), go=partial(_cut, conn))
            if not self._admit(guest):
                conn.close()
                continue
            arriving = asyncio.ensure_future(self._welcome(conn, guest))
            self._arriving.add(arriving)
            arriving.add_done_callback(self._arriving.discard)

    def _admit(self, guest: Guest) -> bool:
        if self._context is not None:
            now_s = time.monotonic()
            if self._rate.wait_s(guest.address, now_s):
                return False
            self._rate.add(guest.address, now_s)
            _, goes = self._handshakes.enter(guest)
            if goes is not None:
                goes.go()
        if self._connections.admit(guest):
            return True
        self._handshakes.leave(guest)
        return False

    async def _welcome(self, conn: socket.socket, guest: Guest) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._connections.protocol(guest), conn, ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_S if self._context else None)
        except (OSError, asyncio.TimeoutError) as problem:
            # No TLS, or gone, or too slow: a stranger's affair.
            self._connections.gone(guest)
            _forget(problem)
        except BaseException:
            self._connections.gone(guest)
            conn.close()
            raise
        finally:
            self._handshakes.leave(guest)


def _cut(conn: socket.socket) -> None:
    """End a connection that nobody serves yet; whoever waits for it sees its end."""
    with suppress(OSError):
        conn.shutdown(socket.SHUT_RDWR)


def _forget(problem: BaseException) -> None:
    """
    Let go of what an exception holds: the failed connection, 350 KB, and in it itself again.

    Python would find that circle only after many more of them: a flood took 400 MB.
    """
    seen: BaseException | None = problem
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen.__traceback__ = None
        seen = seen.__context__
