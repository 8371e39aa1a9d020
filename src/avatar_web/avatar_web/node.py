# SPDX-License-Identifier: Apache-2.0
"""The gateway node: its parameters, and the asyncio loop it lives in."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from avatar_motor import deadlines
from avatar_node.params import ParameterProblem, Parameters, param
from avatar_web.accounts.gatekeeper import Gatekeeper
from avatar_web.door import parts
from avatar_web.door.listen import ListenProblem
from avatar_web.door.parts import MakePart, Part
from avatar_web.door.server import Server, ServerConfig
from avatar_web.health import HealthRoutes
from avatar_web.hub import Hub, HubConfig
from avatar_web.media.ice import IceServers
from avatar_web.media.media import Media, MediaConfig
from avatar_web.ros.node import Ros
from avatar_web.ros.topics import Topics
from avatar_web.system.system import System, SystemConfig

VERSION = '0.1.0'
EXIT_REFUSED = 2
EXIT_LISTEN = 78

SWITCH_INTERVAL_S = 0.0005
"""How long the thread that spins may hold the interpreter while a command waits."""


@dataclass(frozen=True)
class Params:
    """The parameters of the gateway; none can change while it runs."""

    host: str = param('127.0.0.1', 'address to listen on', read_only=True)
    port: int = param(8080, 'port to listen on; 0 = any free one, written to gateway.port',
                      range=(0, 65535), read_only=True)
    state_dir: str = param('', 'state folder; empty = AVATAR_STATE_DIR, else '
                           '~/.local/state/avatar', read_only=True)
    robot_name: str = param('avatar', 'name of the robot, shown on the page', read_only=True)
    tls: str = param('auto', 'HTTPS; auto = off on loopback and on beyond',
                     choices=('auto', 'off', 'on'), read_only=True)
    plain_http_beyond_loopback: bool = param(
        False, 'allow HTTP without encryption on an address that others reach', read_only=True)
    host_names: str = param('', 'more names people open the robot by, separated by commas',
                            read_only=True)
    max_round_trip_s: float = param(
        deadlines.MAX_ROUND_TRIP_S, 'a link with a longer round trip is too slow to drive',
        range=(0.05, deadlines.MAX_ROUND_TRIP_S), unit='s', read_only=True)
    max_clients: int = param(32, 'most WebSockets at once', range=(1, 200), read_only=True)
    messages_per_s: float = param(
        200.0, 'most messages of one client in the long run; ten times as many of a user (viewer: '
        'twice) close the socket',
        range=(50.0, 5000.0), unit='1/s', read_only=True)
    camera: bool = param(False, 'the robot has a camera', read_only=True)
    max_picture_age_s: float = param(
        1.0, 'nobody drives by an older picture, except blind on purpose', range=(0.3, 5.0),
        unit='s', read_only=True)
    webrtc_port: int = param(8889, 'where MediaMTX takes viewers, on 127.0.0.1',
                             range=(1, 65535), read_only=True)
    api_port: int = param(9997, 'where MediaMTX says who watches, on 127.0.0.1',
                          range=(1, 65535), read_only=True)
    inner_port: int = param(9998, 'where MediaMTX asks the gateway who may, on 127.0.0.1',
                            range=(0, 65535), read_only=True)
    ice_servers: str = param(
        '', 'STUN and TURN servers that help browsers to reach the robot, separated by commas',
        read_only=True)
    turn_secret_file: str = param(
        '', 'file with the secret the TURN servers share with the robot (static-auth-secret)',
        read_only=True)
    parts: str = param(
        '', 'Python modules that add routes of their own, separated by commas', read_only=True)
    manages_machine: bool = param(
        True, 'admins may change the WiFi of this machine, restart it and switch it off',
        read_only=True)
    reboot_command: str = param(
        'systemctl --no-ask-password reboot', 'what restarts the machine', read_only=True)
    poweroff_command: str = param(
        'systemctl --no-ask-password poweroff', 'what switches the machine off', read_only=True)


class Door(Protocol):
    """What lets clients in."""

    async def start(self) -> int:
        """Listen; return the port."""

    async def close(self) -> None:
        """Stop listening."""


def state_dir(given: str) -> Path:
    """Return the state folder."""
    return Path(given or os.environ.get('AVATAR_STATE_DIR')
                or '~/.local/state/avatar').expanduser()


def make_server(hub: Hub, params: Params, say: Callable[[str], None]) -> Door:
    """Return the real door: page, accounts, TLS."""
    folder = state_dir(params.state_dir)
    return Server(hub, ServerConfig(
        state_dir=folder, host=params.host, port=params.port,
        robot_name=params.robot_name, version=VERSION, tls=params.tls,
        plain_http_beyond_loopback=params.plain_http_beyond_loopback,
        host_names=tuple(n.strip() for n in params.host_names.split(',') if n.strip()),
        demo_token=os.environ.get('AVATAR_DEMO_TOKEN', '')), say,
        [*make_parts(hub, params, folder, say), *parts.load(params.parts, folder, say)])


def make_parts(
    hub: Hub, params: Params, folder: Path, say: Callable[[str], None]
) -> list[MakePart]:
    """Return what makes the parts of the door: the picture, the machine, and how it is."""
    made: list[Media] = []
    config = MediaConfig(
        camera=params.camera, secret=os.environ.get('AVATAR_MEDIA_SECRET', ''),
        webrtc_port=params.webrtc_port, api_port=params.api_port, inner_port=params.inner_port,
        ice=ice_servers(params))
    machine = SystemConfig(
        params.manages_machine, params.reboot_command, params.poweroff_command)

    def media(gatekeeper: Gatekeeper) -> Part:
        made.append(Media(gatekeeper, hub, folder, config, say))
        return made[-1]

    def system(gatekeeper: Gatekeeper) -> Part:
        return System(gatekeeper, hub, folder, machine,
                      lambda: sum(one.picture_bytes for one in made), say)

    def health(gatekeeper: Gatekeeper) -> Part:
        return HealthRoutes(gatekeeper, hub, folder)

    return [media, system, health]


def ice_servers(params: Params) -> IceServers:
    """Return the configured ICE servers; ParameterProblem says what is wrong with them."""
    try:
        secret = ''
        if params.turn_secret_file:
            secret = Path(params.turn_secret_file).expanduser().read_text().strip()
        return IceServers.parse(params.ice_servers, secret)
    except (OSError, ValueError) as problem:
        raise ParameterProblem(f'ice_servers, turn_secret_file: {problem}') from problem


async def serve(
    node: Node, params: Params, make_door: Callable[[Hub, Params, Callable[[str], None]], Door]
) -> int:
    """Run the gateway until a signal or the end of ROS; return the exit code."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    say = node.get_logger().info
    ros = Ros(node, loop, ended=stop.set)
    hub = Hub(ros, Topics(ros), HubConfig(
        robot_name=params.robot_name, version=VERSION, max_round_trip_s=params.max_round_trip_s,
        max_clients=params.max_clients, messages_per_s=params.messages_per_s,
        camera=params.camera, max_picture_age_s=params.max_picture_age_s), loop, say)
    door = make_door(hub, params, say)
    ros.start()
    try:
        port = await door.start()
        # What is there now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        hub.start()
        say(f'listening on {params.host}, port {port}')
        await stop.wait()
        ended_by_itself = hub.is_deaf or not ros.is_alive
    finally:
        await hub.close()
        await door.close()
        ros.close()
    return 1 if ended_by_itself else 0


def main(args: list[str] | None = None) -> int:
    """Run the gateway node; return its exit code."""
    # The loop handles the signals: the last zero goes out before ROS is shut down.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    node = None
    try:
        node = Node('gateway')
        params = Parameters(node, Params).value
        return asyncio.run(serve(node, params, make_server))
    except ParameterProblem as problem:
        print(f'refused to start: {problem}', file=sys.stderr)
        return EXIT_REFUSED
    except ListenProblem as problem:
        print(f'refused to start: {problem}', file=sys.stderr)
        return EXIT_LISTEN
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    sys.exit(main())
