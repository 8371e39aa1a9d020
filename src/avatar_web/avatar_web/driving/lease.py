# SPDX-License-Identifier: Apache-2.0
"""
Who drives: one lease, taken in words, lost in silence.

The holder is a socket (two tabs of one browser are two), and its session may come back for it.
Every method that can change the holder returns the Change, or None; the caller announces it and
sees to the wheels. Times are seconds, monotonic. Who may do what is judged elsewhere.
"""

from dataclasses import dataclass
from enum import Enum

from avatar_motor import deadlines


class State(str, Enum):
    """What `operator/lease` says; AWAY = the link broke, and the holder may still come back."""

    FREE = 'free'
    HELD = 'held'
    AWAY = 'away'


@dataclass(frozen=True)
class Holder:
    """The socket that holds the lease, its session, and the user's name."""

    socket: int
    session: str
    name: str


class Event(str, Enum):
    """What happened to the lease."""

    TAKEN = 'taken'
    RELEASED = 'released'
    GIVEN = 'given'
    LOST = 'lost'
    REGAINED = 'regained'
    EXPIRED = 'expired'
    ALLOWED = 'allowed'


@dataclass(frozen=True)
class Change:
    """`before` no longer drives, `after` now does; both are the same where only a flag changed."""

    event: Event
    before: Holder | None
    after: Holder | None


class Lease:
    """The one lease of the robot."""

    def __init__(self) -> None:
        self.state = State.FREE
        self.allow_cmd_vel = False
        self._holder: Holder | None = None
        self._heard_s = 0.0
        self._return_until_s = 0.0

    @property
    def holder(self) -> Holder | None:
        """Return who holds the lease or may still come back for it."""
        return self._holder

    @property
    def last_heard_s(self) -> float:
        """Return when the holder's socket was heard last."""
        return self._heard_s

    def is_held_by(self, socket: int) -> bool:
        """Return whether this socket drives now."""
        return (self.state is State.HELD and self._holder is not None
                and self._holder.socket == socket)

    def take(self, who: Holder, now: float) -> Change | None:
        """Give the lease to `who`, whoever had it; None if they have it already."""
        if self.is_held_by(who.socket):
            return None
        return self._set(Event.TAKEN, who, now)

    def give(self, socket: int, to: Holder, now: float) -> Change | None:
        """Hand the lease from its holder to `to`; None if `socket` does not hold it."""
        if not self.is_held_by(socket) or to.socket == socket:
            return None
        return self._set(Event.GIVEN, to, now)

    def release(self, socket: int) -> Change | None:
        """Let go of the lease; None if `socket` does not hold it."""
        if not self.is_held_by(socket):
            return None
        return self._set(Event.RELEASED, None, 0.0)

    def allow(self, socket: int, cmd_vel: bool) -> Change | None:
        """Let `cmd_vel` drive beside the holder, or no longer; None if nothing changed."""
        if not self.is_held_by(socket) or self.allow_cmd_vel == cmd_vel:
            return None
        self.allow_cmd_vel = cmd_vel
        return Change(Event.ALLOWED, self._holder, self._holder)

    def heard(self, socket: int, now: float) -> Change | None:
        """Note a frame or pong of `socket`; a holder that had only been silent is back."""
        if self._holder is None or self._holder.socket != socket:
            return None
        if self.state is State.AWAY:
            return self._back(self._holder, now)
        self._heard_s = now
        return None

    def connected(self, who: Holder, now: float) -> Change | None:
        """Give the lease back to a session that lost it by a broken link, on a new socket."""
        if (self.state is not State.AWAY or self._holder is None
                or self._holder.session != who.session):
            return None
        return self._back(who, now)

    def closed(self, socket: int, now: float, *, returns: bool = True) -> Change | None:
        """Note that `socket` closed; `returns` is False for who is not let in again."""
        if self._holder is None or self._holder.socket != socket:
            return None
        if not returns:
            event = Event.LOST if self.state is State.HELD else Event.EXPIRED
            return self._set(event, None, now)
        return self._away(now) if self.state is State.HELD else None

    def poll(self, now: float) -> Change | None:
        """Note what time alone has changed; to be called several times a second."""
        if self.state is State.HELD and now - self._heard_s > deadlines.GHOST_S:
            return self._away(now)
        if self.state is State.AWAY and now > self._return_until_s:
            return self._set(Event.EXPIRED, None, now)
        return None

    def _away(self, now: float) -> Change:
        self.state = State.AWAY
        self.allow_cmd_vel = False
        self._return_until_s = now + deadlines.LEASE_RETURN_S
        return Change(Event.LOST, self._holder, None)

    def _back(self, who: Holder, now: float) -> Change | None:
        if now > self._return_until_s:
            return self._set(Event.EXPIRED, None, now)
        return self._set(Event.REGAINED, who, now)

    def _set(self, event: Event, holder: Holder | None, now: float) -> Change:
        before = self._holder if self.state is State.HELD else None
        self.state = State.FREE if holder is None else State.HELD
        self.allow_cmd_vel = False
        self._holder, self._heard_s = holder, now
        return Change(event, before, holder)
