# SPDX-License-Identifier: Apache-2.0
"""What can be the password of a WiFi network, by how it is protected. Pure."""

import re

from avatar_web.system.nmcli import secret_line
from avatar_web.system.nmcli_output import SAE, WEP, WITH_PASSWORD, WPA

LONGEST = 128
_SETTING = '802-11-wireless-security'


def password_problem(kind: str, password: object) -> str:
    """Return what is wrong with a password of a network of this kind, or ''."""
    if kind not in WITH_PASSWORD:
        return '' if password in (None, '') else 'this network has no password'
    if not isinstance(password, str) or not password:
        return 'this network has a password'
    if len(password) > LONGEST or not all(
            ' ' <= c != '\x7f' and not '\ud800' <= c <= '\udfff' for c in password):
        # A line break would be read as the next secret.
        return f'the password is longer than {LONGEST} characters, or has a control character'
    size = len(password.encode())
    if kind == WPA and not (8 <= size <= 63 or re.fullmatch('[0-9a-fA-F]{64}', password)):
        return 'the password of such a network has 8 to 63 characters'
    if kind == WEP and not (size in (5, 13) or re.fullmatch(
            '[0-9a-fA-F]{10}|[0-9a-fA-F]{26}', password)):
        return 'the key of such a network has 5 or 13 characters, or 10 or 26 hexadecimal digits'
    return ''


def security_words(kind: str) -> list[str]:
    """Return the words of `nmcli connection add` for a network of this kind."""
    key_mgmt = {WEP: 'none', WPA: 'wpa-psk', SAE: 'sae', 'owe': 'owe'}.get(kind)
    return [f'{_SETTING}.key-mgmt', key_mgmt] if key_mgmt else []


def secret_of(kind: str, password: str) -> bytes:
    """Return what nmcli reads as its passwd-file."""
    if kind not in WITH_PASSWORD:
        return b''
    return secret_line(f'{_SETTING}.{"wep-key0" if kind == WEP else "psk"}', password)
