# SPDX-License-Identifier: Apache-2.0
"""Settings and alerts through the gateway: for admins, bounded, and no address comes back."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from avatar_bringup import gateway_part
from avatar_bringup.alerts.sending import is_installed
from avatar_bringup.alerts.services import ServicesFile
from avatar_bringup.processes import GATEWAY_PARTS
from avatar_bringup.settings import Settings, SettingsFile
from avatar_web.accounts.console import ConsoleProblem, ask
from avatar_web.door import parts
from avatar_web.testing import DEMO_TOKEN, Door, open_door

PASSWORD = 'correct horse'
SECRET = 'hush5ecret'
ROUTES = [
    ('GET', '/api/settings', None), ('POST', '/api/settings', {'alerts_language': 'de'}),
    ('POST', '/api/settings/undo', {}), ('GET', '/api/alerts', None),
    ('POST', '/api/alerts/services', {'url': 'json://x', 'name': '', 'test': False}),
    ('DELETE', '/api/alerts/services/1', None), ('POST', '/api/alerts/services/1/test', {})]
Test = Callable[[Door], Awaitable[None]]


def run(test: Test, folder: Path) -> None:
    """Run a coroutine with a server that has our part."""
    async def body() -> None:
        said: list[str] = []
        async with open_door(folder, parts=parts.load(GATEWAY_PARTS, folder, said.append)) as door:
            await test(door)
        assert SECRET not in ' '.join([*said, *door.said])
    asyncio.run(body())


@asynccontextmanager
async def admin(door: Door) -> AsyncIterator[aiohttp.ClientSession]:
    async with door.script(DEMO_TOKEN) as session:
        yield session


async def answer(session: aiohttp.ClientSession, method: str, path: str, body: Any = None
                 ) -> tuple[int, Any]:
    async with session.request(method, path, json=body) as response:
        return response.status, json.loads(await response.text())


async def fails(session: aiohttp.ClientSession, method: str, path: str, body: Any
                ) -> tuple[int, str]:
    status, said = await answer(session, method, path, body)
    assert SECRET not in json.dumps(said)
    return status, said.get('code', '')


def test_only_admins_see_and_change_anything(tmp_path: Path) -> None:
    async def test(door: Door) -> None:
        async with admin(door) as boss, door.script() as nobody:
            for name, role in (('Ana', 'driver'), ('Ion', 'viewer')):
                await boss.post('/api/users', json={
                    'name': name, 'role': role, 'password': PASSWORD})
                _, login = await answer(nobody, 'POST', '/api/login', {
                    'name': name, 'password': PASSWORD, 'bearer': True})
                async with door.script(login['token']) as person:
                    for method, path, body in ROUTES:
                        assert await fails(person, method, path, body) == (403, 'role')
            for method, path, body in ROUTES:
                assert (await fails(nobody, method, path, body))[1] in ('login', 'origin')
        async with door.browser() as browser:
            await browser.get(f'/?token={DEMO_TOKEN}')
            for method, path, body in ROUTES:
                if method != 'GET':
                    async with browser.request(method, path, json=body, headers={
                            'Origin': 'http://evil.example'}) as response:
                        assert response.status == 403
        assert not (tmp_path / 'settings.json').exists()
        assert ServicesFile(tmp_path, print).load() == []
    run(test, tmp_path)


def test_settings_are_shown_changed_and_taken_back(tmp_path: Path) -> None:
    async def test(door: Door) -> None:
        async with admin(door) as boss:
            status, said = await answer(boss, 'GET', '/api/settings')
            assert (status, said['settings']) == (200, vars(Settings()))
            assert said['about']['degraded_after_s']['unit'] == 's'
            status, said = await answer(boss, 'POST', '/api/settings', {
                'alerts_language': 'ro', 'quiet_from': '22:00'})
            assert (status, said['settings']['alerts_language']) == (200, 'ro')
            for bad in ({'x': 1}, {'alerts_language': 'fr'}, {'alerts_name': 'x' * 99},
                        {'alerts_language': 'de', 'quiet_to': 7}):
                assert (await fails(boss, 'POST', '/api/settings', bad))[0] == 422
            assert (await fails(boss, 'POST', '/api/settings', {'x': 'y' * 20000}))[0] == 413
            assert SettingsFile(tmp_path, print).load() == Settings(
                alerts_language='ro', quiet_from='22:00')
            assert (await answer(boss, 'POST', '/api/settings/undo', {}))[1]['settings'] == vars(
                Settings())
    run(test, tmp_path)


def test_a_service_is_added_listed_without_its_secret_and_removed(tmp_path: Path) -> None:
    async def test(door: Door) -> None:
        url = f'json://127.0.0.1:1/{SECRET}'
        async with admin(door) as boss:
            status, made = await answer(boss, 'POST', '/api/alerts/services', {
                'url': url, 'name': 'desk', 'test': False})
            assert (status, made['name'], made['shown']) == (
                201, 'desk', 'json://...127.0.0.1/...')
            assert await answer(boss, 'GET', '/api/alerts') == (
                200, {'installed': is_installed(), 'services': [made]})
            for bad in ({'url': url}, {'url': SECRET}, {}, {'url': 'json://x', 'name': 7},
                        {'url': f'json://{"x" * 3000}'}):
                assert await fails(boss, 'POST', '/api/alerts/services', {
                    'test': False, **bad}) == (422, 'service')
            assert (await fails(boss, 'POST', '/api/alerts/services/0/test', {}))[0] == 404
            path = f'/api/alerts/services/{made["id"]}'
            assert (await answer(boss, 'DELETE', path))[0] == 200
            assert (await fails(boss, 'DELETE', path, None))[0] == 422
        assert ServicesFile(tmp_path, print).load() == []
    run(test, tmp_path)


@pytest.mark.skipif(not is_installed(), reason='apprise is not installed')
def test_a_service_that_a_test_does_not_reach_is_not_added_and_the_loop_goes_on(
    tmp_path: Path
) -> None:
    got: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response()

    async def test(door: Door) -> None:
        app = web.Application()
        app.router.add_post('/{any}', take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, '127.0.0.1', 0)
        await site.start()
        port = runner.addresses[0][1]
        silent = await asyncio.start_server(lambda *_: None, '127.0.0.1', 0)
        mute = silent.sockets[0].getsockname()[1]
        async with admin(door) as boss:
            adding = asyncio.ensure_future(answer(boss, 'POST', '/api/alerts/services', {
                'url': f'json://127.0.0.1:{mute}/{SECRET}', 'name': ''}))
            passes = 0
            while not adding.done():
                await asyncio.sleep(0.01)
                passes += 1
                if passes == 20:
                    assert await fails(boss, 'POST', '/api/alerts/services', {
                        'url': 'json://x'}) == (503, 'busy')
            assert adding.result()[0] == 422
            assert adding.result()[1]['code'] == 'alert_no_answer'
            assert passes > 100, 'the loop that carries the commands waited'
            assert await fails(boss, 'POST', '/api/alerts/services', {
                'url': f'nothing://{SECRET}'}) == (422, 'alert_bad_url')
            assert (await answer(boss, 'GET', '/api/alerts'))[1]['services'] == []
            status, made = await answer(boss, 'POST', '/api/alerts/services', {
                'url': f'json://127.0.0.1:{port}/{SECRET}', 'name': 'desk'})
            assert (status, len(got)) == (201, 1)
            assert await answer(
                boss, 'POST', f'/api/alerts/services/{made["id"]}/test', {}) == (200, {})
            assert len(got) == 2
        silent.close()
        await runner.cleanup()
    run(test, tmp_path)


def test_the_command_goes_through_the_gateway_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from avatar_bringup.cli import main
    monkeypatch.setenv('AVATAR_STATE_DIR', str(tmp_path))

    async def test(_door: Door) -> None:
        loop = asyncio.get_running_loop()
        for words, code in ((['settings', 'set', 'alerts_language=ro'], 0),
                            (['settings', 'set', 'degraded_after_s=99'], 0),
                            (['settings', 'undo'], 0), (['alert', 'remove', 'x/../y'], 1)):
            assert await loop.run_in_executor(None, main, words) == code
        assert SettingsFile(tmp_path, print).load() == Settings(alerts_language='ro')
        with pytest.raises(ConsoleProblem, match='no setting'):
            await loop.run_in_executor(None, ask, tmp_path, 'POST', '/api/settings', {'x': 1})
    run(test, tmp_path)
    assert 'no such service' in capsys.readouterr().err


def test_broken_files_are_set_aside_when_the_gateway_starts(tmp_path: Path) -> None:
    (tmp_path / 'settings.json').write_text('{')

    async def test(door: Door) -> None:
        async with admin(door) as boss:
            status, said = await answer(boss, 'GET', '/api/settings')
            assert (status, said['settings']) == (200, vars(Settings()))
    run(test, tmp_path)
    assert len(list(tmp_path.glob('settings.json.broken-*'))) == 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / 'settings.json.previous.new').mkdir()

    async def test(door: Door) -> None:
        async with admin(door) as boss:
            assert await fails(boss, 'POST', '/api/settings', {
                'alerts_language': 'de'}) == (507, 'storage')
    run(test, tmp_path)


def test_a_part_that_is_not_there_keeps_no_door_shut(tmp_path: Path) -> None:
    said: list[str] = []
    assert parts.load('no.such, avatar_bringup.lock,', tmp_path, said.append) == []
    assert len(said) == 2
    assert len(parts.load(gateway_part.__name__, tmp_path, said.append)) == 1
