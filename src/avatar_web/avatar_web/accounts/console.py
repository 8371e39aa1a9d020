# SPDX-License-Identifier: Apache-2.0
"""How the `avatar` command reaches the accounts: the running gateway, or else the files."""

import argparse
import asyncio
import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from avatar_web.accounts.database import Database
from avatar_web.accounts.gatekeeper import Gatekeeper
from avatar_web.accounts.identity import AccountProblem
from avatar_web.accounts.lock import Held, Lock

T = TypeVar('T')

PATIENCE_S = 10.0
"""The gateway may be starting."""

ANSWER_S = 30.0


class ConsoleProblem(RuntimeError):
    """It was not done; the text says why."""


def add_state_dir(parser: argparse.ArgumentParser) -> None:
    """Add the option of every command that needs the state folder."""
    parser.add_argument('--state-dir', type=Path, default=None, metavar='DIR',
                        help='state folder (default: AVATAR_STATE_DIR, ~/.local/state/avatar)')


def add_action(
    actions: Any, name: str, run: Callable[[argparse.Namespace], None], help_: str
) -> argparse.ArgumentParser:
    """Add one action of a command; `run(options)` does it, its problems are said."""
    parser: argparse.ArgumentParser = actions.add_parser(name, help=help_)
    add_state_dir(parser)
    parser.set_defaults(run=lambda options: answered(lambda: run(options)))
    return parser


def state_dir(options: argparse.Namespace) -> Path:
    """Return the state folder that is meant."""
    given = options.state_dir or os.environ.get('AVATAR_STATE_DIR') or '~/.local/state/avatar'
    return Path(given).expanduser().absolute()


def answered(work: Callable[[], None]) -> int:
    """Run a command; return its exit code, 1 with a sentence on stderr if it was not done."""
    try:
        work()
    except (ConsoleProblem, AccountProblem) as problem:
        say(str(problem))
        return 1
    return 0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__('localhost', timeout=ANSWER_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_S)
        # By way of the folder: a socket's path must be shorter than 108 bytes.
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sock.connect(f'/proc/self/fd/{folder}/{self._path.name}')
        finally:
            os.close(folder)


def ask(folder: Path, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """
    Ask the running gateway; return its answer.

    ConnectionError or FileNotFoundError if there is none; ConsoleProblem if it refused.
    """
    connection = _UnixConnection(folder / 'gateway.sock')
    try:
        connection.request(method, path, None if body is None else json.dumps(body),
                           {'Content-Type': 'application/json'})
        response = connection.getresponse()
        answer = json.loads(response.read() or b'{}')
    except PermissionError as problem:
        raise ConsoleProblem(f'{folder} belongs to another user ({problem}); '
                             'use sudo, or run this as that user') from problem
    except (TimeoutError, http.client.HTTPException, ValueError) as problem:
        raise ConsoleProblem(f'the gateway does not answer: {problem!r}') from problem
    finally:
        connection.close()
    if response.status >= 400:
        raise ConsoleProblem(answer.get('error', f'status {response.status}'))
    return answer


def first_link(folder: Path) -> str:
    """
    Return the URL of a new one-time link of the running gateway; '' where it needs none.

    For who starts the gateway and hides what it prints; an older link ends.
    """
    try:
        return str(ask(folder, 'POST', '/api/link', {})['url'])
    except (ConnectionError, FileNotFoundError, ConsoleProblem):
        return ''


def through(
    folder: Path, remote: Callable[[], T], direct: Callable[[Gatekeeper], Awaitable[T]]
) -> T:
    """Do it by the gateway where one runs, by the database where none does."""
    return by_gateway_or(folder, remote, lambda: asyncio.run(_with_database(folder, direct)))


def by_gateway_or(folder: Path, remote: Callable[[], T], direct: Callable[[], T]) -> T:
    """Do it by the gateway where one runs, else directly, while no gateway can start."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return remote()
        except (ConnectionError, FileNotFoundError):
            pass
        become_owner(folder)
        if (folder / 'restore' / 'plan.json').exists():
            raise ConsoleProblem('a restore was interrupted: start avatar, which finishes it '
                                 'first, and then do this again')
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with Lock(folder / 'lock'), Lock(folder / 'gateway.lock'):
                return direct()
        except Held as problem:
            if time.monotonic() > deadline:
                raise ConsoleProblem(
                    f'avatar runs ({problem}), but its gateway does not answer; '
                    f'see its log') from problem
        except OSError as problem:
            raise ConsoleProblem(f'state folder {folder}: {problem}') from problem
        time.sleep(0.2)


async def _with_database(
    folder: Path, direct: Callable[[Gatekeeper], Awaitable[T]]
) -> T:
    gatekeeper = Gatekeeper(
        Database(folder / 'avatar.db', say), say=lambda _: None)
    await gatekeeper.open()
    try:
        return await direct(gatekeeper)
    finally:
        await gatekeeper.close()


def say(sentence: str) -> None:
    """Tell a person something beside the answer."""
    print(f'avatar: {sentence}', file=sys.stderr)


def become_owner(folder: Path) -> None:
    """
    Let root act as the owner of the state folder from here on.

    Otherwise `sudo avatar ...` would leave files that the gateway cannot write.
    """
    if os.geteuid() != 0 or not folder.exists():
        return
    owner = folder.stat()
    if owner.st_uid != 0:
        os.setgroups([])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)


def read(path: Path, most_bytes: int) -> bytes:
    """Return the bytes of a file the user named; ConsoleProblem if it cannot be read."""
    try:
        with open(path, 'rb') as file:
            return file.read(most_bytes + 1)
    except OSError as problem:
        raise ConsoleProblem(f'{path}: {problem.strerror}') from problem
