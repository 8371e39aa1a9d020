# SPDX-License-Identifier: Apache-2.0
"""The machine's side of the gateway as one thing: its routes, its start and end."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from avatar_web.accounts.gatekeeper import Gatekeeper
from avatar_web.door.auth import Auth
from avatar_web.system.data_file import DataFile
from avatar_web.system.power import Power
from avatar_web.system.routes import Robot, SystemRoutes
from avatar_web.system.wifi import Wifi


@dataclass(frozen=True)
class SystemConfig:
    """What may be done to the machine, and by which commands."""

    managed: bool = False
    reboot: str = 'systemctl --no-ask-password reboot'
    poweroff: str = 'systemctl --no-ask-password poweroff'


class System:
    """A Part of the server."""

    def __init__(
        self, gatekeeper: Gatekeeper, robot: Robot, state_dir: Path, config: SystemConfig,
        picture_bytes: Callable[[], int], say: Callable[[str], None],
    ) -> None:
        self._managed = config.managed
        self._wifi = Wifi(state_dir, say)
        self._power = Power({'reboot': config.reboot, 'poweroff': config.poweroff})
        self._data = DataFile(state_dir, picture_bytes, say)
        self._routes = SystemRoutes(
            Auth(gatekeeper), robot, state_dir, self._wifi, self._power, self._data,
            config.managed)

    def table(self) -> list[web.RouteDef]:
        """Return the routes, to be added to the application."""
        return self._routes.table()

    async def start(self) -> None:
        """Begin to count, and go on with a join that was under way."""
        await self._data.start()
        if self._managed:
            await self._wifi.start()

    async def close(self) -> None:
        """End what runs; a join goes on with the next gateway."""
        await self._wifi.close()
        self._power.close()
        await self._data.close()

    def identity_ended(self, *, session_id: str = '', user: str = '') -> None:
        """Nothing of this belongs to a session."""

    def metrics(self) -> str:
        """Return nothing: what the kernel counts, node exporters tell better."""
        return ''
