# SPDX-License-Identifier: Apache-2.0
"""
The robot's WiFi, with the program tests/nmcli_stand_in.py in the place of nmcli.

Of a real NetworkManager (1.42, simulated radios) only this was seen so far: scanning, and a WPA2
network joined by its password. The ways back were run with the stand-in only.
"""

import asyncio
import json
import time

import pytest

from avatar_web.system import join_record, joining
from avatar_web.system.nmcli import NmcliProblem
from avatar_web.system.wifi import WifiRefused
from tests.wifi_air import CAFE, HOME, PASSWORD, Air, network, profile


@pytest.fixture
def air(tmp_path, monkeypatch):
    return Air(tmp_path, monkeypatch)


@pytest.fixture
def quick(monkeypatch):
    """A second in the place of 30, and no patience for the way back."""
    monkeypatch.setattr(joining, 'JOIN_S', 1)
    monkeypatch.setattr(join_record, 'JOIN_S', 1)
    monkeypatch.setattr(joining, 'BACK_AFTER_S', (0.0, 0.1, 0.1))
    monkeypatch.setattr(joining, 'LOOK_S', 0.1)


def run(air, doing):
    async def all_of_it():
        wifi = air.wifi()
        await wifi.start()
        try:
            return await doing(wifi)
        finally:
            await wifi.close()
    return asyncio.run(asyncio.wait_for(all_of_it(), 120))


async def ended(wifi, timeout_s=60):
    """Wait for the end of a join; return what the page is told."""
    until = time.monotonic() + timeout_s
    while wifi.joining.is_busy:
        assert time.monotonic() < until, wifi.joining.told
        await asyncio.sleep(0.02)
    return wifi.joining.for_page()


def join(name, kind='wpa', password=None, before=lambda: None):
    async def doing(wifi):
        await wifi.join(name.encode().hex(), kind, password, before)
        assert wifi.joining.for_page()['state'] == 'joining'
        return await ended(wifi)
    return doing


def test_lists(air):
    seen = run(air, lambda wifi: wifi.look()).for_page()
    assert [(n['name'], n['in_use'], n['password'], n['known']) for n in seen['networks']] == [
        ('home', True, True, HOME), ('new', False, True, ''), ('open', False, False, '')]
    assert [(k['name'], k['active']) for k in seen['known']] == [('home', True), ('café', False)]
    assert seen['devices'] == [{'name': 'wlan0', 'state': 'connected'}]


def test_a_join_that_works_is_kept(air):
    told = run(air, join('new', password=PASSWORD))
    assert (told['state'], told['code']) == ('up', '')
    new = air.profile_of('new')
    assert air.connected_to == new['uuid']
    assert new['autoconnect'] is True
    assert not (air.state_dir / 'run/wifi_join.json').exists()


def test_an_open_network_and_a_known_one_need_no_password(air):
    assert run(air, join('open', 'open'))['state'] == 'up'
    assert run(air, join('home'))['state'] == 'up'
    assert air.connected_to == HOME
    assert len(air.now['profiles']) == 3


@pytest.mark.parametrize('autoconnects', [True, False])
def test_a_wrong_password_goes_back_to_the_old_network(air, quick, autoconnects):
    air.set(autoconnects=autoconnects)
    told = run(air, join('new', password='wrong password'))
    assert (told['state'], told['code'], told['back_in']) == ('back', 'password', 'home')
    assert air.connected_to == HOME
    assert air.profile_of('new') is None
    assert not (air.state_dir / 'run/wifi_join.json').exists()


def test_a_network_that_does_not_come_up_in_time_goes_back(air, quick):
    air.set(networks=[network('home', password='of home'),
                      network('new', password=PASSWORD, takes_s=60)])
    told = run(air, join('new', password=PASSWORD))
    assert (told['state'], told['code']) == ('back', 'timeout')
    assert air.connected_to == HOME


def test_an_access_point_that_vanishes_meanwhile_goes_back(air, quick):
    air.set(networks=[network('home', password='of home'),
                      network('new', password=PASSWORD, takes_s=0.8)])

    async def doing(wifi):
        await wifi.join(b'new'.hex(), 'wpa', PASSWORD, lambda: None)
        while air.now['devices'][0]['state'] == 'connected':
            await asyncio.sleep(0.02)
        air.set(networks=[network('home', password='of home')])
        return await ended(wifi)

    told = run(air, doing)
    assert (told['state'], told['code']) == ('back', 'vanished')
    assert air.connected_to == HOME
    assert air.profile_of('new') is None


def test_one_that_is_gone_already_is_refused_and_nothing_is_changed(air):
    with pytest.raises(WifiRefused) as refused:
        run(air, join('nowhere', password=PASSWORD, before=lambda: pytest.fail('not yet')))
    assert refused.value.code == 'vanished'
    assert air.connected_to == HOME


def test_without_an_old_network_there_is_nothing_to_go_back_to(air, quick):
    air.set(devices=[{'name': 'wlan0', 'type': 'wifi', 'state': 'disconnected'}])
    told = run(air, join('new', password='wrong password'))
    assert (told['state'], told['code'], told['back_in']) == ('back', 'password', '')
    assert air.profile_of('new') is None


def test_an_old_network_that_is_gone_too_is_lost_and_said(air, quick):
    air.set(networks=[network('new', password=PASSWORD)])
    told = run(air, join('new', password='wrong password'))
    assert (told['state'], told['code']) == ('lost', 'password')
    assert any('cannot be joined either' in sentence for sentence in air.said)


def test_a_new_password_replaces_the_profile_only_once_it_is_up(air, quick):
    air.set(networks=[network('home', password='changed now')])
    assert run(air, join('home', password='still wrong'))['state'] == 'lost'
    assert [p['uuid'] for p in air.now['profiles']] == [HOME, CAFE]
    assert run(air, join('home', password='changed now'))['state'] == 'up'
    assert [p['ssid'] for p in air.now['profiles']].count(b'home'.hex()) == 1
    assert air.profile_of('home')['uuid'] != HOME


@pytest.mark.parametrize(('name', 'kind', 'password', 'code'), [
    ('new', 'wpa', '', 'password'), ('new', 'wpa', 'short', 'password'),
    ('new', 'wpa', 'line\nbreak', 'password'), ('open', 'open', 'useless', 'password'),
    ('home', 'wpa', None, 'in_use'), ('new', 'open', None, 'vanished'),
    ('new', ['wpa'], PASSWORD, 'vanished'), ('office', 'enterprise', None, 'not_joinable'),
    ('', 'wpa', PASSWORD, 'request'),
])
def test_what_is_refused_throws_nobody_out(air, name, kind, password, code):
    air.set(networks=[*air.now['networks'], network('office', security='WPA2 802.1X')])
    with pytest.raises(WifiRefused) as refused:
        run(air, join(name, kind, password, before=lambda: pytest.fail('not yet')))
    assert refused.value.code == code
    assert not [call for call in air.calls if 'up' in call or 'add' in call]


@pytest.mark.parametrize('name', [
    'a:b\\c', 'Bücherei ☕', 'x' * 32, ' outer spaces ', '-f', '--wait', "it's", '$(id)',
    'uuid', 'a\nb'])
def test_joining_networks_of_any_name(air, name):
    air.set(networks=[network(name, password=PASSWORD)])
    assert run(air, join(name, password=PASSWORD))['state'] == 'up'
    assert air.connected_to == air.profile_of(name)['uuid']


def test_bytes_that_are_no_text_are_a_name_too(air):
    air.set(networks=[{'ssid': 'fffe41', 'signal': 9, 'security': ''}])

    async def doing(wifi):
        await wifi.join('fffe41', 'open', None, lambda: None)
        return await ended(wifi)

    assert run(air, doing)['state'] == 'up'
    assert air.now['profiles'][-1]['ssid'] == 'fffe41'


def test_a_password_is_in_no_argument_file_log_or_environment(air, quick, capfd):
    run(air, join('new', password=PASSWORD))
    run(air, join('home', password='changed now'))
    words = json.dumps(air.calls)
    files = [path.read_bytes() for path in air.state_dir.rglob('*') if path.is_file()]
    said = '\n'.join(air.said) + ''.join(capfd.readouterr())
    for secret in (PASSWORD, PASSWORD.strip(), 'changed now'):
        assert json.dumps(secret)[1:-1] not in words
        assert all(secret.encode() not in content for content in files)
        assert secret not in said
    assert air.profile_of('new')['secret'] == PASSWORD


def test_one_join_at_a_time_and_no_changes_meanwhile(air):
    air.set(networks=[network('new', password=PASSWORD, takes_s=1.0)])

    async def doing(wifi):
        await wifi.join(b'new'.hex(), 'wpa', PASSWORD, lambda: None)
        for change in (wifi.join(b'new'.hex(), 'wpa', PASSWORD, lambda: None),
                       wifi.forget(CAFE), wifi.set_priority(CAFE, 3)):
            with pytest.raises(WifiRefused) as refused:
                await change
            assert refused.value.code == 'busy'
        assert (await wifi.look()).networks  # the lists are answered meanwhile
        return await ended(wifi)

    assert run(air, doing)['state'] == 'up'


# ---------------------------------------------------------------------- a gateway that ends


def test_a_gateway_that_ends_leaves_what_the_next_one_needs(air, quick):
    air.set(networks=[network('home', password='of home'),
                      network('new', password=PASSWORD, takes_s=20)])

    async def begin(wifi):
        await wifi.join(b'new'.hex(), 'wpa', PASSWORD, lambda: None)
        while air.now['devices'][0]['state'] == 'connected':
            await asyncio.sleep(0.02)

    run(air, begin)
    record = (air.state_dir / 'run/wifi_join.json').read_text()
    assert HOME in record and PASSWORD not in record

    told = run(air, ended)
    assert (told['state'], told['code'], told['back_in']) == ('back', 'timeout', 'home')
    assert air.connected_to == HOME
    assert air.profile_of('new') is None


def test_what_came_up_while_no_gateway_was_there_is_kept(air, monkeypatch):
    monkeypatch.setattr(joining, 'LOOK_S', 0.1)
    new = profile(CAFE, 'new', autoconnect=False, secret=PASSWORD)
    air.set(profiles=[profile(HOME, 'home'), new],
            devices=[{'name': 'wlan0', 'type': 'wifi', 'state': 'connected', 'uuid': CAFE}])
    write_record(air, join_record.boot_id())
    assert run(air, ended)['state'] == 'up'
    assert air.profile_of('new')['autoconnect'] is True


def test_after_a_restart_of_the_machine_the_new_network_is_forgotten(air):
    air.set(profiles=[profile(HOME, 'home'), profile(CAFE, 'new', autoconnect=False)])
    write_record(air, 'another boot')
    told = run(air, ended)
    assert (told['state'], told['code']) == ('back', 'restarted')
    assert air.profile_of('new') is None
    assert air.connected_to == HOME


@pytest.mark.parametrize('text', [
    '', '{', '[]', 'null', '{"uuid": "x"}', '[' * 3000,
    json.dumps({'uuid': CAFE, 'old_uuid': CAFE, 'name': '', 'device': '', 'is_new': True,
                'began_s': 0, 'boot_id': '', 'replaces': []}),
    json.dumps({'uuid': '--help', 'old_uuid': '', 'name': '', 'device': '', 'is_new': True,
                'began_s': 0, 'boot_id': '', 'replaces': []}),
])
def test_a_record_that_makes_no_sense_is_none(air, text):
    (air.state_dir / 'run').mkdir()
    (air.state_dir / 'run/wifi_join.json').write_text(text)
    assert run(air, ended) is None
    assert air.calls == []


def write_record(air, boot_id):
    join_record.JoinRecord(air.state_dir / 'run/wifi_join.json').write(join_record.Attempt(
        CAFE, 'new', 'wlan0', HOME, True, join_record.boot_time_s(), boot_id))


def test_a_state_folder_that_cannot_be_written_changes_nothing(air):
    (air.state_dir / 'run').write_text('no folder')
    with pytest.raises(OSError):
        run(air, join('new', password=PASSWORD))
    assert air.profile_of('new') is None
    assert air.connected_to == HOME


# ---------------------------------------------------------------------- priority, forgetting


def test_priority_and_forgetting(air):
    async def doing(wifi):
        await wifi.set_priority(CAFE, 10)
        assert [one.uuid for one in (await wifi.look()).known] == [CAFE, HOME]
        with pytest.raises(WifiRefused) as refused:
            await wifi.forget(HOME)
        assert refused.value.code == 'in_use'
        await wifi.forget(CAFE)
        return [one.uuid for one in (await wifi.look()).known]

    assert run(air, doing) == [HOME]


@pytest.mark.parametrize(('uuid', 'priority', 'code'), [
    (CAFE, 1000, 'request'), (CAFE, -1000, 'request'), (CAFE, '5', 'request'),
    (CAFE, True, 'request'), (CAFE, 1.5, 'request'), ('--help', 1, 'gone'), (None, 1, 'gone'),
    (HOME.replace('1', '9'), 1, 'gone')])
def test_priorities_that_are_none(air, uuid, priority, code):
    with pytest.raises(WifiRefused) as refused:
        run(air, lambda wifi: wifi.set_priority(uuid, priority))
    assert refused.value.code == code


# ---------------------------------------------------------------------- what does not work


def test_without_nmcli(air):
    (air.folder / 'nmcli').unlink()
    with pytest.raises(NmcliProblem) as problem:
        run(air, lambda wifi: wifi.look())
    assert problem.value.code == 'missing'


def test_without_networkmanager(air):
    air.set(running=False)
    with pytest.raises(NmcliProblem) as problem:
        run(air, lambda wifi: wifi.look())
    assert problem.value.code == 'not_running'


def test_without_the_right_to(air):
    air.set(authorised=False)
    for doing in (join('new', password=PASSWORD), lambda wifi: wifi.set_priority(CAFE, 1),
                  lambda wifi: wifi.forget(CAFE)):
        with pytest.raises(NmcliProblem) as problem:
            run(air, doing)
        assert problem.value.code == 'forbidden'
    assert air.connected_to == HOME


def test_without_a_wifi_device(air):
    air.set(devices=[{'name': 'eth0', 'type': 'ethernet', 'state': 'connected'}])
    assert run(air, lambda wifi: wifi.look()).devices == []
    with pytest.raises(WifiRefused) as refused:
        run(air, join('new', password=PASSWORD))
    assert refused.value.code == 'no_device'


def test_a_hanging_or_endless_nmcli_is_ended_and_the_loop_goes_on(air, monkeypatch):
    async def doing(wifi):
        worst_s = 0.0
        look = asyncio.ensure_future(wifi._nmcli.run('device', 'status', timeout_s=0.5))
        while not look.done():
            # Of this thread's own time: what others take from the machine is not the loop's.
            begin_s = time.thread_time()
            await asyncio.sleep(0.005)
            worst_s = max(worst_s, time.thread_time() - begin_s)
        with pytest.raises(NmcliProblem) as problem:
            await look
        return problem.value, worst_s

    air.set(slow_s=60)
    began_s = time.monotonic()
    problem, worst_s = run(air, doing)
    assert problem.code == 'timeout'
    assert time.monotonic() - began_s < 5
    assert worst_s < 0.02
    air.set(slow_s=0, floods=10_000_000)
    problem, _ = run(air, doing)
    assert 'more than' in str(problem)


def test_scans_are_rare_and_looks_are_shared(air):
    async def doing(wifi):
        for _ in range(10):
            await wifi.scan()
        before = len(air.calls)
        await asyncio.gather(*(wifi.look() for _ in range(20)))
        return len(air.calls) - before

    assert run(air, doing) <= 4
    assert air.now['scans'] <= 2
