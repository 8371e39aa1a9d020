# SPDX-License-Identifier: Apache-2.0
"""
Who a request acts for, and whether it may come from where it comes from.

Three ways to carry a token: the cookie (browsers), `Authorization: Bearer`, `?token=` (scripts).
A browser sends its cookie along with whatever a foreign page makes it ask for, so anything that
changes something, and every WebSocket, must come from our own page: same Origin.
"""

import ipaddress
import os
import re
import socket
import struct
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

from avatar_web.accounts.gatekeeper import Gatekeeper, Login, Visitor
from avatar_web.accounts.identity import AccountProblem, Identity, Role
from avatar_web.accounts.sessions import REMEMBERED_S

PROOF_AGE_S = 365 * 86400

CONSOLE = Identity('console', Role.ADMIN, '', 'console')
"""Whoever runs the gateway (or root), through its unix socket."""


class Denied(AccountProblem):
    """Not signed in (401), or not allowed (403)."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.status = status


def is_console(request: web.Request) -> bool:
    """Return whether this came through the unix socket, from our own user or root."""
    peer = request.transport.get_extra_info('socket') if request.transport else None
    if peer is None or peer.family != socket.AF_UNIX:
        return False
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize('3i'))
    uid = struct.unpack('3i', credentials)[1]
    return uid in (0, os.geteuid())


def check_host(request: web.Request, known_host: Callable[[str], bool]) -> None:
    """
    Refuse names that are not ours: a foreign name that was made to point at the robot
    (DNS rebinding) would make a foreign page's requests look like our own page's.
    """
    host = host_of(request.headers.get('Host', ''))
    if host is not None and known_host(host):
        return
    try:
        ipaddress.ip_address((host or '').strip('[]'))
    except ValueError:
        raise Denied(421, 'host', 'this robot is not known by that name; open it by its address, '
                     'or add the name to its parameter host_names') from None


def host_of(header: str) -> str | None:
    """Return the host of a Host header, in lower case, without port; None if it is none."""
    match = re.fullmatch(r'(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(:\d{1,5})?', header)
    return match[1].lower().rstrip('.') if match else None


def check_origin(request: web.Request) -> None:
    """Refuse what a page of another origin makes a browser send."""
    origin = request.headers.get('Origin')
    if origin is None:
        if request.headers.get('Sec-Fetch-Site', 'none') in ('none', 'same-origin'):
            return
    elif _same_origin(origin, request):
        return
    raise Denied(403, 'origin', 'this request comes from a page of another site')


def _same_origin(origin: str, request: web.Request) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    # Behind a proxy that does TLS the page is https and we are not; never the other way round.
    schemes = ('https',) if request.secure else ('https', 'http')
    return (parts.scheme in schemes
            and parts.netloc.lower() == request.headers.get('Host', '').lower())


class Auth:
    """Tokens of requests, and the cookies of answers."""

    def __init__(self, gatekeeper: Gatekeeper) -> None:
        self._gatekeeper = gatekeeper

    def identity(self, request: web.Request, role: Role = Role.VIEWER) -> Identity:
        """
        Return who this request acts for; Denied if nobody, if not at least `role`, or if it is
        a cookie that a foreign page may have made the browser send.
        """
        if is_console(request):
            return CONSOLE
        token, explicit = token_of(request)
        changes = request.method not in ('GET', 'HEAD')
        if changes or is_websocket(request):
            check_origin(request)
            if changes and not explicit and 'Origin' not in request.headers \
                    and request.headers.get('Sec-Fetch-Site') != 'same-origin':
                raise Denied(403, 'origin', 'a request with a cookie must name its Origin; '
                             'scripts use Authorization: Bearer')
        identity = self._gatekeeper.identify(token) if token else None
        if identity is None:
            if token and self._gatekeeper.may_set_up(token):
                raise Denied(401, 'setup', 'choose a name and a password for the first account')
            raise Denied(401, 'login', 'sign in first')
        if identity.role < role:
            raise Denied(403, 'role', f'this needs the role {role.word}; '
                         f'{identity.name} is {identity.role.word}')
        return identity

    def cookie(self, request: web.Request) -> str:
        """Return the token in the browser's cookie, or ''."""
        return request.cookies.get(_cookie_name(request, 'session'), '')[:512]

    def visitor(self, request: web.Request) -> Visitor:
        """Return where a login comes from."""
        return Visitor(
            address=request.remote or '',
            device=device_name(request.headers.get('User-Agent', '')),
            token=self.cookie(request),
            proof=request.cookies.get(_cookie_name(request, 'known'), '')[:128])

    def set_cookies(
        self, request: web.Request, response: web.Response, login: Login
    ) -> None:
        """Give the browser its session (and the proof that it signed in)."""
        remembered = login.session.lifetime_s >= REMEMBERED_S
        self._set(request, response, 'session', login.token,
                  int(login.session.lifetime_s) if remembered else None)
        if login.proof:
            self._set(request, response, 'known', login.proof, PROOF_AGE_S)

    def set_token(self, request: web.Request, response: web.Response, token: str) -> None:
        """Give the browser a token that ends with it."""
        self._set(request, response, 'session', token, None)

    def clear(self, request: web.Request, response: web.Response) -> None:
        """Take the session from the browser."""
        self._set(request, response, 'session', '', 0)

    @staticmethod
    def _set(request: web.Request, response: web.Response, what: str, value: str,
             max_age_s: int | None) -> None:
        # No Domain: with it, neighbours under the same domain would get (and could set) it.
        response.set_cookie(_cookie_name(request, what), value, max_age=max_age_s, path='/',
                            httponly=True, samesite='Strict', secure=request.secure)


def _cookie_name(request: web.Request, what: str) -> str:
    # Cookies do not know ports: two robots (or demos) on one host must not share a name.
    # __Host- makes the browser refuse one that a page without TLS or a neighbour tries to plant.
    port = re.search(r':(\d{1,5})$', request.headers.get('Host', ''))
    name = f'avatar-{what}-{port[1]}' if port else f'avatar-{what}'
    return f'__Host-{name}' if request.secure else name


def token_of(request: web.Request) -> tuple[str, bool]:
    """Return the token of a request (or ''), and whether it was given explicitly."""
    kind, _, token = request.headers.get('Authorization', '').partition(' ')
    if kind.lower() == 'bearer':
        return token.strip()[:512], True
    if 'token' in request.query:
        return request.query['token'][:512], True
    return request.cookies.get(_cookie_name(request, 'session'), '')[:512], False


def is_websocket(request: web.Request) -> bool:
    """Return whether this asks for a WebSocket."""
    return request.headers.get('Upgrade', '').lower() == 'websocket'


_BROWSERS = (('Edg', 'Edge'), ('OPR/', 'Opera'), ('SamsungBrowser', 'Samsung Internet'),
             ('Firefox', 'Firefox'), ('FxiOS', 'Firefox'), ('CriOS', 'Chrome'),
             ('Chrome', 'Chrome'), ('Safari', 'Safari'), ('curl', 'curl'), ('python', 'Python'))
_SYSTEMS = (('iPhone', 'iPhone'), ('iPad', 'iPad'), ('Android', 'Android'),
            ('CrOS', 'ChromeOS'), ('Windows', 'Windows'), ('Mac OS X', 'Mac'),
            ('Linux', 'Linux'))


def device_name(user_agent: str) -> str:
    """Return what a person would call this browser: "Chrome on Android"."""
    browser = next((name for mark, name in _BROWSERS if mark.lower() in user_agent.lower()), '')
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), '')
    return ' on '.join(filter(None, (browser, system))) or 'unknown browser'
