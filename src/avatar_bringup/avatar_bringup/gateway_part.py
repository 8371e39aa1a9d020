# SPDX-License-Identifier: Apache-2.0
"""
What the gateway serves for us: settings and alerts, for admins. All below /api, JSON:

    GET    settings                    {settings: {name: value}, about: {name: {doc, unit, ...}}}
    POST   settings                    {name: value, ...}; null = the default; all or none
    POST   settings/undo               takes back the last change
    GET    alerts                      {installed, services: [{id, name, shown}]}
    POST   alerts/services             {url, name, test}: a test is sent first (unless test is
                                       false) and must arrive -> 201 {id, name, shown}
    DELETE alerts/services/ID
    POST   alerts/services/ID/test     -> {}; a test that does not arrive is an error

A URL goes in and never comes out. A test that fails is 422 `alert_` and a word of sender.py.
While the gateway runs it is the one writer of both files; it does that, and tests, in threads.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from avatar_bringup.alerts.alerts import send_test
from avatar_bringup.alerts.sending import is_installed
from avatar_bringup.alerts.services import Service, ServiceProblem, ServicesFile, checked_url
from avatar_bringup.settings import FIELDS, SettingProblem, Settings, SettingsFile
from avatar_web.accounts.gatekeeper import Gatekeeper
from avatar_web.accounts.identity import Role
from avatar_web.door.answers import read_json_of
from avatar_web.door.auth import Auth, Denied

T = TypeVar('T')


def make_part(gatekeeper: Gatekeeper, state_dir: Path, say: Callable[[str], None]) -> 'RobotPart':
    """Return what the gateway's parameter `parts` names."""
    return RobotPart(gatekeeper, state_dir, say)


class RobotPart:
    """The routes; made with an open gatekeeper."""

    def __init__(
        self, gatekeeper: Gatekeeper, state_dir: Path, say: Callable[[str], None]
    ) -> None:
        self._auth = Auth(gatekeeper)
        self._settings = SettingsFile(state_dir, say)
        self._services = ServicesFile(state_dir, say)
        self._files = ThreadPoolExecutor(1, 'settings')
        self._tests = ThreadPoolExecutor(1, 'alert test')
        self._testing = False

    def table(self) -> list[web.RouteDef]:
        """Return the routes, to be added to the application."""
        return [
            web.get('/api/settings', self.settings),
            web.post('/api/settings', self.change),
            web.post('/api/settings/undo', self.undo),
            web.get('/api/alerts', self.alerts),
            web.post('/api/alerts/services', self.add),
            web.delete('/api/alerts/services/{id}', self.remove),
            web.post('/api/alerts/services/{id}/test', self.test),
        ]

    async def start(self) -> None:
        """Set broken files aside: nobody else writes them now."""
        await self._run(partial(self._settings.load, repair=True))
        await self._run(partial(self._services.load, repair=True))

    async def close(self) -> None:
        """End the threads; a test under way ends by itself."""
        self._files.shutdown(wait=False, cancel_futures=True)
        self._tests.shutdown(wait=False, cancel_futures=True)

    def identity_ended(self, *, session_id: str = '', user: str = '') -> None:
        """Nothing here lasts."""

    def metrics(self) -> str:
        """Return none."""
        return ''

    # ---- settings

    async def settings(self, request: web.Request) -> web.Response:
        """Say how everything is set, and what it means."""
        self._auth.identity(request, Role.ADMIN)
        return web.json_response({
            **_settings(await self._run(self._settings.load)),
            'about': {name: {**field.metadata, 'default': field.default}
                      for name, field in FIELDS.items()}})

    async def change(self, request: web.Request) -> web.Response:
        """Set some."""
        _, changes = await read_json_of(self._auth, request, Role.ADMIN)
        return web.json_response(_settings(
            await self._run(partial(self._settings.change, changes))))

    async def undo(self, request: web.Request) -> web.Response:
        """Take back the last change."""
        await read_json_of(self._auth, request, Role.ADMIN)
        return web.json_response(_settings(await self._run(self._settings.undo)))

    # ---- alerts

    async def alerts(self, request: web.Request) -> web.Response:
        """List the services, without their secrets."""
        self._auth.identity(request, Role.ADMIN)
        services = await self._run(self._services.load)
        return web.json_response({
            'installed': await self._run(is_installed), 'services': list(map(_shown, services))})

    async def add(self, request: web.Request) -> web.Response:
        """Add a service, once a test has arrived."""
        _, body = await read_json_of(self._auth, request, Role.ADMIN)
        url = await self._run(partial(checked_url, body.get('url')))
        if body.get('test', True) is not False:
            await self._test(url)
            self._auth.identity(request, Role.ADMIN)
        service = await self._run(partial(self._services.add, url, body.get('name', '')))
        return web.json_response(_shown(service), status=201)

    async def remove(self, request: web.Request) -> web.Response:
        """Remove a service."""
        self._auth.identity(request, Role.ADMIN)
        await self._run(partial(self._services.remove, request.match_info['id']))
        return web.json_response({})

    async def test(self, request: web.Request) -> web.Response:
        """Send a test."""
        await read_json_of(self._auth, request, Role.ADMIN)
        for service in await self._run(self._services.load):
            if service.id == request.match_info['id']:
                await self._test(service.url)
                return web.json_response({})
        raise Denied(404, 'service', 'there is no such service')

    async def _test(self, url: str) -> None:
        if self._testing:
            raise Denied(503, 'busy', 'another test is under way: wait half a minute')
        self._testing = True
        try:
            settings = await self._run(self._settings.load)
            outcome = await asyncio.get_running_loop().run_in_executor(
                self._tests, send_test, settings, url)
        finally:
            self._testing = False
        if not outcome.is_sent:
            raise Denied(422, f'alert_{outcome.word}', outcome.sentence)

    async def _run(self, job: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._files, job)
        except SettingProblem as problem:
            raise Denied(422, 'setting', str(problem)) from None
        except ServiceProblem as problem:
            raise Denied(422, 'service', str(problem)) from None
        except OSError as problem:
            raise Denied(507, 'storage', 'the state folder cannot be written: '
                         f'{problem.strerror}') from None


def _settings(settings: Settings) -> dict[str, Any]:
    return {'settings': vars(settings)}


def _shown(service: Service) -> dict[str, str]:
    return {'id': service.id, 'name': service.name, 'shown': service.shown}
