# SPDX-License-Identifier: Apache-2.0
"""What the media server says of the path `camera`: one question over a kept connection."""

import base64
import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass

HOST = '127.0.0.1'
PATH = 'camera'
USER = 'avatar'
# It lets those it refuses wait for up to 4 s.
ANSWER_S = 5.0
ANSWER_BYTES = 1 << 20


class ServerDown(RuntimeError):
    """The media server does not answer; the text says how."""


class Refused(RuntimeError):
    """The media server does not want to answer us; the text says what it said."""


@dataclass(frozen=True)
class PathState:
    """Who reads the path, and what came in so far."""

    readers: int
    online: bool
    bytes_in: int


class MediaServer:
    """Not for several threads at once."""

    def __init__(self, api_port: int, password: Callable[[], str]) -> None:
        """Password: asked for before each question; each is good once."""
        self._connection = http.client.HTTPConnection(HOST, api_port, timeout=ANSWER_S)
        self._password = password

    def state(self) -> PathState:
        """Ask now; ServerDown or Refused with a sentence."""
        status, body = self._get(f'/v3/paths/get/{PATH}')
        if status in (401, 403):
            raise Refused(f'it answers our questions with HTTP {status}; does the gateway run?')
        if status == 404:
            raise ServerDown(f'the media server has no path {PATH}')
        try:
            answer = json.loads(body)
            return PathState(
                readers=len(answer['readers']),
                online=bool(answer['online']),
                bytes_in=int(answer['inboundBytes']))
        except (ValueError, KeyError, TypeError) as error:
            raise ServerDown(f'the media server answers HTTP {status}: {body[:100]!r}') from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _authorization(self) -> dict[str, str]:
        token = base64.b64encode(f'{USER}:{self._password()}'.encode()).decode()
        return {'Authorization': f'Basic {token}'}

    def _get(self, path: str) -> tuple[int, bytes]:
        for attempt in (1, 2):
            fresh = self._connection.sock is None
            try:
                self._connection.request('GET', path, headers=self._authorization())
                response = self._connection.getresponse()
                return response.status, response.read(ANSWER_BYTES)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                # A kept connection may have been closed by a server that was started anew.
                if fresh or attempt == 2 or isinstance(error, TimeoutError):
                    raise ServerDown(
                        f'the media server does not answer on port {self._connection.port} '
                        f'({error or type(error).__name__})') from error
        raise AssertionError('not reached')
