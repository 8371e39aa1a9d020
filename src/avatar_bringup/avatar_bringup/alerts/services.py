# SPDX-License-Identifier: Apache-2.0
"""
Whom alerts go to: `alerts/services.json` in the state folder, a URL of apprise each.

The URLs are secrets (whoever has one can write in the robot's name): the file is for its owner
alone, and everything but the sender gets `hidden(url)`. It has the same writers as settings.json.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from avatar_bringup.settings import set_aside
from avatar_node import store

FOLDER = 'alerts'
MOST = 10
LONGEST_URL = 2000
LONGEST_NAME = 40
LARGEST = 50_000

# Of these the host is a server that anybody may know; of the others it may be a token.
_SERVERS = frozenset({
    'form', 'forms', 'gotify', 'gotifys', 'json', 'jsons', 'mailto', 'mailtos', 'matrix',
    'matrixs', 'mmost', 'mmosts', 'xml', 'xmls'})


class ServiceProblem(ValueError):
    """A service was refused; the text says why and never has the URL."""


@dataclass(frozen=True)
class Service:
    """One of them; `id` is ours, `name` a person's."""

    id: str
    name: str
    url: str = field(repr=False)

    @property
    def shown(self) -> str:
        """Return what may be shown of the URL."""
        return hidden(self.url)


def hidden(url: str) -> str:
    """Return the kind of a URL, and its server where that is no secret."""
    scheme, found, _ = url.partition('://')
    scheme = scheme.lower()
    if not found or not re.fullmatch(r'[a-z0-9.+-]{1,30}', scheme):
        return '...'
    if scheme in _SERVERS:
        try:
            host = urlsplit(url).hostname or ''
        except ValueError:
            host = ''
        if re.fullmatch(r'[a-z0-9.-]{1,253}', host):
            return f'{scheme}://...{host}/...'
    return f'{scheme}://...'


def checked_url(url: object) -> str:
    """Return a URL that may be one; ServiceProblem if it cannot."""
    if not isinstance(url, str) or not re.fullmatch(r'[A-Za-z0-9.+-]{1,30}://[\x21-\x7e]+', url):
        raise ServiceProblem('the address must look like tgram://TOKEN/CHAT or '
                             'mailtos://NAME:PASSWORD@SERVER, without blanks')
    if len(url) > LONGEST_URL:
        raise ServiceProblem(f'the address is longer than {LONGEST_URL} characters')
    return url


def checked_name(name: object) -> str:
    """Return a name, '' for none; ServiceProblem if it cannot be one."""
    if not isinstance(name, str) or not re.fullmatch(r'[^\x00-\x1f\x7f]*', name) \
            or len(name) > LONGEST_NAME:
        raise ServiceProblem(f'the name must be one line of at most {LONGEST_NAME} characters')
    return name.strip()


class ServicesFile:
    """`services.json`. Blocking; `say(sentence)` is called once for what is wrong with it."""

    def __init__(self, state_dir: Path, say: Callable[[str], None]) -> None:
        self.path = state_dir / FOLDER / 'services.json'
        self._say, self._said = say, set[str]()

    def load(self, repair: bool = False) -> list[Service]:
        """Return all; never fails. With `repair` (the writer) a broken file is set aside."""
        try:
            return [_service(one) for one in store.read(self.path, LARGEST)['services']]
        except FileNotFoundError:
            return []
        except OSError as problem:
            self._once(f'{self.path} cannot be read ({problem.strerror}): nobody is told anything')
        except (ValueError, KeyError, TypeError) as problem:
            self._once(f'{self.path} is broken ({type(problem).__name__}): nobody is told anything'
                       + (f'; it is kept as {set_aside(self.path)}' if repair else ''))
        return []

    def add(self, url: object, name: object) -> Service:
        """Add one; ServiceProblem, or OSError if it cannot be written."""
        service = Service(secrets.token_hex(4), checked_name(name), checked_url(url))
        services = self.load(repair=True)
        if any(one.url == service.url for one in services):
            raise ServiceProblem('this service is there already')
        if len(services) >= MOST:
            raise ServiceProblem(f'there are {MOST} services already: remove one first')
        self._write([*services, service])
        return service

    def remove(self, id_: str) -> Service:
        """Remove one; ServiceProblem if there is none."""
        services = self.load(repair=True)
        for service in services:
            if service.id == id_:
                self._write([one for one in services if one is not service])
                return service
        raise ServiceProblem('there is no such service')

    def _write(self, services: list[Service]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        store.write(self.path, {'services': [
            {'id': one.id, 'name': one.name, 'url': one.url} for one in services]})

    def _once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._say(sentence)


def _service(value: dict[str, Any]) -> Service:
    return Service(str(value['id']), checked_name(value['name']), checked_url(value['url']))
