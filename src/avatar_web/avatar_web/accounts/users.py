# SPDX-License-Identifier: Apache-2.0
"""The accounts: in memory to be asked, in the database to be kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from avatar_web.accounts import passwords
from avatar_web.accounts.database import Change, StorageProblem
from avatar_web.accounts.hashing import Hashing
from avatar_web.accounts.identity import USERS, AccountProblem, Role, User, clean_name, name_key
from avatar_web.accounts.storage import Storage


class EndSessions(Protocol):
    """Ends the sessions of a user at once: forgotten before the first await."""

    def __call__(self, user: User, *, keep: str = '') -> Awaitable[None]:
        """End all but the one with the id `keep`."""


class Users:
    """
    All accounts of the robot.

    Rights are written before they are given. A removed user is out first, then it is written.
    """

    def __init__(
        self, storage: Storage, hashing: Hashing, *, say: Callable[[str], None],
        end_sessions: EndSessions, reload_sockets: Callable[[User], Awaitable[None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._storage, self._hashing, self._say, self._clock = storage, hashing, say, clock
        self._end_sessions, self._reload_sockets = end_sessions, reload_sockets
        self._by_key: dict[str, User] = {}
        self._change = asyncio.Lock()

    def load(self, users: Iterable[User]) -> None:
        """Take over what the database holds."""
        self._by_key = {user.key: user for user in users}

    def __iter__(self) -> Iterator[User]:
        return iter(sorted(self._by_key.values(), key=lambda user: user.key))

    def get(self, key: str) -> User | None:
        """Return the account of this key (not name)."""
        return self._by_key.get(key)

    def named(self, name: object) -> User:
        """Return the account of this name; AccountProblem if there is none."""
        user = self._by_key.get(name_key(name)) if isinstance(name, str) else None
        if user is None:
            raise AccountProblem('unknown_user', f'there is no user {name!r}')
        return user

    @property
    def has_admin(self) -> bool:
        """Return whether there is an admin; without one the console's link makes the first."""
        return any(user.role is Role.ADMIN for user in self._by_key.values())

    async def add(
        self, name: object, role: Role, password: object, *, only_first: bool = False
    ) -> User:
        """Make an account; `only_first`: only where there is no admin yet."""
        clean = clean_name(name)
        kept = await self._hashing.make(passwords.check_new(password, clean))
        async with self._change:
            user = User(clean, role, kept, self._clock())
            there = self._by_key.get(user.key)
            if there is not None:
                raise AccountProblem('exists', f'there is a user {there.name!r} already')
            if only_first and self.has_admin:
                raise AccountProblem('forbidden', 'the first account was made already')
            if len(self._by_key) >= USERS:
                raise AccountProblem('too_many', f'there are {USERS} users, which is the most')
            await self._storage.write(Change(users=[user]))
            self._by_key[user.key] = user
        self._say(f'user {user.name!r} was added as {role.word}')
        return user

    async def set_password(self, name: object, password: object, *, keep: str = '') -> None:
        """Change a password; every session of the user ends but the one with the id `keep`."""
        user = self.named(name)
        kept = await self._hashing.make(passwords.check_new(password, user.name))
        async with self._change:
            user = replace(self.named(name), password=kept)
            await self._storage.write(Change(users=[user]))
            self._by_key[user.key] = user
            await self._end_sessions(user, keep=keep)
        self._say(f'the password of {user.name!r} was changed')

    async def rehash(self, user: User, password: str) -> None:
        """Keep the same password with today's costs; nothing if that is not possible."""
        kept = await self._hashing.make(password)
        async with self._change:
            if self._by_key.get(user.key) != user:
                return
            newer = replace(user, password=kept)
            if await self._storage.try_to_write(Change(users=[newer])):
                self._by_key[user.key] = newer

    async def set_role(self, name: object, role: Role) -> None:
        """Change what a user may do; his sockets close, and may come back in the new role."""
        async with self._change:
            user = self.named(name)
            if role is not Role.ADMIN:
                self._refuse_last_admin(user)
            user = replace(user, role=role)
            await self._storage.write(Change(users=[user]))
            self._by_key[user.key] = user
            await self._reload_sockets(user)
        self._say(f'user {user.name!r} is now {role.word}')

    async def remove(self, name: object) -> None:
        """Remove an account. The user is out at once, even where that cannot be written."""
        async with self._change:
            user = self.named(name)
            self._refuse_last_admin(user)
            del self._by_key[user.key]
            await self._end_sessions(user)
            try:
                await self._storage.write(Change(removed_users=[user.key]))
            except StorageProblem as problem:
                # Listed again, so that removing can be repeated; nobody can sign in as him.
                self._by_key[user.key] = replace(user, password='!')
                raise StorageProblem(f'{user.name!r} is out, but only until the next start: '
                                     f'{problem} Remove the user again then.') from problem
        self._say(f'user {user.name!r} was removed')

    def _refuse_last_admin(self, user: User) -> None:
        admins = [other for other in self._by_key.values() if other.role is Role.ADMIN]
        if admins == [user]:
            raise AccountProblem(
                'last_admin', f'{user.name!r} is the only admin; make another one first')
