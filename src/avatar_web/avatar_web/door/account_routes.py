# SPDX-License-Identifier: Apache-2.0
"""The routes about people: signing in and out, devices, accounts; see http.py for the list."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from avatar_web.accounts.gatekeeper import Gatekeeper, Login
from avatar_web.accounts.identity import AccountProblem, Role, User
from avatar_web.accounts.sessions import BROWSER_S, REMEMBERED_S
from avatar_web.door.answers import read_json, read_json_of
from avatar_web.door.auth import CONSOLE, Auth, Denied, check_origin, token_of


@dataclass(frozen=True)
class ForConsole:
    """What the `avatar` command asks of the running server."""

    url: Callable[[], str] = str
    """Where people open the page, without a token."""
    reload_tls: Callable[[], str] = lambda: 'this gateway does not use TLS'
    """Blocking; returns a sentence."""


class AccountRoutes:
    """All routes below /api that are about people."""

    def __init__(self, gatekeeper: Gatekeeper, auth: Auth, console: ForConsole) -> None:
        self._gatekeeper, self._auth, self._for_console = gatekeeper, auth, console

    def table(self) -> list[web.RouteDef]:
        """Return the routes, to be added to the application."""
        return [
            web.post('/api/login', self.login),
            web.post('/api/logout', self.logout),
            web.post('/api/setup', self.setup),
            web.post('/api/password', self.own_password),
            web.get('/api/devices', self.devices),
            web.delete('/api/devices/{id}', self.revoke),
            web.get('/api/users', self.users),
            web.post('/api/users', self.add_user),
            web.delete('/api/users/{name}', self.remove_user),
            web.post('/api/users/{name}/password', self.set_password),
            web.post('/api/users/{name}/role', self.set_role),
            web.post('/api/users/{name}/token', self.script_token),
            web.post('/api/link', self.link),
            web.post('/api/tls/reload', self.reload_tls),
        ]

    # Getting in and out.

    async def login(self, request: web.Request) -> web.Response:
        """Sign in with name and password."""
        check_origin(request)
        body = await read_json(request)
        login = await self._gatekeeper.login(
            body.get('name'), body.get('password'), self._auth.visitor(request),
            _lifetime_s(body))
        return self._signed_in(request, login, bearer=body.get('bearer') is True)

    def _signed_in(
        self, request: web.Request, login: Login, bearer: bool = False
    ) -> web.Response:
        answer = {'name': login.identity.name, 'role': login.identity.role.word}
        if bearer:
            return web.json_response({**answer, 'token': login.token})
        response = web.json_response(answer)
        self._auth.set_cookies(request, response, login)
        return response

    async def logout(self, request: web.Request) -> web.Response:
        """Sign out."""
        check_origin(request)
        await self._gatekeeper.logout(token_of(request)[0])
        response = web.json_response({})
        self._auth.clear(request, response)
        return response

    async def setup(self, request: web.Request) -> web.Response:
        """Make the first admin."""
        check_origin(request)
        body = await read_json(request)
        login = await self._gatekeeper.setup(
            body.get('name'), body.get('password'), self._auth.visitor(request),
            _lifetime_s(body))
        return self._signed_in(request, login)

    async def own_password(self, request: web.Request) -> web.Response:
        """Change one's own password."""
        identity, body = await read_json_of(self._auth, request)
        if not await self._gatekeeper.is_password_of(identity.name, body.get('current')):
            raise Denied(403, 'credentials', 'the present password is wrong')
        await self._gatekeeper.users.set_password(
            identity.name, body.get('password'), keep=identity.session_id)
        return web.json_response({})

    # Devices.

    async def devices(self, request: web.Request) -> web.Response:
        """List where somebody is signed in."""
        identity = self._auth.identity(request)
        name = request.query.get('user', identity.name)
        if name != identity.name:
            self._auth.identity(request, Role.ADMIN)
        return web.json_response({'devices': [{
            'id': session.id, 'device': session.device, 'address': session.address,
            'created': session.created_s, 'last_seen': session.seen_s,
            'remembered': session.remembered, 'current': session.id == identity.session_id,
        } for session in self._gatekeeper.devices(name)]})

    async def revoke(self, request: web.Request) -> web.Response:
        """End one session."""
        identity = self._auth.identity(request)
        owner = None if identity.role is Role.ADMIN else identity.name
        await self._gatekeeper.revoke(request.match_info['id'], owner)
        return web.json_response({})

    # Users.

    def _user(self, user: User) -> dict[str, Any]:
        return {'name': user.name, 'role': user.role.word, 'created': user.created_s,
                'devices': len(self._gatekeeper.devices(user.name))}

    async def users(self, request: web.Request) -> web.Response:
        """List the accounts."""
        self._auth.identity(request, Role.ADMIN)
        return web.json_response(
            {'users': [self._user(user) for user in self._gatekeeper.users]})

    async def add_user(self, request: web.Request) -> web.Response:
        """Make an account."""
        _, body = await read_json_of(self._auth, request, Role.ADMIN)
        user = await self._gatekeeper.users.add(
            body.get('name'), Role.parse(body.get('role')), body.get('password'))
        return web.json_response(self._user(user), status=201)

    async def remove_user(self, request: web.Request) -> web.Response:
        """Remove an account."""
        self._auth.identity(request, Role.ADMIN)
        await self._gatekeeper.users.remove(request.match_info['name'])
        return web.json_response({})

    async def set_password(self, request: web.Request) -> web.Response:
        """Set somebody's password."""
        identity, body = await read_json_of(self._auth, request, Role.ADMIN)
        await self._gatekeeper.users.set_password(
            request.match_info['name'], body.get('password'), keep=identity.session_id)
        return web.json_response({})

    async def set_role(self, request: web.Request) -> web.Response:
        """Change somebody's role."""
        _, body = await read_json_of(self._auth, request, Role.ADMIN)
        await self._gatekeeper.users.set_role(
            request.match_info['name'], Role.parse(body.get('role')))
        return web.json_response({})

    async def script_token(self, request: web.Request) -> web.Response:
        """Sign a script in."""
        self._console(request)
        body = await read_json(request)
        label, days = body.get('label'), body.get('days')
        if not isinstance(label, str) or not isinstance(days, (int, float)) \
                or not 0 < days <= 3650:
            raise Denied(400, 'request', 'label must be text, days between 0 and 3650')
        login = await self._gatekeeper.new_script_token(
            request.match_info['name'], label[:64], days * 86400.0)
        return web.json_response({'token': login.token})

    async def link(self, request: web.Request) -> web.Response:
        """Print the one-time link again."""
        self._console(request)
        if self._gatekeeper.users.has_admin:
            raise AccountProblem('forbidden', 'there is an admin already; '
                                 'add users by: avatar users add NAME --role ROLE')
        return web.json_response(
            {'url': f'{self._for_console.url()}?token={self._gatekeeper.link.new()}'})

    async def reload_tls(self, request: web.Request) -> web.Response:
        """Serve the certificate of now."""
        self._console(request)
        message = await asyncio.get_running_loop().run_in_executor(
            None, self._for_console.reload_tls)
        return web.json_response({'message': message})

    def _console(self, request: web.Request) -> None:
        if self._auth.identity(request, Role.ADMIN) is not CONSOLE:
            raise Denied(403, 'console', 'this is done with the avatar command on the robot')


def _lifetime_s(body: dict[str, Any]) -> float:
    return REMEMBERED_S if body.get('remember') is True else BROWSER_S
