# SPDX-License-Identifier: Apache-2.0
"""Snapshots and recordings: lists, parts, deletion; nothing outside the two folders."""

import asyncio
import os
import time
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from avatar_web.media.files import RECORDINGS, SNAPSHOTS, Folder, NoSuchFile
from avatar_web.testing import DEMO_TOKEN, open_door

PICTURE, FILM = 'avatar_20260102_030405.jpg', 'avatar_20260102_030405.mp4'
LATER = 'avatar_20260102_030406_2.mp4'
BODY = bytes(range(256)) * 4000


def folders(state_dir: Path) -> tuple[Path, Path]:
    """Make both folders, with a picture, a film with its small picture, and one without."""
    snapshots, recordings = state_dir / 'snapshots', state_dir / 'recordings'
    snapshots.mkdir()
    recordings.mkdir()
    (snapshots / PICTURE).write_bytes(b'the picture')
    (recordings / FILM).write_bytes(BODY)
    (recordings / PICTURE).write_bytes(b'small')
    (recordings / LATER).write_bytes(b'later')
    return snapshots, recordings


def run(test, tmp_path, role=None):
    """Run a coroutine with a door, its folders and a client."""
    async def body():
        async with open_door(tmp_path) as door, door.script(DEMO_TOKEN) as client:
            await test(door, client, *folders(tmp_path))
    asyncio.run(body())


async def get(client, path, **headers):
    async with client.get(path, headers=headers) as response:
        return response.status, await response.read(), response.headers


def test_lists(tmp_path):
    async def test(door, client, snapshots, recordings):
        door.gateway.stream = {'recording': LATER}
        for name in ('notes.txt', '.hidden', 'avatar_1.jpg', f'{PICTURE}.tmp', 'avatar_.jpg'):
            (snapshots / name).write_text('x')
        (snapshots / 'avatar_20260101_000000.jpg').symlink_to('/etc/passwd')
        (snapshots / 'avatar_20260101_000001.jpg').mkdir()
        os.mkfifo(snapshots / 'avatar_20260101_000002.jpg')
        answer = await (await client.get('/api/snapshots')).json()
        (file,) = answer['files']
        assert file.pop('time') == pytest.approx(time.time(), abs=60)
        assert file == {'name': PICTURE, 'bytes': 11, 'thumb': True, 'writing': False}
        answer = await (await client.get('/api/recordings')).json()
        assert [(f['name'], f['bytes'], f['thumb'], f['writing']) for f in answer['files']] == [
            (LATER, 5, False, True), (FILM, len(BODY), True, False)]
    run(test, tmp_path)


def test_a_file_whole_and_in_parts(tmp_path):
    async def test(door, client, snapshots, recordings):
        url = f'/api/recordings/{FILM}'
        status, body, headers = await get(client, url)
        assert (status, body) == (200, BODY)
        assert headers['Content-Type'] == 'video/mp4' and headers['Accept-Ranges'] == 'bytes'
        assert headers['Content-Disposition'] == f'inline; filename="{FILM}"'
        assert headers['X-Content-Type-Options'] == 'nosniff'
        assert 'default-src' in headers['Content-Security-Policy']
        etag = headers['ETag']
        for asked, wanted in (('0-', BODY), ('5-9', BODY[5:10]), ('-7', BODY[-7:]),
                              (f'{len(BODY) - 1}-', BODY[-1:]), ('0-99999999', BODY)):
            status, body, headers = await get(client, url, Range=f'bytes={asked}')
            assert (status, body) == (206, wanted), asked
            assert headers['Content-Range'].endswith(f'/{len(BODY)}')
        status, _, headers = await get(client, url, Range=f'bytes={len(BODY)}-')
        assert (status, headers['Content-Range']) == (416, f'bytes */{len(BODY)}')
        for not_understood in ('bytes=5-2', 'bytes=x', 'bytes=0-1,4-5', 'pages=1-2'):
            assert (await get(client, url, Range=not_understood))[:2] == (200, BODY)
        assert (await get(client, url, **{'If-None-Match': etag}))[0] == 304
        # It goes on where it ended only if it is the same file still.
        assert (await get(client, url, **{'If-Range': etag, 'Range': 'bytes=1-2'}))[0] == 206
        assert (await get(client, url, **{'If-Range': '"x"', 'Range': 'bytes=1-2'}))[0] == 200
        async with client.head(url) as response:
            assert response.status == 200 and int(response.headers['Content-Length']) == len(BODY)
        assert 'attachment' in (await get(client, url + '?download'))[2]['Content-Disposition']
    run(test, tmp_path)


def test_small_pictures(tmp_path):
    async def test(door, client, snapshots, recordings):
        assert (await get(client, f'/api/recordings/{FILM}/thumb'))[:2] == (200, b'small')
        assert (await get(client, f'/api/recordings/{LATER}/thumb'))[0] == 404
        status, body, headers = await get(client, f'/api/snapshots/{PICTURE}/thumb')
        assert (status, body, headers['Content-Type']) == (200, b'the picture', 'image/jpeg')
        assert (await get(client, f'/api/recordings/{PICTURE}'))[0] == 404, 'no film'
    run(test, tmp_path)


def test_deletion(tmp_path):
    async def test(door, client, snapshots, recordings):
        door.gateway.stream = {'recording': LATER}
        async with client.delete(f'/api/recordings/{LATER}') as response:
            assert (response.status, (await response.json())['code']) == (409, 'writing')
        for kind, name in (('recordings', FILM), ('snapshots', PICTURE)):
            assert (await client.delete(f'/api/{kind}/{name}')).status == 200
            assert (await client.delete(f'/api/{kind}/{name}')).status == 404
        assert os.listdir(recordings) == [LATER], 'the small picture went with the film'
        assert os.listdir(snapshots) == []
        (snapshots / PICTURE).symlink_to(recordings / LATER)
        assert (await client.delete(f'/api/snapshots/{PICTURE}')).status == 200
        assert (recordings / LATER).exists(), 'a link is deleted, not what it points to'
    run(test, tmp_path)


def test_nothing_else_can_be_read(tmp_path):
    async def test(door, client, snapshots, recordings):
        secret = tmp_path / 'avatar.db'
        assert secret.exists()
        linked = 'avatar_20260101_000000.jpg'
        (snapshots / linked).symlink_to(secret)
        pipe, folder = 'avatar_20260101_000001.jpg', 'avatar_20260101_000002.jpg'
        os.mkfifo(snapshots / pipe)
        (snapshots / folder).mkdir()
        names = [linked, pipe, folder, '..', '.', '../avatar.db', '..%2favatar.db', '', '%00',
                 f'{PICTURE}%00.txt', f'../snapshots/{PICTURE}', f'.{PICTURE}', f'{PICTURE}.jpg',
                 'avatar_20260101_000000.JPG', 'avatar_2026010١_000000.jpg',
                 f'{PICTURE}\n', f'{PICTURE}/', f'{PICTURE}/../{PICTURE}', 'a' * 5000,
                 f'..\\{PICTURE}', f'{PICTURE};x', '/etc/passwd', '%2e%2e', FILM]
        for method in ('GET', 'HEAD', 'DELETE'):
            for name in names:
                for path in (f'/api/snapshots/{name}', f'/api/snapshots/{quote(name, safe="")}',
                             f'/api/snapshots/{quote(name, safe="%")}/thumb'):
                    url = aiohttp.client.URL(door.url + path, encoded=True)
                    if not path.isascii() or '\n' in path or '\\' in path:
                        continue
                    try:
                        async with client.request(method, url) as response:
                            got = await response.read()
                            if response.status == 200:
                                # A list, if the name was empty; never a file's bytes.
                                assert got.startswith(b'{"files"') or got in (b'', b'{}'), path
                            assert response.status in (200, 400, 404, 405, 414, 416), path
                    except aiohttp.ClientError:
                        pass
        assert secret.exists() and (snapshots / PICTURE).exists()
    run(test, tmp_path)


def test_the_folder_itself_is_strict(tmp_path):
    folders(tmp_path)
    (tmp_path / 'snapshots' / 'avatar_20260101_000000.jpg').symlink_to(tmp_path / 'x')
    folder = Folder(tmp_path, SNAPSHOTS)
    for name in ('', '.', '..', 'avatar_20260101_000000.jpg', f'{PICTURE}\n', f'\n{PICTURE}',
                 f'../snapshots/{PICTURE}', f'{PICTURE}\0', 'avatar_20260101_00000٠.jpg', FILM):
        for ask in (folder.open, folder.open_thumb):
            with pytest.raises(NoSuchFile):
                ask(name)
    for name in ('', '..', FILM, f'../snapshots/{PICTURE}'):
        with pytest.raises(NoSuchFile):
            folder.delete(name)
    missing = Folder(tmp_path / 'nowhere', RECORDINGS)
    assert missing.list() == []
    for ask in (missing.open, missing.delete):
        with pytest.raises(NoSuchFile):
            ask(FILM)


def test_a_file_that_shrinks_on_its_way_is_not_taken_for_the_whole(tmp_path):
    async def test(door, client, snapshots, recordings):
        big = recordings / 'avatar_20260102_030407.mp4'
        with big.open('wb') as file:
            file.truncate(200_000_000)
        async with client.get(f'/api/recordings/{big.name}') as response:
            await response.content.readexactly(100_000)
            with big.open('r+b') as file:
                file.truncate(1_000_000)
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        # Who leaves in the middle leaves nothing open.
        with big.open('r+b') as file:
            file.truncate(200_000_000)
        before = len(os.listdir('/proc/self/fd'))
        for _ in range(10):
            async with client.get(f'/api/recordings/{big.name}') as response:
                await response.content.readexactly(10)
                response.close()
        until = time.monotonic() + 5
        while len(os.listdir('/proc/self/fd')) > before + 2:
            assert time.monotonic() < until, 'files are left open'
            await asyncio.sleep(0.05)
    run(test, tmp_path)


def test_a_list_has_an_end(tmp_path):
    async def test(door, client, snapshots, recordings):
        for number in range(1500):
            (snapshots / f'avatar_20260103_{number:06d}.jpg').write_bytes(b'x')
        answer = await (await client.get('/api/snapshots')).json()
        assert len(answer['files']) == 1000
        assert answer['files'][0]['name'] == 'avatar_20260103_001499.jpg'
    run(test, tmp_path)
