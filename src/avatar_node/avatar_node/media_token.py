# SPDX-License-Identifier: Apache-2.0
"""
One-time passwords for the media server.

The command line of a process can be read by every user of the machine, so the secret that the
gateway and the stream node share never stands in one. What does is a token made of it:

    NONCE.HEX    HEX = HMAC-SHA256(secret, '<action> <path> NONCE')
    NONCE        the time it was made [ms of CLOCK_MONOTONIC], '-', 16 random digits

It is good for one action on one path, for LIFETIME_S, and for the first connection that uses it.
"""

import hashlib
import hmac
import re

# A slow machine needs some seconds to start an encoder; a spent token need not be kept for longer.
LIFETIME_S = 30.0
_TOKEN = re.compile(r'(\d{1,18})-[0-9a-f]{16}\.[0-9a-f]{64}', re.ASCII)


def _signature(secret: str, action: str, path: str, nonce: str) -> str:
    text = f'{action} {path} {nonce}'
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def make(secret: str, action: str, path: str, now_s: float, random: bytes) -> str:
    """
    Return a token for `action` ('publish', 'read') on `path`, made now (CLOCK_MONOTONIC).

    `random` are 8 bytes of `secrets.token_bytes`; ValueError for an empty secret.
    """
    if not secret or len(random) != 8:
        raise ValueError('a media token needs a secret and 8 random bytes')
    nonce = f'{int(now_s * 1000)}-{random.hex()}'
    return f'{nonce}.{_signature(secret, action, path, nonce)}'


class Verifier:
    """
    The side that judges tokens, and remembers which are spent.

    A new one does not know what was spent before it, so it refuses tokens older than `since_s`.
    """

    def __init__(self, secret: str, since_s: float = 0.0) -> None:
        self._secret, self._since_s = secret, since_s
        self._spent: dict[str, tuple[float, set[str]]] = {}

    def problem(
        self, token: str, action: str, path: str, connection: str, now_s: float,
        connections: int = 1,
    ) -> str | None:
        """
        Return why a token is refused, or None and count it as spent.

        The media server may ask more than once for one `connection` (an id of its choice), and
        it gives `connections` different ids to what a person would call one.
        """
        found = _TOKEN.fullmatch(token)
        if not self._secret or not found:
            return 'no token'
        nonce, signature = token.split('.')
        wanted = _signature(self._secret, action, path, nonce)
        if not hmac.compare_digest(signature, wanted):
            return f'the token is not one for {action} on {path}'
        made_s = int(found[1]) / 1000
        if made_s < int(self._since_s * 1000) / 1000:
            return 'the token was made before its judge: make a new one'
        age_s = now_s - made_s
        if not -1.0 <= age_s <= LIFETIME_S:
            return f'the token is {age_s:.0f} s old'
        self._spent = {n: (t, ids) for n, (t, ids) in self._spent.items()
                       if now_s - t <= LIFETIME_S + 1.0}
        _, ids = self._spent.setdefault(nonce, (now_s, set()))
        if connection and (connection in ids or len(ids) < connections):
            ids.add(connection)
            return None
        return 'the token is spent'
