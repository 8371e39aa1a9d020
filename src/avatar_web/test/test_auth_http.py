# SPDX-License-Identifier: Apache-2.0
"""The real server on a real port: who gets in, what is refused, and that the loop never waits."""

import asyncio
import contextlib
import gc
import gzip
import json
import logging
import re
import socket
import statistics
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest
import yarl

from avatar_web.accounts import gatekeeper, sessions
from avatar_web.accounts.identity import Role
from avatar_web.door import connections, host_names, server
from avatar_web.door.listen import ListenProblem, check_aiohttp
from avatar_web.testing import DEMO_TOKEN, open_door

PASSWORD = 'correct horse'


def run(test, tmp_path, **config):
    """Run a coroutine with a server."""
    async def body():
        async with open_door(tmp_path, **config) as door:
            await test(door)
    asyncio.run(body())


@asynccontextmanager
async def signed_in(door, name='', role='driver'):
    """Give a browser that is signed in: as the demo, or as a user who is made for it."""
    async with door.browser() as browser:
        await browser.get(f'/?token={DEMO_TOKEN}')
        if name:
            made = await browser.post('/api/users', json={
                'name': name, 'role': role, 'password': PASSWORD})
            assert made.status == 201
            assert await login(browser, name) == 200
        yield browser


async def login(client, name, password=PASSWORD, **more):
    async with client.post('/api/login', json={
            'name': name, 'password': password, **more}) as response:
        return response.status


async def received(ws):
    """Return what the socket gets next, within a second: a text, or the code it is closed with."""
    return (await asyncio.wait_for(ws.receive(), 1.0)).data


async def raw(door, text, timeout_s=5.0):
    """Send bytes, return all that comes back until the end."""
    reader, writer = await asyncio.open_connection('127.0.0.1', door.port)
    writer.write(text)
    try:
        return await asyncio.wait_for(reader.read(), timeout_s)
    finally:
        writer.close()


# Ways in.


def test_link_of_the_demo_lets_in_as_often_as_one_likes(tmp_path):
    async def test(door):
        sessions_seen, names = set(), []
        for _ in range(3):
            async with door.browser() as browser:
                response = await browser.get(f'/?token={DEMO_TOKEN}', allow_redirects=False)
                assert response.status == 303 and response.headers['Location'] == '/'
                assert 'HttpOnly' in response.headers['Set-Cookie']
                assert 'SameSite=Strict' in response.headers['Set-Cookie']
                assert DEMO_TOKEN not in response.headers['Set-Cookie']
                me = await (await browser.get('/api/session')).json()
                assert me['role'] == 'admin' and me['max_speed_mps'] == 0.5
                sessions_seen.add(me['session'])
                names.append(me['name'])
                devices = (await (await browser.get('/api/devices')).json())['devices']
                assert [d['id'] for d in devices if d['current']] == [me['session']]
                await browser.get(f'/?token={DEMO_TOKEN}')  # the link once more: the same name
                assert (await (await browser.get('/api/session')).json())['name'] == me['name']
                sessions_seen.add((await (await browser.get('/api/session')).json())['session'])
        # Each browser is somebody of its own: a lease must not be shared by all who have the link.
        assert len(sessions_seen) == 6
        # And called so: "demo drives" would tell two of them nothing.
        assert names == ['demo', 'demo 2', 'demo 3']
    run(test, tmp_path)


def test_first_link_is_printed_once_works_once_and_makes_the_first_admin(tmp_path, capsys):
    async def test(door):
        printed = capsys.readouterr().out
        link = re.search(r'^Open (http://127\.0\.0\.1:\d+/)\?token=(\S+)$', printed, re.M)
        assert link and link[1] == door.url + '/'
        token = link[2]
        # Previews of chat programs do not use it up.
        async with door.browser() as preview:
            assert (await preview.head(f'/?token={token}')).status == 200
        async with door.browser() as browser, door.browser() as second:
            assert (await browser.get(f'/?token={token}')).status == 200
            again = await second.get(f'/?token={token}')
            assert again.status == 401 and 'Set-Cookie' not in again.headers
            assert (await second.get('/api/session')).status == 401
            me = await (await browser.get('/api/session')).json()
            assert me['setup'] is True and 'role' not in me
            # It opens nothing but the set-up.
            for path in ('/api/report', '/api/users', '/metrics', '/api/devices'):
                assert (await browser.get(path)).status == 401
            with pytest.raises(aiohttp.WSServerHandshakeError, match='401'):
                await browser.ws_connect('/rosbridge')
            for body in ({'name': 'Ana', 'password': 'short'}, {'name': '', 'password': PASSWORD}):
                assert (await browser.post('/api/setup', json=body)).status == 400
            body = {'name': 'Ana', 'password': PASSWORD}
            assert (await second.post('/api/setup', json=body)).status == 403
            assert (await browser.post('/api/setup', json=body)).status == 200
            assert (await (await browser.get('/api/session')).json())['role'] == 'admin'
            body = {'name': 'Eve', 'password': PASSWORD}
            assert (await browser.post('/api/setup', json=body)).status == 403
            # Opened again from the history by who is in: just the page.
            again = await browser.get(f'/?token={token}', allow_redirects=False)
            assert again.status == 303
    run(test, tmp_path, demo_token='')
    capsys.readouterr()

    async def test_second_start(door):
        assert 'token=' not in capsys.readouterr().out
    run(test_second_start, tmp_path, demo_token='')


def test_set_up_ends_when_there_is_an_admin_by_another_way(tmp_path):
    async def test(door):
        keeper = door.server._gatekeeper
        async with door.browser() as browser:
            await browser.get(f'/?token={keeper.link.new()}')
            assert (await (await browser.get('/api/session')).json())['setup']
            await keeper.users.add('Ana', Role.ADMIN, PASSWORD)  # on the console
            answer = await browser.get('/api/session')
            assert answer.status == 401 and (await answer.json())['code'] == 'login'
            body = {'name': 'Eve', 'password': PASSWORD}
            assert (await browser.post('/api/setup', json=body)).status == 403
            assert (await browser.get(f'/?token={keeper.link.new()}')).status == 401
    run(test, tmp_path, demo_token='')


def test_damaged_accounts_let_nobody_in_but_by_a_new_link(tmp_path, capsys):
    async def make(door):
        async with signed_in(door, 'Ana', 'admin'):
            pass
    run(make, tmp_path)
    capsys.readouterr()
    (tmp_path / 'avatar.db').write_bytes(b'noise' * 1000)

    async def test(door):
        assert 'Open http' in capsys.readouterr().out
        assert any('kept as avatar.db.damaged-' in sentence for sentence in door.said)
        async with door.browser() as browser:
            assert await login(browser, 'Ana') == 401
    run(test, tmp_path, demo_token='')


def test_login_logout_and_what_ends(tmp_path):
    async def test(door):
        async with signed_in(door, 'Ana') as browser:
            async with browser.ws_connect('/rosbridge') as ws:
                assert (await ws.receive_json())['name'] == 'Ana'
                begin = time.monotonic()
                assert (await browser.post('/api/logout')).status == 200
                assert await received(ws) == 4401
                assert time.monotonic() - begin < 1.0
            assert (await browser.get('/api/session')).status == 401
            assert (await browser.post('/api/logout')).status == 200
    run(test, tmp_path)


def test_login_gives_a_new_token_and_ends_the_old_one(tmp_path):
    async def test(door):
        async with signed_in(door, 'Ana') as browser:
            old = cookie(browser, 'session')
            assert await login(browser, 'Ana') == 200
            assert cookie(browser, 'session') != old
            async with door.script(old) as script:
                assert (await script.get('/api/session')).status == 401
        async with door.browser() as victim:
            # A token that somebody planted before the login is not the one after it.
            victim.cookie_jar.update_cookies(
                {f'avatar-session-{door.port}': 'planted'}, yarl.URL(door.url))
            assert await login(victim, 'Ana') == 200
            assert cookie(victim, 'session') != 'planted'
    run(test, tmp_path)


def cookie(browser, what):
    found = [c.value for c in browser.cookie_jar if f'avatar-{what}' in c.key]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(('remember', 'max_age'), [(True, 'Max-Age=15552000'), (False, '')])
def test_remembered_or_not(tmp_path, remember, max_age):
    async def test(door):
        async with signed_in(door, 'Ana') as browser:
            response = await browser.post('/api/login', json={
                'name': 'ana', 'password': PASSWORD, 'remember': remember})
            header = next(h for h in response.headers.getall('Set-Cookie') if 'session' in h)
            assert (max_age in header) and (('Max-Age' in header) == remember)
            assert 'Domain' not in header and 'Path=/' in header
    run(test, tmp_path)


def test_sessions_survive_a_restart_of_the_gateway(tmp_path):
    async def both():
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
            async with open_door(tmp_path) as door:
                await browser.get(f'{door.url}/?token={DEMO_TOKEN}')
                await browser.post(f'{door.url}/api/users', headers={'Origin': door.url}, json={
                    'name': 'Ana', 'role': 'driver', 'password': PASSWORD})
                async with browser.post(f'{door.url}/api/login', headers={'Origin': door.url},
                                        json={'name': 'Ana', 'password': PASSWORD}) as answer:
                    assert answer.status == 200
                before = await (await browser.get(f'{door.url}/api/session')).json()
                port = door.port
            async with open_door(tmp_path, port=port) as door:
                after = await (await browser.get(f'{door.url}/api/session')).json()
        assert before == after and before['name'] == 'Ana'
    asyncio.run(both())


def test_devices_are_listed_and_revoked_at_once(tmp_path):
    async def test(door):
        async with signed_in(door, 'Ana') as one, door.browser() as two, \
                signed_in(door, 'Bob') as bob:
            assert await login(two, 'ana', remember=True) == 200
            devices = (await (await one.get('/api/devices')).json())['devices']
            assert [d['current'] for d in devices].count(True) == 1 and len(devices) == 2
            other = next(d for d in devices if not d['current'])
            assert other['remembered'] and other['device'] == 'Python'
            async with two.ws_connect('/rosbridge') as ws:
                await ws.receive()
                # Somebody else's device is not mine to revoke, nor to know of.
                assert (await bob.delete(f'/api/devices/{other["id"]}')).status == 404
                assert (await bob.get('/api/devices?user=Ana')).status == 403
                begin = time.monotonic()
                assert (await one.delete(f'/api/devices/{other["id"]}')).status == 200
                assert await received(ws) == 4401 and time.monotonic() - begin < 1.0
            assert (await two.get('/api/session')).status == 401
            assert (await one.get('/api/session')).status == 200
    run(test, tmp_path)


def test_removed_user_is_out_within_a_second(tmp_path):
    async def test(door):
        async with signed_in(door) as admin, signed_in(door, 'Ana') as ana, \
                door.browser() as flood:
            async with ana.ws_connect('/rosbridge') as ws:
                await ws.receive()
                # Also while others keep argon2 busy.
                guesses = [asyncio.create_task(login(flood, 'x', 'wrong')) for _ in range(30)]
                await asyncio.sleep(0.01)
                begin = time.monotonic()
                assert (await admin.delete('/api/users/Ana')).status == 200
                assert await received(ws) == 4401
                assert time.monotonic() - begin < 1.0
                await asyncio.gather(*guesses)
            assert (await ana.get('/api/session')).status == 401
            with pytest.raises(aiohttp.WSServerHandshakeError, match='401'):
                await ana.ws_connect('/rosbridge')
            # One of the same name later is somebody else.
            await admin.post('/api/users', json={
                'name': 'ana', 'role': 'admin', 'password': 'another horse'})
            assert (await ana.get('/api/session')).status == 401
    run(test, tmp_path)


def test_role_and_password_change_count_at_once(tmp_path):
    async def test(door):
        async with signed_in(door) as admin, signed_in(door, 'Ana', 'admin') as ana:
            async with ana.ws_connect('/rosbridge') as ws:
                assert (await ws.receive_json())['role'] == 'admin'
                await signed_in(door, 'Eve', 'admin').__aenter__()
                changed = await admin.post('/api/users/Ana/role', json={'role': 'viewer'})
                assert changed.status == 200 and await received(ws) == 4401
            assert (await ana.get('/api/users')).status == 403
            assert (await (await ana.get('/api/session')).json())['role'] == 'viewer'
            wrong = {'current': 'wrong', 'password': 'battery staple'}
            assert (await ana.post('/api/password', json=wrong)).status == 403
            right = {'current': PASSWORD, 'password': 'battery staple'}
            assert (await ana.post('/api/password', json=right)).status == 200
            assert (await ana.get('/api/session')).status == 200
            await admin.post('/api/users/Ana/password', json={'password': 'third horse'})
            assert (await ana.get('/api/session')).status == 401
            assert await login(ana, 'Ana', 'battery staple') == 401
            assert await login(ana, 'Ana', 'third horse') == 200
    run(test, tmp_path)


def test_last_admin_stays(tmp_path):
    async def test(door):
        async with signed_in(door, 'Ana', 'admin') as ana:
            for response in (await ana.delete('/api/users/Ana'),
                             await ana.post('/api/users/ANA/role', json={'role': 'driver'})):
                assert response.status == 409
                assert (await response.json())['code'] == 'last_admin'
    run(test, tmp_path)


@pytest.mark.parametrize('role', ['viewer', 'driver'])
def test_accounts_are_for_admins(tmp_path, role):
    async def test(door):
        async with signed_in(door, 'Ana', role) as ana:
            for method, path, body in (
                    ('GET', '/api/users', None),
                    ('POST', '/api/users', {'name': 'x', 'role': 'admin', 'password': PASSWORD}),
                    ('DELETE', '/api/users/demo', None),
                    ('POST', '/api/users/Ana/password', {'password': PASSWORD}),
                    ('POST', '/api/users/Ana/role', {'role': 'admin'}),
                    ('POST', '/api/users/Ana/token', {'label': 'x', 'days': 1}),
                    ('POST', '/api/link', {}), ('POST', '/api/tls/reload', {})):
                response = await ana.request(method, path, json=body)
                assert response.status == 403, path
            # The console's are not even an admin's.
        async with signed_in(door) as admin:
            for path in ('/api/users/Ana/token', '/api/link', '/api/tls/reload'):
                response = await admin.post(path, json={'label': 'x', 'days': 1})
                assert (await response.json())['code'] == 'console'
    run(test, tmp_path)


# Scripts.


def test_scripts_come_with_bearer_or_token(tmp_path):
    async def test(door):
        async with signed_in(door, 'Ana') as ana:
            answer = await (await ana.post('/api/login', json={
                'name': 'Ana', 'password': PASSWORD, 'bearer': True})).json()
            token = answer['token']
        async with door.script(token) as script:
            assert (await (await script.get('/api/session')).json())['name'] == 'Ana'
            async with script.ws_connect('/rosbridge') as ws:
                assert (await ws.receive_json())['role'] == 'driver'
        async with door.script() as script:
            for path in ('/rosbridge', '/'):
                async with script.ws_connect(f'{path}?token={token}') as ws:
                    assert (await ws.receive_json())['name'] == 'Ana'
            async with script.ws_connect(f'/rosbridge?token={DEMO_TOKEN}') as ws:
                assert (await ws.receive_json())['role'] == 'admin'
            assert (await script.get(f'/metrics?token={token}')).status == 200
    run(test, tmp_path)


@pytest.mark.parametrize('query', ['', '?token=', '?token=wrong', '?token=' + 'x' * 5000])
def test_socket_without_or_with_a_wrong_token_is_refused_at_the_handshake(tmp_path, query):
    async def test(door):
        async with door.script() as script:
            with pytest.raises(aiohttp.WSServerHandshakeError, match='401'):
                await script.ws_connect('/rosbridge' + query)
        async with door.script('wrong') as script:
            with pytest.raises(aiohttp.WSServerHandshakeError, match='401'):
                await script.ws_connect('/rosbridge')
        # A wrong token that is given counts, whatever the cookie says.
        async with signed_in(door) as browser:
            with pytest.raises(aiohttp.WSServerHandshakeError, match='401'):
                await browser.ws_connect('/rosbridge?token=wrong')
        assert not door.gateway.sockets
    run(test, tmp_path)


# Other sites.

FOREIGN = ['https://evil.example', 'null', 'http://127.0.0.1:1', 'file://', '',
           'http://127.0.0.1.evil.example:{port}', 'http://evil@127.0.0.1:{port}', 'http://[::1',
           'http://127.0.0.1:{port}.evil.example', 'http://127.0.0.1:{port}0']


@pytest.mark.parametrize('origin', FOREIGN)
def test_foreign_origin_can_do_nothing(tmp_path, origin):
    async def test(door):
        headers = {'Origin': origin.format(port=door.port)}
        async with signed_in(door, 'Ana', 'admin') as ana:
            for query in ('', f'?token={DEMO_TOKEN}'):
                with pytest.raises(aiohttp.WSServerHandshakeError, match='403'):
                    await ana.ws_connect('/rosbridge' + query, headers=headers)
            for method, path, body in (
                    ('POST', '/api/login', {'name': 'Ana', 'password': PASSWORD}),
                    ('POST', '/api/logout', None),
                    ('POST', '/api/setup', {'name': 'Eve', 'password': PASSWORD}),
                    ('POST', '/api/users', {'name': 'Eve', 'role': 'admin',
                                            'password': PASSWORD}),
                    ('POST', '/api/password', {'current': PASSWORD, 'password': 'third horse'}),
                    ('DELETE', '/api/users/Ana', None), ('DELETE', '/api/devices/x', None)):
                response = await ana.request(method, path, json=body, headers=headers)
                assert response.status == 403, path
                assert (await response.json())['code'] == 'origin'
            async with door.script(DEMO_TOKEN) as script:
                response = await script.delete('/api/users/Ana', headers=headers)
                assert response.status == 403
            assert (await ana.get('/api/session')).status == 200
    run(test, tmp_path)


def test_cookie_without_origin_changes_nothing(tmp_path):
    async def test(door):
        async with signed_in(door) as admin:
            cookies = {c.key: c.value for c in admin.cookie_jar}
        body = {'name': 'Eve', 'role': 'admin', 'password': PASSWORD}
        async with aiohttp.ClientSession(door.url, cookies=cookies,
                                         cookie_jar=aiohttp.CookieJar(unsafe=True)) as no_origin:
            assert (await no_origin.get('/api/session')).status == 200
            assert (await no_origin.post('/api/users', json=body)).status == 403
            for site, status in (('cross-site', 403), ('same-site', 403), ('same-origin', 201)):
                response = await no_origin.post('/api/users', json=body,
                                                headers={'Sec-Fetch-Site': site})
                assert response.status == status
            # Nor does a foreign page sign us in as somebody else, where no Origin is sent.
            response = await no_origin.post(
                '/api/login', json=body, headers={'Sec-Fetch-Site': 'cross-site'})
            assert response.status == 403
        async with door.script(DEMO_TOKEN) as script:
            assert (await script.post('/api/users', json={**body, 'name': 'Bob'})).status == 201
            # What a form of a foreign page could send.
            response = await script.post('/api/users', data=json.dumps(body),
                                         headers={'Content-Type': 'text/plain'})
            assert response.status == 415
    run(test, tmp_path)


@pytest.mark.parametrize('host', ['evil.example', 'evil.example:{port}', '127.0.0.1.evil.example',
                                  'a@b', '', 'x y', '[::1', 'localhost.evil.example'])
def test_foreign_host_name_is_refused(tmp_path, host):
    async def test(door):
        name = host.format(port=door.port)
        text = f'GET /api/session HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n'
        answer = await raw(door, text.encode())
        assert re.match(rb'HTTP/1.1 4(21|00) ', answer), answer
    run(test, tmp_path)


def test_own_names_and_addresses_are_answered(tmp_path):
    async def test(door):
        for host in ('localhost', 'LOCALHOST', '127.0.0.1', '[::1]', '10.1.2.3',
                     host_names.own_names()[0], 'robot.vpn.example'):
            text = f'GET /healthz HTTP/1.1\r\nHost: {host}:1\r\nConnection: close\r\n\r\n'
            assert (await raw(door, text.encode())).startswith(b'HTTP/1.1 200')
    run(test, tmp_path, host_names=('Robot.VPN.example',))


# Guessing.


def test_wrong_name_and_wrong_password_look_alike(tmp_path):
    async def test(door):
        keeper = door.server._gatekeeper
        await keeper.users.add('Ana', Role.DRIVER, PASSWORD)
        visitor = gatekeeper.Visitor
        took = {'ana': [], 'nobody': []}
        for number in range(15):
            for name, times in took.items():
                begin = time.perf_counter()
                with pytest.raises(gatekeeper.AccountProblem, match='^name or password is wrong'):
                    await keeper.login(name, 'wrong', visitor(address=f'{number}{name}'))
                times.append(time.perf_counter() - begin)
        ana, nobody = (statistics.median(times) for times in took.values())
        assert 0.7 < ana / nobody < 1.4, (ana, nobody)
        async with door.browser() as browser:
            answers = [await (await browser.post('/api/login', json={
                'name': name, 'password': 'wrong'})).text() for name in ('Ana', 'nobody')]
        assert answers[0] == answers[1]
    run(test, tmp_path)


def test_too_many_guesses_wait_and_the_owner_does_not(tmp_path):
    async def test(door):
        async with signed_in(door, 'Ana') as ana, door.browser() as stranger:
            await ana.post('/api/logout')
            statuses = [await login(stranger, 'Ana', f'wrong {n}') for n in range(12)]
            assert statuses.count(401) == 5 and statuses[5:] == [429] * 7
            limited = await stranger.post('/api/login', json={'name': 'Ana', 'password': 'x'})
            assert 1 <= int(limited.headers['Retry-After']) <= 11
            # Even with the right password: whoever guesses must not learn that it is right.
            assert await login(stranger, 'Ana') == 429
            # From the same address, the browser that was in before.
            assert await login(ana, 'Ana') == 200
    run(test, tmp_path)


def test_right_passwords_again_and_again_keep_nobody_else_out(tmp_path):
    async def test(door):
        async with signed_in(door, 'Ana') as ana, signed_in(door, 'Eve', 'viewer') as eve:
            await ana.post('/api/logout')
            stop, statuses = asyncio.Event(), []

            async def loop():
                while not stop.is_set() and len(statuses) < 300:
                    statuses.append(await login(eve, 'Eve'))
            loops = [asyncio.create_task(loop()) for _ in range(12)]
            # A browser that was here before, and one that was not (at an address of its own).
            async with aiohttp.ClientSession(
                    door.url, connector=aiohttp.TCPConnector(local_addr=('127.0.0.2', 0)),
                    headers={'Origin': door.url}) as new:
                for _ in range(3):
                    await asyncio.sleep(0.1)
                    assert await login(ana, 'Ana') == 200
                    assert await login(new, 'Ana') == 200
            stop.set()
            await asyncio.gather(*loops)
            # And it is not without end.
            assert 429 in [*statuses, *[await login(eve, 'Eve') for _ in range(25)]]
    run(test, tmp_path)


def test_loop_is_never_blocked_by_a_flood_of_logins(tmp_path):
    async def test(door):
        gaps = []

        async def watch():
            while True:
                # Of this thread's own time: what others take from the machine is not the loop's.
                begin = time.thread_time()
                await asyncio.sleep(0.001)
                gaps.append(time.thread_time() - begin)
        async with signed_in(door, 'Ana') as ana:
            await ana.post('/api/logout')
            watcher = asyncio.create_task(watch())
            for _ in range(3):
                await asyncio.gather(*(login(ana, name, PASSWORD)
                                       for name in ('Ana', 'x', 'y', 'z') * 3))
            watcher.cancel()
        # The clients of this test share the loop; the server's part of it is far below.
        assert sorted(gaps)[int(len(gaps) * 0.99)] < 0.02, max(gaps)
    run(test, tmp_path)


# Bad input.

BAD_BODIES = [
    b'', b'{', b'null', b'[]', b'"x"', b'\xff\xfe', b'[' * 10_000, b'{"a":' * 3000,
    b'{"name": 1, "password": 2}', b'{"name": null, "password": {}}', b'{}',
    b'{"name": "\\ud800", "password": "\\ud800xxxxxxx"}', b'{"name": "a", "password": NaN}',
    b'{"name": "' + b'a' * 9000 + b'", "password": "x"}']


@pytest.mark.parametrize('path', ['/api/login', '/api/setup', '/api/users', '/api/password',
                                  '/api/users/x/role', '/api/users/x/password'])
def test_bad_bodies_are_errors_in_json_and_nothing_in_the_log(tmp_path, path, caplog):
    async def test(door):
        async with door.script(DEMO_TOKEN) as script:
            for body in BAD_BODIES:
                response = await script.post(
                    path, data=body, headers={'Content-Type': 'application/json'})
                answer = await response.json()
                assert 400 <= response.status < 500, (body[:40], answer)
                assert set(answer) == {'error', 'code'} and len(answer['error']) < 300
    with caplog.at_level(logging.WARNING):
        run(test, tmp_path)
    assert not [r for r in caplog.records if r.name != 'asyncio']


def test_huge_bodies_headers_and_lines(tmp_path):
    async def test(door):
        async with door.script(DEMO_TOKEN) as script:
            response = await script.post('/api/login', json={'name': 'x' * 20_000})
            assert response.status == 413 and (await response.json())['code'] == 'http'

            async def endless():
                for _ in range(500):
                    yield b' ' * 20_000
            response = await script.post('/api/login', data=endless(),
                                         headers={'Content-Type': 'application/json'})
            assert response.status == 413
            # Packed small, unpacked large.
            response = await script.post(
                '/api/login', data=gzip.compress(b' ' * 10_000_000),
                headers={'Content-Type': 'application/json', 'Content-Encoding': 'gzip'})
            assert response.status == 400
        for text in (b'GET /' + b'x' * 20_000 + b' HTTP/1.1\r\nHost: localhost\r\n\r\n',
                     b'GET / HTTP/1.1\r\nHost: localhost\r\nX: ' + b'x' * 20_000 + b'\r\n\r\n',
                     b'\x16\x03\x01\x02\x00', b'nonsense\r\n\r\n',
                     b'GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n'):
            answer = await raw(door, text)
            head, _, body = answer.partition(b'\r\n\r\n')
            assert head.startswith(b'HTTP/1.') and b' 400 ' in head.split(b'\r\n')[0]
            assert json.loads(body)['code'] == 'http' and b'nosniff' in head
    run(test, tmp_path)


@pytest.mark.parametrize('path', [
    '/../server.py', '/%2e%2e/server.py', '/..%2fserver.py', '/styles/../../http.py',
    '/%2e%2e%2f%2e%2e%2fetc/passwd', '//etc/passwd', '/.hidden', '/styles/.hidden', '/styles',
    '/styles/', '/main.js%00.png', '/main.js/', '/a\\b', '/' + 'a/' * 50 + 'b', '/x' * 300,
    '/main.js::$DATA', '/static/main.js'])
def test_only_files_of_the_page_are_served(tmp_path, path):
    root = tmp_path / 'static'
    (root / 'styles').mkdir(parents=True)
    for name in ('main.js', '.hidden', 'styles/.hidden', 'styles/base.css'):
        (root / name).write_text('secret')

    async def test(door):
        answer = await raw(door, f'GET {path} HTTP/1.1\r\nHost: localhost\r\n'
                           'Connection: close\r\n\r\n'.encode())
        assert re.match(rb'HTTP/1.[01] 40[04] ', answer) and b'secret' not in answer
        assert json.loads(answer.partition(b'\r\n\r\n')[2])['code'] == 'http'
    run(test, tmp_path / 'state')


def test_header_injection_by_paths_and_names(tmp_path):
    async def test(door):
        for path in ('/?token=%0d%0aSet-Cookie:%20a=b', '/%0d%0aSet-Cookie:%20a=b',
                     '/api/devices/%0d%0aX:%20y'):
            answer = await raw(door, f'GET {path} HTTP/1.1\r\nHost: localhost\r\n'
                               f'Authorization: Bearer {DEMO_TOKEN}\r\n'
                               'Connection: close\r\n\r\n'.encode())
            assert b'Set-Cookie' not in answer.partition(b'\r\n\r\n')[0]
    run(test, tmp_path)


def test_page_is_compressed_typed_and_not_sent_twice(tmp_path):
    async def test(door):
        async with door.browser() as browser:
            response = await browser.get('/', headers={'Accept-Encoding': 'gzip'})
            assert response.status == 200 and response.headers['Content-Encoding'] == 'gzip'
            assert response.headers['Content-Type'] == 'text/html; charset=utf-8'
            assert "frame-ancestors 'none'" in response.headers['Content-Security-Policy']
            assert response.headers['X-Content-Type-Options'] == 'nosniff'
            assert response.headers['Referrer-Policy'] == 'no-referrer'
            assert 'aiohttp' not in response.headers['Server']
            plain = await browser.get('/', headers={'Accept-Encoding': 'identity'})
            assert 'Content-Encoding' not in plain.headers
            assert await plain.read() == await response.read()
            again = await browser.get('/', headers={'If-None-Match': response.headers['ETag']})
            assert again.status == 304 and not await again.read()
            script = await browser.get('/main.js')
            assert script.headers['Content-Type'] == 'text/javascript; charset=utf-8'
            missing = await browser.get('/api/nothing')
            assert missing.status == 404 and missing.headers['Cache-Control'] == 'no-store'
            wrong = await browser.put('/api/login')
            assert wrong.status == 405 and wrong.headers['Allow']
    run(test, tmp_path)


def test_rights_that_end_while_a_body_is_on_its_way_are_over(tmp_path):
    async def test(door):
        async with signed_in(door) as admin, signed_in(door, 'Ana', 'admin') as ana, \
                signed_in(door, 'Eve', 'admin'):  # one admin has to stay
            demoted = asyncio.Event()

            async def slow():
                yield b'{"role": '
                await demoted.wait()
                yield b'"admin"}'
            asked = asyncio.create_task(ana.post(
                '/api/users/Ana/role', data=slow(), headers={'Content-Type': 'application/json'}))
            await asyncio.sleep(0.3)  # it is being read
            changed = await admin.post('/api/users/Ana/role', json={'role': 'viewer'})
            assert changed.status == 200
            demoted.set()
            assert (await asked).status == 403
            assert (await (await ana.get('/api/session')).json())['role'] == 'viewer'
    run(test, tmp_path)


# Connections.


def test_connection_that_says_nothing_or_little_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, 'REQUEST_S', 0.5)

    async def drip(door):
        reader, writer = await asyncio.open_connection('127.0.0.1', door.port)
        begin = time.monotonic()
        for byte in b'GET / HTTP/1.1\r\nHost: localhost\r\nX: ' + b'a' * 1000:
            if reader.at_eof():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)
        return time.monotonic() - begin

    async def test(door):
        begin = time.monotonic()
        assert await raw(door, b'') == b''
        assert time.monotonic() - begin < 2.0
        assert await drip(door) < 3.0
        # A body that does not come: the request is answered, not waited for.
        monkeypatch.setattr('avatar_web.door.answers.BODY_S', 0.3)
        answer = await raw(door, b'POST /api/login HTTP/1.1\r\nHost: localhost\r\n'
                           b'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{')
        assert answer.startswith(b'HTTP/1.1 408')
    run(test, tmp_path)


def test_connections_are_bounded_and_the_console_gets_through(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, 'MOST_PER_ADDRESS', 10)

    async def test(door):
        opened = [await asyncio.open_connection('127.0.0.1', door.port) for _ in range(15)]
        answers = await asyncio.gather(*(asyncio.wait_for(reader.read(), 0.3) for reader, _ in
                                         opened), return_exceptions=True)
        assert sum(isinstance(a, (bytes, ConnectionError)) for a in answers) == 5
        # The newest always gets in, the oldest goes: nobody holds the door shut.
        assert (await raw(door, b'GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n')
                ).startswith(b'HTTP/1.')
        # From another address, and on the console, there is room.
        with socket.create_connection(('127.0.0.1', door.port), source_address=('127.0.0.2', 0)):
            pass
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(
                str(tmp_path / 'gateway.sock'))) as console:
            assert (await console.get('http://localhost/api/users')).status == 200
        for _, writer in opened:
            writer.close()
        await asyncio.sleep(0.1)
        assert (await raw(door, b'GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n')
                ).startswith(b'HTTP/1.')
    run(test, tmp_path)


def test_a_flood_of_connections_cuts_no_socket_of_who_is_let_in(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, 'MOST_PER_ADDRESS', 10)

    async def test(door):
        async with door.script(DEMO_TOKEN) as script, script.ws_connect('/rosbridge') as ws:
            await ws.receive_json()
            opened = []
            for _ in range(40):
                opened.append(await asyncio.open_connection('127.0.0.1', door.port))
                # As busy as the socket: a request that never ends.
                opened[-1][1].write(
                    b'POST /api/login HTTP/1.1\r\nHost: localhost\r\n'
                    b'Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{')
                await asyncio.sleep(0.01)
            await ws.send_str('still here')
            assert await ws.receive_str(timeout=2) == 'still here'
            for _, writer in opened:
                writer.close()
    run(test, tmp_path)


def test_pipelined_requests_are_read_only_as_they_are_answered(tmp_path):
    async def test(door):
        _, writer = await asyncio.open_connection('127.0.0.1', door.port)
        writer.transport.get_extra_info('socket').setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        many = b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n' * 2000
        sent = 0
        with contextlib.suppress(asyncio.TimeoutError):
            while sent < 400 * len(many):
                writer.write(many)
                await asyncio.wait_for(writer.drain(), 1.0)
                sent += len(many)
        waiting = [len(o._messages) for o in gc.get_objects()
                   if isinstance(o, connections.Connection)]
        assert max(waiting) <= 64
        assert sent < 400 * len(many)
        writer.transport.abort()
    run(test, tmp_path)


@pytest.mark.parametrize('cookie', [
    b'a[b]=1; $Path=/; ;;', b'\xff\xfe=\xfd', b'a="\x80', b'=;=;=', b'avatar-session=\x01',
    b'a=' + b'\\' * 5000, b'(a)=b; Expires=x; Max-Age='])
def test_cookies_of_nobody_are_no_error_of_ours(tmp_path, cookie):
    async def test(door):
        answer = await raw(door, b'GET /api/session HTTP/1.0\r\nHost: localhost\r\nCookie: '
                           + cookie + b'\r\n\r\n')
        assert answer.split()[1] in (b'400', b'401')
    run(test, tmp_path)


@pytest.mark.parametrize('version', ['3.8.1', '3.13.5', '3.14.0', '3.14.1'])
def test_an_old_aiohttp_is_refused(version):
    with pytest.raises(ListenProblem, match='3.14.2 or newer'):
        check_aiohttp(version)
    check_aiohttp('3.14.2')
    check_aiohttp('4.0.0a1')


def test_socket_of_the_console_is_ours_alone(tmp_path):
    deep = tmp_path / ('long-name-' * 12)

    async def test(door):
        assert (deep / 'gateway.sock').stat().st_mode & 0o777 == 0o600
        assert (deep / 'gateway.port').read_text() == f'{door.port}\n'
    run(test, deep)
    assert not (deep / 'gateway.sock').exists()


# Where it listens.


@pytest.mark.parametrize(('config', 'says'), [
    ({'host': '0.0.0.0', 'tls': 'off'}, 'plain_http_beyond_loopback'),
    ({'host': 'no.such.host.invalid'}, 'no address of this machine'),
    ({'tls': 'maybe'}, 'auto, on or off')])
def test_refused_starts_say_why(tmp_path, config, says):
    async def body():
        with pytest.raises(server.ListenProblem, match=says):
            async with open_door(tmp_path, **config):
                pass
    asyncio.run(body())


@pytest.mark.parametrize(('config', 'scheme'), [
    ({'host': '127.0.0.1'}, 'http'), ({'host': '::1'}, 'http'), ({'host': 'localhost'}, 'http'),
    ({'host': '0.0.0.0'}, 'https'), ({'host': ''}, 'https'),
    ({'host': '127.0.0.1', 'tls': 'on'}, 'https'),
    ({'host': '0.0.0.0', 'plain_http_beyond_loopback': True}, 'http')])
def test_tls_wherever_others_can_listen(tmp_path, config, scheme):
    async def test(door):
        assert door.url.startswith(scheme + '://')
        async with door.script() as script:
            url = f'{scheme}://localhost:{door.port}/healthz'
            if config['host'] == '::1':
                url = f'{door.url}/healthz'
            assert (await script.get(url)).status == 200
    run(test, tmp_path, **config)


def test_taken_port_and_second_gateway_name_the_holder(tmp_path):
    async def test(door):
        for state, config, says in (
                (tmp_path / 'other', {'port': door.port}, rf'port {door.port} is taken by pid'),
                (tmp_path, {}, r'another gateway has this state folder.*pid \d+')):
            begin = time.monotonic()
            with pytest.raises(server.ListenProblem, match=says):
                async with open_door(state, **config):
                    pass
            assert time.monotonic() - begin < 2.5
        async with signed_in(door) as browser:
            assert (await browser.get('/api/session')).status == 200
    run(test, tmp_path)


def test_short_demo_token_does_not_open_the_network(tmp_path):
    async def test(door):
        async with door.script('short') as script:
            assert (await script.get('/api/session')).status == 401
        assert any('AVATAR_DEMO_TOKEN' in sentence for sentence in door.said)
    run(test, tmp_path, host='0.0.0.0', demo_token='short')


# Secrets.


def test_no_secret_is_said_logged_or_stored(tmp_path, caplog, capsys):
    tokens = []

    async def test(door):
        async with signed_in(door, 'Ana') as ana:
            tokens.append(cookie(ana, 'session'))
            await login(ana, 'Ana', 'a wrong password')
            await ana.get('/api/session?token=a-guessed-token')
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await ana.ws_connect('/rosbridge?token=a-guessed-token')
        tokens.append(' '.join(door.said))
    with caplog.at_level(logging.DEBUG):
        run(test, tmp_path)
    *secret, said = tokens
    log = '\n'.join(r.getMessage() for r in caplog.records if not r.name.startswith('asyncio'))
    everything = said + log + capsys.readouterr().out
    stored = b''.join(p.read_bytes() for p in tmp_path.iterdir() if p.is_file())
    for word in (*secret, PASSWORD, 'a wrong password', 'a-guessed-token', DEMO_TOKEN):
        assert word not in everything and word.encode() not in stored


def test_an_error_of_ours_is_json_and_tells_nothing(tmp_path, caplog):
    async def test(door):
        def broken():
            raise RuntimeError('inner secret')
        door.gateway.report = broken
        async with door.script(DEMO_TOKEN) as script:
            response = await script.get('/api/report')
            assert response.status == 500 and 'inner secret' not in await response.text()
            assert (await response.json())['code'] == 'internal'
    run(test, tmp_path)
    assert 'inner secret' in caplog.text


def test_health_report_and_metrics(tmp_path):
    async def test(door):
        async with signed_in(door, 'Ana', 'viewer') as ana, door.script() as nobody:
            assert (await nobody.get('/healthz')).status == 200
            door.gateway.is_ready = False
            response = await nobody.get('/healthz')
            assert response.status == 503 and await response.text() == 'starting'
            for path in ('/metrics', '/api/report', '/api/users', '/api/devices'):
                assert (await nobody.get(path)).status == 401
            report = await ana.get('/api/report')
            assert 'attachment; filename="avatar-report-' in report.headers['Content-Disposition']
            metrics = await (await ana.get('/metrics')).text()
            assert 'avatar_logins_total{result="ok"} 1' in metrics and 'avatar_up 1' in metrics
    run(test, tmp_path)


def test_sessions_that_expire_close_their_sockets(tmp_path, monkeypatch):
    monkeypatch.setattr(gatekeeper, 'HOUSEKEEPING_S', 0.05)

    async def test(door):
        async with signed_in(door, 'Ana') as ana:
            session = door.server._gatekeeper.devices('Ana')[0]
            session.seen_s -= sessions.BROWSER_S + 10
            await asyncio.sleep(0.2)
            assert (session.id, '') in door.gateway.ended
            assert (await ana.get('/api/session')).status == 401
        # But not in the middle of a drive.
        async with door.browser() as bob:
            await door.server._gatekeeper.users.add('Bob', Role.DRIVER, PASSWORD)
            await login(bob, 'Bob')
            async with bob.ws_connect('/rosbridge') as ws:
                await ws.receive()
                door.server._gatekeeper.devices('Bob')[0].seen_s -= sessions.BROWSER_S - 10
                await asyncio.sleep(0.2)
                await ws.send_str('still here')
                assert await received(ws) == 'still here'
            assert door.server._gatekeeper.devices('Bob')[0].seen_s > time.time() - 10
    run(test, tmp_path)
