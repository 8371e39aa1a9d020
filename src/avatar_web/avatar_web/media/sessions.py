# SPDX-License-Identifier: Apache-2.0
"""
Who watches: the viewing sessions of all browsers, bounded, and which of them are to be ended.

A session is named in the query it was opened with at MediaMTX, which lists it: a gateway that was
started again finds the sessions of the one before it there, and their owners.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

MOST = 30
MOST_PER_OWNER = 4
MOST_PER_USER = 25
"""With all of a user's browsers together: the rest of the places is for others."""

CONNECT_S = 10.0
"""So long a session may take from the offer to a connection; MediaMTX waits as long."""

SILENT_S = 15.0
"""A browser that shows a picture reports about it (RTCP) at least each few seconds."""

MAKES_ROOM_S = 3.0
"""A session as silent as this is likely a page that was reloaded: it makes room for the next."""

OUR_USER = 'whep'


@dataclass(frozen=True)
class Seen:
    """
    A session as MediaMTX lists it; `query` is what was asked with, `rtcp` grows while heard,
    `sent` are the bytes of the picture.
    """

    id: str
    path: str
    user: str
    query: str
    connected: bool
    rtcp: int
    sent: int = 0


@dataclass
class Viewing:
    """
    One session; `id` is what the browser knows it by, `location` MediaMTX's key to it.

    A session that was taken over from the gateway before has no `location`.
    """

    id: str
    owner: str
    """The signed-in session (`Identity.session_id`)."""
    user: str
    path: str
    since_s: float
    heard_s: float
    connected: bool = False
    rtcp: int = 0
    server_id: str = ''
    location: str = ''

    @property
    def query(self) -> str:
        """Return what names it at MediaMTX."""
        return urlencode({'viewing': self.id, 'owner': self.owner, 'user': self.user})


class Full(RuntimeError):
    """There is no room for one more; the text says why."""


class Sessions:
    """The table; times are the monotonic clock's [s]."""

    def __init__(self) -> None:
        self._all: dict[str, Viewing] = {}

    def __len__(self) -> int:
        return len(self._all)

    def admit(
        self, owner: str, user: str, path: str, now_s: float
    ) -> tuple[Viewing, Viewing | None]:
        """Add a session; return it, and the one that has to go for it. Raises Full."""
        own = [viewing for viewing in self._all.values() if viewing.owner == owner]
        users = [viewing for viewing in self._all.values() if viewing.user == user]
        goes = None
        if len(own) >= MOST_PER_OWNER:
            goes = _makes_room(own, now_s)
            if goes is None:
                raise Full(f'this browser watches {len(own)} times already: close another window')
            self.remove(goes)
        elif len(users) >= MOST_PER_USER:
            goes = _makes_room(users, now_s)
            if goes is None:
                raise Full(f'{user} watches {len(users)} times already: close another window')
            self.remove(goes)
        elif len(self._all) >= MOST:
            raise Full(f'{len(self._all)} browsers watch already: no more at once')
        viewing = Viewing(secrets.token_urlsafe(12), owner, user, path, now_s, now_s)
        self._all[viewing.id] = viewing
        return viewing, goes

    def find(self, id_: str, owner: str, path: str) -> Viewing | None:
        """Return the session of this id, if it is this owner's."""
        viewing = self._all.get(id_)
        return viewing if viewing and (viewing.owner, viewing.path) == (owner, path) else None

    def has(self, viewing: Viewing) -> bool:
        """Return whether a session was not ended meanwhile."""
        return self._all.get(viewing.id) is viewing

    def remove(self, viewing: Viewing) -> None:
        """Forget a session; twice is as good as once."""
        if self.has(viewing):
            del self._all[viewing.id]

    def of(self, *, session_id: str = '', user: str = '') -> list[Viewing]:
        """Return the sessions of a signed-in session, or of a user."""
        return [viewing for viewing in self._all.values()
                if viewing.owner == session_id or (user and viewing.user == user)]

    def compare(
        self, seen: Iterable[Seen], lives: Callable[[str], bool], asked_s: float, now_s: float
    ) -> list[tuple[Viewing, str]]:
        """
        Compare with what MediaMTX lists; remove and return what is to be ended there, and why.

        `lives` says of an owner whether it is still signed in, `asked_s` is when the list was
        asked for: what was opened since then cannot be on it.
        """
        ends = []
        listed = set()
        for item in seen:
            if item.user != OUR_USER:
                continue
            viewing = self._take_over(item, now_s)
            listed.add(viewing.id)
            if item.connected and (not viewing.connected or item.rtcp != viewing.rtcp):
                viewing.heard_s = now_s
            viewing.connected, viewing.rtcp = item.connected, item.rtcp
            if why := _over(viewing, lives, now_s):
                ends.append((viewing, why))
                self.remove(viewing)
        for viewing in list(self._all.values()):
            if viewing.server_id and viewing.id not in listed and viewing.since_s < asked_s:
                self.remove(viewing)
        return ends

    def _take_over(self, item: Seen, now_s: float) -> Viewing:
        names = {key: values[0] for key, values in parse_qs(item.query).items()}
        id_ = names.get('viewing', '')
        known = self._all.get(id_)
        if known is None or known.server_id not in ('', item.id):
            # Of the gateway before us, or ended and still on the list. Without an owner: nobody's.
            known = self._all.get(item.id) or Viewing(
                item.id if known else id_ or item.id, names.get('owner', ''),
                names.get('user', ''), item.path, now_s, now_s)
            self._all[known.id] = known
        known.server_id = item.id
        return known


def _makes_room(own: list[Viewing], now_s: float) -> Viewing | None:
    unconnected = [v for v in own if not v.connected and now_s - v.since_s >= MAKES_ROOM_S]
    silent = [v for v in own if v.connected and now_s - v.heard_s >= MAKES_ROOM_S]
    return min(unconnected or silent, key=lambda v: v.heard_s, default=None)


def _over(viewing: Viewing, lives: Callable[[str], bool], now_s: float) -> str:
    if not lives(viewing.owner):
        return 'its owner is signed out'
    if not viewing.connected and now_s - viewing.since_s > CONNECT_S:
        return f'it did not connect within {CONNECT_S:g} s'
    if viewing.connected and now_s - viewing.heard_s > SILENT_S:
        return f'nothing was heard of it for {SILENT_S:g} s'
    return ''
