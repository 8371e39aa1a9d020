# SPDX-License-Identifier: Apache-2.0
"""Ask the gateway how it is."""

import http.client
import ssl
from dataclasses import dataclass

PROBE_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Health:
    """What the gateway answers: nothing yet, an answer, or that a person can drive."""

    answers: bool
    drivable: bool


def probe(host: str | None, port: int) -> Health:
    """Ask /healthz, by HTTP or, where that is what is spoken, by HTTPS."""
    local = {'0.0.0.0': '127.0.0.1', '::': '::1'}.get(host or '', host or '127.0.0.1')
    # Our own machine, our own certificate, no secret sent.
    context = ssl._create_unverified_context()
    connections = (
        http.client.HTTPConnection(local, port, timeout=PROBE_TIMEOUT_S),
        http.client.HTTPSConnection(local, port, timeout=PROBE_TIMEOUT_S, context=context))
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
