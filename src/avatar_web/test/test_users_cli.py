# SPDX-License-Identifier: Apache-2.0
"""`avatar users` and `avatar tls` as processes: with a running gateway, without one, with both."""

import asyncio
import datetime
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from avatar_node.testing import wait_for
from avatar_web.accounts.lock import Lock
from avatar_web.door.tls import BROUGHT, OWN, UTC, make_own
from avatar_web.testing import open_door

AVATAR = """
import argparse, sys
from avatar_web import tls_cli, users_cli
parser = argparse.ArgumentParser(prog='avatar')
commands = parser.add_subparsers(required=True)
users_cli.add_parser(commands)
tls_cli.add_parser(commands)
options = parser.parse_args()
sys.exit(options.run(options))
"""
PASSWORD = 'correct horse'


def avatar(folder, *words, stdin='', code=0):
    """Run the command; return stdout (stderr where it fails)."""
    done = subprocess.run(
        [sys.executable, '-c', AVATAR, *words], input=stdin, text=True, capture_output=True,
        env={**os.environ, 'AVATAR_STATE_DIR': str(folder)}, timeout=30)
    assert done.returncode == code, done
    assert 'Traceback' not in done.stderr
    return done.stdout if code == 0 else done.stderr


@contextmanager
def running(folder, **config):
    """Run a gateway in a thread of its own: the command blocks ours."""
    loop, doors, ended = asyncio.new_event_loop(), [], asyncio.Event()

    async def main():
        async with open_door(folder, **config) as door:
            doors.append(door)
            await ended.wait()
    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    wait_for(lambda: doors, 5, 'the gateway')
    try:
        yield doors[0], loop
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(5)


@contextmanager
def stopped(folder, **_):
    yield None, None


@pytest.mark.parametrize('gateway', [running, stopped])
def test_users_from_beginning_to_end(tmp_path, gateway):
    folder = tmp_path / 'state'
    with gateway(folder):
        assert 'nobody has an account' in avatar(folder, 'users', 'list')
        avatar(folder, 'users', 'add', 'Ana', '--role', 'admin', '--password-stdin',
               stdin=PASSWORD + '\n')
        avatar(folder, 'users', 'add', 'José Ángel', '--password-stdin', stdin=PASSWORD)
        listed = avatar(folder, 'users', 'list').splitlines()
        assert [line.split()[-4:-2] for line in listed[1:]] == [
            ['Ana', 'admin'], ['Ángel', 'driver']]
        avatar(folder, 'users', 'role', 'josé ángel', 'viewer')
        avatar(folder, 'users', 'passwd', 'ana', '--password-stdin', stdin='battery staple\n')
        token = avatar(folder, 'users', 'token', 'Ana', '--label', 'my script').strip()
        assert len(token) > 40
        avatar(folder, 'users', 'remove', 'JOSÉ ÁNGEL')
        assert avatar(folder, 'users', 'list').count('\n') == 2
        for words, says in (
                (('remove', 'ana'), 'only admin'), (('role', 'Ana', 'driver'), 'only admin'),
                (('remove', 'nobody'), "no user 'nobody'"),
                (('add', 'ANA', '--password-stdin'), 'already'),
                (('add', 'a/b', '--password-stdin'), 'slash'),
                (('passwd', 'nobody', '--password-stdin'), 'no user'),
                (('add', 'Bob'), '--password-stdin')):
            assert says in avatar(folder, 'users', *words, stdin=PASSWORD, code=1)
        assert 'password must be' in avatar(
            folder, 'users', 'add', 'Bob', '--password-stdin', stdin='short', code=1)
    # What either wrote is what a gateway finds.
    with running(folder) as (door, loop):
        keeper = door.server._gatekeeper
        assert [u.name for u in keeper.users] == ['Ana']
        assert keeper.identify(token).name == 'Ana'


def test_removed_by_the_command_is_out_of_the_running_gateway(tmp_path):
    with running(tmp_path) as (door, loop):
        avatar(tmp_path, 'users', 'add', 'Ana', '--password-stdin', stdin=PASSWORD)
        token = avatar(tmp_path, 'users', 'token', 'Ana').strip()

        async def drive():
            async with door.script(token) as script, script.ws_connect('/rosbridge') as ws:
                assert (await ws.receive_json())['name'] == 'Ana'
                connected.set()
                return (await ws.receive()).data
        connected = threading.Event()
        closed = asyncio.run_coroutine_threadsafe(drive(), loop)
        assert connected.wait(5)
        begin = time.monotonic()
        avatar(tmp_path, 'users', 'remove', 'Ana')
        assert closed.result(1) == 4401
        assert time.monotonic() - begin < 3.0  # of which Python's start is most


def test_command_waits_for_a_gateway_that_starts_and_names_one_that_hangs(tmp_path, monkeypatch):
    """The lock is held, and nothing answers (yet)."""
    with Lock(tmp_path / 'lock'):
        waiting = subprocess.Popen(
            [sys.executable, '-c', AVATAR, 'users', 'list'], text=True,
            env={**os.environ, 'AVATAR_STATE_DIR': str(tmp_path)}, stdout=subprocess.PIPE)
        with running(tmp_path):
            assert 'nobody has an account' in waiting.communicate(timeout=15)[0]
        short = AVATAR.replace('import argparse', 'import avatar_web.accounts.console as console\n'
                               'console.PATIENCE_S = 0.5\nimport argparse', 1)
        monkeypatch.setitem(globals(), 'AVATAR', short)
        assert f'pid {os.getpid()}' in avatar(tmp_path, 'users', 'list', code=1)


def test_commands_at_once_lose_nothing(tmp_path):
    names = [f'user{number}' for number in range(6)]
    children = [subprocess.Popen(
        [sys.executable, '-c', AVATAR, 'users', 'add', name, '--password-stdin'], text=True,
        env={**os.environ, 'AVATAR_STATE_DIR': str(tmp_path)}, stdin=subprocess.PIPE)
        for name in names]
    for child in children:
        child.communicate(PASSWORD, timeout=30)
        assert child.returncode == 0
    listed = avatar(tmp_path, 'users', 'list')
    assert all(name in listed for name in names)


def test_new_link_is_for_the_console_while_there_is_no_admin(tmp_path):
    assert 'does not run' in avatar(tmp_path, 'users', 'link', code=1)
    with running(tmp_path, demo_token='') as (door, loop):
        line = avatar(tmp_path, 'users', 'link')
        assert line.startswith(f'Open {door.url}/?token=')

        async def opened():
            async with door.browser() as browser:
                await browser.get(line.split()[1])
                return await (await browser.get('/api/session')).json()
        assert asyncio.run_coroutine_threadsafe(opened(), loop).result(5)['setup']
        avatar(tmp_path, 'users', 'add', 'Ana', '--role', 'admin', '--password-stdin',
               stdin=PASSWORD)
        assert 'admin already' in avatar(tmp_path, 'users', 'link', code=1)


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can act as another user')
def test_root_writes_as_the_owner_of_the_state_folder(tmp_path):
    with tempfile.TemporaryDirectory() as place:  # tmp_path lies where only root may look
        os.chmod(place, 0o755)
        folder = Path(place) / 'state'
        folder.mkdir()
        os.chown(folder, 65534, 65534)
        check_owner(tmp_path, folder)


def check_owner(tmp_path, folder):
    avatar(folder, 'users', 'add', 'Ana', '--password-stdin', stdin=PASSWORD)
    cert = tmp_path / 'cert.pem'
    cert.write_bytes(own_pem())
    cert.chmod(0o600)
    avatar(folder, 'tls', '--cert', str(cert), '--key', str(cert))
    written = [p for p in folder.rglob('*') if p.is_file()]
    assert {p.name for p in written} >= {'avatar.db', BROUGHT}
    assert {p.stat().st_uid for p in written} == {65534}


def own_pem():
    return make_own(['robot.example.org'], datetime.datetime.now(UTC))


def test_certificate_by_command(tmp_path):
    folder, file = tmp_path / 'state', tmp_path / 'mine.pem'
    file.write_bytes(own_pem())
    assert 'no certificate yet' in avatar(folder, 'tls')
    with running(folder, tls='on') as (door, _):
        assert 'localhost' in avatar(folder, 'tls')
        said = avatar(folder, 'tls', '--cert', str(file), '--key', str(file))
        assert 'robot.example.org' in said and 'serving the certificate' in said
        assert door.server._keyring.certificate.names == ('robot.example.org',)
        assert (folder / 'tls' / BROUGHT).stat().st_mode & 0o777 == 0o600
        avatar(folder, 'tls', '--own')
        assert 'localhost' in door.server._keyring.certificate.names
        before = (folder / 'tls' / OWN).read_bytes()
        avatar(folder, 'tls', '--renew')
        assert (folder / 'tls' / OWN).read_bytes() != before
        for words, says in (
                (('--cert', str(file)), 'both are needed'),
                (('--cert', str(file), '--key', str(tmp_path / 'none')), 'No such file'),
                (('--cert', '/dev/zero', '--key', str(file)), 'larger than'),
                (('--cert', str(file), '--key', str(file), '--own'), 'do not go with')):
            assert says in avatar(folder, 'tls', *words, code=1)
        assert 'localhost' in door.server._keyring.certificate.names
    assert 'next start' in avatar(folder, 'tls', '--cert', str(file), '--key', str(file))
