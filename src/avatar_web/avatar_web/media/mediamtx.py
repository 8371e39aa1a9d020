# SPDX-License-Identifier: Apache-2.0
"""
What the gateway asks of MediaMTX, over HTTP on loopback, with bounds on time and size.

Nothing that is sent could be used by a stranger who took its port: each request carries a one-time
token, never the secret.
"""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from avatar_node.media_token import make
from avatar_web.media.sessions import Seen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOPBACK = '127.0.0.1'

OFFER_S = 8.0
"""MediaMTX may have to ask a STUN or TURN server first."""

REQUEST_S = 2.0
MOST_ANSWER_BYTES = 64 * 1024
MOST_LIST_BYTES = 1024 * 1024
MOST_REQUESTS = 16


class ServerDown(RuntimeError):
    """MediaMTX does not answer; the text says how."""


class ServerGone(ServerDown):
    """There is no MediaMTX at all, and so there are no sessions."""


class ServerRefused(RuntimeError):
    """MediaMTX answered with an error."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """A session that MediaMTX opened: the SDP, its public id, and the address that is its key."""

    sdp: bytes
    id: str
    location: str


class MediaMtx:
    """The client; belongs to one event loop, and is closed by `close`."""

    def __init__(
        self, secret: str, webrtc_port: int, api_port: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._secret, self._clock = secret, clock
        self._webrtc = f'http://{LOOPBACK}:{webrtc_port}'
        self._api = f'http://{LOOPBACK}:{api_port}/v3'
        self._session: aiohttp.ClientSession | None = None

    async def offer(self, path: str, sdp: str, query: str) -> Answer:
        """Open a session that reads `path`."""
        async with self._request(
                'POST', f'{self._webrtc}/{path}/whep?{query}', OFFER_S, data=sdp.encode(),
                headers={'Content-Type': 'application/sdp',
                         **self._login('whep', 'read', path)}) as response:
            body = await _body(response, MOST_ANSWER_BYTES)
            location = response.headers.get('Location', '')
            if response.status != 201 or not location.startswith(f'/{path}/whep/'):
                raise _refused(response.status, body)
            return Answer(body, response.headers.get('ID', ''), location)

    async def patch(self, location: str, fragment: bytes) -> tuple[int, bytes]:
        """Add candidates to a session; return status (200, 204) and body."""
        async with self._request(
                'PATCH', self._webrtc + location, REQUEST_S, data=fragment,
                headers={'Content-Type': 'application/trickle-ice-sdpfrag'}) as response:
            body = await _body(response, MOST_ANSWER_BYTES)
            if response.status not in (200, 204):
                raise _refused(response.status, body)
            return response.status, body

    async def end(self, location: str) -> None:
        """End a session by its key; one that is over already is no error."""
        async with self._request('DELETE', self._webrtc + location, REQUEST_S) as response:
            if response.status not in (200, 404):
                raise _refused(response.status, await _body(response, MOST_ANSWER_BYTES))

    async def kick(self, id_: str) -> None:
        """End a session by its public id; one that is over already is no error."""
        async with self._request(
                'POST', f'{self._api}/webrtcsessions/kick/{id_}', REQUEST_S,
                headers=self._login('avatar', 'api', '')) as response:
            if response.status not in (200, 404):
                raise _refused(response.status, await _body(response, MOST_ANSWER_BYTES))

    async def sessions(self) -> list[Seen]:
        """Return all WebRTC sessions there are."""
        async with self._request(
                'GET', f'{self._api}/webrtcsessions/list?itemsPerPage=1000', REQUEST_S,
                headers=self._login('avatar', 'api', '')) as response:
            body = await _body(response, MOST_LIST_BYTES)
            if response.status != 200:
                raise _refused(response.status, body)
        try:
            return [_seen(item) for item in json.loads(body)['items']]
        except (ValueError, KeyError, TypeError):
            raise ServerRefused(502, 'its list of sessions cannot be read') from None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _login(self, user: str, action: str, path: str) -> dict[str, str]:
        token = make(self._secret, action, path, self._clock(), secrets.token_bytes(8))
        words = base64.b64encode(f'{user}:{token}'.encode()).decode()
        return {'Authorization': f'Basic {words}'}

    @asynccontextmanager
    async def _request(
        self, method: str, url: str, timeout_s: float, **more: Any
    ) -> 'AsyncIterator[aiohttp.ClientResponse]':
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MOST_REQUESTS),
                cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.request(
                    method, url, timeout=aiohttp.ClientTimeout(timeout_s), allow_redirects=False,
                    **more) as response:
                yield response
        except asyncio.TimeoutError:
            raise ServerDown(f'no answer within {timeout_s:g} s') from None
        except aiohttp.ClientConnectorError as problem:
            raise ServerGone(str(problem)) from None
        except (aiohttp.ClientError, OSError) as problem:
            raise ServerDown(str(problem) or type(problem).__name__) from None


async def _body(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    body = await response.content.read(most_bytes + 1)
    while len(body) <= most_bytes and (more := await response.content.read(most_bytes)):
        body += more
    if len(body) > most_bytes:
        raise ServerRefused(502, f'its answer is longer than {most_bytes} bytes')
    return body


def _refused(status: int, body: bytes) -> ServerRefused:
    try:
        sentence = str(json.loads(body)['error'])
    except (ValueError, KeyError, TypeError):
        sentence = ascii(body[:100])
    return ServerRefused(status, f'status {status}: {sentence[:200]}')


def _seen(item: dict[str, Any]) -> Seen:
    return Seen(
        id=str(item['id']), path=str(item['path']), user=str(item['user']),
        query=str(item['query']), connected=bool(item['peerConnectionEstablished']),
        rtcp=int(item['inboundRTCPPackets']), sent=int(item.get('outboundBytes', 0)))
