# SPDX-License-Identifier: Apache-2.0
"""Certificates: own, brought, bad ones; renewal while people are connected."""

import asyncio
import contextlib
import datetime
import gc
import ipaddress
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from avatar_web.door import doorway, tls
from avatar_web.door.host_names import own_addresses, own_names, valid
from avatar_web.door.keyring import Keyring, now_utc
from avatar_web.testing import open_door

NOW = now_utc()
DAY = datetime.timedelta(days=1)


def brought(names=('robot.example.org',), begin=NOW - DAY, end=NOW + 90 * DAY):
    """Return certificate and key as somebody else makes them: RSA, and not at once."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'robot')])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(begin).not_valid_after(end)
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    cert = builder.sign(key, hashes.SHA256())
    return cert.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption())


@pytest.fixture(scope='module')
def pair():
    return brought()


def fingerprint_seen(port: int) -> str:
    """Return what a client is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(('127.0.0.1', port), timeout=5) as sock, \
            context.wrap_socket(sock, server_hostname='localhost') as wrapped:
        der = wrapped.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256()).hex().upper()


def test_own_certificate_is_trusted_by_a_client_that_was_given_it(tmp_path):
    async def test():
        async with open_door(tmp_path, tls='on') as door:
            path = tmp_path / 'tls' / tls.OWN
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.parent.stat().st_mode & 0o777 == 0o700
            trusting = ssl.create_default_context(cafile=str(path))
            trusting.verify_flags &= ~getattr(ssl, 'VERIFY_X509_STRICT', 0)
            async with aiohttp.ClientSession() as client:
                for host in ('127.0.0.1', 'localhost'):
                    url = f'https://{host}:{door.port}/healthz'
                    async with client.get(url, ssl=trusting) as response:
                        assert response.status == 200
            # Plain HTTP on the same port gets nowhere.
            with pytest.raises(aiohttp.ClientError):
                async with aiohttp.ClientSession() as client:
                    await client.get(f'http://127.0.0.1:{door.port}/healthz')
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            old.maximum_version = ssl.TLSVersion.TLSv1_1
            with pytest.raises(aiohttp.ClientError):
                async with aiohttp.ClientSession() as client:
                    await client.get(f'https://127.0.0.1:{door.port}/healthz', ssl=old)
    with pytest.warns(DeprecationWarning):
        asyncio.run(test())


def test_own_certificate_names_this_machine(tmp_path):
    keyring = Keyring(tmp_path, [*own_names(), *own_addresses()], pytest.fail)
    keyring.refresh()
    names = keyring.certificate.names
    assert {'localhost', '127.0.0.1', own_names()[0]} <= set(names)
    assert keyring.certificate.days_left(NOW) < 398  # what browsers accept
    assert all(valid(name) for name in own_names())
    assert ipaddress.ip_address(own_addresses()[-1]).is_loopback


def test_own_certificate_stays_until_shortly_before_its_end(tmp_path):
    now = [NOW]
    keyring = Keyring(tmp_path, ['robot.local', '10.0.0.1'], pytest.fail, lambda: now[0])
    seen = []
    for days in (0, 1, 300, 366, 367, 368, 700, 733, 734):
        now[0] = NOW + days * DAY
        keyring.refresh()
        assert keyring.certificate.days_left(now[0]) > 25
        seen.append(keyring.certificate.fingerprint)
    assert [seen.count(f) for f in dict.fromkeys(seen)] == [4, 4, 1]
    # An address that changed (every day, on a mobile network) is no reason to ask people again.
    moved = Keyring(tmp_path, ['robot.local', '10.0.0.2'], pytest.fail, lambda: now[0])
    moved.refresh()
    assert moved.certificate.fingerprint == seen[-1]
    renamed = Keyring(tmp_path, ['other.local'], pytest.fail, lambda: now[0])
    renamed.refresh()
    assert renamed.certificate.names == ('other.local',)


def test_clock_that_was_wrong_at_first_is_no_dead_end(tmp_path):
    """A Pi has no clock of its own: it starts in the past and learns the time later."""
    now, said = [datetime.datetime(2023, 1, 1, tzinfo=tls.UTC)], []
    keyring = Keyring(tmp_path, ['robot.local'], said.append, lambda: now[0])
    keyring.refresh()
    now[0] = NOW
    keyring.refresh()
    assert keyring.certificate.days_left(NOW) > 300
    now[0] = NOW - 3600 * datetime.timedelta(seconds=1)
    kept = keyring.certificate.fingerprint
    keyring.refresh()
    assert keyring.certificate.fingerprint == kept


def test_killed_while_making_it_leaves_none_or_a_whole_one(tmp_path):
    code = ('import sys, datetime\nfrom pathlib import Path\nfrom avatar_web.door import tls\n'
            'pem = tls.make_own(["a.local"], datetime.datetime.now(tls.UTC))\n'
            'print(1, flush=True)\n'
            'while True: tls.install(Path(sys.argv[1]) / tls.OWN, pem)')
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, '-c', code, str(tmp_path)],
                                  stdout=subprocess.PIPE)
        assert writer.stdout.readline() == b'1\n'
        writer.kill()
        writer.communicate()
        keyring = Keyring(tmp_path, ['a.local'], pytest.fail)
        keyring.refresh()
        assert keyring.certificate.names == ('a.local',)


@pytest.mark.parametrize('content', [b'', b'noise', b'-----BEGIN CERTIFICATE-----\nAAAA\n'])
def test_damaged_own_certificate_is_replaced(tmp_path, content):
    said = []
    (tmp_path / tls.OWN).write_bytes(content)
    keyring = Keyring(tmp_path, ['a.local'], said.append)
    keyring.refresh()
    assert keyring.certificate.names == ('a.local',) and 'cannot be used' in said[0]


def test_folder_that_cannot_be_written(tmp_path):
    said = []
    (tmp_path / 'tls').write_text('a file where the folder should be')
    keyring = Keyring(tmp_path / 'tls', ['a.local'], said.append)
    keyring.refresh()
    keyring.refresh()
    assert keyring.certificate.names == ('a.local',) and keyring.server_context()
    assert len([s for s in said if 'cannot be kept' in s]) == 1


def test_what_cannot_be_brought_is_refused_with_the_reason(pair):
    cert, key = pair
    other = brought()[1]
    secret = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b'password'))
    past = brought(begin=NOW - 90 * DAY, end=NOW - DAY)
    future = brought(begin=NOW + DAY)
    for bad_cert, bad_key, says in (
            (cert, other, 'does not belong'), (key, key, 'not PEM'), (b'', key, 'not PEM'),
            (cert, cert, 'not a PEM private key'), (cert, secret, 'has a password'),
            (*past, 'ended on'), (*future, 'begins only on'),
            (*brought(names=()), 'names no host'), (cert * 1000, key, 'larger than')):
        with pytest.raises(tls.TlsProblem, match=says):
            tls.read_pair(bad_cert, bad_key, NOW)
    assert tls.read_pair(cert, key, NOW).names == ('robot.example.org',)


def test_brought_certificate_replaces_the_own_one_while_running(tmp_path, pair):
    cert, key = pair

    async def test():
        async with open_door(tmp_path, tls='on') as door:
            keyring, loop = door.server._keyring, asyncio.get_running_loop()
            own = keyring.certificate.fingerprint.replace(':', '')

            def seen():
                return loop.run_in_executor(None, fingerprint_seen, door.port)
            assert await seen() == own
            async with door.browser() as browser, browser.get('/healthz') as before:
                assert before.status == 200
                tls.install(tmp_path / 'tls' / tls.BROUGHT, cert + key)
                async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(
                        str(tmp_path / 'gateway.sock'))) as console:
                    answer = await console.post('http://localhost/api/tls/reload')
                    assert 'serving the certificate' in (await answer.json())['message']
                # Another key of another type, and only that one.
                brought_one = tls.read_pair(cert, key, NOW).fingerprint.replace(':', '')
                assert await seen() == brought_one != own
                # Who is connected stays connected; the name in it is one the robot answers to.
                assert (await browser.get('/healthz')).status == 200
                named = {'Host': f'robot.example.org:{door.port}'}
                assert (await browser.get('/healthz', headers=named)).status == 200
            (tmp_path / 'tls' / tls.BROUGHT).write_bytes(b'damaged')
            keyring.refresh()
            assert await seen() == own
            assert any('cannot be used' in sentence for sentence in door.said)
    asyncio.run(test())


def test_certificate_that_ends_soon_is_said_once(tmp_path):
    said = []
    tls.install(tmp_path / tls.BROUGHT, b''.join(brought(end=NOW + 5 * DAY)))
    keyring = Keyring(tmp_path, ['a.local'], said.append)
    for _ in range(3):
        keyring.refresh()
    assert len(said) == 1 and 'ends in 5 days' in said[0] or 'ends in 4 days' in said[0]


def test_silent_handshake_is_given_up(tmp_path):
    async def test():
        async with open_door(tmp_path, tls='on') as door:
            silent = [socket.create_connection(('127.0.0.1', door.port)) for _ in range(30)]
            async with door.script() as script:
                assert (await script.get('/healthz')).status == 200
            for sock in silent:
                sock.close()
    asyncio.run(test())


def test_paths_of_installs_are_never_readable_by_others(tmp_path: Path):
    tls.install(tmp_path / 'new' / 'x.pem', b'x')
    (tmp_path / 'new' / 'y.pem.new').write_bytes(b'left over, and readable')
    tls.install(tmp_path / 'new' / 'y.pem', b'y')
    for name in ('x.pem', 'y.pem'):
        assert (tmp_path / 'new' / name).stat().st_mode & 0o777 == 0o600


# The flood before the handshake.


def handshakes():
    """Return how many TLS connections the server of this loop holds, not one of a test before."""
    loop = asyncio.get_running_loop()
    return sum(isinstance(o, asyncio.sslproto.SSLProtocol) and o._loop is loop
               for o in gc.get_objects())


@pytest.fixture
def no_gc():
    """Only what is let go of is gone; a collection comes too late for a flood."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_connections_that_never_finish_the_handshake_cost_little_and_keep_nobody_out(
        tmp_path, no_gc):
    async def test():
        async with open_door(tmp_path, tls='on') as door:
            with contextlib.ExitStack() as stack:
                for number in range(300):
                    sock = stack.enter_context(socket.socket())
                    sock.bind((f'127.0.0.{2 + number % 20}', 0))
                    sock.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        sock.connect(('127.0.0.1', door.port))
                    if not number % 20:
                        await asyncio.sleep(0.01)
                await asyncio.sleep(0.3)
                assert handshakes() <= doorway.MOST_HANDSHAKES
                async with door.script() as script:
                    begin = time.monotonic()
                    assert (await script.get('/healthz')).status == 200
                    assert time.monotonic() - begin < 1.0
    asyncio.run(test())


def test_an_address_begins_so_many_handshakes_and_others_do_not_wait_for_it(tmp_path):
    async def test():
        async with open_door(tmp_path, tls='on') as door:
            refused = 0
            for _ in range(3 * doorway.HANDSHAKES_AT_ONCE):
                reader, writer = await asyncio.open_connection(
                    '127.0.0.1', door.port, local_addr=('127.0.0.2', 0))
                with contextlib.suppress(asyncio.TimeoutError):
                    with contextlib.suppress(ConnectionError):
                        await asyncio.wait_for(reader.read(1), 0.005)
                    refused += 1
                writer.close()
            assert refused > doorway.HANDSHAKES_AT_ONCE
            async with door.script() as script:
                assert (await script.get('/healthz')).status == 200
    asyncio.run(test())


def test_a_flood_that_waits_to_be_accepted_does_not_hold_up_the_loop(tmp_path):
    async def test():
        async with open_door(tmp_path, tls='on') as door:
            with contextlib.ExitStack() as stack:
                # All of them are there before the loop sees the first.
                for number in range(120):
                    sock = stack.enter_context(socket.socket())
                    sock.bind((f'127.0.0.{2 + number % 20}', 0))
                    sock.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        sock.connect(('127.0.0.1', door.port))
                most = 0
                for _ in range(1000):
                    await asyncio.sleep(0)
                    # Each that has begun is a task.
                    most = max(most, len(asyncio.all_tasks()))
                assert 10 < most < 2 * doorway.MOST_HANDSHAKES
    asyncio.run(test())
