# SPDX-License-Identifier: Apache-2.0
"""
Take secrets out of text that a person is going to send to somebody. Pure.

In doubt it takes out too much. Two ways: what is known to be a secret of this robot, wherever it
stands; and what looks like one, by its name, its form, or the address it is part of.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, quote_plus

GONE = '[removed]'
SHORTEST_KNOWN = 6
"""A shorter secret would take half of the words out."""

# Every repetition is bounded, or anchored to what is rare: a log may be one line without an end.
_NAME = (r'(?:passw(?:or)?d|passphrase|pass_phrase|\bpsk|secret|token|api[_-]?key|'
         r'access[_-]?key|private[_-]?key|credentials?|authorization|cookie|wep-key\d?|'
         r'session[_-]?id|\bpin\b)(?!\w{0,40}_file\b)[\w.-]{0,60}')
_IS_NAME = re.compile(f'(?i){_NAME}$')
_QUOTED = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
# Web addresses that lead to ourselves may keep their path.
_OURS = re.compile(r'(?:127\.\d+\.\d+\.\d+|localhost|\[::1\]|0\.0\.0\.0)(?::\d+)?$')
_UNITS = ('.service', '.scope', '.slice', '.socket', '.mount', '.target', '.device', '.timer')
_FOLDERS = ('/dev/', '/etc/', '/lib/', '/opt/', '/proc/', '/run/', '/sys/', '/usr/', '/var/')
_DEVICES = ('usb-', 'pci-', 'platform-', 'ata-', 'nvme-', 'mmc-')


def _url(found: 're.Match[str]') -> str:
    scheme, rest = found['scheme'].lower(), found['rest']
    if scheme == 'file':
        return found[0]
    if scheme not in ('http', 'https', 'ws', 'wss', 'rtsp', 'rtsps', 'rtmp', 'socket'):
        return f'{scheme}://{GONE}'
    authority, slash, path = rest.partition('/')
    if '?' in authority:
        authority, slash, path = authority.partition('?')[0], '/', GONE
    host = authority.rpartition('@')[2]
    user = f'{GONE}@' if '@' in authority else ''
    if _OURS.match(host):
        path, mark, query = path.partition('?')
        path += f'?{GONE}' if mark else ''
    elif path:
        # Many services are told who calls by a secret in the path.
        path = GONE
    return f'{scheme}://{user}{host}{slash}{path}'


def _e_mail(found: 're.Match[str]') -> str:
    return found[0] if found[0].endswith(_UNITS) else f'{GONE}@{GONE}'


def _random(found: 're.Match[str]') -> str:
    word = found[0]
    if word.startswith((*_DEVICES, *_FOLDERS)):
        return word
    counts = [sum(map(test, word)) for test in (str.isdigit, str.isupper, str.islower)]
    return GONE if min(counts) >= 2 else word


_RULES: tuple[tuple['re.Pattern[str]', str | Callable[['re.Match[str]'], str]], ...] = (
    # Keys of any kind, also where the end is missing.
    (re.compile(r'-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?'
                r'(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)', re.DOTALL), GONE),
    (re.compile(r'(?m)(?:^[ \t]*[A-Za-z0-9+/=]{1,80}[ \t\r]*\n){0,100}[ \t]*'
                r'-----END [A-Z0-9 ]{0,20}PRIVATE KEY-----'), GONE),
    # argon2 and what crypt(3) makes.
    (re.compile(r'\$(?:argon2\w*|[0-9a-z]{1,3}|sha\w+|pbkdf2\w*|scrypt)\$[\w./+=,$-]{8,}'), GONE),
    (re.compile(r'(?i)\b(bearer|basic|digest)\s+(?!realm)[\w.~+/=-]{6,}'), rf'\1 {GONE}'),
    # Headers and the like: everything to the end of the line.
    (re.compile(r'(?im)\b((?:set-)?cookie2?|(?:proxy-)?authorization)(["\']?\s*:\s*)[^\n]*'),
     rf'\1\2{GONE}'),
    (re.compile(r'(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]{1,15})://(?P<rest>[^\s"\'<>\\`]*)'), _url),
    (re.compile(r'(?i)\b(mailtos?|turns?|stuns?):(?!//)[^\s"\',]*@[^\s"\',]*'), rf'\1:{GONE}'),
    # --password X, --token=X
    (re.compile(r'(?i)(--?[\w-]{0,40}(?:passw(?:or)?d|passphrase|psk|secret|token|key)(?!-?std|_file)'
                rf'[\w-]*)([= ]+)(?:{_QUOTED}|[^\s-]\S*)'), rf'\1\2{GONE}'),
    # name: value, name = value, "name": "value"
    (re.compile(rf'(?i)({_NAME}["\']?\s*[:=]\s*)(?:{_QUOTED})'), rf'\1"{GONE}"'),
    (re.compile(rf'(?im)({_NAME}["\']?\s*:[ \t]*[|>][-+]?[ \t]*\n)(?:[ \t]+[^\n]*\n?)+'),
     rf'\1  {GONE}\n'),
    (re.compile(rf'(?i)({_NAME}=)(?!\[removed)[^\s&"\',;]+'), rf'\1{GONE}'),
    (re.compile(rf'(?im)({_NAME}\\*["\']?[ \t]*[:=][ \t]*)(?!"?\[removed)[^\s"\'{{\[][^\n]*'),
     rf'\1{GONE}'),
    # "the password is X", "with password X"
    (re.compile(r'(?i)\b((?:password|passphrase|psk|secret|token)(?: is| was| of \S+ is)?[ :]+)'
                rf'(?:{_QUOTED})'), rf'\1{GONE}'),
    (re.compile(r'\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*'), GONE),  # JSON web tokens
    (re.compile(r'\b\d{6,12}:[A-Za-z0-9_-]{30,}'), GONE),  # bots
    (re.compile(r'[\w.+%-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+'), _e_mail),
    (re.compile(r'\b[0-9a-fA-F]{32,}\b'), GONE),
    (re.compile(r'[A-Za-z0-9_.+/-]{24,}={0,2}'), _random),
)


class Redactor:
    """`Redactor(known)(text)` is the text without secrets; `known` are secrets of this robot."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Look for each secret as it is, and as JSON, a URL and a shell write it."""
        forms: set[str] = set()
        for secret in known:
            secret = secret.strip()
            if len(secret) >= SHORTEST_KNOWN:
                forms |= {secret, json.dumps(secret)[1:-1], quote(secret, safe=''), quote(secret),
                          quote_plus(secret), secret.replace("'", "'\\''"), secret.encode().hex()}
        # Longest first: one may be a part of another.
        words = sorted(forms, key=len, reverse=True)
        self._known = re.compile('|'.join(map(re.escape, words))) if words else None

    def __call__(self, text: str) -> str:
        """Return the text without them; of JSON each text in it, and what is called a secret."""
        if text.lstrip()[:1] in ('{', '['):
            try:
                return json.dumps(self._values(json.loads(text)), indent=1)
            except (ValueError, RecursionError):
                pass  # it only begins like JSON
        return self._text(text)

    def _values(self, value: Any) -> Any:
        if isinstance(value, str):
            # Without a look whether it is JSON in JSON: that looks like any text.
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(name): GONE if _IS_NAME.search(name) and inner else
                    self._values(inner) for name, inner in value.items()}
        return [self._values(inner) for inner in value] if isinstance(value, list) else value

    def _text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(GONE, text)
        for pattern, instead in _RULES:
            text = pattern.sub(instead, text)
        return text
