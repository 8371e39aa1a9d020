# SPDX-License-Identifier: Apache-2.0
"""
The outgoing side of one WebSocket: what waits, what overtakes, and when to give up.

Replies and topic messages wait in the outbox for one writing task. Pings and pongs overtake all
of it: they are written at once, because a ping that waits measures the queue and not the link.
"""

import asyncio
import contextlib
import socket

from aiohttp import web

from avatar_web.clients.outbox import Outbox

WRITE_BUFFER_BYTES = 16 * 1024
FULL_POLL_S = 0.01
UNSENT_BYTES = 16 * 1024
STALLED_S = 10.0
MOST_UNREAD = 64 * 1024
CLOSE_S = 0.5

CLOSE = 0x8
PING = 0x9
PONG = 0xA


class Wire:
    """What one client is sent. Belongs to the event loop's thread."""

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self.outbox = Outbox()
        self.closing = False
        self._ws, self._transport = ws, transport
        self._wake = asyncio.Event()
        self._writing_since_s: float | None = None
        if transport is not None:
            self._tune(transport)

    def send(self, text: str) -> bool:
        """Queue a reply; return False if the client has not read for so long that none fits."""
        if self.closing:
            return True
        self._wake.set()
        return self.outbox.put(text)

    def send_topic(self, key: str, text: str) -> None:
        """Queue a message of a topic that the outbox has open."""
        self.outbox.put_topic(key, text)
        self._wake.set()

    def control(self, opcode: int, payload: bytes) -> None:
        """Write a ping, a pong or a close, now."""
        # By hand because it must not be awaited; a frame of a server has no mask.
        if self._transport is not None and not self._transport.is_closing() and not self.closing:
            if opcode != CLOSE and self._transport.get_write_buffer_size() > MOST_UNREAD:
                # Who asks and asks and reads no answer gets none; one large message of a topic
                # on its way through a thin link does no harm.
                return
            self._transport.write(bytes((0x80 | opcode, len(payload))) + payload)

    async def run(self) -> None:
        """Write what waits until the socket is closed."""
        loop = asyncio.get_running_loop()
        while True:
            text = self.outbox.next(loop.time())
            if text is None:
                self._wake.clear()
                due_s = self.outbox.due_s()
                timer = loop.call_at(due_s, self._wake.set) if due_s is not None else None
                await self._wake.wait()
                if timer is not None:
                    timer.cancel()
                continue
            self._writing_since_s = loop.time()
            while self._is_full():
                await asyncio.sleep(FULL_POLL_S)
            try:
                await self._ws.send_str(text)
            except (ConnectionError, RuntimeError):
                # Closed meanwhile; the reading side ends the client.
                return
            self._writing_since_s = None

    def _is_full(self) -> bool:
        return (self._transport is not None and not self._transport.is_closing()
                and self._transport.get_write_buffer_size() > WRITE_BUFFER_BYTES)

    def is_stalled(self, now: float) -> bool:
        """Return whether the client has taken nothing for STALLED_S though something waits."""
        return self._writing_since_s is not None and now - self._writing_since_s > STALLED_S

    def close(self, code: int, reason: str) -> None:
        """Say why the socket is closed; who does not close it within CLOSE_S is cut off."""
        if not self.closing:
            # Not `ws.close`: it cuts at once, and a peer that was sending loses the reason.
            self.control(CLOSE, code.to_bytes(2, 'big') + reason.encode())
            self.closing = True
            asyncio.get_running_loop().call_later(CLOSE_S, self.abort)

    def abort(self) -> None:
        """Close the socket now, without a word."""
        self.closing = True
        if self._transport is not None:
            self._transport.abort()

    @staticmethod
    def _tune(transport: asyncio.Transport) -> None:
        sock = transport.get_extra_info('socket')
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # What the kernel has taken nobody can overtake: keep it little.
            with contextlib.suppress(AttributeError, OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
