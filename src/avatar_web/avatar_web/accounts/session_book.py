# SPDX-License-Identifier: Apache-2.0
"""The sessions of the robot: asked in memory, ended at once, written behind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from avatar_web.accounts.database import Change
from avatar_web.accounts.sessions import Session, Sessions, new_token
from avatar_web.accounts.storage import Storage

MOST_ENDED = 5000
"""Ended sessions to be deleted from a database that cannot be written now."""

RENEW_S = 3600.0
"""A session in use is renewed this long before its end."""


class Ended(Protocol):
    """Told at once when a session, or all of a user's, may no longer be used."""

    async def __call__(self, *, session_id: str = '', user: str = '') -> None:
        """Close the sockets."""


class SessionBook:
    """
    Sessions that are stored, as long as `is_kept(user key)`, and those that are not.

    What cannot be written now still holds, and is written as soon as that is possible. Whoever
    calls `add` or `end` finds the session there, or gone, before the first await.
    """

    def __init__(
        self, storage: Storage, is_kept: Callable[[str], bool], clock: Callable[[], float]
    ) -> None:
        self._storage, self._is_kept, self._clock = storage, is_kept, clock
        self._sessions = Sessions()
        self._in_use: dict[str, int] = {}
        self._unwritten: dict[bytes, Session] = {}
        self._ended: dict[bytes, Session] = {}
        self.on_ended: Ended = _nobody_listens

    def load(self, sessions: list[Session]) -> None:
        """Take over what the database holds."""
        self._sessions = Sessions(sessions)

    def find(self, token: str) -> Session | None:
        """Return the session this token opens, if it lives, and note the visit."""
        now_s = self._clock()
        session = self._sessions.find(token, now_s) if token else None
        if session is not None and session.seen(now_s):
            self._unwritten[session.hash] = session
        return session

    def of(self, key: str) -> list[Session]:
        """Return the sessions of a user."""
        return self._sessions.of(key)

    def by_id(self, session_id: str) -> Session | None:
        """Return the session of this public id."""
        return self._sessions.by_id(session_id)

    @contextmanager
    def in_use(self, session_id: str) -> Iterator[None]:
        """Keep a session alive while a socket of it is open: nobody is thrown out of a drive."""
        self._in_use[session_id] = self._in_use.get(session_id, 0) + 1
        try:
            yield
        finally:
            self._in_use[session_id] -= 1
            if not self._in_use[session_id]:
                del self._in_use[session_id]

    async def add(
        self, key: str, lifetime_s: float, device: str, address: str, replaces: str
    ) -> tuple[str, Session]:
        """Return token and session, new; the session of the token `replaces` ends."""
        now_s, token = self._clock(), new_token()
        old = self._sessions.find(replaces, now_s) if replaces else None
        for other in self._sessions.of(key):
            if other.id in self._in_use:
                other.seen_s = now_s
        session, ending = self._sessions.add(key, token, now_s, lifetime_s, device, address)
        self._unwritten[session.hash] = session
        await self.end(ending + ([old] if old else []))
        await self.flush()
        return token, session

    async def end(self, sessions: list[Session]) -> bool:
        """End these; return whether that is written, too."""
        self._sessions.end(sessions)
        for session in sessions:
            self._unwritten.pop(session.hash, None)
            self._ended[session.hash] = session
        while len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        for session in sessions:
            await self.on_ended(session_id=session.id)
        return await self.flush() if sessions else True

    async def flush(self) -> bool:
        """Write what is new, seen or ended; return whether that worked."""
        self._unwritten = {h: s for h, s in self._unwritten.items() if self._is_kept(s.user)}
        sessions, ended = dict(self._unwritten), dict(self._ended)
        if not sessions and not ended:
            return True
        change = Change(sessions=list(sessions.values()), ended=list(ended.values()))
        if not await self._storage.try_to_write(change):
            return False
        self._unwritten = {h: s for h, s in self._unwritten.items() if h not in sessions}
        self._ended = {h: s for h, s in self._ended.items() if h not in ended}
        return True

    async def keep_house(self) -> None:
        """End what expired, write what is not written yet."""
        now_s = self._clock()
        for session in self._sessions.expired(now_s + RENEW_S):
            if session.id in self._in_use:
                session.seen_s = now_s
                self._unwritten[session.hash] = session
        await self.end(self._sessions.expired(now_s))
        await self.flush()


async def _nobody_listens(*, session_id: str = '', user: str = '') -> None:
    pass
