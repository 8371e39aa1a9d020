# SPDX-License-Identifier: Apache-2.0
"""The files of the page on a real port: kept by browsers for good, and never of two editions."""

import asyncio
import gzip
import re
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from avatar_web.door.http import STATIC
from avatar_web.door.static_files import StaticFiles

NAMED = re.compile(r'\b(?:href|src)="(v/[0-9a-f]{16}/[^"]+)"')

PAGE = """<link href="styles/base.css"><a href="#top"></a><a href="gone.js"></a>
<script type="module" src="main.js"></script>"""


@pytest.fixture
def root(tmp_path):
    root = tmp_path / 'static'
    (root / 'styles').mkdir(parents=True)
    (root / 'index.html').write_text(PAGE)
    (root / 'main.js').write_text("import './why.js';")
    (root / 'why.js').write_text('// one\n' * 200)
    (root / 'styles/base.css').write_text('body {}')
    (root / '.hidden').write_text('secret')
    return root


@asynccontextmanager
async def served(root):
    files = StaticFiles(root)

    async def serve(request):
        return await files.serve(request, request.match_info['name'] or 'index.html')
    app = web.Application()
    app.router.add_get('/{name:.*}', serve)
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        yield client


async def edition(client):
    """Return where the page's files are now: `/v/EDITION/`."""
    page = await (await client.get('/', headers={'Accept-Encoding': ''})).text()
    return '/' + NAMED.search(page)[1].removesuffix('styles/base.css')


def test_what_the_page_names_is_kept_and_the_page_is_asked_for_again(root):
    async def test():
        async with served(root) as client:
            page = await client.get('/')
            assert page.headers['Cache-Control'] == 'no-cache'
            text = await page.text()
            where = await edition(client)
            assert NAMED.findall(text) == [f'{where[1:]}styles/base.css', f'{where[1:]}main.js']
            assert '"#top"' in text and '"gone.js"' in text
            again = await client.get('/', headers={'If-None-Match': page.headers['ETag']})
            assert again.status == 304 and not await again.read()
            # A module finds the others beside it.
            for name in ('main.js', 'why.js', 'styles/base.css'):
                file = await client.get(where + name, headers={'Accept-Encoding': 'gzip'})
                assert file.headers['Cache-Control'] == 'public, max-age=31536000, immutable'
                body = await file.read()
                if 'Content-Encoding' in file.headers:
                    body = gzip.decompress(body)
                assert body == (root / name).read_bytes()
            # By their bare names they are not kept.
            assert (await client.get('/why.js')).headers['Cache-Control'] == 'no-cache'
    asyncio.run(test())


@pytest.mark.parametrize('change', [
    lambda root: (root / 'why.js').write_text('// two\n' * 200),
    lambda root: (root / 'new.js').write_text(''),
    lambda root: (root / 'styles/base.css').unlink(),
    lambda root: (root / 'why.js').rename(root / 'reason.js'),
], ids=['changed', 'added', 'removed', 'renamed'])
def test_a_page_is_never_of_two_editions(root, change):
    async def test():
        async with served(root) as client:
            page, before = await client.get('/'), await edition(client)
            change(root)
            again = await client.get('/', headers={'If-None-Match': page.headers['ETag']})
            assert again.status == 200
            # Who has the old page gets nothing rather than a part of the new one.
            for name in ('main.js', 'why.js'):
                assert (await client.get(before + name)).status == 404
            after = re.search(r'v/[0-9a-f]{16}/', await again.text())[0]
            assert (await client.get(f'/{after}main.js')).status == 200
    asyncio.run(test())


def test_an_edition_outlives_the_gateway(root):
    async def test():
        async with served(root) as client:
            where = await edition(client)
        async with served(root) as client:  # nobody has asked for the page yet
            assert (await client.get(where + 'why.js')).status == 200
            assert await edition(client) == where
    asyncio.run(test())


@pytest.mark.parametrize('name', [
    '.hidden', '../static/why.js', '%2e%2e/static/why.js', 'styles', 'styles/', '', 'why.js/',
    'v/0123456789abcdef/why.js', '/etc/passwd'])
def test_only_files_of_the_page_are_in_an_edition(root, name):
    async def test():
        async with served(root) as client:
            assert (await client.get(await edition(client) + name)).status == 404
            assert (await client.get(f'/v/0123456789abcdef/{name}')).status == 404
    asyncio.run(test())


def test_a_file_that_could_not_be_read_is_read_as_soon_as_it_can(root):
    async def test():
        (root / 'link.js').symlink_to(root / 'later')
        (root / 'why.js').unlink()
        (root / 'why.js').symlink_to(root.parent)  # opens, but is no file
        async with served(root) as client:
            before = await edition(client)
            assert (await client.get(before + 'why.js')).status == 404
            (root / 'why.js').unlink()
            (root / 'why.js').write_text('back')
            (root / 'later').write_text('there')
            after = await edition(client)
            assert await (await client.get(after + 'why.js')).text() == 'back'
            assert await (await client.get(after + 'link.js')).text() == 'there'
    asyncio.run(test())


def test_all_that_the_page_names_is_there_and_small():
    async def test():
        async with served(STATIC) as client:
            page = await client.get('/', headers={'Accept-Encoding': 'gzip'})
            named = NAMED.findall(gzip.decompress(await page.read()).decode())
            assert len(named) > 60
            sent = 0
            for name in named:
                file = await client.get(f'/{name}', headers={'Accept-Encoding': 'gzip'})
                assert file.status == 200, name
                sent += len(await file.read())
            assert sent < 150_000
    asyncio.run(test())
