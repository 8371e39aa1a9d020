# SPDX-License-Identifier: Apache-2.0
"""
How much one user may send, by role. Pure: time is an argument (monotonic seconds).

Counted per user and not per socket: who opens ten may send no more. A viewer needs little, and
what nobody needs is what would cost the driver's commands their place on the loop.
"""

from dataclasses import dataclass

from avatar_web.accounts.identity import Identity, Role
from avatar_web.rates import Bucket
from avatar_web.rosbridge.protocol import MAX_BYTES

JOINS_PER_S = 5.0
JOINS_AT_ONCE = 100
"""Each socket that comes or goes is told to everybody."""


@dataclass(frozen=True)
class Allowance:
    """What one user of a role may send; beyond the rates the socket is closed."""

    message_bytes: int
    bytes_per_s: float
    times_the_rate: float
    """Messages a second, as a multiple of what one socket is answered (`messages_per_s`)."""


VIEWER = Allowance(16 * 1024, 64 * 1024, 2.0)
DRIVER = Allowance(MAX_BYTES, 4 * 1024 * 1024, 10.0)


def allowance(role: Role) -> Allowance:
    """Return what a user of this role may send."""
    return VIEWER if role < Role.DRIVER else DRIVER


class Budget:
    """What one user has left, over all sockets."""

    def __init__(self, allowed: Allowance, messages_per_s: float, now: float) -> None:
        self.allowed = allowed
        rate = allowed.times_the_rate * messages_per_s
        self._messages = Bucket(rate, rate, now)
        self._bytes = Bucket(allowed.bytes_per_s, 2 * allowed.bytes_per_s, now)
        self._joins = Bucket(JOINS_PER_S, JOINS_AT_ONCE, now)

    def join(self, now: float) -> bool:
        """Count one more socket; return whether it may come now."""
        return self._joins.take(now)

    def spend(self, size: int, now: float) -> bool:
        """Count a message of this many bytes; return whether it was within the allowance."""
        return self._messages.take(now) and self._bytes.take(now, size)


class Budgets:
    """The budgets of all users; bounded, because what nobody touches for long is full again."""

    def __init__(self, messages_per_s: float, capacity: int = 1000) -> None:
        self._messages_per_s, self._capacity = messages_per_s, capacity
        self._budgets: dict[tuple[str, Role], Budget] = {}

    def of(self, identity: Identity, now: float) -> Budget:
        """Return the budget of a user; the same one for all of the user's sockets."""
        key = identity.name, identity.role
        budget = self._budgets.pop(key, None) or Budget(
            allowance(identity.role), self._messages_per_s, now)
        self._budgets[key] = budget
        if len(self._budgets) > self._capacity:
            del self._budgets[next(iter(self._budgets))]
        return budget
