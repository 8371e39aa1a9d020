# SPDX-License-Identifier: Apache-2.0
"""The one-time link on the robot's console. Pure: time is an argument (monotonic seconds)."""

import hmac

from avatar_web.accounts.sessions import new_token, token_hash

SETUP_S = 3600.0
"""The browser that opened the link may make the first account for this long."""


class FirstLink:
    """
    A link that is good once: opening it exchanges its token for the right to set up.

    In memory only: the next start prints another, as long as there is no admin.
    """

    def __init__(self) -> None:
        self._link = self._setup = b''
        self._until_s = 0.0

    def new(self) -> str:
        """Return the token of a new link; an older one ends."""
        token = new_token()
        self._link = token_hash(token)
        return token

    def redeem(self, token: str, now_s: float) -> str | None:
        """Return the token of the right to set up, once; None for any other link."""
        if not self._link or not hmac.compare_digest(token_hash(token), self._link):
            return None
        self._link = b''
        setup = new_token()
        self._setup, self._until_s = token_hash(setup), now_s + SETUP_S
        return setup

    def may_set_up(self, token: str, now_s: float) -> bool:
        """Return whether this is the right to set up, and still valid."""
        return (bool(self._setup) and now_s < self._until_s
                and hmac.compare_digest(token_hash(token), self._setup))

    def close(self) -> None:
        """End link and right: there is an admin now."""
        self._link = self._setup = b''
