# SPDX-License-Identifier: Apache-2.0
"""
What nmcli prints, as data. Pure.

nmcli's tables are asked for with --terse and escapes: fields are separated by ':', a ':' or '\\'
in a field has a '\\' before it. The name of a network is whatever its owner (or a stranger with an
access point) likes, line breaks included; so networks are asked for by the bytes of their names in
hexadecimal digits, and names are nowhere part of a table.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

NETWORK_FIELDS = 'SSID-HEX,SIGNAL,SECURITY,IN-USE,FREQ'
DEVICE_FIELDS = 'DEVICE,TYPE,STATE,CON-UUID'
PROFILE_FIELDS = 'UUID,TYPE,AUTOCONNECT,AUTOCONNECT-PRIORITY,ACTIVE,DEVICE'
DETAIL_FIELDS = ('connection.uuid,802-11-wireless.mode,802-11-wireless-security.key-mgmt,'
                 '802-11-wireless.ssid')

LONGEST_SSID = 32
"""Bytes; of the standard."""

MOST_NETWORKS = 100
MOST_PROFILES = 200

OPEN, WEP, WPA, SAE, OWE, ENTERPRISE, UNKNOWN = (
    'open', 'wep', 'wpa', 'wpa3', 'owe', 'enterprise', 'unknown')
"""How a network is protected; ENTERPRISE and UNKNOWN ones are listed and not joined."""

JOINABLE = (OPEN, WEP, WPA, SAE, OWE)
WITH_PASSWORD = (WEP, WPA, SAE)

_UUID = re.compile(r'[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}')
_WORDS = {'WEP', 'WPA1', 'WPA2', 'WPA3', 'OWE', 'OWE-TM'}


@dataclass(frozen=True)
class Network:
    """A network in range, all its access points as one; `signal` is the best, in percent."""

    ssid_hex: str
    name: str
    signal: int
    kind: str
    security: str
    in_use: bool


@dataclass(frozen=True)
class Device:
    """A WiFi device: `state` in nmcli's words, `uuid` of the profile it uses or ''."""

    name: str
    state: str
    uuid: str


@dataclass(frozen=True)
class Profile:
    """A WiFi network the robot knows; `priority`: of several in range the highest is chosen."""

    uuid: str
    name: str
    kind: str
    autoconnect: bool
    priority: int
    active: bool


def is_uuid(text: object) -> bool:
    """Return whether this is the UUID of a profile."""
    return isinstance(text, str) and _UUID.fullmatch(text) is not None


def fields(line: str) -> list[str]:
    """Return the fields of a line of a terse table."""
    found, field, letters = [], '', iter(line)
    for letter in letters:
        if letter == '\\':
            field += next(letters, '')
        elif letter == ':':
            found.append(field)
            field = ''
        else:
            field += letter
    return [*found, field]


def rows(text: str, count: int) -> Iterator[list[str]]:
    """Return the rows of a terse table; what has not `count` fields is none."""
    for line in text.split('\n'):
        row = fields(line)
        if len(row) == count:
            yield row


def shown(ssid: bytes) -> str:
    """Return the bytes of a network's name as text that can be shown, on one line."""
    text = ssid.decode('utf-8', 'replace')
    return ''.join(letter if letter.isprintable() else '\N{REPLACEMENT CHARACTER}'
                   for letter in text)


def kind_of(security: str) -> str:
    """Return how a network is protected, from nmcli's SECURITY column."""
    words = set(security.replace('--', '').split())
    if '802.1X' in words or any('EAP' in word for word in words):
        return ENTERPRISE
    if not words <= _WORDS:
        return UNKNOWN
    if words & {'WPA1', 'WPA2'}:
        # A network that also has WPA3 is joined by what both sides can do.
        return WPA
    if 'WPA3' in words:
        return SAE
    if 'WEP' in words:
        return WEP
    return OWE if 'OWE' in words else OPEN


def networks(text: str) -> tuple[list[Network], int]:
    """
    Return the networks in range, the strongest first, and how many hide their names.

    Access points of the same name and kind are one network.
    """
    found: dict[tuple[str, str], Network] = {}
    hidden = 0
    for ssid_hex, signal, security, in_use, _ in rows(text, 5):
        ssid = ssid_of(ssid_hex)
        if ssid is None or not ssid.strip(b'\0'):
            hidden += 1
            continue
        kind = kind_of(security)
        key = ssid.hex(), kind
        one = Network(ssid.hex(), shown(ssid), _percent(signal), kind, security, in_use == '*')
        other = found.get(key)
        if other is not None:
            one = Network(one.ssid_hex, one.name, max(one.signal, other.signal), kind, security,
                          one.in_use or other.in_use)
        found[key] = one
    ordered = sorted(found.values(), key=lambda one: (not one.in_use, -one.signal, one.ssid_hex))
    return ordered[:MOST_NETWORKS], hidden


def ssid_of(ssid_hex: object) -> bytes | None:
    """Return the bytes of a name in hexadecimal digits; None if it is none, '' is hidden."""
    if not isinstance(ssid_hex, str) or not re.fullmatch(r'([0-9a-fA-F]{2})*', ssid_hex):
        return None
    ssid = bytes.fromhex(ssid_hex)
    return ssid if len(ssid) <= LONGEST_SSID else None


def devices(text: str) -> list[Device]:
    """Return the WiFi devices, those that are in use first."""
    found = [Device(name, state, uuid if is_uuid(uuid) else '')
             for name, kind, state, uuid in rows(text, 4) if kind == 'wifi']
    return sorted(found, key=lambda one: (not one.uuid, one.state in ('unmanaged', 'unavailable')))


def wifi_uuids(text: str) -> list[str]:
    """Return the UUIDs of the WiFi profiles of a table of PROFILE_FIELDS."""
    return [row[0] for row in rows(text, 6)
            if is_uuid(row[0]) and row[1] == '802-11-wireless'][:MOST_PROFILES]


def profiles(table: str, details: str) -> list[Profile]:
    """
    Return the WiFi networks the robot knows, the most wanted first.

    `table` has PROFILE_FIELDS; `details` DETAIL_FIELDS, a line each, not escaped, and the name
    last. Hotspots are left out.
    """
    about = dict(_details(details))
    found = []
    for uuid, _, autoconnect, priority, active, _ in rows(table, 6):
        detail = about.get(uuid)
        if detail is None or detail['mode'] == 'ap':
            continue
        found.append(Profile(
            uuid, shown(detail['ssid'].encode()), _kind_of_profile(detail['key-mgmt']),
            autoconnect == 'yes', _number(priority), active == 'yes'))
    return sorted(found, key=lambda one: (-one.priority, not one.active, one.name))


def _details(text: str) -> Iterable[tuple[str, dict[str, str]]]:
    detail: dict[str, str] = {}
    uuid = ''
    for line in text.split('\n'):
        name, _, value = line.partition(':')
        word = name.rpartition('.')[2]
        if name == 'connection.uuid' and is_uuid(value) and (not uuid or 'ssid' in detail):
            uuid, detail = value, {'mode': '', 'key-mgmt': ''}
        elif uuid and 'ssid' not in detail and word in ('mode', 'key-mgmt'):
            detail[word] = value
        elif uuid and 'ssid' not in detail and word == 'ssid':
            detail['ssid'] = value
            yield uuid, detail


def ssid_in(details: str) -> str:
    """Return the name of the network in the details of one profile; '' if there is none."""
    return next((shown(detail['ssid'].encode()) for _, detail in _details(details)), '')


def _kind_of_profile(key_mgmt: str) -> str:
    return {'': OPEN, 'none': WEP, 'wpa-psk': WPA, 'sae': SAE, 'owe': OWE}.get(
        key_mgmt, ENTERPRISE)


def _percent(text: str) -> int:
    return min(100, _number(text)) if text.isascii() and text.isdecimal() else 0


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r'-?[0-9]{1,9}', text) else 0


def added_uuid(text: str) -> str:
    """Return the UUID of the profile that `connection add` says it added; '' if it says none."""
    # The name stands before it, and may contain anything.
    found = list(re.finditer(rf'\(({_UUID.pattern})\)', text))
    return found[-1][1].lower() if found else ''
