# SPDX-License-Identifier: Apache-2.0
"""
The way to the picture with the real door, a real MediaMTX, a real encoder and real viewers.

Who may watch, publish and ask; that viewers end with their account; that what they leave behind
is found; that everything may be started again while they watch.
"""

import asyncio
import secrets
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from avatar_bringup.ports import Ports
from avatar_web.media import sessions, whep
from avatar_web.media.media import MediaConfig
from avatar_web.testing import DEMO_TOKEN, Door, open_door
from tests.media import MediaServer, Publisher, Viewer, eventually, viewers

PASSWORD = 'correct horse'


class Robot:
    """A door and its media server, on ports of their own."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self.ports, self.secret = Ports.free(), secrets.token_hex(16)
        self.server = MediaServer(self.ports, self.secret)

    @asynccontextmanager
    async def door(self) -> AsyncIterator[Door]:
        """Open the gateway's door; may be done again with the same robot."""
        async with open_door(self._state_dir, media=MediaConfig(
                camera=True, secret=self.secret, webrtc_port=self.ports.webrtc,
                api_port=self.ports.api, inner_port=self.ports.inner)) as door:
            yield door

    async def listed(self) -> list[dict[str, Any]]:
        """Return MediaMTX's sessions that were let in."""
        seen = await asyncio.to_thread(self.server.sessions)
        return [item for item in seen if item['user']]

    async def count(self, wanted: int, timeout_s: float) -> None:
        """Wait until MediaMTX has so many sessions."""
        async def fits() -> bool:
            return len(await self.listed()) == wanted
        await eventually(fits, timeout_s, f'{wanted} sessions at MediaMTX')


def run(test: Any, tmp_path: Path) -> None:
    """Run a coroutine with a robot whose door is open."""
    async def body() -> None:
        robot = Robot(tmp_path)
        try:
            async with robot.door() as door:
                await test(robot, door)
        finally:
            robot.server.stop()
    asyncio.run(body())


async def token_of(door: Door, name: str, role: str = 'viewer') -> str:
    """Make an account; return a token of it."""
    async with door.script(DEMO_TOKEN) as admin:
        await admin.post('/api/users', json={'name': name, 'role': role, 'password': PASSWORD})
        response = await admin.post('/api/login', json={
            'name': name, 'password': PASSWORD, 'bearer': True})
        return str((await response.json())['token'])


def test_a_viewer_sees_the_picture_and_leaves(tmp_path: Path) -> None:
    async def test(robot: Robot, door: Door) -> None:
        publisher = Publisher(robot.server)
        try:
            async with door.script(DEMO_TOKEN) as client, viewers(client, 1) as (viewer,):
                await viewer.join()
                assert viewer.status == 201 and viewer.location.startswith('/whep/camera/')
                await eventually(lambda: viewer.frames > 5, 10, 'pictures')
                await eventually(lambda: viewer.size == (320, 180), 10, 'the published picture')
                # The key MediaMTX gave out never reaches a browser.
                assert len(await robot.listed()) == 1
                assert await viewer.leave() == 200
                await robot.count(0, 1)
                assert await viewer.leave() == 404
        finally:
            publisher.close()
    run(test, tmp_path)


def test_nobody_without_rights_gets_a_session(tmp_path: Path) -> None:
    async def test(robot: Robot, door: Door) -> None:
        async with door.browser() as nobody:
            for method, path in (('POST', '/whep/camera'), ('PATCH', '/whep/camera/x'),
                                 ('DELETE', '/whep/camera/x'), ('GET', '/api/camera'),
                                 ('GET', '/api/snapshots'), ('GET', '/api/recordings')):
                async with nobody.request(method, path) as response:
                    assert response.status == 401, path
            async with viewers(nobody, 1) as (viewer,):
                await viewer.join()
                assert (viewer.status, viewer.answer['code']) == (401, 'login')
        token = await token_of(door, 'ann')
        async with door.script(token) as client:
            for method, path, body in (
                    ('POST', '/api/camera', {'profile': '320p'}), ('POST', '/api/snapshots', {}),
                    ('POST', '/api/recordings', {'on': True}),
                    ('DELETE', '/api/snapshots/avatar_20260101_000000.jpg', None)):
                async with client.request(method, path, json=body) as response:
                    assert response.status == 403, path
                    assert (await response.json())['code'] == 'role'
            async with viewers(client, 1) as (viewer,):
                await viewer.join()
                assert viewer.status == 201, 'a viewer may see'
                # Somebody else's session is nobody's.
                async with door.script(DEMO_TOKEN) as other, other.delete(
                        viewer.location) as response:
                    assert response.status == 404
                assert len(await robot.listed()) == 1
        async with door.browser() as browser:
            await browser.get(f'/?token={DEMO_TOKEN}')
            async with browser.post('/whep/camera', data='v=0', headers={
                    'Content-Type': 'application/sdp', 'Origin': 'http://evil.example'}) as it:
                assert it.status == 403, "a foreign page in the operator's browser"
    run(test, tmp_path)


def test_what_is_no_offer_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    async def test(robot: Robot, door: Door) -> None:
        async with door.script(DEMO_TOKEN) as client, viewers(client, 1) as (viewer,):
            good = await viewer.offer()

            async def post(body: str, kind: str = 'application/sdp') -> tuple[int, str]:
                async with client.post('/whep/camera', data=body.encode(), headers={
                        'Content-Type': kind}) as response:
                    return response.status, (await response.json())['code']

            assert await post(good, 'text/plain') == (415, 'request')
            assert await post('') == (400, 'sdp')
            assert await post(good.replace('H264/90000', 'VP8/90000')) == (400, 'no_h264')
            assert await post(good + 'x' * 70_000) == (413, 'http')
            # Formally an offer, and nonsense; MediaMTX says so.
            assert await post(good.replace('a=ice-pwd:', 'a=x:')) == (400, 'sdp')
            async with client.post('/whep/microphone', data=good.encode()) as response:
                assert response.status == 404
            async with client.get('/whep/camera') as response:
                assert response.status in (404, 405)
            assert await robot.listed() == []
    run(test, tmp_path)


@pytest.fixture
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the look at MediaMTX's list, which would find the same a second later."""
    monkeypatch.setattr(whep, 'POLL_S', 60.0)


@pytest.mark.usefixtures('nobody_looks')
def test_whose_account_ends_sees_nothing_more_within_a_second(tmp_path: Path) -> None:
    async def test(robot: Robot, door: Door) -> None:
        tokens = {name: await token_of(door, name) for name in ('ann', 'bob', 'cy')}
        async with door.script(tokens['ann']) as ann, door.script(tokens['bob']) as bob, \
                door.script(tokens['cy']) as cy, door.script(DEMO_TOKEN) as admin, \
                viewers(ann, 1) as (a,), viewers(bob, 1) as (b,), viewers(cy, 1) as (c,):
            for viewer in (a, b, c):
                await viewer.join()
                await eventually(lambda v=viewer: v.state == 'connected', 10, 'connected')
            assert len(await robot.listed()) == 3
            assert (await ann.post('/api/logout')).status == 200
            await robot.count(2, 1.0)
            assert (await admin.delete('/api/users/bob')).status == 200
            await robot.count(1, 1.0)
            assert (await admin.post('/api/users/cy/password', json={
                'password': 'another horse'})).status == 200
            await robot.count(0, 1.0)
            await eventually(lambda: {a.state, b.state, c.state} <= {'closed', 'failed'}, 30,
                             'the viewers to notice')
    run(test, tmp_path)


@pytest.mark.usefixtures('nobody_looks')
def test_who_signs_out_while_joining_does_not_get_in(tmp_path: Path) -> None:
    async def test(robot: Robot, door: Door) -> None:
        token = await token_of(door, 'ann')
        async with door.script(token) as ann, viewers(ann, 3) as people:
            robot.server.signal(signal.SIGSTOP)
            joins = [asyncio.ensure_future(viewer.join()) for viewer in people]
            await eventually(lambda: door.media.viewers == 3, 5, 'three who wait')
            await ann.post('/api/logout')
            robot.server.signal(signal.SIGCONT)
            await asyncio.gather(*joins)
            assert [viewer.status for viewer in people] == [401] * 3
            await robot.count(0, 2.0)
            assert door.media.viewers == 0
    run(test, tmp_path)


def test_25_viewers_join_and_leave_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, 'CONNECT_S', 4.0)

    async def test(robot: Robot, door: Door) -> None:
        tokens = [await token_of(door, f'user{number}') for number in range(7)]
        clients = [door.script(token) for token in tokens]
        opened = [await client.__aenter__() for client in clients]
        people = [Viewer(opened[number // 4]) for number in range(25)]
        try:
            await asyncio.gather(*(viewer.join() for viewer in people))
            assert [viewer.status for viewer in people] == [201] * 25
            await robot.count(25, 5)
            await eventually(lambda: all(v.state == 'connected' for v in people), 60, 'all')
            # One browser has only four; the robot has only thirty.
            assert (await Viewer(opened[0]).join()).answer['code'] == 'too_many'
            assert set(await asyncio.gather(*(viewer.leave() for viewer in people))) == {200}
            await robot.count(0, 3)
            await asyncio.gather(*(viewer.close() for viewer in people))
            people = [Viewer(opened[number // 4]) for number in range(25)]
            await asyncio.gather(*(viewer.join(connect=False) for viewer in people))
            assert [viewer.status for viewer in people] == [201] * 25
            # Here nobody says goodbye.
        finally:
            await asyncio.gather(*(viewer.close() for viewer in people))
            for client in clients:
                await client.__aexit__(None, None, None)
        await robot.count(0, sessions.CONNECT_S + 5)
    run(test, tmp_path)


def test_who_opens_sessions_and_never_connects_is_bounded_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, 'CONNECT_S', 2.0)
    monkeypatch.setattr(sessions, 'MAKES_ROOM_S', 1.0)

    async def test(robot: Robot, door: Door) -> None:
        token = await token_of(door, 'mallory')
        async with door.script(token) as client, viewers(client, 20) as people:
            for viewer in people:
                await viewer.join(connect=False)
            refused = [viewer for viewer in people if viewer.status == 429]
            assert len(refused) >= 12 and {v.answer['code'] for v in refused} == {'too_many'}
            assert len(await robot.listed()) <= sessions.MOST_PER_OWNER
            await robot.count(0, 6)
            # And there is nothing left that keeps asking.
            await eventually(lambda: door.media.viewers == 0, 3, 'an empty table')
    run(test, tmp_path)


def test_a_browser_that_is_gone_without_a_word_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, 'SILENT_S', 4.0)

    async def test(robot: Robot, door: Door) -> None:
        publisher = Publisher(robot.server)
        try:
            async with door.script(DEMO_TOKEN) as client, viewers(client, 2) as (stays, goes):
                for viewer in (stays, goes):
                    await viewer.join()
                    await eventually(lambda v=viewer: v.frames > 3, 15, 'pictures')
                for transport in goes.transports():
                    transport.abort()
                await robot.count(1, 12)
                seen = stays.frames
                await eventually(lambda: stays.frames > seen + 5, 5, 'the other sees on')
        finally:
            publisher.close()
    run(test, tmp_path)


def test_a_stolen_port_opens_nothing(tmp_path: Path) -> None:
    async def test(robot: Robot, door: Door) -> None:
        server, ports = robot.server, robot.ports
        async with door.script(DEMO_TOKEN) as client, viewers(client, 1) as (viewer,):
            offer = (await viewer.offer()).encode()

        async def ask(*arguments: Any, **more: Any) -> int:
            return (await asyncio.to_thread(server.http, *arguments, **more))[0]

        # All at once: MediaMTX lets whom it refuses wait.
        guesses = (('', ''), ('avatar', 'guess'), ('whep', robot.secret),
                   ('stream', robot.secret), ('any', ''),
                   ('whep', server.password('publish', 'camera')),
                   ('whep', server.password('read', 'microphone')))
        assert set(await asyncio.gather(*(
            ask('POST', ports.webrtc, '/camera/whep', body=offer, user=user, password=password)
            for user, password in guesses))) == {401}
        spent = server.password('api', '')
        list_ = '/v3/paths/list'
        assert await ask('GET', ports.api, list_, user='avatar', password=spent) == 200
        assert set(await asyncio.gather(*(
            ask('GET', ports.api, path, user=user, password=password)
            for path in (list_, '/v3/config/global/get', '/v3/webrtcsessions/list')
            for user, password in (('', ''), ('avatar', 'guess'), ('avatar', spent),
                                   ('stream', server.password('api', '')))))) == {401}
        assert await robot.listed() == []
        publishers = [Publisher(server, password) for password in (
            'guess', robot.secret, server.password('read', 'camera'))]
        codes = [await asyncio.to_thread(p.process.wait, 30) for p in publishers]
        assert 0 not in codes
    run(test, tmp_path)


def test_a_second_publisher_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    async def test(robot: Robot, door: Door) -> None:
        token = robot.server.password('publish', 'camera')
        first = Publisher(robot.server, token)
        try:
            async with door.script(DEMO_TOKEN) as client, viewers(client, 1) as (viewer,):
                await viewer.join()
                await eventually(lambda: viewer.size == (320, 180), 15, 'the first')
                for password in (token, robot.server.password('publish', 'camera')):
                    second = Publisher(robot.server, password)
                    assert await asyncio.to_thread(second.process.wait, 30) != 0
                assert first.process.poll() is None
                seen = viewer.frames
                await eventually(lambda: viewer.frames > seen + 5, 5, 'pictures of the first')
        finally:
            first.close()
    run(test, tmp_path)


def test_the_gateway_may_be_started_again_while_people_watch(tmp_path: Path) -> None:
    async def body() -> None:
        robot = Robot(tmp_path)
        publisher = None
        try:
            async with robot.door() as door:
                publisher = Publisher(robot.server)
                ann, bob = await token_of(door, 'ann'), await token_of(door, 'bob')
                async with door.script(ann) as client:
                    viewer = await Viewer(client).join()
                async with door.script(bob) as client:
                    other = await Viewer(client).join()
                await eventually(lambda: viewer.frames > 3 and other.frames > 3, 15, 'pictures')
            seen = viewer.frames
            await eventually(lambda: viewer.frames > seen + 10, 5, 'pictures without a gateway')
            async with robot.door() as door:
                seen = viewer.frames
                await eventually(lambda: door.media.viewers == 2, 5, 'taken over')
                await eventually(lambda: viewer.frames > seen + 10, 5, 'pictures as before')
                async with door.script(DEMO_TOKEN) as admin:
                    assert (await admin.delete('/api/users/bob')).status == 200
                await robot.count(1, 1.0)
                async with door.script(ann) as client, client.delete(viewer.location) as response:
                    assert response.status == 200, 'known by the name the old gateway gave it'
                await robot.count(0, 1.0)
            await viewer.close()
            await other.close()
        finally:
            if publisher is not None:
                publisher.close()
            robot.server.stop()
    asyncio.run(body())


def test_mediamtx_may_be_started_again(tmp_path: Path) -> None:
    async def test(robot: Robot, door: Door) -> None:
        async with door.script(DEMO_TOKEN) as client, viewers(client, 3) as (a, b, c):
            await a.join()
            assert a.status == 201
            robot.server.stop()
            begin = time.monotonic()
            await b.join()
            assert (b.status, b.answer['code']) == (503, 'server_down')
            assert time.monotonic() - begin < 3
            await eventually(lambda: door.media.viewers == 0, 5, 'forgotten sessions')
            await asyncio.to_thread(robot.server.start)
            await c.join()
            assert c.status == 201
            await eventually(lambda: c.state == 'connected', 10, 'connected')
            assert [text for text in door.said if 'media server' in text], door.said
            # Said once each: that it is down, that it works again.
            assert len([text for text in door.said if 'MediaMTX' in text]) <= 4, door.said
    run(test, tmp_path)


def test_a_taken_inner_port_is_said_and_survived(tmp_path: Path) -> None:
    async def body() -> None:
        robot = Robot(tmp_path)
        stranger = await asyncio.start_server(
            lambda reader, writer: writer.close(), '127.0.0.1', robot.ports.inner)
        try:
            async with robot.door() as door, door.script(DEMO_TOKEN) as client, \
                    viewers(client, 2) as (a, b):
                await a.join()
                assert (a.status, a.answer['code']) == (503, 'no_media')
                assert str(robot.ports.inner) in a.answer['error']
                assert str(robot.ports.inner) in ' '.join(door.said)
                stranger.close()
                await stranger.wait_closed()

                async def joins() -> bool:
                    await asyncio.sleep(0.5)  # each attempt makes the offer longer
                    await b.join()
                    return b.status == 201
                await eventually(joins, 30, 'a session once the port is free')
        finally:
            robot.server.stop()
    asyncio.run(body())


def test_without_a_media_server_the_door_is_as_before(tmp_path: Path) -> None:
    async def body() -> None:
        async with open_door(tmp_path) as door, door.script(DEMO_TOKEN) as client:
            async with viewers(client, 1) as (viewer,):
                await viewer.join()
                assert (viewer.status, viewer.answer['code']) == (503, 'no_media')
            async with client.get('/api/snapshots') as response:
                assert await response.json() == {'files': []}
        async with open_door(tmp_path, media=MediaConfig(camera=False)) as door, \
                door.script(DEMO_TOKEN) as client, client.get('/api/camera') as response:
            assert response.status == 404
    asyncio.run(body())

