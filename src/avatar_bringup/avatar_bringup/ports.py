# SPDX-License-Identifier: Apache-2.0
"""The ports of one avatar. Another AVATAR_PORT moves all of them by the same distance."""

import socket
from contextlib import ExitStack
from dataclasses import astuple, dataclass

DEFAULT_PORT = 8080
# So that the highest of the others is a port, too.
HIGHEST_PORT = 65535 - (9998 - DEFAULT_PORT)


@dataclass(frozen=True)
class Ports:
    """
    Who listens where: only `gateway` and `media` ever beyond loopback.

    `media` is UDP and TCP (WebRTC), everything else TCP. At `inner` the gateway answers what the
    media server asks it (who may publish, who may read); `rosbridge` is the stock one's, where ROS
    is installed.
    """

    gateway: int = DEFAULT_PORT
    media: int = 8189
    rtsp: int = 8554
    webrtc: int = 8889
    api: int = 9997
    inner: int = 9998
    rosbridge: int = 9090

    @classmethod
    def beside(cls, gateway: int) -> 'Ports':
        """Return the ports that belong to a gateway's port, 1 to HIGHEST_PORT."""
        if not 1 <= gateway <= HIGHEST_PORT:
            raise ValueError(f'port {gateway}: must be 1 to {HIGHEST_PORT}')
        return cls(*(number + gateway - DEFAULT_PORT for number in astuple(cls())))

    @classmethod
    def free(cls) -> 'Ports':
        """Return ports that nobody on this machine uses; the gateway chooses its own (0)."""
        with ExitStack() as held:
            numbers = [_free_port(held) for _ in range(6)]
        return cls(0, *numbers)


def _free_port(held: ExitStack) -> int:
    """Return a port free on TCP and UDP, which stays ours until `held` is closed."""
    for _ in range(50):
        tcp = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        udp = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        tcp.bind(('127.0.0.1', 0))
        port: int = tcp.getsockname()[1]
        try:
            udp.bind(('127.0.0.1', port))
        except OSError:
            continue  # somebody's UDP socket has that number
        return port
    raise OSError('no port is free on 127.0.0.1')
