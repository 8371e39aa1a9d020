# SPDX-License-Identifier: Apache-2.0
"""
Who may still connect when many are, and whose socket makes room; who drives never does.

Nobody fills the places alone: a session and a user have so many at most, and of those who could
go where all are taken the first is the oldest of the user who has most.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from avatar_web.accounts.identity import Identity

MAX_PER_SESSION = 8
MAX_PER_USER = 16


@dataclass(frozen=True)
class Place:
    """A connected socket; `drives` = it holds the lease."""

    number: int
    identity: Identity
    drives: bool


@dataclass(frozen=True)
class Room:
    """Whether one more may come, and which socket goes for it (None = no one), and why."""

    allowed: bool
    goes: int | None = None
    why: str = ''


def room_for(newcomer: Identity, places: Sequence[Place], most: int) -> Room:
    """Judge one more socket; `places` are the connected ones, the oldest first."""
    idle = [place for place in places if not place.drives]
    same = [place for place in idle if place.identity.session_id == newcomer.session_id]
    if len(same) >= MAX_PER_SESSION:
        return Room(True, same[0].number, f'more than {MAX_PER_SESSION} sockets of one session')
    own = [place for place in idle if place.identity.name == newcomer.name]
    if len(own) >= MAX_PER_USER:
        return Room(True, own[0].number, f'more than {MAX_PER_USER} sockets of one user')
    if len(places) < most:
        return Room(True)
    # Viewers who fill all places must not keep out who is to drive.
    lower = [place for place in idle if place.identity.role < newcomer.role]
    # Nor may one person keep out another of the same role.
    count = Counter(place.identity.name for place in places)
    greedy = [place for place in idle if place.identity.role == newcomer.role
              and count[place.identity.name] > count[newcomer.name] + 1]
    crowd = lower or greedy
    if crowd:
        goes = max(crowd, key=lambda place: count[place.identity.name])
        return Room(True, goes.number, 'the gateway is full')
    return Room(False, why=f'{len(places)} clients are connected: close one first')
