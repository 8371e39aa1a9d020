# SPDX-License-Identifier: Apache-2.0
"""Who is signed in from where: random tokens, of which only the hash is kept."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

REMEMBERED_S = 180 * 86400.0
"""A remembered device is forgotten after this long without a visit."""

BROWSER_S = 12 * 3600.0
"""Any other browser after this long; a socket that is open counts as a visit."""

SEEN_STEP_S = 600.0
"""A visit is written down at most this often: cards wear out."""

MOST_PER_USER = 50
"""The session not seen for longest goes when a user has more."""


def new_token() -> str:
    """Return 256 random bits as text fit for a URL or a cookie."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return what is kept of a token. It is random, so a plain hash is enough."""
    return hashlib.sha256(token.encode('utf-8', 'surrogatepass')).digest()


@dataclass
class Session:
    """One signed-in browser or script. Times are the wall clock's [s]; see `alive`."""

    hash: bytes
    id: str
    user: str
    device: str
    created_s: float
    seen_s: float
    lifetime_s: float
    address: str = ''

    @property
    def remembered(self) -> bool:
        """Return whether it outlives the browser."""
        return self.lifetime_s > BROWSER_S

    def alive(self, now_s: float) -> bool:
        """Return whether it may still be used. A clock that was set back ends nothing."""
        return now_s < self.seen_s + self.lifetime_s

    def seen(self, now_s: float) -> bool:
        """Note a visit; return whether it is worth writing down."""
        if abs(now_s - self.seen_s) < SEEN_STEP_S:
            return False
        self.seen_s = now_s
        return True


class Sessions:
    """All sessions, in memory; the database follows. Bounded per user."""

    def __init__(self, sessions: Iterable[Session] = ()) -> None:
        self._by_hash = {session.hash: session for session in sessions}

    def add(
        self, user: str, token: str, now_s: float, lifetime_s: float,
        device: str = '', address: str = '',
    ) -> tuple[Session, list[Session]]:
        """Add a session; return it, and those that had to make room."""
        session = Session(token_hash(token), secrets.token_hex(6), user, device,
                          now_s, now_s, lifetime_s, address)
        self._by_hash[session.hash] = session
        crowd = sorted(self.of(user), key=lambda other: other.seen_s)
        crowd = [other for other in crowd if other is not session]
        return session, self.end(crowd[:max(0, len(crowd) + 1 - MOST_PER_USER)])

    def find(self, token: str, now_s: float) -> Session | None:
        """Return the session this token opens, if it lives."""
        session = self._by_hash.get(token_hash(token))
        return session if session is not None and session.alive(now_s) else None

    def of(self, user: str) -> list[Session]:
        """Return the sessions of a user."""
        return [session for session in self._by_hash.values() if session.user == user]

    def by_id(self, session_id: str) -> Session | None:
        """Return the session of this public id."""
        return next((s for s in self._by_hash.values() if s.id == session_id), None)

    def expired(self, now_s: float) -> list[Session]:
        """Return the sessions whose time is over."""
        return [session for session in self._by_hash.values() if not session.alive(now_s)]

    def end(self, sessions: Iterable[Session]) -> list[Session]:
        """Forget these sessions; return those that existed."""
        return [s for s in sessions if self._by_hash.pop(s.hash, None) is not None]
