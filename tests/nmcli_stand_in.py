# SPDX-License-Identifier: Apache-2.0
"""
A stand-in for nmcli and the NetworkManager behind it, as a program: `nmcli_stand_in.py FOLDER`.

What it prints, refuses and ends with follows nmcli(1) and the messages of 1.36 to 1.52: terse
tables escape ':' and '\\', a profile's details are lines that are not escaped, exit codes 0 to 10.
It is no proof of how a real NetworkManager behaves.

FOLDER/air.json is the world (see `World`), FOLDER/calls.jsonl gets the words of every call.
"""

import fcntl
import json
import re
import sys
import time
import uuid
from pathlib import Path

TABLES = {
    'devices': ('DEVICE', 'TYPE', 'STATE', 'CON-UUID'),
    'networks': ('SSID-HEX', 'SIGNAL', 'SECURITY', 'IN-USE', 'FREQ'),
    'profiles': ('UUID', 'TYPE', 'AUTOCONNECT', 'AUTOCONNECT-PRIORITY', 'ACTIVE', 'DEVICE'),
}
SECURITY = '802-11-wireless-security'


class End(Exception):
    """Ends with a code and a message on standard error."""

    def __init__(self, code, message=''):
        super().__init__(message)
        self.code = code


class World:
    """air.json, locked while it is looked at or changed."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        self._lock = (self.folder / 'lock').open('w')
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.air = json.loads((self.folder / 'air.json').read_text())
        return self.air

    def __exit__(self, kind, *_):
        if kind is None:
            new = self.folder / 'air.new'
            new.write_text(json.dumps(self.air))
            new.replace(self.folder / 'air.json')
        self._lock.close()


def escaped(value):
    return str(value).replace('\\', '\\\\').replace(':', '\\:')


def table(kind, wanted, rows):
    for name in wanted:
        if name not in TABLES[kind]:
            raise End(2, f"Error: invalid field '{name}'; allowed fields: "
                         f'{",".join(TABLES[kind])}.')
    for row in rows:
        print(':'.join(escaped(row[name]) for name in wanted))


def devices(air, wanted):
    table('devices', wanted, [{
        'DEVICE': one['name'], 'TYPE': one['type'], 'STATE': one['state'],
        'CON-UUID': one.get('uuid', '')} for one in air['devices']])


def networks(air, wanted, device):
    active = next((one for one in air['profiles'] if one['uuid'] == device.get('uuid')), None)
    table('networks', wanted, [{
        'SSID-HEX': one['ssid'].upper(), 'SIGNAL': one['signal'], 'SECURITY': one['security'],
        'FREQ': '2412 MHz',
        'IN-USE': '*' if active and active['ssid'] == one['ssid'] else ' ',
    } for one in air['networks']])


def profiles(air, wanted):
    in_use = {one.get('uuid'): one['name'] for one in air['devices']}
    table('profiles', wanted, [{
        'UUID': one['uuid'], 'TYPE': one['type'],
        'AUTOCONNECT': 'yes' if one['autoconnect'] else 'no',
        'AUTOCONNECT-PRIORITY': one['priority'],
        'ACTIVE': 'yes' if one['uuid'] in in_use else 'no',
        'DEVICE': in_use.get(one['uuid'], '')} for one in air['profiles']])


def details(air, wanted, uuids):
    missing = False
    for number, wish in enumerate(uuids):
        one = find(air, wish)
        if one is None:
            print(f'Error: {wish} - no such connection profile.', file=sys.stderr)
            missing = True
            continue
        if number:
            print()
        values = {'connection.uuid': one['uuid'], '802-11-wireless.mode': one['mode'],
                  f'{SECURITY}.key-mgmt': one['key_mgmt'],
                  '802-11-wireless.ssid': bytes.fromhex(one['ssid']).decode('utf-8', 'replace')}
        for name in wanted:
            if name == f'{SECURITY}.key-mgmt' and not one['key_mgmt']:
                continue  # a profile without that setting has no line for it
            print(f'{name}:{values[name]}')
    if missing:
        raise End(10)


def find(air, wish):
    return next((one for one in air['profiles'] if one['uuid'] == wish), None)


def add(air, words):
    if not air.get('authorised', True):
        raise End(1, f"Error: Failed to add '{words['con-name']}' connection: "
                     'Insufficient privileges')
    ssid = words['ssid'].encode('utf-8', 'surrogateescape')
    if not 0 < len(ssid) <= 32:
        raise End(2, "Error: failed to modify 802-11-wireless.ssid: '' is not valid.")
    one = {'uuid': str(uuid.uuid4()), 'type': '802-11-wireless', 'ssid': ssid.hex(),
           'mode': 'infrastructure', 'key_mgmt': words.get(f'{SECURITY}.key-mgmt', ''),
           'autoconnect': words.get('connection.autoconnect') != 'no', 'priority': 0,
           'secret': ''}
    air['profiles'].append(one)
    print(f"Connection '{words['con-name']}' ({one['uuid']}) successfully added.")


def modify(air, wish, words):
    one = known(air, wish)
    if not air.get('authorised', True):
        raise End(1, f"Error: Failed to modify connection '{wish}': Insufficient privileges")
    if 'connection.autoconnect' in words:
        one['autoconnect'] = words['connection.autoconnect'] == 'yes'
    if 'connection.autoconnect-priority' in words:
        one['priority'] = int(words['connection.autoconnect-priority'])


def delete(air, wish):
    one = known(air, wish)
    if not air.get('authorised', True):
        raise End(1, 'Error: Connection deletion failed: Insufficient privileges')
    air['profiles'].remove(one)
    for device in air['devices']:
        if device.get('uuid') == wish:
            device.update(uuid='', state='disconnected')
    print(f"Connection 'x' ({wish}) successfully deleted.")


def known(air, wish):
    one = find(air, wish)
    if one is None:
        raise End(10, f"Error: unknown connection '{wish}'.")
    return one


def secrets_of(name):
    """Read a passwd-file as nmcli does: escapes, and outer spaces that are not escaped go."""
    found = {}
    for line in Path(name).read_bytes().decode().splitlines():
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        setting, colon, value = line.partition(':')
        if not colon:
            raise End(2, f"Error: failed to read passwd-file '{name}': missing colon")
        value = re.sub(r'\\(040|\\)', lambda m: {'040': '\0', '\\': '\\'}[m[1]],
                       value.strip(' '))
        found[setting.strip()] = value.replace('\0', ' ')
    return found


def up(world, wish, words, wait_s):
    """Activate; the world goes on while this waits."""
    given = secrets_of(words['passwd-file']) if 'passwd-file' in words else {}
    with world as air:
        if not air.get('authorised', True):
            raise End(4, 'Error: Connection activation failed: Not authorized to control '
                         'networking.')
        one = known(air, wish)
        device = next(d for d in air['devices'] if d['type'] == 'wifi')
        network = in_range(air, one)
        device.update(uuid=wish, state='connecting (configuring)')
        takes_s = network.get('takes_s', 0.0) if network else 0.0
    time.sleep(min(takes_s, wait_s))
    if takes_s >= wait_s:
        raise End(3, f'Error: Timeout expired ({wait_s:g} seconds)')
    with world as air:
        one = known(air, wish)
        device = next(d for d in air['devices'] if d['type'] == 'wifi')
        network = in_range(air, one)
        reason = ''
        if network is None:
            reason = 'The Wi-Fi network could not be found'
        elif network.get('password'):
            field = 'wep-key0' if one['key_mgmt'] == 'none' else 'psk'
            secret = one['secret'] or given.get(f'{SECURITY}.{field}', '')
            if secret != network['password']:
                reason = 'Secrets were required, but not provided'
            else:
                one['secret'] = secret
        if not reason:
            device.update(uuid=wish, state='connected')
        else:
            # NetworkManager goes on with the best it knows, or with nothing for a while.
            other = next((p for p in air['profiles'] if p['autoconnect'] and p is not one
                          and in_range(air, p)), None) if air.get('autoconnects') else None
            device.update(uuid=other['uuid'] if other else '',
                          state='connected' if other else 'disconnected')
    if reason:
        raise End(4, f'Error: Connection activation failed: {reason}.\n'
                     "Hint: use 'journalctl -xe NM_CONNECTION=x' to get more details.")
    print('Connection successfully activated (D-Bus active path: '
          '/org/freedesktop/NetworkManager/ActiveConnection/7)')


def in_range(air, profile):
    return next((one for one in air['networks'] if one['ssid'] == profile['ssid']), None)


def down(air, wish):
    for device in air['devices']:
        if device.get('uuid') == wish:
            device.update(uuid='', state='disconnected')
            print("Connection 'x' successfully deactivated")
            return
    raise End(10, f"Error: '{wish}' is not an active connection.")


def pairs(words):
    return dict(zip(words[::2], words[1::2], strict=True))


def run(world, words):
    options = {'-t': False, '-f': '', '--wait': '90'}
    words = list(words)
    while words and words[0] in options:
        option = words.pop(0)
        options[option] = True if option == '-t' else words.pop(0)
    if words[:2] == ['connection', 'up']:
        named = pairs(words[2:])
        up(world, named['uuid'], named, float(options['--wait']))
        return
    wanted = options['-f'].split(',')
    with world as air:
        if words == ['device', 'status']:
            devices(air, wanted)
        elif words[:3] == ['device', 'wifi', 'list']:
            device = next((d for d in air['devices'] if d['name'] == pairs(
                words[3:])['ifname']), None)
            if device is None:
                raise End(10, 'Error: Device not found.')
            networks(air, wanted, device)
        elif words[:3] == ['device', 'wifi', 'rescan']:
            air['scans'] = air.get('scans', 0) + 1
        elif words == ['connection', 'show']:
            profiles(air, wanted)
        elif words[:2] == ['connection', 'show']:
            details(air, wanted, pairs_of_uuids(words[2:]))
        elif words[:2] == ['connection', 'add']:
            add(air, pairs(words[2:]))
        elif words[:3] == ['connection', 'modify', 'uuid']:
            modify(air, words[3], pairs(words[4:]))
        elif words[:3] == ['connection', 'delete', 'uuid']:
            delete(air, words[3])
        elif words[:3] == ['connection', 'down', 'uuid']:
            down(air, words[3])
        else:
            raise End(2, f"Error: argument '{' '.join(words)}' not understood.")


def pairs_of_uuids(words):
    assert set(words[::2]) == {'uuid'}, words
    return words[1::2]


def main():
    folder = Path(sys.argv[1])
    with (folder / 'calls.jsonl').open('a') as calls:
        print(json.dumps(sys.argv[2:]), file=calls)
    air = json.loads((folder / 'air.json').read_text())
    time.sleep(air.get('slow_s', 0.0))
    sys.stdout.write('x' * air.get('floods', 0))
    if not air.get('running', True):
        print('Error: NetworkManager is not running.', file=sys.stderr)
        return 8
    try:
        run(World(folder), sys.argv[2:])
    except End as end:
        if str(end):
            print(end, file=sys.stderr)
        return end.code
    return 0


if __name__ == '__main__':
    sys.exit(main())
