# SPDX-License-Identifier: Apache-2.0
"""
What is to be sent, until it is: bounded, and stored so that a restart loses nothing. Pure.

A message is marked as on its way before it is handed to a service, and removed when the service
has taken it. What was refused, not reached or not answered waits and is tried again. What was on
its way when we died was perhaps taken: it is not sent again (nobody is told twice by a crash of
ours), but the next message names it as perhaps lost. So it is at most once across our own end,
and at least once towards a service that takes a message and then does not answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_MESSAGES = 30
LONGEST_BODY = 1500
LONGEST_LETTER = 3500
"""Of several messages in one letter; Telegram takes 4096 characters."""
RETRY_S = (30.0, 60.0, 120.0, 300.0, 600.0, 900.0)

WAITING, ON_ITS_WAY = 'waiting', 'on_its_way'


@dataclass
class Message:
    """One message and to which services it is still to go."""

    number: int
    title: str
    body: str
    bad: bool
    to: dict[str, str]


@dataclass
class Bundle:
    """What goes to one service now, as one letter."""

    service: str
    numbers: tuple[int, ...]
    messages: tuple[Message, ...]
    perhaps_lost: tuple[str, ...]
    dropped: int


@dataclass
class _Service:
    """What is remembered of a service; `not_before_s` is CLOCK_MONOTONIC, of this run only."""

    perhaps_lost: list[str] = field(default_factory=list)
    dropped: int = 0
    failures: int = 0
    not_before_s: float = 0.0


class Outbox:
    """The messages of all services. Whoever changes it stores `as_json()` before going on."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._services: dict[str, _Service] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, title: str, body: str, bad: bool, services: Iterable[str]) -> None:
        """Add a message; the oldest makes room, and the next message says so."""
        to = dict.fromkeys(services, WAITING)
        if not to:
            return
        self._number += 1
        self._messages.append(Message(self._number, title[:200], body[:LONGEST_BODY], bad, to))
        # What is on its way stays until it is known what became of it.
        while len(self._messages) > MOST_MESSAGES:
            oldest = next((one for one in self._messages if ON_ITS_WAY not in one.to.values()),
                          self._messages[0])
            self._messages.remove(oldest)
            for service in oldest.to:
                self._of(service).dropped += 1

    def due(self, now_s: float) -> list[Bundle]:
        """Return a bundle for each service that has something waiting and is to be tried now."""
        result = []
        names = {name: None for message in self._messages for name in message.to}
        for name in names:
            if now_s < self._of(name).not_before_s or self._is_busy(name):
                continue
            messages, length = list[Message](), 0
            for message in self._messages:
                length += len(message.title) + len(message.body)
                if message.to.get(name) == WAITING and (not messages or length < LONGEST_LETTER):
                    messages.append(message)
            of = self._of(name)
            result.append(Bundle(name, tuple(m.number for m in messages), tuple(messages),
                                 tuple(of.perhaps_lost), of.dropped))
        return [bundle for bundle in result if bundle.messages]

    def try_again(self) -> None:
        """Try everybody at once: there is a reason to hope, like a network that is back."""
        for of in self._services.values():
            of.not_before_s, of.failures = 0.0, 0

    def on_its_way(self, bundle: Bundle) -> None:
        """Mark what is handed to a service now."""
        for message in self._of_bundle(bundle):
            message.to[bundle.service] = ON_ITS_WAY

    def sent(self, bundle: Bundle) -> None:
        """Forget what the service has."""
        for message in self._of_bundle(bundle):
            del message.to[bundle.service]
        self._messages = [message for message in self._messages if message.to]
        of = self._of(bundle.service)
        self._services[bundle.service] = _Service(
            of.perhaps_lost[len(bundle.perhaps_lost):], max(0, of.dropped - bundle.dropped))

    def failed(self, bundle: Bundle, now_s: float) -> None:
        """Keep what the service has not; it is tried again, less and less often."""
        for message in self._of_bundle(bundle):
            message.to[bundle.service] = WAITING
        of = self._of(bundle.service)
        of.not_before_s = now_s + RETRY_S[min(of.failures, len(RETRY_S) - 1)]
        of.failures += 1

    def keep_only(self, services: Iterable[str]) -> bool:
        """Forget what was for services that are no more; return whether there was anything."""
        known = set(services)
        gone = {name for message in self._messages for name in message.to} - known
        gone |= set(self._services) - known
        for message in self._messages:
            message.to = {name: how for name, how in message.to.items() if name in known}
        self._messages = [message for message in self._messages if message.to]
        for name in gone:
            self._services.pop(name, None)
        return bool(gone)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            'number': self._number,
            'messages': [{'number': m.number, 'title': m.title, 'body': m.body, 'bad': m.bad,
                          'to': dict(m.to)} for m in self._messages],
            'services': {name: {'perhaps_lost': list(of.perhaps_lost), 'dropped': of.dropped}
                         for name, of in self._services.items()
                         if of.perhaps_lost or of.dropped}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> 'Outbox':
        """
        Return what `as_json` gave, after we died: what was on its way is perhaps lost.

        KeyError, TypeError or ValueError if it is not that.
        """
        box = cls()
        box._number = int(value['number'])
        for name, of in value['services'].items():
            box._services[str(name)] = _Service(
                [str(title) for title in of['perhaps_lost']], int(of['dropped']))
        for one in value['messages']:
            to = {str(name): str(how) for name, how in one['to'].items()}
            for name in [name for name, how in to.items() if how == ON_ITS_WAY]:
                box._of(name).perhaps_lost.append(str(one['title']))
                del to[name]
            if to:
                box._messages.append(Message(
                    int(one['number']), str(one['title']), str(one['body']), bool(one['bad']),
                    to))
        for of in box._services.values():
            of.perhaps_lost = of.perhaps_lost[-MOST_MESSAGES:]
        return box

    def _of(self, service: str) -> _Service:
        return self._services.setdefault(service, _Service())

    def _is_busy(self, service: str) -> bool:
        return any(message.to.get(service) == ON_ITS_WAY for message in self._messages)

    def _of_bundle(self, bundle: Bundle) -> list[Message]:
        return [message for message in self._messages
                if message.number in bundle.numbers and bundle.service in message.to]
