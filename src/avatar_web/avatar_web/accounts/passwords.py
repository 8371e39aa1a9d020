# SPDX-License-Identifier: Apache-2.0
"""Passwords: what is accepted as one, and the argon2 hash that is kept instead of it."""

import unicodedata

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHash, VerificationError

from avatar_web.accounts.identity import AccountProblem

SHORTEST, LONGEST = 8, 256
"""Characters of a password."""

# Argon2id, 19 MiB, two passes, one lane: 20 ms on a desktop core, about 150 ms on a Pi 4. One is
# computed at a time, so this is also all the memory that logins take.
MEMORY_KIB, PASSES = 19456, 2

# A hash in a damaged or foreign database must not be able to ask for gigabytes or minutes.
MOST_MEMORY_KIB, MOST_PASSES = 65536, 10

_HASHER = PasswordHasher(
    time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1, type=Type.ID)

_FIRST_GUESSES = frozenset((
    'password', 'passw0rd', 'password1', '12345678', '123456789', '1234567890', '87654321',
    'qwertyui', 'qwertyuiop', 'qwerty123', 'asdfghjk', 'iloveyou', 'administrator', 'admin123',
    'admin1234', 'changeme', 'letmein1', 'welcome1', 'trustno1', 'raspberry', 'robotrobot',
    'avataravatar', 'sunshine', 'princess', 'football', 'baseball',
))


def _text(password: str) -> str:
    # Keyboards compose accents in different ways; the person typed the same thing.
    return unicodedata.normalize('NFC', password)


def check_new(password: object, name: str) -> str:
    """Return a password fit to be set for `name`; AccountProblem says what is wrong with it."""
    if not isinstance(password, str):
        raise AccountProblem('password', 'the password must be text')
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountProblem(
            'password', f'the password must be {SHORTEST} to {LONGEST} characters long')
    lower = password.casefold()
    if lower in _FIRST_GUESSES or lower == name.casefold() or len(set(lower)) < 3:
        raise AccountProblem('password', 'the password is one of the first anybody would guess')
    return password


def hash_of(password: str) -> str:
    """Return the hash to keep. Takes MEMORY_KIB and tens of milliseconds: not on the loop."""
    return _HASHER.hash(_text(password).encode('utf-8', 'surrogatepass'))


def matches(kept: str, password: str) -> bool:
    """Return whether `kept` is the hash of this password. As slow as `hash_of`."""
    try:
        asked = extract_parameters(kept)
        if asked.memory_cost > MOST_MEMORY_KIB or asked.time_cost > MOST_PASSES:
            return False
        return _HASHER.verify(kept, _text(password).encode('utf-8', 'surrogatepass'))
    except (VerificationError, InvalidHash, ValueError):
        return False


def outdated(kept: str) -> bool:
    """Return whether the hash was made with other costs and should be made anew at a login."""
    try:
        return _HASHER.check_needs_rehash(kept)
    except (InvalidHash, ValueError):
        return True
