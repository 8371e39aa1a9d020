# SPDX-License-Identifier: Apache-2.0
"""A PATH on which nmcli is the program nmcli_stand_in.py, and the world that it speaks of."""

import json
import os
import shlex
import sys
from pathlib import Path

from avatar_web.system.wifi import Wifi

HOME = '11111111-2222-3333-4444-555555555555'
CAFE = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'
PASSWORD = 'a secret \\ of : this test '


def network(name, signal=60, security='WPA2', **more):
    return {'ssid': name.encode().hex(), 'signal': signal, 'security': security, **more}


def profile(uuid, name, **more):
    return {'uuid': uuid, 'type': '802-11-wireless', 'ssid': name.encode().hex(),
            'mode': 'infrastructure', 'key_mgmt': 'wpa-psk', 'autoconnect': True, 'priority': 0,
            'secret': 'of home', **more}


class Air:
    """A folder on the PATH with the stand-in as `nmcli`, and the world behind it."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.state_dir = folder / 'bin', folder / 'state'
        self.folder.mkdir()
        self.state_dir.mkdir()
        program = self.folder / 'nmcli'
        stand_in = Path(__file__).with_name('nmcli_stand_in.py')
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS '
                           f'{shlex.quote(str(stand_in))} {shlex.quote(str(self.folder))} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv('PATH', f'{self.folder}:{os.environ["PATH"]}')
        monkeypatch.setenv('AVATAR_MEDIA_SECRET', 'not for children')
        self.said = []
        self.set(
            devices=[{'name': 'wlan0', 'type': 'wifi', 'state': 'connected', 'uuid': HOME},
                     {'name': 'eth0', 'type': 'ethernet', 'state': 'unavailable'}],
            networks=[network('home', 70, password='of home'),
                      network('new', 50, password=PASSWORD), network('open', 30, '')],
            profiles=[profile(HOME, 'home'), profile(CAFE, 'café', priority=-1)])

    @property
    def now(self):
        return json.loads((self.folder / 'air.json').read_text())

    def set(self, **world):
        path = self.folder / 'air.json'
        old = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**old, **world}))

    @property
    def calls(self):
        path = self.folder / 'calls.jsonl'
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def connected_to(self):
        device = self.now['devices'][0]
        return device['uuid'] if device['state'] == 'connected' else ''

    def profile_of(self, name):
        return next((p for p in self.now['profiles'] if p['ssid'] == name.encode().hex()), None)

    def wifi(self):
        return Wifi(self.state_dir, self.said.append)
