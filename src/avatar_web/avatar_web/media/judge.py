# SPDX-License-Identifier: Apache-2.0
"""
May this connection publish, read, ask? The answer to what MediaMTX asks before it lets one in.

One table. A password is a one-time token (`avatar_node.media_token`). Whoever has none is refused,
whichever port he stole.
"""

import ipaddress
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avatar_node.media_token import Verifier

MOST_TEXT = 2048
"""No field that counts is longer; the question of a stranger can be."""


@dataclass(frozen=True)
class Rule:
    """
    Who may do what, where, and for how many connections one token is good.

    A reader by RTSP is asked for twice, as a connection (DESCRIBE) and as a session (SETUP).
    """

    user: str
    action: str
    path: str
    connections: int = 1


RULES = (
    Rule('stream', 'publish', 'camera'),
    Rule('avatar', 'read', 'camera', connections=2),
    Rule('avatar', 'api', ''),
    Rule('whep', 'read', 'camera'),
)


@dataclass(frozen=True)
class Question:
    """What MediaMTX wants to know; `id` is its name for the connection, empty for the API."""

    user: str = ''
    password: str = ''
    action: str = ''
    path: str = ''
    ip: str = ''
    id: str = ''

    @classmethod
    def parse(cls, body: object) -> 'Question':
        """Return the question of a decoded JSON body; ValueError if it is none."""
        if not isinstance(body, dict):
            raise ValueError('the question is not a JSON object')
        return cls(**{name: _text(body, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Verdict:
    """Yes or no; the reason is a sentence for the log, empty for a yes."""

    reason: str = ''

    @property
    def allowed(self) -> bool:
        """Return whether it is a yes."""
        return not self.reason


class Judge:
    """
    Answers questions; `now_s` is CLOCK_MONOTONIC, which the makers of tokens share.

    What was spent is remembered for as long as tokens live, so a judge that is new does not know
    what the one before it saw: tokens older than itself are refused.
    """

    def __init__(self, secret: str, now_s: float) -> None:
        if not secret:
            raise ValueError('a judge without a secret would let everybody in')
        self._tokens = Verifier(secret, since_s=now_s)
        self._numbers = itertools.count(1)

    def judge(self, question: Question, now_s: float) -> Verdict:
        """Return whether this connection may do this."""
        if not _is_loopback(question.ip):
            return Verdict(f'{_short(question.ip)} is not this machine')
        rule = next((rule for rule in RULES if (rule.user, rule.action, rule.path) == (
            question.user, question.action, question.path)), None)
        if rule is None:
            return Verdict(f'user {_short(question.user)} may not {_short(question.action)} '
                           f'path {_short(question.path)}')
        problem = self._tokens.problem(
            question.password, rule.action, rule.path,
            question.id or f'question {next(self._numbers)}', now_s,
            connections=rule.connections)
        return Verdict(problem or '')


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        return ''
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise ValueError(f'"{name}" is no text of at most {MOST_TEXT} characters')
    return value


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _short(text: str) -> str:
    """Return a stranger's text for the log: ASCII, short, in quotes."""
    quoted = ascii(text)
    return quoted if len(quoted) <= 40 else quoted[:37] + '...'
