# SPDX-License-Identifier: Apache-2.0
"""No secret comes out of the redactor, whatever it is and wherever it stands."""

import json

import pytest

from avatar_bringup.care.redact import GONE, Redactor

PEM = ('-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIh0d2s+abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123\n'
       'kl==\n-----END EC PRIVATE KEY-----')

# The text, and the part of it that must not come out.
SECRETS = {
    'token in a link': ('Open http://127.0.0.1:8080/?token=abc-DEF_123', 'abc-DEF_123'),
    'token in a link of a name': ('https://robot.home:8080/?x=1&token=s3cr3t9', 's3cr3t9'),
    'password in json': ('{"password": "pa ss\\"w0rd", "a": 1}', 'w0rd'),
    'password in yaml': ('password: hunter two, no less\nnext: 1', 'hunter'),
    'password in single quotes': ("wifi_password = 'my pass word'", 'my pass'),
    'psk': ('[wifi-security]\nkey-mgmt=wpa-psk\npsk=correct horse battery\n', 'correct'),
    'a hash': ('ana:$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g', 'c2FsdHNhbHQ'),
    'a hash of crypt': ('root:$6$saltsalt$abcdefgh./IJKLMNOP:19000:', 'abcdefgh'),
    'a yescrypt hash': ('x $y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC', 'F5Jx5'),
    'bearer': ('Authorization: Bearer abcdef123456', 'abcdef123456'),
    'basic': ('sent basic YXZhdGFyOnNlY3JldA==', 'YXZhdGFy'),
    'cookie': ('Cookie: __Host-avatar=zzz111; theme=dark', 'zzz111'),
    'set-cookie': ('< set-cookie: session=q1w2e3; Path=/', 'q1w2e3'),
    'cookie as json': ('"Cookie": "a=b1c2d3"', 'b1c2d3'),
    'telegram': ('tgram://123456789:AAbbCCddEE/12345/', 'AAbbCC'),
    'mail': ('mailtos://ana:geheim@mail.example.org/?to=ben@example.org', 'geheim'),
    'its address': ('mailtos://ana:geheim@mail.example.org/?to=ben@example.org', 'ben@'),
    'ntfy': ('ntfys://ana:geheim@ntfy.example.org/topic', 'geheim'),
    'matrix': ('matrixs://user:pw123@host/#room', 'pw123'),
    'a web hook': ('https://hooks.example.com/services/T000/B000/XXXX', 'T000'),
    'a web hook with a port': ('https://hooks.example.com:8443/services/T000/B000/XXXX', 'T000'),
    'user in a link': ('rtsp://ana:pw@192.168.1.5/stream', 'ana:pw'),
    'a query without a path': ('https://example.org?key=abcd', 'abcd'),
    'an e-mail address': ('to ana.pop+x@mail.example.org now', 'ana.pop'),
    'a private key': (f'before\n{PEM}\nafter', 'MHcCAQEE'),
    'a private key without its end': (PEM.partition('kl==')[0], 'MHcCAQEE'),
    'a private key without its beginning': (PEM.partition('\n')[2], 'MHcCAQEE'),
    'turn in coturn': ('static-auth-secret=north-star', 'north-star'),
    'turn in yaml': ('    password: the static auth secret\n', 'static auth'),
    'turn credential': ('{"urls": "turn:x", "credential": "abc"}', 'abc'),
    'turn with user': ('turn:ana:pw9@turn.example.org:3478', 'pw9'),
    'an argument': ('curl --password hunter2 --url x', 'hunter2'),
    'an argument with =': ('avatar --token=hunter2', 'hunter2'),
    'an api key': ('apikey: 90817', '90817'),
    'a variable': ('AVATAR_DEMO_TOKEN=aaa AVATAR_PORT=8080', 'aaa'),
    'a jwt': ('got eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeK', 'SflKxw'),
    'a bot': ('bot 123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawX', 'AAHdq'),
    'random text': ('id 8fJk2LmN9pQr5StUvWx3YzAb4CdE6FgH', '8fJk2'),
    'hexadecimal': ('id 0123456789abcdef0123456789abcdef', '0123456789abcdef'),
    'a block of yaml': ('secret: |\n  line one\n  line two\nnext: 1\n', 'line two'),
    'spoken': ('with password "hunter 2" it', 'hunter'),
    'uri encoded': ('x=my%20wifi%20key', 'my%20wifi'),
    'shell quoted': ("say 'it'\\''s secret!'", "it'\\''s"),
    'known': ('connecting to home with my wifi key', 'my wifi key'),
    'known as json': ('{"x": "quote\\" and \\u0103"}', 'quote'),
}
KNOWN = ('my wifi key', "it's secret!", 'quote" and ă', 'short')


@pytest.mark.parametrize('name', SECRETS)
def test_it_does_not_come_out(name: str) -> None:
    text, secret = SECRETS[name]
    assert secret in text
    redacted = Redactor(KNOWN)(text)
    assert secret not in redacted
    assert GONE in redacted


@pytest.mark.parametrize('name', SECRETS)
def test_nor_within_other_text(name: str) -> None:
    text, secret = SECRETS[name]
    redact = Redactor(KNOWN)
    line = f'[INFO] [1700000000.123456789] [gateway]: {text}'
    assert secret not in redact(line)
    many = f'first: 1\n{text}\nlast: 2\n' * 3
    assert secret not in redact(many)
    assert secret not in redact(f'    {text}\n')


@pytest.mark.parametrize('name', SECRETS)
def test_nor_as_a_text_in_json(name: str) -> None:
    """As in an answer of a program; what JSON changes of it is as secret."""
    text, secret = SECRETS[name]
    written = json.dumps({'line': text, 'other': 1})
    redacted = Redactor(KNOWN)(written)
    assert json.dumps(secret)[1:-1] not in redacted


def test_what_is_no_secret_stays() -> None:
    text = """[INFO] [1700000000.123456789] [motor]: Emergency stop 3: it stands until it is reset.
/dev/serial/by-id/usb-1a86_USB2.0-Serial_0123ABCD-if00-port0 -> ../../ttyUSB0
tcp 127.0.0.1:8080 LISTEN pid 1234 (/opt/avatar/releases/2025-11-26/bin/python -m avatar)
max_speed_mps: 0.5
turn_secret_file: "/var/lib/avatar/turn_secret"
avatar.service - avatar, a telepresence robot; user@1000.service
http://127.0.0.1:9998/media/auth
free 1200 MB of 29000 MB, temperature 54.3
2025-10-23T22:10:01+0300 robot avatar[812]: [motor-2] connected to ESP32
"""
    assert Redactor()(text) == text


def test_a_short_secret_does_not_take_the_text_apart() -> None:
    assert Redactor(['a', 'on'])('a person at the console') == 'a person at the console'
