# SPDX-License-Identifier: Apache-2.0
"""The running server: sockets, TLS and the accounts behind them, started and ended as one."""

import asyncio
import ipaddress
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from avatar_web.accounts.database import Database
from avatar_web.accounts.gatekeeper import Gatekeeper
from avatar_web.accounts.lock import Held, Lock
from avatar_web.door import host_names, listen
from avatar_web.door.account_routes import ForConsole
from avatar_web.door.connections import Connections
from avatar_web.door.doorway import Doorway
from avatar_web.door.http import GatewayHooks, HttpConfig, make_app
from avatar_web.door.listen import ListenProblem
from avatar_web.door.parts import MakePart, Part

if TYPE_CHECKING:
    from avatar_web.door.keyring import Keyring

SHORTEST_DEMO_TOKEN = 16
CERTIFICATE_CHECK_S = 600.0
CLOSE_S = 1.0

# A gateway that is being replaced needs a moment to end; then there are two, and one must go.
LOCK_WAIT_S = 1.5


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
    there is no admin. Raises ListenProblem with a sentence. `say(sentence)` is called for what
    the log should have, once per change, from any thread.
    """

    def __init__(
        self, gateway: GatewayHooks, config: ServerConfig, say: Callable[[str], None],
        make_parts: Sequence[MakePart] = (),
    ) -> None:
        self._gateway, self._config, self._say = gateway, config, say
        self._lock = Lock(config.state_dir / 'gateway.lock', LOCK_WAIT_S)
        self._keyring: Keyring | None = None
        self._gatekeeper: Gatekeeper | None = None
        self._make_parts, self._parts = make_parts, list[Part]()
        self._runner: web.AppRunner | None = None
        self._servers: list[asyncio.Server] = []
        self._doorways: list[Doorway] = []
        self._renewal: asyncio.Task[None] | None = None
        self.url = ''
        """Where people open it; without a token."""

    async def start(self) -> int:
        """Listen; return the port."""
        try:
            return await self._start()
        except BaseException:
            await self.close()
            raise

    async def _start(self) -> int:
        config, loop = self._config, asyncio.get_running_loop()
        listen.check_aiohttp(aiohttp.__version__)
        addresses = await loop.run_in_executor(None, listen.resolve, config.host)
        secure = listen.wants_tls(
            addresses, config.tls, config.plain_http_beyond_loopback)
        beyond = not all(_is_loopback(address) for address in addresses)
        await loop.run_in_executor(None, self._take_state_dir)
        if secure:
            # Only now: its libraries cost 8 MB and 0.1 s, and the demo needs none of it.
            from avatar_web.door.keyring import Keyring
            self._keyring = Keyring(config.state_dir / 'tls', self._names(), self._say)
            await loop.run_in_executor(None, self._keyring.refresh)
        gatekeeper = await self._open_accounts(beyond)
        self._parts = [make(gatekeeper) for make in self._make_parts]
        app = make_app(self._gateway, gatekeeper, self._parts, HttpConfig(
            config.robot_name, config.version, self._known_host,
            console=ForConsole(lambda: self.url, self._reload_tls)))
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        assert self._runner.server is not None
        factory = Connections(self._runner.server)
        context = self._keyring.server_context() if self._keyring else None
        for part in self._parts:
            await part.start()
        sockets = listen.bind(addresses, config.port)
        port: int = sockets[0].getsockname()[1]
        self._doorways += [Doorway(factory, sock, context) for sock in sockets]
        await self._listen_locally(factory)
        self._write_port(port)
        self.url = f'{"https" if secure else "http"}://{self._printed_host(addresses)}:{port}/'
        if not config.demo_token and not gatekeeper.users.has_admin:
            self._print_first_link(gatekeeper, beyond)
        if self._keyring is not None:
            self._renewal = asyncio.create_task(self._renew())
        return port

    def _take_state_dir(self) -> None:
        folder = self._config.state_dir
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire()
        except Held as problem:
            raise ListenProblem(f'another gateway has this state folder: {problem}; end that, or '
                                'set AVATAR_STATE_DIR to another folder') from problem
        except OSError as problem:
            # No crash for a broken disk: everything works that needs no memory.
            self._say(f'state folder {folder}: {problem}')

    async def _open_accounts(self, beyond: bool) -> Gatekeeper:
        token = self._config.demo_token
        if beyond and 0 < len(token) < SHORTEST_DEMO_TOKEN:
            self._say(f'AVATAR_DEMO_TOKEN has fewer than {SHORTEST_DEMO_TOKEN} characters and is '
                      'ignored beyond this machine')
            token = ''
        self._gatekeeper = Gatekeeper(
            Database(self._config.state_dir / 'avatar.db', self._say),
            say=self._say, demo_token=token)
        await self._gatekeeper.open()
        return self._gatekeeper

    def _names(self) -> list[str]:
        configured = [n.lower() for n in self._config.host_names if host_names.valid(n)]
        return [*host_names.own_names(), *configured, *host_names.own_addresses()]

    def _known_host(self, host: str) -> bool:
        names = {*host_names.own_names(), *(n.lower() for n in self._config.host_names)}
        if self._keyring is not None and self._keyring.certificate is not None:
            names.update(name.lower() for name in self._keyring.certificate.names)
        return host in names or f'*.{host.partition(".")[2]}' in names

    def _reload_tls(self) -> str:
        return self._keyring.refresh() if self._keyring else 'this gateway does not use TLS'

    async def _listen_locally(self, factory: Connections) -> None:
        try:
            sock = listen.bind_unix(self._config.state_dir / 'gateway.sock')
        except OSError as problem:
            self._say(f'the avatar command cannot reach this gateway: gateway.sock: {problem}')
            return
        self._servers.append(await asyncio.get_running_loop().create_unix_server(
            factory, sock=sock))

    def _write_port(self, port: int) -> None:
        path = self._config.state_dir / 'gateway.port'
        new = path.with_name('gateway.port.new')
        try:
            new.write_text(f'{port}\n')
            os.replace(new, path)
        except OSError as problem:
            self._say(f'{path} could not be written: {problem}')

    def _printed_host(self, addresses: list[str]) -> str:
        first = addresses[0]
        if ipaddress.ip_address(first.split('%')[0]).is_unspecified:
            return next((n for n in host_names.own_names() if n != 'localhost'), '127.0.0.1')
        return f'[{first}]' if ':' in first else first

    def _print_first_link(self, gatekeeper: Gatekeeper, beyond: bool) -> None:
        """Print, not log: whoever reads this line first owns the robot."""
        token = gatekeeper.link.new()
        print('Nobody has an account yet. This link is good once, for the first admin:')
        print(f'Open {self.url}?token={token}')
        if beyond:
            port = self.url.rsplit(':', 1)[1]
            for address in host_names.own_addresses():
                if not _is_loopback(address):
                    host = f'[{address}]' if ':' in address else address
                    print(f'  or {self.url.split(":")[0]}://{host}:{port}?token={token}')
        if self._keyring is not None and self._keyring.certificate is not None:
            print('The browser will ask about the certificate, once; its SHA-256 fingerprint is\n'
                  f'{self._keyring.certificate.fingerprint}')
        print(end='', flush=True)

    async def _renew(self) -> None:
        assert self._keyring is not None
        while True:
            await asyncio.sleep(CERTIFICATE_CHECK_S)
            await asyncio.get_running_loop().run_in_executor(None, self._keyring.refresh)

    async def close(self) -> None:
        """Stop listening, close what is open, within 3 s; twice is as good as once."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
            self._renewal = None
        listened = bool(self._servers or self._doorways)
        for doorway in self._doorways:
            await doorway.close()
        self._doorways.clear()
        for server in self._servers:
            server.close()
        if listened:
            for name in ('gateway.sock', 'gateway.port'):
                with suppress(OSError):
                    (self._config.state_dir / name).unlink()
        self._servers.clear()
        if self._runner is not None:
            if self._runner.server is not None:
                for connection in self._runner.server.connections:
                    connection.close()  # Idle ones end at once, the others after their answer.
                await asyncio.sleep(0)
                await self._runner.server.shutdown(CLOSE_S)
            await self._runner.cleanup()
            self._runner = None
        for part in self._parts:
            await part.close()
        self._parts = []
        if self._gatekeeper is not None:
            await self._gatekeeper.close()
            self._gatekeeper = None
        self._lock.release()


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.split('%')[0]).is_loopback


__all__ = ['ListenProblem', 'Server', 'ServerConfig']
