# SPDX-License-Identifier: Apache-2.0
"""
How often a password may be guessed. Pure: time is an argument (monotonic seconds).

Each address has a bucket of failed logins that leaks. Guessing one name from many addresses
fills the bucket of that name, which counts only against addresses that have failed several times
themselves: a stranger cannot lock the owner out. A browser that signed in before (it has a proof
in a cookie) has a bucket of its own, so the owner gets in even from behind the same address.
Right passwords are bounded per account, too: each costs argon2, a session and a write.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass


class Buckets:
    """Leaky buckets by key; at most `capacity` of them, the longest untouched one goes first."""

    def __init__(self, burst: int, period_s: float, capacity: int = 4096) -> None:
        self._burst, self._period_s, self._capacity = burst, period_s, capacity
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def _level(self, key: Hashable, now_s: float) -> float:
        level, at_s = self._levels.get(key, (0.0, now_s))
        return max(0.0, level - (now_s - at_s) / self._period_s)

    def wait_s(self, key: Hashable, now_s: float) -> float:
        """Return how long until one more fits; 0 if it does now."""
        return max(0.0, (self._level(key, now_s) + 1 - self._burst) * self._period_s)

    def add(self, key: Hashable, now_s: float, amount: float = 1.0) -> None:
        """Put one more in (or take it back out: -1)."""
        level = max(0.0, self._level(key, now_s) + amount)
        self._levels[key] = (level, now_s)
        self._levels.move_to_end(key)
        if len(self._levels) > self._capacity:
            self._levels.popitem(last=False)


@dataclass(frozen=True)
class Attempt:
    """One login: from where, as whom; `known_device` if it proved that it signed in before."""

    address: str
    name: str
    known_device: str = ''


def network(address: str) -> str:
    """Return what counts as one address: an IPv6 subscriber has a whole /64 of them."""
    try:
        ip = ipaddress.ip_address(address.split('%')[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((int(ip) >> 64 << 64, 64)))
    return str(ip)


class LoginLimit:
    """The judge of login attempts: `admit` before the password is looked at, `forgive` after."""

    def __init__(self) -> None:
        self._devices = Buckets(burst=10, period_s=10.0)
        self._addresses = Buckets(burst=5, period_s=10.0)
        # So many failures of an address are its own business; beyond, the name's count too.
        self._patience = Buckets(burst=4, period_s=1200.0)
        self._names = Buckets(burst=10, period_s=20.0)
        self._successes = Buckets(burst=20, period_s=6.0)

    def admit(self, attempt: Attempt, now_s: float) -> float:
        """Return 0 and count the attempt as failed, or the seconds to wait for the next one."""
        address = network(attempt.address)
        if attempt.known_device:
            wait_s = self._devices.wait_s(attempt.known_device, now_s)
        else:
            wait_s = self._addresses.wait_s(address, now_s)
            if self._patience.wait_s(address, now_s) > 0:
                wait_s = max(wait_s, self._names.wait_s(attempt.name, now_s))
        wait_s = max(wait_s, self._successes.wait_s(attempt.name, now_s))
        if wait_s == 0:
            self._count(attempt, address, now_s, 1.0)
        return wait_s

    def forgive(self, attempt: Attempt, now_s: float) -> None:
        """Take back what `admit` counted: the password was not judged."""
        self._count(attempt, network(attempt.address), now_s, -1.0)

    def succeeded(self, attempt: Attempt, now_s: float) -> None:
        """Take back what `admit` counted, and count a right password."""
        self.forgive(attempt, now_s)
        self._successes.add(attempt.name, now_s)

    def _count(self, attempt: Attempt, address: str, now_s: float, amount: float) -> None:
        if attempt.known_device:
            self._devices.add(attempt.known_device, now_s, amount)
            return
        self._addresses.add(address, now_s, amount)
        self._patience.add(address, now_s, amount)
        self._names.add(attempt.name, now_s, amount)
