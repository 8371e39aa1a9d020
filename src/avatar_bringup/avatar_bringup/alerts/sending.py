# SPDX-License-Identifier: Apache-2.0
"""Starts the process that sends, and takes its outcomes; blocking, but never beyond a limit."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from avatar_bringup.alerts import sender
from avatar_node import child

LIMIT_S = 25.0
KILLED_AFTER_S = 4.0
"""After the limit, which the process keeps by itself unless it hangs as a whole."""

COMMAND = (sys.executable, '-m', sender.__name__)


@dataclass(frozen=True)
class Letter:
    """One message to one service; `to` is what the outcome is known by."""

    to: str
    url: str = field(repr=False)
    title: str
    body: str
    bad: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a letter: a word of sender.py, and perhaps what the service answered."""

    to: str
    word: str
    detail: str = ''

    @property
    def is_sent(self) -> bool:
        """Return whether the service has it."""
        return self.word == sender.SENT

    @property
    def sentence(self) -> str:
        """Return what a person is told of it."""
        return SENTENCES[self.word].format(detail=self.detail and f' ({self.detail})')


SENTENCES = {
    sender.SENT: 'it was sent',
    sender.NOT_INSTALLED: 'apprise is not installed: pip install apprise, in the Python of the '
                          'robot',
    sender.BAD_URL: 'this is no address that apprise understands',
    sender.UNREACHABLE: 'the service cannot be reached; is there a network?',
    sender.REFUSED: 'the service refused it{detail}: look at the address',
    sender.NO_ANSWER: 'the service does not answer',
}


def is_installed() -> bool:
    """Return whether apprise is there, without importing it."""
    return importlib.util.find_spec('apprise') is not None


def send(
    letters: Iterable[Letter], tell: Callable[[Outcome], None], limit_s: float = LIMIT_S,
    command: Sequence[str] = COMMAND,
) -> None:
    """
    Send all at the same time; `tell` is called for each as soon as it is known, in this thread.

    A letter nobody answered for within the limit has not been sent.
    """
    open_ = {letter.to: letter for letter in letters}
    job = {'limit_s': limit_s, 'letters': [
        {'to': one.to, 'url': one.url, 'title': one.title, 'body': one.body, 'bad': one.bad}
        for one in open_.values()]}
    for outcome in _outcomes(job, limit_s + KILLED_AFTER_S, command):
        if open_.pop(outcome.to, None) is not None:
            tell(outcome)
    for to in open_:
        tell(Outcome(to, sender.NO_ANSWER))


def _outcomes(job: object, within_s: float, command: Sequence[str]) -> Iterable[Outcome]:
    # Neither an argument nor a file: both could be read by others. No pipe: it could be full.
    handle = os.memfd_create('alerts')
    try:
        with os.fdopen(os.dup(handle), 'w') as file:
            json.dump(job, file)
        os.lseek(handle, 0, os.SEEK_SET)
        environ = {name: value for name, value in os.environ.items()
                   if not name.startswith('AVATAR_')}
        try:
            # In /: what lies in our working folder must not be what is imported.
            process = child.start(command, stdin=handle, stdout=subprocess.PIPE, cwd='/',
                                  stderr=subprocess.DEVNULL, env=environ)
        except OSError:
            return
    finally:
        os.close(handle)
    timer = threading.Timer(within_s, child.kill, [process])
    timer.daemon = True
    timer.start()
    try:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                outcome = _outcome(line)
                if outcome is not None:
                    yield outcome
    finally:
        timer.cancel()
        child.kill(process)


def _outcome(line: bytes) -> Outcome | None:
    try:
        value = json.loads(line)
        outcome = Outcome(str(value['to']), str(value['outcome']), str(value['detail'])[:100])
    except (ValueError, TypeError, KeyError):
        return None
    return outcome if outcome.word in SENTENCES else None


def try_one(url: str, title: str, body: str, limit_s: float = LIMIT_S) -> Outcome:
    """Send one message and wait for what becomes of it."""
    outcomes: list[Outcome] = []
    send([Letter('one', url, title, body)], outcomes.append, limit_s)
    return outcomes[0]
