# SPDX-License-Identifier: Apache-2.0
"""The media side of the gateway as one thing: its routes, its inner door, its start and end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from avatar_web.accounts.gatekeeper import Gatekeeper
from avatar_web.door.auth import Auth
from avatar_web.media.camera_routes import CameraRoutes, Robot
from avatar_web.media.file_routes import FileRoutes
from avatar_web.media.ice import IceServers
from avatar_web.media.inner_door import InnerDoor
from avatar_web.media.judge import Judge
from avatar_web.media.mediamtx import MediaMtx
from avatar_web.media.whep import Whep

NO_SECRET = ('this gateway was started without AVATAR_MEDIA_SECRET, so it cannot talk to a media '
             'server: start the robot by `avatar up`')


@dataclass(frozen=True)
class MediaConfig:
    """Where MediaMTX is, what it and the gateway share, and what helps a browser to reach it."""

    camera: bool = True
    """Whether the robot has one; without it there are still the files."""
    secret: str = ''
    webrtc_port: int = 8889
    api_port: int = 9997
    inner_port: int = 9998
    ice: IceServers = IceServers()


class Media:
    """Made with an open gatekeeper, `start`ed after the routes are in the application."""

    def __init__(
        self, gatekeeper: Gatekeeper, robot: Robot, state_dir: Path, config: MediaConfig,
        say: Callable[[str], None],
    ) -> None:
        auth = Auth(gatekeeper)
        self._robot, self._config = robot, config
        self._files = FileRoutes(auth, state_dir, self._writing)
        self._camera = CameraRoutes(auth, robot, config.ice)
        self._server = MediaMtx(config.secret, config.webrtc_port, config.api_port)
        self._whep = Whep(auth, self._server, config.ice, lives=gatekeeper.lives,
                          trouble=self._trouble, came=robot.viewer_came, say=say)
        self._door: InnerDoor | None = None
        if config.camera and config.secret:
            self._door = InnerDoor(
                Judge(config.secret, time.monotonic()), config.inner_port, time.monotonic, say)

    @property
    def viewers(self) -> int:
        """Return how many viewing sessions there are."""
        return len(self._whep.sessions)

    @property
    def picture_bytes(self) -> int:
        """Return how much of the picture was sent since the start."""
        return self._whep.volume.total

    def table(self) -> list[web.RouteDef]:
        """Return the routes, to be added to the application."""
        camera = [*self._whep.table(), *self._camera.table()] if self._config.camera else []
        return [*camera, *self._files.table()]

    async def start(self) -> None:
        """Open the inner door; what is wrong with it is said, and no reason not to drive."""
        if self._door is not None:
            await self._door.open()
            self._whep.start()

    async def close(self) -> None:
        """Close what is open; who watches goes on watching."""
        await self._whep.close()
        if self._door is not None:
            await self._door.close()
        await self._server.close()
        self._files.close()

    def identity_ended(self, *, session_id: str = '', user: str = '') -> None:
        """End what a signed-in session, or a user, watches."""
        self._whep.identity_ended(session_id=session_id, user=user)

    def metrics(self) -> str:
        """Return how many watch, as Prometheus text."""
        name = 'avatar_viewing_sessions'
        return (f'# HELP {name} Pictures being watched.\n# TYPE {name} gauge\n'
                f'{name} {self.viewers}\n')

    def _trouble(self) -> str:
        return self._door.problem if self._door else NO_SECRET

    def _writing(self) -> str:
        return self._robot.stream_state().get('recording', '')
