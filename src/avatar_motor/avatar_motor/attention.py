# SPDX-License-Identifier: Apache-2.0
"""
Whether whoever receives the commands was awake: only then does silence mean anything.

Receiver and motor loop are two threads. One can be held up while the other is not (a busy
computer, a slow callback), and to the loop that looks like a person who let go. So the loop
asks, and what the receiver did not answer in time is no silence.
"""

import math

ASK_PERIOD_S = 0.05
"""So often the receiver is asked, while silence matters."""

GAP_S = 0.1
"""A receiver may be unheard of for this long: two of it are less than the silence that counts."""


class Attention:
    """Since when, and until when, the receiver listened without a gap."""

    def __init__(self) -> None:
        self.since_s = math.inf
        self.until_s = -math.inf

    def answered(self, asked_s: float, at_s: float) -> None:
        """Note that what was asked at asked_s was answered at at_s."""
        if asked_s - self.until_s > GAP_S or at_s - asked_s > GAP_S:
            self.since_s = at_s
        self.until_s = at_s
