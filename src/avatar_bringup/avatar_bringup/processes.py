# SPDX-License-Identifier: Apache-2.0
"""The one table of avatar's processes. `avatar up`, the demo and the launch file all read it."""

import enum
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from avatar_bringup import description, rosbridge
from avatar_bringup.ports import DEFAULT_PORT, Ports

Value = str | int | float | bool
# What gateway and stream know and the media server does not: it asks the gateway who may.
MEDIA_SECRET = 'AVATAR_MEDIA_SECRET'
# What the gateway serves for us.
GATEWAY_PARTS = 'avatar_bringup.gateway_part'


# Also the name of its node, and of its file in the folder `config`.
CAMERA = 'camera'


class Device(enum.Enum):
    """What a part opens, and nobody else should have open."""

    SERIAL = 'serial'
    CAMERA = 'camera'
    SOUND = 'sound'


class When(enum.Enum):
    """Where a process runs: with the simulated devices, on the robot, or in both."""

    SIM = 'sim'
    ROBOT = 'robot'
    BOTH = 'both'


@dataclass(frozen=True)
class Process:
    """
    One row. A ROS node is given its parameters and its node name; anything else its arguments.

    Without an `essential` process the robot cannot be driven: giving it up ends everything.
    `secrets` are the environment variables that this process sees and no other does. `ports`
    (names in Ports) and `devices` are what it takes for itself. What `needs_ros` is started by the
    launch file only: its program, or what it imports, comes with a ROS installation.
    """

    name: str
    package: str
    executable: str
    arguments: tuple[str, ...] = ()
    parameters: Mapping[str, Value] = field(default_factory=dict)
    is_node: bool = True
    when: When = When.BOTH
    essential: bool = True
    secrets: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    needs_ros: bool = False


@dataclass(frozen=True)
class Place:
    """
    Where and how the table runs.

    `sim` means simulated devices; without a `host` the gateway's configuration decides. Without
    `inner_ports` they are the ones that belong to the gateway's port. `ros`: a ROS installation
    is there. `source` is stream's parameter of that name. `without` names rows that are left out.
    """

    state_dir: Path
    sim: bool
    host: str | None = None
    port: int = DEFAULT_PORT
    inner_ports: Ports | None = None
    ros: bool = False
    namespace: str = ''
    source: str = 'topic'
    without: tuple[str, ...] = ()

    @property
    def ports(self) -> Ports:
        """Return every port; the gateway's is 0 where it chooses one itself."""
        return self.inner_ports or Ports.beside(self.port)


def table(place: Place) -> tuple[Process, ...]:
    """Return the processes of one place, in the order in which they are started."""
    state_dir = str(place.state_dir)
    motor: dict[str, Value] = {'state_dir': state_dir}
    ports = place.ports
    gateway: dict[str, Value] = {
        'state_dir': state_dir, 'port': place.port, 'webrtc_port': ports.webrtc,
        'api_port': ports.api, 'inner_port': ports.inner, 'parts': GATEWAY_PARTS}
    stream: dict[str, Value] = {
        'state_dir': state_dir, 'rtsp_port': ports.rtsp, 'api_port': ports.api}
    health: dict[str, Value] = {'state_dir': state_dir, 'gateway_port': place.port}
    if place.sim:
        health['is_robot'] = False  # but somebody's desk
    reads_device = not place.sim and place.source == 'device'
    if place.host is not None:
        gateway['host'] = place.host
    if place.sim:
        # Which way reverse reads is known of the fake board; of a real one a person confirms it.
        motor |= {'port': str(place.state_dir / 'sim' / 'ttyBOARD'), 'reverse_confirmed': True}
    has_driver = place.sim or place.ros and not reads_device
    if 'stream' not in place.without and (
            reads_device or has_driver and CAMERA not in place.without):
        gateway['camera'] = True
    if place.sim:
        # The machine beside a simulated robot is somebody's computer.
        gateway['manages_machine'] = False
    if place.ros:
        stream['source'] = 'device' if reads_device else 'topic'
    rows = (
        # First, because the board takes 3.2 s to boot.
        Process('fake_board', 'avatar_motor', 'fake_board',
                arguments=('--state-dir', state_dir), is_node=False, when=When.SIM),
        Process('motor', 'avatar_motor', 'motor', parameters=motor,
                devices=() if place.sim else (Device.SERIAL,)),
        Process('gateway', 'avatar_web', 'gateway', parameters=gateway,
                secrets=('AVATAR_DEMO_TOKEN', MEDIA_SECRET), ports=('gateway', 'inner')),
        Process('mediamtx', 'avatar_bringup', 'media_server', arguments=_media_arguments(place),
                is_node=False, essential=False, ports=('media', 'rtsp', 'webrtc', 'api')),
        Process('sim_camera', 'avatar_camera', 'sim_camera', when=When.SIM, essential=False),
        Process('stream', 'avatar_camera', 'stream', parameters=stream, essential=False,
                secrets=(MEDIA_SECRET,), devices=(Device.CAMERA,) if reads_device else ()),
        Process('health', 'avatar_bringup', 'health', parameters=health, essential=False),
        *_of_ros(place),
    )
    here = When.SIM if place.sim else When.ROBOT
    return tuple(row for row in rows if row.when in (When.BOTH, here)
                 and (place.ros or not row.needs_ros) and row.name not in place.without)


def _of_ros(place: Place) -> tuple[Process, ...]:
    """Return the rows that need a ROS installation."""
    lists = rosbridge.lists(place.namespace)
    rows: tuple[Process, ...] = (
        Process('rosbridge', 'rosbridge_server', 'rosbridge_websocket', ports=('rosbridge',),
                parameters={'address': '127.0.0.1', 'port': place.ports.rosbridge,
                            'max_message_size': rosbridge.LARGEST_MESSAGE, **lists}),
        Process('rosapi', 'rosapi', 'rosapi_node', parameters=dict(lists)),
        Process('robot_state_publisher', 'robot_state_publisher', 'robot_state_publisher',
                parameters={'robot_description': description.urdf()}),
        Process('odom_tf', 'avatar_bringup', 'odom_tf'),
    )
    if not place.sim and place.source != 'device':
        rows = (Process(CAMERA, 'avatar_camera', 'camera', devices=(Device.CAMERA,)), *rows)
    return tuple(replace(row, essential=False, needs_ros=True) for row in rows)


def _media_arguments(place: Place) -> tuple[str, ...]:
    words = ['--state-dir', str(place.state_dir)]
    if place.host is not None:
        words += ['--host', place.host]
    for name, port in asdict(place.ports).items():
        words += [f'--{name}', str(port)]
    return tuple(words)


def command(
    process: Process, program: tuple[str, ...], parameter_files: tuple[Path, ...] = (),
    namespace: str = '',
) -> list[str]:
    """Return the command line; `program` is what starts the executable. Later files win."""
    result = [*program, *process.arguments]
    if process.is_node:
        # Output goes to a log of bounded size; rcl would add a file per start, for ever.
        result += ['--ros-args', '--disable-external-lib-logs', '-r', f'__node:={process.name}']
        if namespace:
            result += ['-r', f'__ns:=/{namespace.strip("/")}']
        for file in parameter_files:
            result += ['--params-file', str(file)]
    return result


def parameter_file(process: Process) -> str:
    """Return the row's parameters as the text of a ROS parameter file."""
    # JSON scalars are YAML scalars, and quoted text stays text ('on' is no boolean).
    lines = [f'    {name}: {json.dumps(value)}\n' for name, value in process.parameters.items()]
    return '/**:\n  ros__parameters:\n' + ''.join(lines)
