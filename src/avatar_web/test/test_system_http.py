# SPDX-License-Identifier: Apache-2.0
"""The machine by HTTP: who may, what is refused, that the wheels are stopped first."""

import asyncio
import json
import logging
import shlex
import sys
import time
from contextlib import asynccontextmanager

import pytest

from avatar_web.system import data_file, routes
from avatar_web.system.system import SystemConfig
from avatar_web.testing import DEMO_TOKEN, open_door
from tests.wifi_air import CAFE, HOME, PASSWORD, Air, network

ACCOUNT = 'correct horse'
ALL = [
    ('GET', '/api/system', None), ('GET', '/api/wifi', None), ('POST', '/api/wifi/scan', {}),
    ('POST', '/api/system/reboot', {'confirm': 'reboot', 'while_driven': True}),
    ('POST', '/api/system/poweroff', {'confirm': 'poweroff', 'while_driven': True}),
    ('POST', '/api/wifi/join', {'ssid': '6f70656e', 'kind': 'open', 'while_driven': True}),
    ('POST', '/api/wifi/priority', {'uuid': CAFE, 'priority': 3}),
    ('DELETE', f'/api/wifi/known/{CAFE}', None),
]
CHANGES = [one for one in ALL if one[0] != 'GET']


class Machine(Air):
    """The WiFi's world, and commands in the place of systemctl that note when they ran."""

    def config(self, script='', **more):
        def command(name):
            text = (f'import pathlib, sys, time; '
                    f'pathlib.Path({str(self.folder / name)!r}).write_text(str(time.monotonic()));'
                    f'{script}')
            return shlex.join([sys.executable, '-ISc', text])
        return SystemConfig(True, command('reboot'), command('poweroff'), **more)

    def ran(self, name):
        return (self.folder / name).exists()


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr(routes, 'MOST_CHANGES', 100)
    monkeypatch.setattr(routes, 'MOST_LOOKS', 100)
    return Machine(tmp_path, monkeypatch)


def run(test, machine, system=None):
    async def body():
        async with open_door(machine.state_dir, system=system or machine.config()) as door:
            await test(door)
    asyncio.run(asyncio.wait_for(body(), 120))


@asynccontextmanager
async def signed_in(door, name='', role='admin'):
    async with door.browser() as browser:
        await browser.get(f'/?token={DEMO_TOKEN}')
        if name:
            for path in ('/api/users', '/api/login'):
                response = await browser.post(path, json={
                    'name': name, 'role': role, 'password': ACCOUNT})
                assert response.status in (200, 201)
        yield browser


async def code_of(response):
    return response.status, (await response.json()).get('code')


@pytest.mark.parametrize('role', ['viewer', 'driver'])
def test_all_of_it_is_for_admins(machine, role):
    async def test(door):
        async with signed_in(door, 'Ana', role) as ana, door.browser() as stranger:
            for method, path, body in ALL:
                assert await code_of(await ana.request(method, path, json=body)) == (403, 'role')
                assert (await stranger.request(method, path, json=body)).status == 401
        assert door.gateway.stood == []
    run(test, machine)
    assert machine.calls == [] and not machine.ran('reboot') and not machine.ran('poweroff')
    assert machine.connected_to == HOME


def test_a_foreign_page_changes_nothing(machine):
    async def test(door):
        async with signed_in(door) as admin:
            for method, path, body in CHANGES:
                for headers in ({'Origin': 'http://evil.example'}, {'Sec-Fetch-Site': 'cross-site',
                                                                    'Origin': 'null'}):
                    response = await admin.request(method, path, json=body, headers=headers)
                    assert await code_of(response) == (403, 'origin')
    run(test, machine)
    assert machine.calls == []


def test_a_simulated_robot_leaves_the_machine_alone(machine):
    async def test(door):
        async with signed_in(door) as admin:
            for method, path, body in CHANGES:
                response = await admin.request(method, path, json=body)
                assert await code_of(response) == (409, 'not_managed')
            wifi = await (await admin.get('/api/wifi')).json()
            assert wifi['problem']['code'] == 'not_managed'
            system = await (await admin.get('/api/system')).json()
            assert system['managed'] is False and system['machine']['uptime_s'] > 0
        assert door.gateway.stood == []
    run(test, machine, SystemConfig())
    assert machine.calls == []


@pytest.mark.parametrize('action', ['reboot', 'poweroff'])
def test_the_wheels_are_stopped_before_the_machine(machine, action):
    stood_s = []

    async def test(door):
        stand = door.gateway.stand
        door.gateway.stand = lambda *words: (stood_s.append(time.monotonic()), stand(*words))
        async with signed_in(door, 'Ana') as ana:
            response = await ana.post(f'/api/system/{action}', json={'confirm': action})
            assert response.status == 202
        assert [who for who, _ in door.gateway.stood] == ['Ana']
    run(test, machine)
    assert stood_s[0] < float((machine.folder / action).read_text())
    assert not machine.ran('poweroff' if action == 'reboot' else 'reboot')


def test_while_somebody_drives_it_has_to_be_said_twice(machine):
    async def test(door):
        async with signed_in(door) as admin:
            door.gateway.driver_name = 'Bea'
            for body in ({}, {'while_driven': 1}, {'while_driven': 'true'}):
                response = await admin.post(
                    '/api/system/reboot', json={'confirm': 'reboot', **body})
                assert await code_of(response) == (409, 'driven')
                assert 'Bea' in (await response.json())['error']
            response = await admin.post(
                '/api/wifi/join', json={'ssid': b'new'.hex(), 'kind': 'wpa', 'password': PASSWORD})
            assert await code_of(response) == (409, 'driven')
            assert door.gateway.stood == [] and not machine.ran('reboot')
            response = await admin.post(
                '/api/system/reboot', json={'confirm': 'reboot', 'while_driven': True})
            assert response.status == 202 and door.gateway.stood
    run(test, machine)


@pytest.mark.parametrize('body', [
    {}, {'confirm': True}, {'confirm': 'poweroff'}, {'confirm': 'REBOOT'},
    {'confirm': ['reboot']}])
def test_without_the_word_nothing_happens(machine, body):
    async def test(door):
        async with signed_in(door) as admin:
            response = await admin.post('/api/system/reboot', json=body)
            assert await code_of(response) == (400, 'request')
        assert door.gateway.stood == []
    run(test, machine)
    assert not machine.ran('reboot')


@pytest.mark.parametrize(('script', 'expected'), [
    ('sys.exit("Failed to reboot system via logind: Interactive authentication required.")',
     (403, 'forbidden')),
    ('sys.exit("Call to Reboot failed: Access denied")', (403, 'forbidden')),
    ('sys.exit("Operation inhibited by \\"apt\\", reason is \\"upgrade\\"")', (502, 'failed')),
    ('sys.exit(3)', (502, 'failed')),
])
def test_a_machine_that_does_not_do_it_is_said(machine, script, expected):
    async def test(door):
        async with signed_in(door) as admin:
            response = await admin.post('/api/system/reboot', json={'confirm': 'reboot'})
            assert await code_of(response) == expected
    run(test, machine, machine.config(script))


def test_a_machine_without_the_command(machine):
    async def test(door):
        async with signed_in(door) as admin:
            for action in ('reboot', 'poweroff'):
                response = await admin.post(f'/api/system/{action}', json={'confirm': action})
                assert await code_of(response) == (503, 'missing')
    run(test, machine, SystemConfig(True, 'no-such-program-here', ''))


def test_one_restart_at_a_time(machine):
    async def test(door):
        async with signed_in(door) as admin:
            answers = await asyncio.gather(*(
                admin.post('/api/system/reboot', json={'confirm': 'reboot'}) for _ in range(3)))
            assert sorted(answer.status for answer in answers) == [202, 409, 409]
    run(test, machine, machine.config('time.sleep(1)'))


def test_joining_a_network(machine):
    async def test(door):
        async with signed_in(door, 'Ana') as ana:
            lists = await (await ana.get('/api/wifi')).json()
            new = next(one for one in lists['networks'] if one['name'] == 'new')
            assert lists['join'] is None and new['joinable'] and new['password']
            door.gateway.driver_name = 'Bea'
            response = await ana.post('/api/wifi/join', json={
                'ssid': new['ssid'], 'kind': new['kind'], 'password': PASSWORD,
                'while_driven': True})
            assert response.status == 202
            assert [who for who, _ in door.gateway.stood] == ['Ana']
            while (state := (await (await ana.get('/api/wifi')).json())['join']['state']) \
                    == 'joining':
                await asyncio.sleep(0.3)
            assert state == 'up'
            assert (await ana.post('/api/wifi/priority', json={
                'uuid': HOME, 'priority': 5})).status == 200
            assert (await ana.delete(f'/api/wifi/known/{CAFE}')).status == 200
            assert await code_of(await ana.delete(f'/api/wifi/known/{CAFE}')) == (404, 'gone')
    run(test, machine)
    assert machine.connected_to == machine.profile_of('new')['uuid']


def test_a_join_goes_on_without_the_browser(machine):
    machine.set(networks=[network('new', password=PASSWORD, takes_s=0.5)])

    async def test(door):
        async with signed_in(door) as admin:
            response = await admin.post('/api/wifi/join', json={
                'ssid': b'new'.hex(), 'kind': 'wpa', 'password': PASSWORD})
            assert response.status == 202
        while not machine.profile_of('new')['autoconnect']:
            await asyncio.sleep(0.05)
    run(test, machine)
    assert machine.connected_to == machine.profile_of('new')['uuid']


@pytest.mark.parametrize(('world', 'code'), [
    ({'running': False}, 'not_running'), (None, 'missing')])
def test_why_there_are_no_networks_is_said(machine, world, code):
    if world is None:
        (machine.folder / 'nmcli').unlink()
    else:
        machine.set(**world)

    async def test(door):
        async with signed_in(door) as admin:
            answer = await admin.get('/api/wifi')
            assert answer.status == 200
            assert (await answer.json())['problem']['code'] == code
            response = await admin.post('/api/wifi/scan', json={})
            assert await code_of(response) == (503, code)
    run(test, machine)


BAD = [b'', b'{', b'null', b'[]', b'\xff', b'[' * 9000, b'{}', b'{"ssid": 1}',
       b'{"ssid": "zz", "kind": "wpa"}', b'{"ssid": "00", "kind": "open"}',
       b'{"ssid": "6f70656e", "kind": {}, "password": []}',
       b'{"ssid": "6e6577", "kind": "wpa", "password": "\\ud800\\ud800\\ud800"}',
       b'{"uuid": ["x"], "priority": 1}', b'{"uuid": "x", "priority": 1e400}',
       b'{"uuid": "x", "priority": null}', b'{"ssid": "' + b'66' * 4000 + b'"}']


@pytest.mark.parametrize('path', ['/api/wifi/join', '/api/wifi/priority', '/api/system/reboot'])
def test_bad_bodies_are_errors_and_nothing_in_the_log(machine, path, caplog):
    async def test(door):
        async with door.script(DEMO_TOKEN) as script:
            for body in BAD:
                response = await script.post(
                    path, data=body, headers={'Content-Type': 'application/json'})
                answer = await response.json()
                assert 400 <= response.status < 500, (body[:60], answer)
                assert len(answer['error']) < 400
            huge = await script.post(path, json={'password': 'x' * 20_000})
            assert huge.status == 413
    with caplog.at_level(logging.WARNING):
        run(test, machine)
    assert not [r for r in caplog.records if r.name != 'asyncio']
    assert machine.connected_to == HOME and not machine.ran('reboot')


def test_rates_are_bounded(tmp_path, monkeypatch):
    machine = Machine(tmp_path, monkeypatch)

    async def test(door):
        async with signed_in(door) as admin:
            looks = await asyncio.gather(*(admin.get('/api/wifi') for _ in range(60)))
            changes = await asyncio.gather(*(admin.post(
                '/api/wifi/priority', json={'uuid': CAFE, 'priority': n}) for n in range(30)))
        assert [one.status for one in looks].count(429) >= 30
        assert [one.status for one in changes].count(200) <= routes.MOST_CHANGES + 2
    run(test, machine)
    assert len(machine.calls) < 60


def test_the_machine_and_the_data_it_used(machine):
    async def test(door):
        async with signed_in(door) as admin:
            answer = await (await admin.get('/api/system')).json()
        found = answer['machine']
        assert found['memory_mb'] >= found['memory_free_mb'] > 0
        assert found['disk_free_mb'] > 0 and found['cores'] > 0
        assert set(answer['data']) == {'since_start', 'days', 'months'}
        assert answer['driver'] == '' and answer['managed'] is True
    run(test, machine)
    kept = json.loads((machine.state_dir / 'data_used.json').read_text())
    assert kept['boot'] and set(kept) == {'days', 'months', 'boot', 'last'}


def test_sums_that_cannot_be_read_are_kept_aside_and_said(machine):
    (machine.state_dir / 'data_used.json').write_text('{"days": ')

    async def test(door):
        assert any('kept as' in sentence for sentence in door.said)
    run(test, machine)
    assert len(list(machine.state_dir.glob('data_used.json.broken-*'))) == 1
    assert json.loads((machine.state_dir / 'data_used.json').read_text())


def test_a_full_disk_is_said_once_and_is_no_reason_to_end(machine, monkeypatch):
    monkeypatch.setattr(data_file, 'COUNT_S', 0.05)
    monkeypatch.setattr(data_file, 'WRITE_S', 0.0)
    (machine.state_dir / 'data_used.json.new').mkdir()

    async def test(door):
        await asyncio.sleep(0.5)
        said = [one for one in door.said if 'cannot be kept' in one]
        assert len(said) == 1
    run(test, machine)
