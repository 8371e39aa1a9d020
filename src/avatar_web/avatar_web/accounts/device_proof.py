# SPDX-License-Identifier: Apache-2.0
"""
The cookie that says: this browser has signed in as this user before.

It opens nothing. It gives the browser's next logins a limit of their own (see login_limit), so
that nobody who guesses passwords can keep the owner out. Nothing about it is stored.
"""

import hashlib
import hmac
import secrets


class DeviceProof:
    """Makes and checks proofs with the robot's secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def new(self, key: str) -> str:
        """Return a proof for the user of this key."""
        nonce = secrets.token_hex(8)
        return f'{nonce}.{self._mac(nonce, key)}'

    def check(self, proof: str, key: str) -> str:
        """Return what tells this browser from others, or '' if it is no proof for this user."""
        nonce, _, mac = proof.partition('.')
        right = hmac.compare_digest(mac.encode('utf-8', 'replace'), self._mac(nonce, key).encode())
        return nonce if right else ''

    def _mac(self, nonce: str, key: str) -> str:
        text = f'{nonce}\n{key}'.encode('utf-8', 'surrogatepass')
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()
