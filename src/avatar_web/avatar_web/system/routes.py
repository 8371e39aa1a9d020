# SPDX-License-Identifier: Apache-2.0
"""
The machine by HTTP; all of it for admins.

    GET    /api/system                  {machine, data, managed, driver}
    POST   /api/system/reboot           {confirm: "reboot", while_driven?: true} -> 202
    POST   /api/system/poweroff         {confirm: "poweroff", while_driven?: true} -> 202
    GET    /api/wifi                    {devices, networks, hidden, known, join} or
                                        {problem: {code, sentence}, join}
    POST   /api/wifi/scan               looks around; the lists are new some seconds later
    POST   /api/wifi/join               {ssid, kind, password?, while_driven?} -> 202
    POST   /api/wifi/priority           {uuid, priority}
    DELETE /api/wifi/known/UUID

Where the robot is only simulated, machine and network belong to somebody else: `managed` is false,
and nothing of them can be changed.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from avatar_web.accounts.identity import Identity, Role
from avatar_web.door.answers import read_json_of
from avatar_web.door.auth import Auth, Denied
from avatar_web.rates import Bucket
from avatar_web.system import machine
from avatar_web.system.data_file import DataFile
from avatar_web.system.nmcli import NmcliProblem
from avatar_web.system.power import ACTIONS, Power, PowerProblem
from avatar_web.system.wifi import Wifi, WifiRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOKS_PER_S, MOST_LOOKS = 4, 20
CHANGES_PER_S, MOST_CHANGES = 1, 5
"""Of all admins together: each costs a process or some files."""

STATUS = {
    'request': 400, 'password': 400, 'forbidden': 403, 'gone': 404, 'busy': 409, 'vanished': 409,
    'in_use': 409, 'not_joinable': 409, 'no_device': 409, 'missing': 503, 'not_running': 503,
    'timeout': 503, 'failed': 502,
}
WORDS = {'reboot': 'restarts the robot', 'poweroff': 'switches the robot off'}


class Robot(Protocol):
    """What the routes need of the gateway's middle."""

    def driver(self) -> str:
        """Return who drives, or may come back for it; '' = nobody."""

    def stand(self, who: str, what: str) -> None:
        """Stop the wheels, end the lease, and tell everybody why."""


class SystemRoutes:
    """The routes; without `managed` nothing of the machine is changed."""

    def __init__(
        self, auth: Auth, robot: Robot, state_dir: Path, wifi: Wifi, power: Power,
        data: DataFile, managed: bool, clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._auth, self._robot, self._state_dir = auth, robot, state_dir
        self._wifi, self._power, self._data = wifi, power, data
        self._managed, self._clock = managed, clock
        self._looks = Bucket(LOOKS_PER_S, MOST_LOOKS, clock())
        self._changes = Bucket(CHANGES_PER_S, MOST_CHANGES, clock())

    def table(self) -> list[web.RouteDef]:
        """Return the routes, to be added to the application."""
        return [
            web.get('/api/system', self.system),
            web.post(f'/api/system/{{action:{"|".join(ACTIONS)}}}', self.end_it),
            web.get('/api/wifi', self.wifi),
            web.post('/api/wifi/scan', self.scan),
            web.post('/api/wifi/join', self.join),
            web.post('/api/wifi/priority', self.priority),
            web.delete('/api/wifi/known/{uuid}', self.forget),
        ]

    # ------------------------------------------------------------------ the machine

    async def system(self, request: web.Request) -> web.Response:
        """Say how the machine is, and how much data was used."""
        self._may_look(request)
        seen = await asyncio.get_running_loop().run_in_executor(
            None, machine.look, self._state_dir)
        await self._data.count()
        return web.json_response({
            'machine': seen, 'data': self._data.for_page(), 'managed': self._managed,
            'driver': self._robot.driver()})

    async def end_it(self, request: web.Request) -> web.Response:
        """Restart the machine, or switch it off."""
        identity, body = await read_json_of(self._auth, request, Role.ADMIN)
        action = request.match_info['action']
        if body.get('confirm') != action:
            raise Denied(400, 'request', f'"confirm" must be "{action}"')
        self._may_change(identity)
        self._refuse_if_driven(body)
        self._robot.stand(identity.name, WORDS[action])
        try:
            await self._power.do(action)
        except PowerProblem as problem:
            raise Denied(STATUS[problem.code], problem.code, str(problem)) from None
        return web.json_response({}, status=202)

    # ------------------------------------------------------------------ the network

    async def wifi(self, request: web.Request) -> web.Response:
        """List networks in range and known ones, and say how joining goes."""
        self._may_look(request)
        answer: dict[str, Any] = {'join': self._wifi.joining.for_page(),
                                  'driver': self._robot.driver()}
        if not self._managed:
            return web.json_response({**answer, 'problem': {
                'code': 'not_managed', 'sentence': NOT_MANAGED}})
        try:
            answer.update((await self._wifi.look()).for_page())
        except NmcliProblem as problem:
            # Not an error of this request: the page shows what it knows, and why not more.
            answer['problem'] = {'code': problem.code, 'sentence': str(problem)}
        return web.json_response(answer)

    async def scan(self, request: web.Request) -> web.Response:
        """Have the device look around."""
        self._may_change(self._auth.identity(request, Role.ADMIN))
        with _said():
            await self._wifi.scan()
        return web.json_response({})

    async def join(self, request: web.Request) -> web.Response:
        """Begin to join a network."""
        identity, body = await read_json_of(self._auth, request, Role.ADMIN)
        self._may_change(identity)
        self._refuse_if_driven(body)
        with _said():
            await self._wifi.join(
                body.get('ssid'), body.get('kind'), body.get('password'),
                lambda: self._robot.stand(identity.name, 'changes the network of the robot'))
        return web.json_response({'join': self._wifi.joining.for_page()}, status=202)

    async def priority(self, request: web.Request) -> web.Response:
        """Say which of several known networks goes first."""
        identity, body = await read_json_of(self._auth, request, Role.ADMIN)
        self._may_change(identity)
        with _said():
            await self._wifi.set_priority(body.get('uuid'), body.get('priority'))
        return web.json_response({})

    async def forget(self, request: web.Request) -> web.Response:
        """Forget a known network."""
        self._may_change(self._auth.identity(request, Role.ADMIN))
        with _said():
            await self._wifi.forget(request.match_info['uuid'])
        return web.json_response({})

    # ------------------------------------------------------------------ who may, and how often

    def _may_look(self, request: web.Request) -> None:
        self._auth.identity(request, Role.ADMIN)
        if not self._looks.take(self._clock()):
            raise Denied(429, 'slow_down', 'the machine was asked too often; try again in 1 s')

    def _may_change(self, _: Identity) -> None:
        if not self._managed:
            raise Denied(409, 'not_managed', NOT_MANAGED)
        if not self._changes.take(self._clock()):
            raise Denied(429, 'slow_down', 'too many changes; try again in 2 s')

    def _refuse_if_driven(self, body: dict[str, Any]) -> None:
        driver = self._robot.driver()
        if driver and body.get('while_driven') is not True:
            raise Denied(409, 'driven', f'{driver} drives; say "while_driven": true to do it '
                         'nevertheless')


NOT_MANAGED = ('this robot is simulated, or was told to leave its machine alone (parameter '
               'manages_machine of the gateway)')


@contextmanager
def _said() -> 'Iterator[None]':
    try:
        yield
    except (NmcliProblem, WifiRefused) as problem:
        raise Denied(STATUS[problem.code], problem.code, str(problem)) from None
    except OSError as problem:
        raise Denied(507, 'storage', f'the state folder cannot be written: {problem.strerror}') \
            from None
