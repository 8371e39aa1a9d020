# SPDX-License-Identifier: Apache-2.0
"""
Whether the motor node is still heard after this process slept.

A process that is stopped for about a second is forgotten by its peers (the participant lease of
the DDS profile). When it wakes they find each other again, except where it had just made new
subscriptions: then DDS sometimes takes the peer for one that knows them, and it stays deaf for
good, beside a motor node that the graph still shows. Nothing mends that but a new participant.
"""

SLEPT_S = 0.7
"""From such a pause on others may have forgotten us: their lease of 1 s less an announcement."""

LATER_S = 0.5
"""What comes sooner after waking may have waited for us."""

DEAF_S = 4.0
"""`motor/state` comes each second: so long without it is no accident."""


class Hearing:
    """Times are seconds, monotonic."""

    def __init__(self) -> None:
        self._woke_s: float | None = None

    def slept(self, late_s: float, now: float) -> None:
        """Note that the process was held up and woke just now."""
        if late_s > SLEPT_S:
            self._woke_s = now

    def heard(self, now: float) -> None:
        """Note a message of the motor node."""
        if self._woke_s is not None and now - self._woke_s > LATER_S:
            self._woke_s = None

    def is_deaf(self, now: float) -> bool:
        """Return whether a motor node that is there would have been heard again by now."""
        return self._woke_s is not None and now - self._woke_s > DEAF_S
