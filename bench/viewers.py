# SPDX-License-Identifier: Apache-2.0
"""
Viewers that cost little: they receive the picture and throw it away undecoded.

    python bench/viewers.py http://127.0.0.1:8080 TOKEN COUNT

Says `watching COUNT` when all are connected and watches until its stdin is closed. TOKEN is an
admin's: it makes the account that they sign in with.
"""

import asyncio
import secrets
import sys
from contextlib import AsyncExitStack

import aiohttp
from aiortc import RTCPeerConnection, RTCSessionDescription, rtcrtpreceiver

# The gateway allows so many pictures per signed-in browser.
PER_SIGN_IN = 4
CONNECT_S = 20.0


def drain(_loop, input_q, *_) -> None:
    """Take the place of aiortc's decoder."""
    while input_q.get() is not None:
        pass


async def sign_in(http: aiohttp.ClientSession, url: str, name: str, password: str) -> None:
    """Sign in; the cookie stays in the session."""
    async with http.post(f'{url}/api/login', json={'name': name, 'password': password},
                         headers={'Origin': url}) as answer:
        answer.raise_for_status()


async def watch(http: aiohttp.ClientSession, url: str) -> tuple[RTCPeerConnection, str]:
    """Join; return the connection, and where it is ended."""
    connection = RTCPeerConnection()
    connection.addTransceiver('video', direction='recvonly')
    connected = asyncio.Event()

    @connection.on('connectionstatechange')
    def changed() -> None:
        if connection.connectionState == 'connected':
            connected.set()
    await connection.setLocalDescription(await connection.createOffer())
    async with http.post(f'{url}/whep/camera', data=connection.localDescription.sdp,
                         headers={'Content-Type': 'application/sdp', 'Origin': url}) as answer:
        if answer.status != 201:
            raise SystemExit(f'POST /whep/camera: {answer.status} {await answer.text()}')
        session = answer.headers['Location']
        await connection.setRemoteDescription(RTCSessionDescription(await answer.text(), 'answer'))
    await asyncio.wait_for(connected.wait(), CONNECT_S)
    return connection, f'{url}{session}'


async def main() -> None:
    """Watch until stdin ends."""
    url, token, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rtcrtpreceiver.decoder_worker = drain
    name, password = f'viewer-{secrets.token_hex(4)}', secrets.token_urlsafe(12)
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(aiohttp.ClientSession(
            headers={'Authorization': f'Bearer {token}'}))
        async with admin.post(f'{url}/api/users', json={
                'name': name, 'password': password, 'role': 'viewer'}) as answer:
            answer.raise_for_status()
        stack.push_async_callback(admin.delete, f'{url}/api/users/{name}')
        watching = []
        for number in range(count):
            if number % PER_SIGN_IN == 0:
                # The jar must keep cookies of an address without a name.
                http = await stack.enter_async_context(aiohttp.ClientSession(
                    cookie_jar=aiohttp.CookieJar(unsafe=True)))
                await sign_in(http, url, name, password)
            watching.append((http, *await watch(http, url)))
        print(f'watching {count}', flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for http, connection, session in watching:
            async with http.delete(session, headers={'Origin': url}):
                await connection.close()


if __name__ == '__main__':
    asyncio.run(main())
