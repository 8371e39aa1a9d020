# SPDX-License-Identifier: Apache-2.0
"""
How the robot is, as the health node says: a mirror of `health`, and its route.

    GET /api/health   {state, message, findings, machine, changes}

`state` is READY, DEGRADED, STOPPED, or '' where no health node is heard; `changes` are the last
100, the oldest first, as the health node stores them.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from avatar_web.accounts.gatekeeper import Gatekeeper
from avatar_web.door.auth import Auth

FRESH_S = 10.0
"""`health` comes every two seconds; after so long its node is taken for gone."""
STATES = ('READY', 'DEGRADED', 'STOPPED')
LARGEST_BYTES = 1_000_000


class Health:
    """What the health node last said; times are seconds, monotonic."""

    def __init__(self) -> None:
        self._message = ''
        self._values: dict[str, str] = {}
        self._seen_s = float('-inf')

    def update(self, text: str, now: float) -> None:
        """Take a message as JSON text of a DiagnosticStatus."""
        message = json.loads(text)
        self._message = message['message']
        self._values = {pair['key']: pair['value'] for pair in message['values']}
        self._seen_s = now

    def state(self, now: float) -> str:
        """Return READY, DEGRADED or STOPPED; '' where nobody says any."""
        return self._values.get('state', '') if now - self._seen_s < FRESH_S else ''

    def about(self, now: float) -> dict[str, Any]:
        """Return all that it says now."""
        state = self.state(now)
        return {'state': state, 'message': self._message if state else '',
                'findings': self._read('findings', list) if state else [],
                'machine': self._read('machine', dict) if state else {}}

    def _read(self, name: str, kind: type) -> Any:
        try:
            value = json.loads(self._values.get(name, ''))
        except ValueError:
            return kind()
        return value if isinstance(value, kind) else kind()

    def samples(self, now: float) -> Iterator[tuple[str, str, list[tuple[str, float]]]]:
        """Yield name, description and samples of its metrics."""
        about = self.about(now)
        yield 'health_state', '1 for the state the robot is in.', [
            (f'{{state="{state}"}}', about['state'] == state) for state in STATES]
        yield 'findings', 'What is wrong now.', [
            (f'{{code="{_label(one.get("code"))}",part="{_label(one.get("part"))}"}}', 1)
            for one in about['findings'] if isinstance(one, dict)]
        for name, doc in (
            ('disk_free_mb', 'Room on the disk of the state folder [MB].'),
            ('memory_free_mb', 'Memory that programs can still get [MB].'),
            ('celsius', 'Temperature of the computer.'),
            ('received', 'Bytes received by all interfaces since the boot.'),
            ('sent', 'Bytes sent by all interfaces since the boot.'),
        ):
            value = about['machine'].get(name)
            if isinstance(value, (int, float)):
                yield f'machine_{name}', doc, [('', value)]


def _label(value: object) -> str:
    return ''.join(c for c in str(value) if c.isalnum() or c in '_-. ')[:60]


class Robot(Protocol):
    """What the route needs of the gateway's middle."""

    def about_health(self) -> dict[str, Any]:
        """Return what the health node says now."""


class HealthRoutes:
    """A part of the HTTP side (`door.parts.Part`)."""

    def __init__(self, gatekeeper: Gatekeeper, robot: Robot, state_dir: Path) -> None:
        self._auth, self._robot = Auth(gatekeeper), robot
        self._path = state_dir / 'health' / 'history.json'

    def table(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.get('/api/health', self.get)]

    async def start(self) -> None:
        """Nothing has to begin."""

    async def close(self) -> None:
        """Nothing has to end."""

    def identity_ended(self, *, session_id: str = '', user: str = '') -> None:
        """Nobody has anything of it."""

    def metrics(self) -> str:
        """Return nothing: the gateway's own metrics have it."""
        return ''

    async def get(self, request: web.Request) -> web.Response:
        """Say how the robot is, and how it was."""
        self._auth.identity(request)
        changes = await asyncio.get_running_loop().run_in_executor(None, self._changes)
        return web.json_response({**self._robot.about_health(), 'changes': changes})

    def _changes(self) -> list[Any]:
        try:
            if self._path.stat().st_size > LARGEST_BYTES:
                return []
            stored = json.loads(self._path.read_text())
        except (OSError, ValueError, RecursionError):
            return []
        changes = stored.get('changes') if isinstance(stored, Mapping) else None
        return changes if isinstance(changes, list) else []
