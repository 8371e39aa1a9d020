# SPDX-License-Identifier: Apache-2.0
"""Ask the gateway how it is: `probe` whether a person can drive, `answers` often and cheaply."""

import socket
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 1.0
REQUEST = b'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'


@dataclass(frozen=True)
class Health:
    """What the gateway answers: nothing yet, an answer, or that a person can drive."""

    answers: bool
    drivable: bool


def probe(host: str | None, port: int) -> Health:
    """Ask /healthz, by HTTP or, where that is what is spoken, by HTTPS."""
    # Only now: a process that never asks like this saves 3 MB.
    import http.client
    import ssl

    local = {'0.0.0.0': '127.0.0.1', '::': '::1'}.get(host or '', host or '127.0.0.1')
    # Our own machine, our own certificate, no secret sent.
    context = ssl._create_unverified_context()
    connections = (
        http.client.HTTPConnection(local, port, timeout=TIMEOUT_S),
        http.client.HTTPSConnection(local, port, timeout=TIMEOUT_S, context=context))
    for connection in connections:
        try:
            connection.request('GET', '/healthz')
            return Health(answers=True, drivable=connection.getresponse().status == 200)
        except ConnectionRefusedError:
            break
        except (OSError, http.client.HTTPException):
            continue
        finally:
            connection.close()
    return Health(answers=False, drivable=False)


def answers(state_dir: Path, port: int = 0) -> bool:
    """
    Return whether the gateway answers now, be it that nobody can drive; waits a second or three.

    On its unix socket: no TLS, and strangers who crowd its door do not keep us out. On its port
    (0 = as it writes into the state folder) only where it could not make that.
    """
    path = state_dir / 'gateway.sock'
    if path.exists() and _answers(socket.AF_UNIX, str(path)):
        return True
    port = port or _stored_port(state_dir)
    if not port:
        return False
    if _answers(socket.AF_INET, ('127.0.0.1', port)):
        return True
    return not path.exists() and probe(None, port).answers


def _stored_port(state_dir: Path) -> int:
    try:
        return int((state_dir / 'gateway.port').read_text())
    except (OSError, ValueError):
        return 0


def _answers(family: socket.AddressFamily, address: tuple[str, int] | str) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(TIMEOUT_S)
        try:
            client.connect(address)
            client.sendall(REQUEST)
            return client.recv(64).startswith(b'HTTP/1.1 ')
        except OSError:
            return False
