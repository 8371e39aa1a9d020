# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of the gateway: the application, its routes, and what it asks of the gateway."""

from typing import Any, Protocol

from aiohttp import web

from avatar_web.accounts import Identity


class GatewayHooks(Protocol):
    """What the HTTP side needs from the gateway; all of it runs on the event loop."""

    async def websocket(
        self, request: web.Request, identity: Identity
    ) -> web.StreamResponse:
        """Serve one rosbridge socket until it closes; identity and Origin are checked already."""

    def ready(self) -> bool:
        """Return whether a person could drive now: the board is connected."""

    def about(self) -> dict[str, Any]:
        """Return what a signed-in page is told: max_speed_mps, max_turn_radps."""

    def report(self) -> dict[str, Any]:
        """Return the session report."""

    def metrics(self) -> str:
        """Return the gateway's metrics, Prometheus text."""

    async def identity_ended(self, *, session_id: str = '', user: str = '') -> None:
        """
        Close (4401) at once every socket of this session, or of this user's every session.

        Called on logout, revoked device, expiry, removed user, changed password or role. Must
        return soon: it may start the closing and need not wait for its end.
        """
