# SPDX-License-Identifier: Apache-2.0
"""What every answer has in common: headers that protect, errors as JSON, bodies with a limit."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

from avatar_web.accounts.gatekeeper import SlowDown
from avatar_web.accounts.identity import AccountProblem, Identity, Role
from avatar_web.door.auth import Auth, Denied, check_host, is_console
from avatar_web.door.crowd import guest_of

LOG = logging.getLogger('avatar_web.http')

MOST_BODY_BYTES = 16384
BODY_S = 10.0
"""A body must be here within this time."""

STATUS = {
    'credentials': 401, 'link': 401, 'forbidden': 403, 'unknown_user': 404, 'unknown_device': 404,
    'exists': 409, 'last_admin': 409, 'too_many': 409, 'slow_down': 429, 'busy': 503,
    'storage': 507,
}
"""HTTP status of an AccountProblem by its code; 400 for any other."""

HEADERS = {
    'Content-Security-Policy':
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin',
    # aiohttp's and Python's versions are nobody's business.
    'Server': 'avatar',
}

PARTS = ('text/javascript', 'text/css')
PART_HEADERS = {name: HEADERS[name] for name in (
    'X-Content-Type-Options', 'Cross-Origin-Resource-Policy', 'Server')}
"""
Of what is only a part of a page: the others are for documents, and 70 times the same half kilobyte
is a fifth of what the page weighs on a slow link.
"""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def error(status: int, code: str, sentence: str, **headers: str) -> web.Response:
    """Return an error as every route gives it."""
    return web.json_response({'error': sentence, 'code': code}, status=status, headers=headers)


def middleware(known_host: Callable[[str], bool]) -> Any:
    """Return the middleware of the app; `known_host(name)`: does the robot go by that name?"""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        # From Python 3.12 on aiohttp answers at once what needs no waiting: without this, many
        # requests sent in one go would be answered without one look at anybody else.
        await asyncio.sleep(0)
        guest = guest_of(request.protocol)
        guest.busy += 1
        try:
            return await judged(request, handler)
        finally:
            guest.busy -= 1

    async def judged(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if not is_console(request):
                check_host(request, known_host)
            response = await handler(request)
        except Denied as problem:
            response = error(problem.status, problem.code, str(problem))
        except SlowDown as problem:
            response = error(STATUS[problem.code], problem.code, str(problem),
                             **{'Retry-After': str(int(problem.wait_s) + 1)})
        except AccountProblem as problem:
            response = error(STATUS.get(problem.code, 400), problem.code, str(problem))
        except web.HTTPException as problem:
            if problem.status < 400:
                raise
            response = error(problem.status, 'http', f'{problem.status} {problem.reason}')
            if 'Allow' in problem.headers:
                response.headers['Allow'] = problem.headers['Allow']
        except Exception:  # The last line of defence: said in the log, JSON to the browser.
            LOG.exception('%s %r failed', request.method, request.path)
            response = error(500, 'internal', 'something went wrong; the log of the robot says it')
        if not response.prepared:
            response.headers.update(PART_HEADERS if response.content_type in PARTS else HEADERS)
            if request.path.startswith('/api/') or response.status >= 400:
                response.headers.setdefault('Cache-Control', 'no-store')
        return response

    return answer


async def read_json(request: web.Request) -> dict[str, Any]:
    """Return the JSON object that is the body of a request; Denied for anything else."""
    # A form of a foreign page cannot say this, only a script that asked us first.
    if request.content_type != 'application/json':
        raise Denied(415, 'request', 'the body must be JSON: Content-Type: application/json')
    body = await read_body(request, MOST_BODY_BYTES)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Denied(400, 'request', 'the body is not JSON') from None
    if not isinstance(value, dict):
        raise Denied(400, 'request', 'the body must be a JSON object')
    return value


async def read_json_of(
    auth: Auth, request: web.Request, role: Role = Role.VIEWER
) -> tuple[Identity, dict[str, Any]]:
    """Return who asks, with at least this role, and the JSON object that is the body."""
    auth.identity(request, role)
    body = await read_json(request)
    # It may take its time, and rights may end meanwhile.
    return auth.identity(request, role), body


async def read_body(request: web.Request, most_bytes: int) -> bytes:
    """Return the body of a request, at most so long; Denied if it is longer or does not come."""
    try:
        return await asyncio.wait_for(_read(request, most_bytes), BODY_S)
    except (ConnectionError, aiohttp.ClientPayloadError, web.RequestPayloadError):
        # Nobody is there to read it; a traceback for each would fill the log of a stranger's wish.
        raise Denied(400, 'request', 'the body ended before it was whole') from None
    except asyncio.TimeoutError:
        raise Denied(408, 'request', f'the body was not here within {BODY_S:.0f} s') from None


async def _read(request: web.Request, most_bytes: int) -> bytes:
    body = b''
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > most_bytes:
            raise web.HTTPRequestEntityTooLarge(most_bytes, len(body))
    return body
