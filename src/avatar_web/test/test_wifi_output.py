# SPDX-License-Identifier: Apache-2.0
"""What nmcli prints, read; what it is given, written. All pure."""

import pytest

from avatar_web.system import nmcli, nmcli_output
from avatar_web.system.nmcli_output import (
    ENTERPRISE,
    OPEN,
    OWE,
    SAE,
    UNKNOWN,
    WEP,
    WPA,
    kind_of,
    networks,
)
from avatar_web.system.passwords import password_problem, secret_of, security_words

A, B = '11111111-2222-3333-4444-555555555555', 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'


@pytest.mark.parametrize(('line', 'found'), [
    ('a:b:c', ['a', 'b', 'c']),
    (r'a\:b:c\\:d', ['a:b', 'c\\', 'd']),
    ('', ['']),
    ('::', ['', '', '']),
    ('a\\', ['a']),
    (r'00\:11\:22:x', ['00:11:22', 'x']),
])
def test_fields_of_a_terse_line(line, found):
    assert nmcli_output.fields(line) == found


@pytest.mark.parametrize(('security', 'kind'), [
    ('', OPEN), ('--', OPEN), ('WEP', WEP), ('WPA1', WPA), ('WPA2', WPA), ('WPA1 WPA2', WPA),
    ('WPA2 WPA3', WPA), ('WPA3', SAE), ('OWE', OWE), ('OWE-TM', OPEN), ('WPA2 802.1X', ENTERPRISE),
    ('WPA3 802.1X', ENTERPRISE), ('WPA-EAP-SUITE-B-192', ENTERPRISE), ('WPA4', UNKNOWN),
    ('WPA2 WPA3 DPP', UNKNOWN),
])
def test_how_a_network_is_protected(security, kind):
    assert kind_of(security) == kind


def row(ssid, signal=50, security='WPA2', in_use=' '):
    return f'{ssid.hex().upper()}:{signal}:{security}:{in_use}:2412 MHz\n'


@pytest.mark.parametrize(('ssid', 'name'), [
    (b'a:b\\c', 'a:b\\c'), ('Bücherei ☕'.encode(), 'Bücherei ☕'), (b'x' * 32, 'x' * 32),
    (b' spaces ', ' spaces '), (b'\xff\xfe', '��'), (b'a\nb:c', 'a�b:c'),
    ('\u202egnp.exe'.encode(), '�gnp.exe'), (b'<b>', '<b>'), (b'-x', '-x'),
])
def test_any_name_is_read_and_shown_on_one_line(ssid, name):
    (found,), hidden = networks(row(ssid))
    assert (found.ssid_hex, found.name, hidden) == (ssid.hex(), name, 0)


def test_names_that_are_hidden_are_counted():
    found, hidden = networks(row(b'') + row(b'\0\0\0') + row(b'here') + 'zz:9:WPA2: :2412 MHz\n')
    assert [one.name for one in found] == ['here']
    assert hidden == 3


def test_access_points_of_one_network_are_one_and_the_one_in_use_is_first():
    found, _ = networks(
        row(b'home', 40, in_use='*') + row(b'home', 80) + row(b'home', 90, '') + row(b'far', 99))
    assert [(one.name, one.signal, one.kind, one.in_use) for one in found] == [
        ('home', 80, WPA, True), ('far', 99, WPA, False), ('home', 90, OPEN, False)]


@pytest.mark.parametrize('text', [
    '', '\n', 'Warning: something\n', '66:-5:WPA2: :x\n', '66:999999999999:WPA2: :x\n',
    '66:\N{SUPERSCRIPT TWO}:WPA2: :x\n', '6:1:WPA2: :x\n', ('66' * 33) + ':1:WPA2: :x\n',
    ':' * 1000])
def test_what_makes_no_sense_is_no_error(text):
    found, _ = networks(text)
    assert all(0 <= one.signal <= 100 and len(one.ssid_hex) <= 64 for one in found)


def test_a_city_of_networks_is_bounded():
    found, _ = networks(''.join(row(f'net {n}'.encode(), n % 100) for n in range(500)))
    assert len(found) == nmcli_output.MOST_NETWORKS
    assert found[0].signal == 99


TABLE = (f'{A}:802-11-wireless:yes:5:yes:wlan0\n{B}:802-11-wireless:no:-3:no:\n'
         f'{A[:-1]}6:802-3-ethernet:yes:0:yes:eth0\n')


def detail(uuid, ssid, key_mgmt='wpa-psk', mode='infrastructure'):
    lines = [f'connection.uuid:{uuid}', f'802-11-wireless.mode:{mode}']
    if key_mgmt:
        lines.append(f'802-11-wireless-security.key-mgmt:{key_mgmt}')
    return '\n'.join([*lines, f'802-11-wireless.ssid:{ssid}', ''])


def test_known_networks():
    assert nmcli_output.wifi_uuids(TABLE) == [A, B]
    found = nmcli_output.profiles(
        TABLE, detail(A, 'home:2\\x') + '\n' + detail(B, 'café', key_mgmt=''))
    assert [(one.uuid, one.name, one.kind, one.autoconnect, one.priority, one.active)
            for one in found] == [
        (A, 'home:2\\x', WPA, True, 5, True), (B, 'café', OPEN, False, -3, False)]


def test_a_name_with_line_breaks_changes_nothing_of_its_own_profile():
    bad = f'x\n802-11-wireless.mode:ap\n802-11-wireless-security.key-mgmt:wpa-eap\n{"y" * 9}'
    (found,) = nmcli_output.profiles(TABLE, detail(A, bad))
    assert (found.name, found.kind) == ('x', WPA)


def test_hotspots_of_the_robot_are_no_networks_to_join():
    assert nmcli_output.profiles(TABLE, detail(A, 'own', mode='ap')) == []


def test_devices_in_use_come_first():
    found = nmcli_output.devices(
        f'lo:loopback:unmanaged:\nwlan1:wifi:unavailable:\nwlan2:wifi:disconnected:\n'
        f'wlan0:wifi:connected:{A}\np2p:wifi-p2p:disconnected:\n')
    assert [one.name for one in found] == ['wlan0', 'wlan2', 'wlan1']


def test_the_uuid_of_what_was_added():
    said = f"Connection 'odd ({B})' ({A}) successfully added.\n"
    assert nmcli_output.added_uuid(said) == A
    assert nmcli_output.added_uuid('Warning: nothing\n') == ''


@pytest.mark.parametrize(('code', 'said', 'problem'), [
    (8, 'Error: NetworkManager is not running.', 'not_running'),
    (1, "Error: Failed to add 'x' connection: Insufficient privileges", 'forbidden'),
    (4, 'Error: Connection activation failed: Not authorized to control networking.',
     'forbidden'),
    (4, "Warning: password for '802-11-wireless-security.psk' not given\nError: Connection "
     'activation failed: Secrets were required, but not provided.\nHint: use x', 'password'),
    (4, 'Error: Connection activation failed: (7) Secrets were required, but not provided.',
     'password'),
    (4, 'Error: Connection activation failed: 802.1X supplicant took too long to authenticate',
     'password'),
    (4, 'Error: Connection activation failed: The Wi-Fi network could not be found', 'vanished'),
    (3, 'Error: Timeout expired (30 seconds)', 'timeout'),
    (10, "Error: unknown connection 'x'.", 'gone'),
    (4, 'Error: Connection activation failed: No reason given', 'failed'),
    (1, '', 'failed'), (-9, 'killed', 'failed'), (1, 'x' * 10000, 'failed'),
])
def test_what_nmcli_says_is_told_apart(code, said, problem):
    found = nmcli.problem(code, said)
    assert found.code == problem
    assert 0 < len(str(found)) < 300


@pytest.mark.parametrize(('kind', 'password', 'fits'), [
    (OPEN, '', True), (OPEN, None, True), (OPEN, 'x', False), (OWE, '', True),
    (WPA, '', False), (WPA, None, False), (WPA, 12345678, False), (WPA, '1234567', False),
    (WPA, '12345678', True), (WPA, 'x' * 63, True), (WPA, 'x' * 64, False), (WPA, 'aB' * 32, True),
    (WPA, 'über uns', True), (WPA, '       \n', False), (WPA, 'eight\0888', False),
    (SAE, 'x', True), (SAE, 'x' * 129, False), (SAE, 'a\rb', False),
    (WEP, '12345', True), (WEP, '0123456789', True), (WEP, 'g123456789', False),
    (WEP, 'x' * 13, True), (WEP, 'x' * 12, False),
])
def test_passwords_by_kind(kind, password, fits):
    assert (password_problem(kind, password) == '') is fits


@pytest.mark.parametrize(('password', 'line'), [
    ('plain pass', b':plain pass\n'), (' both ', b':\\040both\\040\n'),
    ('back\\slash', b':back\\\\slash\n'), ('a:b=c#d', b':a:b=c#d\n'), ('  ', b':\\040\\040\n'),
    ('ș', ':ș\n'.encode()),
])
def test_passwords_are_escaped_as_nmcli_reads_them(password, line):
    assert secret_of(SAE, password) == b'802-11-wireless-security.psk' + line


def test_what_is_told_of_a_kind():
    assert security_words(OPEN) == []
    assert security_words(WPA)[1] == 'wpa-psk'
    assert secret_of(WEP, '12345').startswith(b'802-11-wireless-security.wep-key0:')
    assert secret_of(OPEN, '') == b''
