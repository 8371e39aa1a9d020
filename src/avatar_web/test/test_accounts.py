# SPDX-License-Identifier: Apache-2.0
"""Names, passwords, limits, sessions; a database killed, damaged, full, read-only."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

from avatar_node.testing import wait_for
from avatar_web.accounts import passwords
from avatar_web.accounts.database import Change, Database, StorageProblem
from avatar_web.accounts.first_link import FirstLink
from avatar_web.accounts.gatekeeper import Gatekeeper, SlowDown, Visitor
from avatar_web.accounts.hashing import MOST_STRANGERS
from avatar_web.accounts.identity import AccountProblem, Role, User, clean_name, name_key
from avatar_web.accounts.lock import Held, Lock
from avatar_web.accounts.login_limit import Attempt, Buckets, LoginLimit
from avatar_web.accounts.sessions import BROWSER_S, MOST_PER_USER, Sessions, token_hash

# Names and passwords.

@pytest.mark.parametrize(('one', 'other'), [
    ('Ana', 'aNA'), ('José', 'Jose\u0301'), ('STRASSE', 'straße'), ('ǅ', 'ǆ')])
def test_names_that_are_the_same(one, other):
    assert name_key(clean_name(one)) == name_key(clean_name(other))


@pytest.mark.parametrize('bad', [
    '', '   ', 'x' * 33, 'a\nb', 'a\x00b', 'a\u202eb', 'a\u200bb', 'a\u2028b', '\ud800', '../x',
    'a\\b', '.', '..', None, 7, 'a' * 1_000_000])
def test_names_that_are_refused(bad):
    with pytest.raises(AccountProblem) as problem:
        clean_name(bad)
    assert problem.value.code == 'name' and len(str(problem.value)) < 200


def test_roles_include_those_below():
    assert Role.VIEWER < Role.DRIVER < Role.ADMIN
    assert Role.parse('driver') is Role.DRIVER
    with pytest.raises(AccountProblem, match='viewer, driver, admin'):
        Role.parse('root')


def test_password_is_kept_as_argon2_within_the_memory_of_a_pi():
    kept = passwords.hash_of('correct horse')
    assert kept.startswith('$argon2id$') and 'correct' not in kept
    assert passwords.MEMORY_KIB <= 32 * 1024
    assert passwords.matches(kept, 'correct horse')
    assert not passwords.matches(kept, 'correct horsf')
    assert not passwords.outdated(kept)
    # The same accent, composed in two ways.
    assert passwords.matches(passwords.hash_of('pass café'), 'pass cafe\u0301')


@pytest.mark.parametrize('kept', [
    '', '!', 'plain', '$argon2id$v=19$m=4194304,t=3,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNo',
    '$argon2id$v=19$m=65536,t=4000,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNo'])
def test_a_hash_from_a_damaged_file_lets_nobody_in_and_costs_nothing(kept):
    begin = time.monotonic()
    assert not passwords.matches(kept, 'x') and passwords.outdated(kept)
    assert time.monotonic() - begin < 0.5


@pytest.mark.parametrize('bad', ['short', 'x' * 257, 'aaaaaaaaaa', 'Password', 'robot-ana', None])
def test_passwords_that_are_refused(bad):
    with pytest.raises(AccountProblem, match='password'):
        passwords.check_new(bad, 'Robot-Ana')


# The limit of guesses.

def test_guessing_from_one_address_becomes_slow():
    limit, tried = LoginLimit(), 0
    for second in range(3600):
        for _ in range(10):
            tried += limit.admit(Attempt('10.0.0.1', 'ana'), float(second)) == 0
    assert tried <= 5 + 360


def test_guessing_one_name_from_many_addresses_becomes_slow():
    limit, tried = LoginLimit(), 0
    for second in range(3600):
        for address in range(50):
            tried += limit.admit(Attempt(f'10.0.0.{address}', 'ana'), float(second)) == 0
    # Four each that are their own business (and three an hour back), then those of the name.
    assert tried <= 50 * (4 + 3) + 10 + 180


def test_a_stranger_does_not_lock_the_owner_out():
    limit = LoginLimit()
    for second in range(601):
        for address in range(200):
            limit.admit(Attempt(f'10.0.1.{address}', 'ana'), float(second))
    # From an address of her own, and from the stranger's with a browser that was in before.
    assert limit.admit(Attempt('192.168.1.7', 'ana'), 600.0) == 0
    assert limit.admit(Attempt('10.0.1.1', 'ana'), 600.0) > 0
    assert limit.admit(Attempt('10.0.1.1', 'ana', 'her browser'), 600.0) == 0


def test_a_right_password_costs_nothing_and_forgives_nothing():
    limit = LoginLimit()
    for _ in range(100):
        attempt = Attempt('10.0.0.1', 'ana')
        assert limit.admit(attempt, 0.0) == 0
        limit.forgive(attempt, 0.0)
    # Signing in with an account of one's own in between does not buy more guesses.
    guessed = 0
    for _ in range(20):
        own = Attempt('10.0.0.1', 'bob')
        if limit.admit(own, 0.0) == 0:
            limit.forgive(own, 0.0)
        guessed += limit.admit(Attempt('10.0.0.1', 'ana'), 0.0) == 0
    assert guessed == 5


@pytest.mark.parametrize(('one', 'other'), [
    ('2001:db8:1:2::1', '2001:db8:1:2:ffff::9'), ('::ffff:10.0.0.1', '10.0.0.1'),
    ('fe80::1%wlan0', 'fe80::2%eth0')])
def test_addresses_of_one_subscriber_are_one(one, other):
    limit = LoginLimit()
    for _ in range(5):
        limit.admit(Attempt(one, 'ana'), 0.0)
    assert limit.admit(Attempt(other, 'ana'), 0.0) > 0


def test_memory_of_the_limit_is_bounded():
    buckets = Buckets(burst=3, period_s=10.0, capacity=100)
    for number in range(10_000):
        buckets.add(number, float(number))
    assert len(buckets) == 100


# Sessions and the first link.

def test_session_is_found_by_its_token_only_and_ends_in_time():
    sessions = Sessions()
    session, _ = sessions.add('ana', 'token', 1000.0, BROWSER_S)
    assert session.hash == token_hash('token') and b'token' not in session.hash
    assert sessions.find('token', 1000.0) is session
    assert sessions.find(session.id, 1000.0) is None
    assert sessions.find(session.hash.hex(), 1000.0) is None
    # A clock an hour back or forth ends nothing.
    assert sessions.find('token', 1000.0 - 3600) is session
    assert sessions.find('token', 1000.0 + 3600) is session
    assert sessions.find('token', 1000.0 + BROWSER_S) is None


def test_sessions_of_a_user_are_bounded():
    sessions = Sessions()
    dropped = []
    for number in range(MOST_PER_USER + 5):
        dropped += sessions.add('ana', str(number), float(number), BROWSER_S)[1]
    assert len(sessions.of('ana')) == MOST_PER_USER
    assert [s.hash for s in dropped] == [token_hash(str(n)) for n in range(5)]


def test_first_link_is_good_once():
    link = FirstLink()
    old, token = link.new(), link.new()
    assert link.redeem(old, 0.0) is None and link.redeem('', 0.0) is None
    setup = link.redeem(token, 0.0)
    assert setup and link.redeem(token, 0.0) is None
    assert link.may_set_up(setup, 3599.0)
    assert not link.may_set_up(setup, 3601.0) and not link.may_set_up(token, 1.0)
    link.close()
    assert not link.may_set_up(setup, 1.0) and not link.may_set_up('', 1.0)


# The database.

def opened(path: Path):
    """Return what a new start finds, and what it says."""
    said: list[str] = []
    database = Database(path, said.append)
    contents = database.open()
    database.close()
    return contents, said


def filled(path: Path) -> None:
    database = Database(path, pytest.fail)
    database.open()
    database.apply(Change(users=[User('Ana', Role.ADMIN, 'hash')]))
    database.close()


def test_what_is_written_is_there_after_a_restart(tmp_path):
    path = tmp_path / 'avatar.db'
    database = Database(path, pytest.fail)
    database.open()
    session, _ = Sessions().add('ana', 'token', 5.0, BROWSER_S, 'Chrome', '10.0.0.1')
    database.apply(Change(users=[User('Ana', Role.ADMIN, 'hash', 3.0)], sessions=[session],
                          settings=[('secret', b'x')]))
    database.close()
    contents, said = opened(path)
    assert contents.users == [User('Ana', Role.ADMIN, 'hash', 3.0)] and not said
    assert contents.sessions == [session] and contents.settings == {'secret': b'x'}
    assert path.stat().st_mode & 0o777 == 0o600
    assert b'token' not in path.read_bytes()
    # A removed user takes the sessions along.
    database.apply(Change(removed_users=['ana']))
    database.close()
    contents, _ = opened(path)
    assert contents.users == [] and contents.sessions == []


WRITER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from avatar_web.accounts.identity import Role, User
    from avatar_web.accounts.database import Change, Database
    database = Database(Path(sys.argv[1]), print)
    database.open()
    for number in range(100000):
        # Many pages, so that there is a middle to be killed in.
        names = [f'{sys.argv[2]}-{number}-{part}' for part in range(150)]
        database.apply(Change(users=[User(name, Role.DRIVER, 'h' * 900) for name in names]))
        print(f'{sys.argv[2]}-{number}', flush=True)
""")


def test_killed_at_any_moment_no_account_is_lost(tmp_path):
    path, acknowledged = tmp_path / 'avatar.db', set()
    for run in range(15):
        writer = subprocess.Popen([sys.executable, '-c', WRITER, str(path), f'run{run}'],
                                  stdout=subprocess.PIPE, text=True)
        writer.stdout.readline()
        time.sleep(random.uniform(0.0, 0.05))  # any moment
        writer.send_signal(signal.SIGKILL)
        acknowledged |= {f'run{run}-0', *writer.communicate()[0].split()}
        contents, said = opened(path)
        changes = Counter(user.name.rsplit('-', 1)[0] for user in contents.users)
        assert not said and acknowledged <= set(changes)
        # Each change wholly; at most the one in hand is there without having been said.
        assert set(changes.values()) == {150} and len(changes) <= len(acknowledged) + run + 1


def test_killed_in_the_middle_of_writing_the_file(tmp_path):
    path = tmp_path / 'avatar.db'
    code = """import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
""" + WRITER
    for run in range(12):
        filled(path)
        # The kernel kills the writer at the page that would go beyond this.
        most = path.stat().st_size + 4096 * (20 + 7 * run)
        writer = subprocess.run([sys.executable, '-c', code, str(path), f'run{run}', str(most)],
                                stdout=subprocess.PIPE, text=True)
        assert writer.returncode == -signal.SIGXFSZ
        contents, said = opened(path)
        changes = Counter(u.name.rsplit('-', 1)[0] for u in contents.users if u.name != 'Ana')
        assert not said and set(writer.stdout.split()) <= set(changes)
        assert set(changes.values()) <= {150} and len(contents.users) == 1 + changes.total()


def damage(path: Path, how: str) -> None:
    filled(path)
    whole = path.read_bytes()
    if how == 'noise':
        path.write_bytes(random.Random(1).randbytes(20000))
    elif how == 'cut':
        path.write_bytes(whole[:len(whole) // 2])
    elif how == 'flipped':
        path.write_bytes(whole[:100] + bytes(b ^ 0xFF for b in whole[100:4200]) + whole[4200:])
    elif how == 'foreign':
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute('CREATE TABLE songs (title TEXT)')
        connection.close()
    elif how == 'newer':
        with sqlite3.connect(path) as connection:
            connection.execute('PRAGMA user_version = 99')
        connection.close()
    elif how == 'folder':
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize('how', ['noise', 'cut', 'flipped', 'foreign', 'newer', 'folder'])
def test_damaged_or_foreign_file_is_kept_aside_and_lets_nobody_in(tmp_path, how):
    path = tmp_path / 'avatar.db'
    damage(path, how)
    before = path.read_bytes() if path.is_file() else None
    contents, said = opened(path)
    assert contents.users == [] and contents.sessions == []
    aside = [p for p in tmp_path.iterdir() if '.damaged-' in p.name]
    assert len(aside) == 1 and len(said) == 1 and aside[0].name in said[0]
    assert before is None or aside[0].read_bytes() == before
    # And it works again; a second time too.
    filled(path)
    assert [u.name for u in opened(path)[0].users] == ['Ana']
    damage(path, 'noise')
    opened(path)
    assert len([p for p in tmp_path.iterdir() if '.damaged-' in p.name]) == 2


def test_one_bad_row_costs_one_account_not_all(tmp_path):
    path = tmp_path / 'avatar.db'
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO users VALUES ('eve', 'eve', 'root', 'x', 0)")
        connection.execute("INSERT INTO users VALUES ('bob', 'Mallory', 'admin', 'x', 0)")
    connection.close()
    contents, said = opened(path)
    assert [u.name for u in contents.users] == ['Ana'] and 'root' in said[0]


def run_python(code: str, *arguments: str, prefix: tuple[str, ...] = ()) -> str:
    done = subprocess.run([*prefix, sys.executable, '-c', textwrap.dedent(code), *arguments],
                          stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    return done.stdout


def read_only(folder: Path) -> tuple[str, ...]:
    """Return what to put before a command so that it sees the folder read-only."""
    if os.geteuid() != 0:
        folder.chmod(0o555)
        return ()
    script = f'mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}'
    if subprocess.run(['unshare', '-m', 'sh', '-c', script], stderr=subprocess.DEVNULL).returncode:
        pytest.skip('root without the right to mount cannot make a folder read-only')
    return ('unshare', '-m', 'sh', '-c', f'{script} && exec "$@"', 'sh')


SIGN_IN = """
    import asyncio, sys
    from pathlib import Path
    from avatar_web.accounts.identity import AccountProblem, Role
    from avatar_web.accounts.database import Database
    from avatar_web.accounts.gatekeeper import Gatekeeper, Visitor
    {setup}
    async def main():
        said = []
        keeper = Gatekeeper(Database(Path(sys.argv[1]), said.append), say=said.append)
        await keeper.open()
        login = await keeper.login('ana', 'correct horse', Visitor())
        assert keeper.identify(login.token).name == 'Ana'
        again = await keeper.login('ana', 'correct horse', Visitor())
        for change in (keeper.users.add('Bob', Role.DRIVER, 'another horse'),
                       keeper.users.set_password('ana', 'another horse')):
            try:
                await change
            except AccountProblem as problem:
                assert problem.code == 'storage', problem
            else:
                raise AssertionError('a change was accepted that cannot be kept')
        assert keeper.identify(again.token).name == 'Ana'
        assert len(said) == {said}, said
        {after}
        await keeper.close()
        print('ok', said)
    asyncio.run(main())
"""


async def with_ana(path: Path) -> None:
    keeper = Gatekeeper(Database(path, pytest.fail), say=lambda _: None)
    await keeper.open()
    await keeper.users.add('Ana', Role.ADMIN, 'correct horse')
    await keeper.close()


def test_read_only_folder_still_lets_people_in(tmp_path):
    path = tmp_path / 'state' / 'avatar.db'
    asyncio.run(with_ana(path))
    before = path.read_bytes()
    code = SIGN_IN.format(setup='', after='', said=1)
    assert run_python(code, str(path), prefix=read_only(path.parent)).startswith('ok')
    assert path.read_bytes() == before


def test_full_disk_still_lets_people_in_and_is_over_when_it_is_over(tmp_path):
    path = tmp_path / 'avatar.db'
    asyncio.run(with_ana(path))
    # No file of this process may grow: what a full disk looks like.
    setup = """import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))"""
    after = """resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        await keeper.users.add('Bob', Role.DRIVER, 'another horse')
        assert any('written again' in sentence for sentence in said)"""
    run_python(SIGN_IN.format(setup=setup, after=after, said=1), str(path))
    contents, said = opened(path)
    assert {u.name for u in contents.users} == {'Ana', 'Bob'} and not said
    assert len(contents.sessions) == 2  # written as soon as that was possible


def test_interrupted_write_on_a_disk_that_became_read_only(tmp_path):
    crashed, path = tmp_path / 'crashed.db', tmp_path / 'state' / 'avatar.db'
    asyncio.run(with_ana(crashed))
    path.parent.mkdir()
    connection = sqlite3.connect(crashed, isolation_level=None)
    connection.execute('PRAGMA cache_size = 1')
    connection.execute('BEGIN IMMEDIATE')
    connection.execute("UPDATE users SET password = 'half written'")
    for number in range(2000):
        connection.execute(
            'INSERT INTO users VALUES (?, ?, ?, ?, 0)',
            (f'u{number}', f'u{number}', 'driver', 'x' * 200))
    # As a power cut leaves it: part of the transaction in the file, its way back in the journal.
    path.write_bytes(crashed.read_bytes())
    Path(f'{path}-journal').write_bytes(Path(f'{crashed}-journal').read_bytes())
    connection.close()
    assert b'u1000' in path.read_bytes()
    code = SIGN_IN.format(setup='', after='', said=2)
    run_python(code, str(path), prefix=read_only(path.parent))


def test_state_folder_that_cannot_exist(tmp_path):
    (tmp_path / 'file').write_text('')
    contents, said = opened(tmp_path / 'file' / 'avatar.db')
    assert contents.users == [] and 'cannot be stored' in said[0]
    with pytest.raises(StorageProblem, match='could not be written'):
        Database(tmp_path / 'file' / 'avatar.db', said.append).apply(Change())


# The gatekeeper.

async def keeper_of(path: Path, **options) -> Gatekeeper:
    keeper = Gatekeeper(Database(path / 'avatar.db', pytest.fail), say=lambda _: None, **options)
    await keeper.open()
    return keeper


def test_last_admin_can_be_neither_removed_nor_demoted(tmp_path):
    async def check():
        keeper = await keeper_of(tmp_path)
        await keeper.users.add('Ana', Role.ADMIN, 'correct horse')
        await keeper.users.add('Bob', Role.DRIVER, 'correct horse')
        for change in (keeper.users.remove('ana'), keeper.users.set_role('ANA', Role.DRIVER)):
            with pytest.raises(AccountProblem, match='only admin'):
                await change
        await keeper.users.set_role('bob', Role.ADMIN)
        # Two who remove each other at the same moment: one stays.
        results = await asyncio.gather(keeper.users.remove('ana'), keeper.users.remove('bob'),
                                       return_exceptions=True)
        assert sorted(type(r).__name__ for r in results) == ['AccountProblem', 'NoneType']
        assert keeper.users.has_admin
        await keeper.close()
    asyncio.run(check())


def test_names_are_taken_whatever_their_case(tmp_path):
    async def check():
        keeper = await keeper_of(tmp_path)
        await keeper.users.add('Ana', Role.ADMIN, 'correct horse')
        results = await asyncio.gather(
            *(keeper.users.add(name, Role.VIEWER, 'correct horse')
              for name in ('ana', 'Zoé', 'ZOE\u0301')), return_exceptions=True)
        assert [getattr(r, 'code', '') for r in results] == ['exists', '', 'exists']
        await keeper.close()
    asyncio.run(check())


def test_removed_while_argon2_is_at_work(tmp_path):
    async def check():
        keeper = await keeper_of(tmp_path)
        await keeper.users.add('Ana', Role.ADMIN, 'correct horse')
        await keeper.users.add('Bob', Role.DRIVER, 'correct horse')
        login = asyncio.create_task(keeper.login('bob', 'correct horse', Visitor()))
        await asyncio.sleep(0)  # argon2 has begun
        await keeper.users.remove('bob')
        with pytest.raises(AccountProblem, match='wrong'):
            await login
        await keeper.close()
    asyncio.run(check())


def test_changed_password_ends_the_other_sessions(tmp_path):
    async def check():
        keeper = await keeper_of(tmp_path)
        await keeper.users.add('Ana', Role.ADMIN, 'correct horse')
        one, two = [await keeper.login('ana', 'correct horse', Visitor()) for _ in range(2)]
        await keeper.users.set_password('ana', 'battery staple', keep=one.session.id)
        assert keeper.identify(one.token) and keeper.identify(two.token) is None
        with pytest.raises(AccountProblem, match='wrong'):
            await keeper.login('ana', 'correct horse', Visitor())
        await keeper.close()
        keeper = await keeper_of(tmp_path)
        assert keeper.identify(one.token) and keeper.identify(two.token) is None
        await keeper.close()
    asyncio.run(check())


def test_flood_of_logins_waits_nowhere_and_the_owner_gets_in(tmp_path):
    async def check():
        keeper = await keeper_of(tmp_path)
        await keeper.users.add('Ana', Role.ADMIN, 'correct horse')
        proof = (await keeper.login('ana', 'correct horse', Visitor())).proof
        strangers = [asyncio.create_task(keeper.login(
            'ana', 'wrong', Visitor(address=f'10.0.{n // 250}.{n % 250}'))) for n in range(1000)]
        await asyncio.sleep(0)
        begin = time.monotonic()
        login = await keeper.login('ana', 'correct horse', Visitor(
            address='10.0.0.1', proof=proof))
        took_s = time.monotonic() - begin
        assert keeper.identify(login.token).name == 'Ana' and took_s < 2.0
        results = await asyncio.gather(*strangers, return_exceptions=True)
        judged = [r for r in results if not isinstance(r, SlowDown)]
        assert len(judged) <= MOST_STRANGERS + 1 and all(r.code == 'credentials' for r in judged)
        await keeper.close()
    asyncio.run(check())


def test_a_flood_from_one_address_takes_no_place_of_another(tmp_path):
    async def check():
        keeper = await keeper_of(tmp_path)
        await keeper.users.add('Ana', Role.ADMIN, 'correct horse')
        strangers = [asyncio.create_task(keeper.login(
            f'name{n}', 'wrong', Visitor(address='10.0.0.1'))) for n in range(30)]
        await asyncio.sleep(0)
        assert (await keeper.login('ana', 'correct horse', Visitor(address='10.0.0.2'))).token
        await asyncio.gather(*strangers, return_exceptions=True)
        await keeper.close()
    asyncio.run(check())


def test_open_socket_keeps_its_session_alive(tmp_path):
    async def check():
        now = [1000.0]
        keeper = await keeper_of(tmp_path, clock=lambda: now[0])
        await keeper.users.add('Ana', Role.ADMIN, 'correct horse')
        one, two = [await keeper.login('ana', 'correct horse', Visitor()) for _ in range(2)]
        ended = []

        async def on_ended(*, session_id='', user=''):
            ended.append(session_id or user)
        keeper.sessions.on_ended = on_ended
        with keeper.in_use(one.session.id):
            now[0] += BROWSER_S - 60
            await keeper.sessions.keep_house()
            now[0] += 120
            await keeper.sessions.keep_house()
        assert ended == [two.session.id]
        assert keeper.identify(one.token) and keeper.identify(two.token) is None
        await keeper.close()
    asyncio.run(check())


def test_lock_is_held_by_one_and_names_the_holder(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, '-c', 'import sys, time\nfrom pathlib import Path\n'
         'from avatar_web.accounts.lock import Lock\n'
         'Lock(Path(sys.argv[1])).acquire()\nprint(1, flush=True)\ntime.sleep(60)',
         str(tmp_path / 'lock')], stdout=subprocess.PIPE, text=True)
    holder.stdout.readline()
    with pytest.raises(Held, match=f'pid {holder.pid} .*python'):
        Lock(tmp_path / 'lock').acquire()
    holder.kill()
    holder.communicate()
    wait_for(lambda: Lock(tmp_path / 'lock').acquire() is None, 2, 'the lock')
