# SPDX-License-Identifier: Apache-2.0
"""
Who may still come in when many are there, and who goes for it. Pure.

A door that is full is not closed: whoever waits there without being let in yet makes room, first
at the address that has most. So nobody keeps another out by holding connections, neither from one
address nor from behind the same one.
"""

from collections.abc import Callable
from dataclasses import dataclass


def _nothing() -> None:
    """Do nothing."""


@dataclass(eq=False)
class Guest:
    """One connection; `go` ends it."""

    address: str
    go: Callable[[], None] = _nothing
    busy: int = 0
    """Requests that are being answered: it goes after those without one."""
    stays: bool = False
    """It carries the socket of somebody who is let in, and never makes room."""


def guest_of(protocol: object) -> Guest:
    """Return the connection that a request came by, as the door counts it."""
    guest = getattr(protocol, 'guest', None)
    return guest if isinstance(guest, Guest) else Guest('')


class Crowd:
    """Guests, at most `most` of them and `most_per_address`; in the order in which they came."""

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most, self._most_per_address = most, most_per_address
        self._guests: dict[str, dict[Guest, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def enter(self, guest: Guest) -> tuple[bool, Guest | None]:
        """Count a guest in; return whether there is room, and who has to go for it."""
        goes = None
        if len(self._guests.get(guest.address, ())) >= self._most_per_address:
            goes = self._who_goes([guest.address])
        elif self._count >= self._most:
            goes = self._who_goes(sorted(
                self._guests, key=lambda address: -len(self._guests[address])))
        else:
            self._add(guest)
            return True, None
        if goes is None:
            return False, None
        self.leave(goes)
        self._add(guest)
        return True, goes

    def leave(self, guest: Guest) -> None:
        """Count a guest out; twice is as good as once."""
        there = self._guests.get(guest.address, {})
        if guest in there:
            del there[guest]
            self._count -= 1
            if not there:
                del self._guests[guest.address]

    def _add(self, guest: Guest) -> None:
        self._guests.setdefault(guest.address, {})[guest] = None
        self._count += 1

    def _who_goes(self, addresses: list[str]) -> Guest | None:
        for address in addresses:
            crowd = [guest for guest in self._guests[address] if not guest.stays]
            if crowd:
                return min(crowd, key=lambda guest: bool(guest.busy))
        return None
