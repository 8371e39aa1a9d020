# SPDX-License-Identifier: Apache-2.0
"""
Who gets in: login, sessions, devices, the first link.

Everything known is in memory, so asking who a token belongs to costs microseconds; the database
and argon2 run in one thread each. What ends, ends in memory first and is written after. Sessions
that cannot be written work until the next start.
"""

import asyncio
import hmac
import itertools
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from avatar_web.accounts import passwords
from avatar_web.accounts.database import Change, Database, StorageProblem
from avatar_web.accounts.device_proof import DeviceProof
from avatar_web.accounts.first_link import FirstLink
from avatar_web.accounts.hashing import Hashing, Lane
from avatar_web.accounts.identity import AccountProblem, Identity, Role, User, name_key
from avatar_web.accounts.login_limit import Attempt, LoginLimit, network
from avatar_web.accounts.session_book import SessionBook
from avatar_web.accounts.sessions import BROWSER_S, Session, token_hash
from avatar_web.accounts.storage import Storage
from avatar_web.accounts.users import Users

HOUSEKEEPING_S = 20.0
"""Visits are written, and expired sessions end, this often."""

DEMO = User('demo', Role.ADMIN, '')
"""Whoever holds the demo's token; no account, found under a key that no name has. Each browser
that opens the link is called by a number of its own: demo 2, demo 3, ..."""

_DEMO_KEY = '\0demo'


class SlowDown(AccountProblem):
    """Too many wrong passwords, or too many at once; try again in `wait_s`."""

    def __init__(self, code: str, sentence: str, wait_s: float) -> None:
        super().__init__(code, sentence)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Visitor:
    """Where a login comes from: address, browser, what its cookies hold already."""

    address: str = ''
    device: str = ''
    token: str = ''
    proof: str = ''
    """That this browser signed in before; eases the next login, opens nothing."""


@dataclass(frozen=True)
class Login:
    """A login that worked: the token for the cookie, and the proof that eases the next one."""

    token: str
    session: Session
    identity: Identity
    proof: str = ''


class Gatekeeper:
    """
    Accounts, sessions and the first link of one robot; `users` are the accounts.

    `say` gets what the log should have, once per change; it never gets a token or a password.
    """

    def __init__(
        self, database: Database, *, say: Callable[[str], None], demo_token: str = '',
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._storage = Storage(database, say)
        self._hashing = Hashing()
        self.users = Users(self._storage, self._hashing, say=say, clock=clock,
                           end_sessions=self._end_user, reload_sockets=self._reload_sockets)
        self.link = FirstLink()
        self._demo = token_hash(demo_token) if demo_token else b''
        self._demo_id = secrets.token_hex(6)
        self._demo_numbers: dict[str, int] = {}  # session id -> number
        # The demo's sessions are in memory only; a removed user's are not written any more.
        self.sessions = SessionBook(
            self._storage, lambda key: self.users.get(key) is not None, clock)
        self._limit = LoginLimit()
        self._proof = DeviceProof(secrets.token_bytes(32))
        self._nobody = ''
        self._housekeeping: asyncio.Task[None] | None = None
        self.counts = {'ok': 0, 'wrong': 0, 'limited': 0}

    async def open(self) -> None:
        """Load the accounts. Never fails: what is wrong is said."""
        contents = await self._storage.open()
        self.users.load(contents.users)
        self.sessions.load(contents.sessions)
        secret = contents.settings.get('device_secret', b'')
        if len(secret) != 32:
            secret = secrets.token_bytes(32)
            await self._storage.try_to_write(Change(settings=[('device_secret', secret)]))
        self._proof = DeviceProof(secret)
        # A wrong name is compared with this, so that it takes as long as a wrong password.
        self._nobody = await self._hashing.make(secrets.token_hex(16))
        self._housekeeping = asyncio.create_task(self._keep_house())

    async def close(self) -> None:
        """Write what is left to write, let go of the file."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            await asyncio.gather(self._housekeeping, return_exceptions=True)
        await self.sessions.flush()
        await self._storage.close()
        self._hashing.close()

    # Who is it?

    def identify(self, token: str) -> Identity | None:
        """Return who this token belongs to, and note the visit; None for nobody."""
        if self._demo and hmac.compare_digest(token_hash(token), self._demo):
            # For scripts that carry the demo's token itself: all of them are one session.
            return Identity(DEMO.name, DEMO.role, self._demo_id, 'script')
        session = self.sessions.find(token)
        user = self._user_of(session) if session else None
        if session is None or user is None:
            return None
        name = self._demo_name(session.id) if user is DEMO else user.name
        return Identity(name, user.role, session.id, session.device)

    def _demo_name(self, session_id: str) -> str:
        number = self._demo_numbers.get(session_id, 1)
        return DEMO.name if number == 1 else f'{DEMO.name} {number}'

    def _count_demo(self, session_id: str) -> None:
        """Give a new browser of the demo the smallest number that nobody has."""
        living = {session.id for session in self.sessions.of(_DEMO_KEY)}
        self._demo_numbers = {
            known: number for known, number in self._demo_numbers.items() if known in living}
        taken = self._demo_numbers.values()
        self._demo_numbers[session_id] = next(n for n in itertools.count(1) if n not in taken)

    def lives(self, session_id: str) -> bool:
        """Return whether the session of this public id may still be used."""
        if self._demo and session_id == self._demo_id:
            return True
        session = self.sessions.by_id(session_id)
        return session is not None and self._user_of(session) is not None

    def _user_of(self, session: Session) -> User | None:
        return DEMO if session.user == _DEMO_KEY else self.users.get(session.user)

    def in_use(self, session_id: str) -> AbstractContextManager[None]:
        """Keep a session alive while a socket of it is open: nobody is thrown out of a drive."""
        return self.sessions.in_use(session_id)

    # Getting in.

    async def login(
        self, name: object, password: object, visitor: Visitor, lifetime_s: float = BROWSER_S
    ) -> Login:
        """
        Return a new session for the right password; AccountProblem otherwise.

        Wrong name and wrong password look alike, in the answer and in time. The session that the
        browser had ends: a login never goes on with an old token.
        """
        if not isinstance(name, str) or not isinstance(password, str):
            raise AccountProblem('request', 'name and password must be text')
        # Longer is nobody's name or password; cut before anything is computed from it.
        key, password = name_key(name.strip()[:128]), password[:passwords.LONGEST + 1]
        known = self._proof.check(visitor.proof, key)
        attempt = Attempt(visitor.address, key, known)
        lane = self._admit(attempt)
        user = self.users.get(key)
        right = await self._hashing.matches(
            lane, user.password if user else self._nobody, password)
        # The account may have changed while argon2 was at work.
        if not right or user is None or self.users.get(key) != user:
            self.counts['wrong'] += 1
            raise AccountProblem('credentials', 'name or password is wrong')
        self.counts['ok'] += 1
        self._limit.succeeded(attempt, time.monotonic())
        proof = visitor.proof if known else self._proof.new(key)
        login = await self._sign_in(user, user.key, visitor, lifetime_s, proof)
        if passwords.outdated(user.password):
            await self.users.rehash(user, password)
        return login

    def _admit(self, attempt: Attempt) -> Lane:
        wait_s = self._limit.admit(attempt, time.monotonic())
        if wait_s:
            self.counts['limited'] += 1
            raise SlowDown('slow_down', f'too many sign-ins; try again in {wait_s:.0f} s',
                           wait_s)
        lane = (Lane(attempt.name, known=True) if attempt.known_device
                else Lane(network(attempt.address)))
        if not self._hashing.room(lane):
            self._limit.forgive(attempt, time.monotonic())
            self.counts['limited'] += 1
            raise SlowDown('busy', 'too many sign in at once; try again in 2 s', 2.0)
        return lane

    async def _sign_in(
        self, user: User, key: str, visitor: Visitor, lifetime_s: float, proof: str = ''
    ) -> Login:
        # No await before the session is in: whoever removes the user now finds it.
        token, session = await self.sessions.add(
            key, lifetime_s, visitor.device, visitor.address, replaces=visitor.token)
        identity = Identity(user.name, user.role, session.id, session.device)
        return Login(token, session, identity, proof)

    async def logout(self, token: str) -> None:
        """End the session of this token, if there is one."""
        session = self.sessions.find(token)
        if session is not None:
            await self.sessions.end([session])

    async def is_password_of(self, name: str, password: object) -> bool:
        """Return whether this is the password of somebody who is signed in already."""
        if not isinstance(password, str):
            return False
        attempt = Attempt('', name_key(name), f'signed in: {name_key(name)}')
        lane = self._admit(attempt)
        right = await self._hashing.matches(
            lane, self.users.named(name).password, password[:passwords.LONGEST + 1])
        if right:
            self._limit.succeeded(attempt, time.monotonic())
        return right

    # Links.

    async def redeem(self, token: str, visitor: Visitor) -> Login | str:
        """
        Exchange the token of a link: the demo's for a session, as often as one likes; the
        one-time link's, once, for a token (text) that may `setup`.
        """
        if self._demo and hmac.compare_digest(token_hash(token), self._demo):
            login = await self._sign_in(DEMO, _DEMO_KEY, visitor, BROWSER_S)
            self._count_demo(login.session.id)
            return login
        if not self.users.has_admin:
            setup = self.link.redeem(token, time.monotonic())
            if setup is not None:
                return setup
        raise AccountProblem('link', 'this link was used already, or is not one of this robot')

    def may_set_up(self, token: str) -> bool:
        """Return whether this browser opened the one-time link and may make the first account."""
        return not self.users.has_admin and self.link.may_set_up(token, time.monotonic())

    async def setup(
        self, name: object, password: object, visitor: Visitor, lifetime_s: float = BROWSER_S
    ) -> Login:
        """Make the first admin and sign him in."""
        if not self.may_set_up(visitor.token):
            raise AccountProblem('forbidden', 'open the link on the console of the robot first')
        user = await self.users.add(name, Role.ADMIN, password, only_first=True)
        self.link.close()
        return await self._sign_in(
            user, user.key, visitor, lifetime_s, self._proof.new(user.key))

    async def new_script_token(self, name: object, label: str, lifetime_s: float) -> Login:
        """Sign a script in as this user; for the owner of the robot's console only."""
        user = self.users.named(name)
        return await self._sign_in(user, user.key, Visitor(device=label), lifetime_s)

    # Devices.

    def devices(self, name: str) -> list[Session]:
        """Return where a user is signed in, the last seen first."""
        key = name_key(name)
        demo = self.sessions.of(_DEMO_KEY)
        if self.users.get(key) is None and name in {self._demo_name(s.id) for s in demo}:
            key = _DEMO_KEY
        return sorted(self.sessions.of(key), key=lambda session: -session.seen_s)

    async def revoke(self, session_id: str, name: str | None = None) -> None:
        """End one session, of this user or (None) of anybody."""
        session = self.sessions.by_id(session_id)
        user = self._user_of(session) if session else None
        if session is None or user is None or name not in (None, user.name):
            raise AccountProblem('unknown_device', f'there is no device {session_id!r}')
        if not await self.sessions.end([session]):
            raise StorageProblem('this device is out, but only until the next start: the state '
                                 'folder cannot be written. Remove it again then.')

    # Ending.

    async def _end_user(self, user: User, *, keep: str = '') -> None:
        if not keep:
            await self.sessions.on_ended(user=user.name)
        await self.sessions.end([s for s in self.sessions.of(user.key) if s.id != keep])

    async def _reload_sockets(self, user: User) -> None:
        await self.sessions.on_ended(user=user.name)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            await self.sessions.keep_house()
