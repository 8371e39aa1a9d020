# SPDX-License-Identifier: Apache-2.0
"""What stands above the door and has routes of its own; the door knows it by this only."""

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

from aiohttp import web

from avatar_web.accounts.gatekeeper import Gatekeeper


class Part(Protocol):
    """A part of the HTTP side; all of it runs on the event loop."""

    def table(self) -> list[web.RouteDef]:
        """Return its routes."""

    async def start(self) -> None:
        """Begin, once the accounts are open; what cannot work is said, and does not raise."""

    async def close(self) -> None:
        """End; also if it was never started."""

    def identity_ended(self, *, session_id: str = '', user: str = '') -> None:
        """Take away what this session, or this user, has; must not wait."""

    def metrics(self) -> str:
        """Return its metrics, Prometheus text."""


MakePart: TypeAlias = Callable[[Gatekeeper], Part]


def load(names: str, state_dir: Path, say: Callable[[str], None]) -> list[MakePart]:
    """
    Return the parts that other packages add: `make_part(gatekeeper, state_dir, say)` of modules.

    What cannot be loaded is said, and is no reason to keep the door shut.
    """
    result: list[MakePart] = []
    for name in filter(None, (name.strip() for name in names.split(','))):
        try:
            make = importlib.import_module(name).make_part
        except (ImportError, AttributeError) as problem:
            say(f'the part {name} of the page cannot be loaded: {problem}')
            continue
        result.append(partial(make, state_dir=state_dir, say=say))
    return result
