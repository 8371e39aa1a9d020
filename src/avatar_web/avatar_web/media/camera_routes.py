# SPDX-License-Identifier: Apache-2.0
"""
The camera as the page sees it: its profile and rate, a snapshot, a recording.

    GET  /api/camera        {profile, fps, profiles, fps_choices, ice_servers}
    POST /api/camera        {profile?, fps?}; a driver, and while somebody drives only that one
    POST /api/snapshots     -> 201 {name}
    POST /api/recordings    {on} -> {name}: of the file that is being written, or was ended

What is asked here is asked of the node `stream`, which says no with a reason.
"""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import web

from avatar_web.accounts.identity import Identity, Role
from avatar_web.door.answers import read_json_of
from avatar_web.door.auth import Auth, Denied
from avatar_web.media.ice import IceServers

PROFILES = ('320p', '480p', '720p')
FPS = (10, 20, 30)

SET_PARAMETERS = 'stream/set_parameters_atomically'
_TYPE_SET = 'rcl_interfaces/srv/SetParametersAtomically'
_INTEGER, _STRING = 2, 4
"""Of rcl_interfaces/msg/ParameterType."""

RECORD_S = 15.0
"""To end a recording its file is made whole, which a slow card takes its time for."""


class NoAnswer(RuntimeError):
    """The node `stream` does not answer; the text says how."""


class Robot(Protocol):
    """What the routes need of the gateway's middle."""

    def stream_state(self) -> Mapping[str, str]:
        """Return the values of `camera/stream_state`; empty where nobody says any."""

    def viewer_came(self) -> None:
        """Take note that somebody begins to watch."""

    def may_set_camera(self, identity: Identity) -> str:
        """Return why somebody (a driver) may not change the picture now, or ''."""

    async def call_stream(
        self, service: str, type_name: str, args: Mapping[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """Call a service of `stream`; NoAnswer if there is none."""


class CameraRoutes:
    """The routes."""

    def __init__(self, auth: Auth, robot: Robot, ice: IceServers) -> None:
        self._auth, self._robot, self._ice = auth, robot, ice

    def table(self) -> list[web.RouteDef]:
        """Return the routes, to be added to the application."""
        return [
            web.get('/api/camera', self.get),
            web.post('/api/camera', self.set),
            web.post('/api/snapshots', self.snapshot),
            web.post('/api/recordings', self.record),
        ]

    async def get(self, request: web.Request) -> web.Response:
        """Say what the picture is, and which servers help to get it."""
        identity = self._auth.identity(request)
        return web.json_response({
            **self._now(), 'profiles': PROFILES, 'fps_choices': FPS,
            'ice_servers': self._ice.for_page(identity.session_id, time.time())})

    def _now(self) -> dict[str, Any]:
        state = self._robot.stream_state()
        fps = state.get('fps', '')
        return {'profile': state.get('profile') or None,
                'fps': int(fps) if fps.isdecimal() else None}

    async def set(self, request: web.Request) -> web.Response:
        """Change profile or rate for everybody: there is one encoder."""
        identity, body = await read_json_of(self._auth, request, Role.DRIVER)
        profile, fps = body.get('profile'), body.get('fps')
        if profile is None and fps is None:
            raise Denied(400, 'request', 'say profile, fps, or both')
        if profile is not None and profile not in PROFILES:
            raise Denied(400, 'request', f'profile must be one of {", ".join(PROFILES)}')
        if fps is not None and (isinstance(fps, bool) or fps not in FPS):
            raise Denied(400, 'request', f'fps must be one of {", ".join(map(str, FPS))}')
        if problem := self._robot.may_set_camera(identity):
            raise Denied(409, 'lease', problem)
        parameters = []
        if profile is not None:
            parameters.append({'name': 'profile', 'value': {
                'type': _STRING, 'string_value': profile}})
        if fps is not None:
            parameters.append({'name': 'fps', 'value': {
                'type': _INTEGER, 'integer_value': int(fps)}})
        answer = await self._call(SET_PARAMETERS, _TYPE_SET, {'parameters': parameters})
        result = answer['result']
        if not result['successful']:
            raise Denied(400, 'refused', result['reason'] or 'the stream node refused')
        now = self._now()
        return web.json_response({'profile': profile or now['profile'], 'fps': fps or now['fps']})

    async def snapshot(self, request: web.Request) -> web.Response:
        """Take a snapshot."""
        self._auth.identity(request, Role.DRIVER)
        name = await self._ask('camera/snapshot', 'std_srvs/srv/Trigger', {})
        return web.json_response({'name': name}, status=201)

    async def record(self, request: web.Request) -> web.Response:
        """Begin or end a recording."""
        _, body = await read_json_of(self._auth, request, Role.DRIVER)
        on = body.get('on')
        if not isinstance(on, bool):
            raise Denied(400, 'request', '"on" must be true or false')
        name = await self._ask('camera/record', 'std_srvs/srv/SetBool', {'data': on})
        return web.json_response({'name': name})

    async def _ask(self, service: str, type_name: str, args: Mapping[str, Any]) -> str:
        answer = await self._call(service, type_name, args)
        if not answer['success']:
            raise Denied(409, 'refused', str(answer['message']) or 'the stream node refused')
        return str(answer['message'])

    async def _call(
        self, service: str, type_name: str, args: Mapping[str, Any]
    ) -> dict[str, Any]:
        try:
            return await self._robot.call_stream(service, type_name, args, RECORD_S)
        except NoAnswer as problem:
            raise Denied(503, 'no_stream', str(problem)) from None
