# SPDX-License-Identifier: Apache-2.0
"""Who there is: roles, names, and the identity a request acts under."""

import enum
import unicodedata
from dataclasses import dataclass

NAME_LENGTH = 32
"""Longest user name, in characters."""

USERS = 200
"""Most accounts a robot keeps; a bound, not a wish."""


class AccountProblem(ValueError):
    """An account operation was refused: a sentence for people, a code for programs."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Role(enum.IntEnum):
    """What a person may do; each role includes those below it."""

    VIEWER = 1
    DRIVER = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """Return the role as the API and the database spell it."""
        return self.name.lower()

    @classmethod
    def parse(cls, word: object) -> 'Role':
        """Return the role of this name; AccountProblem if there is none."""
        for role in cls:
            if word == role.word:
                return role
        raise AccountProblem('role', f'role {word!r} is unknown; there are: '
                                     + ', '.join(role.word for role in cls))


@dataclass(frozen=True)
class Identity:
    """
    Who a request or socket acts for.

    `session_id` names the browser or script; it is public (the list of people shows it) and
    opens nothing. Several sockets can share it: tabs of one browser do.
    """

    name: str
    role: Role
    session_id: str
    device: str = ''


@dataclass(frozen=True)
class User:
    """One account."""

    name: str
    role: Role
    password: str
    """The argon2 hash, never the password."""
    created_s: float = 0.0

    @property
    def key(self) -> str:
        """Return what the account is found by."""
        return name_key(self.name)


def clean_name(name: object) -> str:
    """
    Return a user name as it is stored and shown: NFC, no control or format characters.

    AccountProblem says what is wrong with any other.
    """
    if not isinstance(name, str):
        raise AccountProblem('name', 'the name must be text')
    # Checked before normalising too: NFC of a huge text costs time.
    if len(name) > 4 * NAME_LENGTH:
        raise AccountProblem('name', f'the name must be at most {NAME_LENGTH} characters long')
    name = unicodedata.normalize('NFC', name).strip()
    if not 1 <= len(name) <= NAME_LENGTH:
        raise AccountProblem('name', f'the name must be 1 to {NAME_LENGTH} characters long')
    # C: control, format (bidi overrides!), surrogates, private, unassigned; Zl, Zp: line breaks.
    if any(unicodedata.category(c)[0] == 'C' or unicodedata.category(c) in ('Zl', 'Zp')
           for c in name):
        raise AccountProblem('name', 'the name contains a character that cannot be seen')
    # Names are parts of addresses: /api/users/NAME.
    if any(c in '/\\' for c in name) or not name.strip('.'):
        raise AccountProblem('name', 'the name must not contain a slash or be made of dots')
    return name


def name_key(name: str) -> str:
    """Return what makes two names the same: case and composition do not count."""
    return unicodedata.normalize('NFC', unicodedata.normalize('NFC', name).casefold())
