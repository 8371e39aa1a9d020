# SPDX-License-Identifier: Apache-2.0
"""
The gateway with a door that believes every name: `?name=ann&role=driver&session=s1`.

For tests of what lies behind the door; the real one has tests of its own. Prints its port.
"""

import asyncio
import sys
from collections.abc import Callable

import rclpy
from aiohttp import web
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from avatar_node.params import Parameters
from avatar_web.accounts.identity import Identity, Role
from avatar_web.hub import Hub
from avatar_web.node import SWITCH_INTERVAL_S, Params, serve


class OpenDoor:
    """Lets everybody in as whom they say they are."""

    def __init__(self, hub: Hub, params: Params, say: Callable[[str], None]) -> None:
        app = web.Application()

        async def socket(request: web.Request) -> web.StreamResponse:
            name = request.query.get('name', 'ann')
            return await hub.websocket(request, Identity(
                name, Role.parse(request.query.get('role', 'driver')),
                request.query.get('session', f'session-of-{name}')))

        async def end(request: web.Request) -> web.Response:
            await hub.identity_ended(user=request.query['name'])
            return web.Response()

        async def stand(request: web.Request) -> web.Response:
            hub.stand(request.query['name'], 'restarts the robot')
            return web.Response(text=hub.driver())

        async def report(request: web.Request) -> web.Response:
            return web.json_response(hub.report())

        async def metrics(request: web.Request) -> web.Response:
            return web.Response(text=hub.metrics())

        async def ready(request: web.Request) -> web.Response:
            return web.Response(status=200 if hub.ready() else 503)

        app.router.add_get('/rosbridge', socket)
        app.router.add_get('/', socket)
        app.router.add_post('/end', end)
        app.router.add_post('/stand', stand)
        app.router.add_get('/report', report)
        app.router.add_get('/metrics', metrics)
        app.router.add_get('/healthz', ready)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> int:
        """Listen on any port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, '127.0.0.1', 0).start()
        port = int(self._runner.addresses[0][1])
        print(f'port {port}', flush=True)
        return port

    async def close(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()


def main() -> int:
    """Run until a signal."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    node = Node('gateway')
    try:
        return asyncio.run(serve(node, Parameters(node, Params).value, OpenDoor))
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    sys.exit(main())
