# SPDX-License-Identifier: Apache-2.0
"""The running server: sockets, TLS and the accounts behind them, started and ended as one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avatar_web.http import GatewayHooks


class ListenProblem(RuntimeError):
    """The server cannot start; the text says why and what to do. Exit code 78."""


@dataclass(frozen=True)
class ServerConfig:
    """How the gateway listens; the fields are parameters of the gateway node."""

    state_dir: Path
    host: str = '127.0.0.1'
    port: int = 8080
    robot_name: str = 'avatar'
    version: str = '0.1.0'
    tls: str = 'auto'
    plain_http_beyond_loopback: bool = False
    host_names: tuple[str, ...] = ()
    """More names people open the robot by (a VPN's, a router's); own ones are known."""
    demo_token: str = ''


class Server:
    """
    The door: `port = await server.start()`, and `await server.close()` in the end.

    `start` opens the accounts (creating them, or saying what is wrong), listens on host:port and
    on `gateway.sock` for the `avatar` command, writes `gateway.port`, prints the first link where
    nobody has an account. Raises ListenProblem with a sentence. `say(sentence)` is called from
    the event loop for what the log should have, once per change.
    """

    def __init__(
        self, gateway: GatewayHooks, config: ServerConfig, say: Callable[[str], None]
    ) -> None:
        self._gateway, self._config, self._say = gateway, config, say

    async def start(self) -> int:
        """Listen; return the port."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop listening, close what is open, within 2 s."""
