# SPDX-License-Identifier: Apache-2.0
"""The virtual robot with a camera: `vivid`, media server, stream node and a spectator inside."""

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from avatar_bringup import media_server
from avatar_bringup.ports import Ports
from avatar_node.testing import wait_for
from tests.media import CONFIG, program
from tests.vm.guest import GuestProcess
from tests.vm.machine import VirtualRobot
from tests.vm.rig import REACT_S, START_S, State, inside_env, newest, wait_state

# One device, that gives pictures, or takes them as displays and decoders do.
CAMERA, SCREEN = 'node_types=0x1', 'node_types=0x100'
LINK = '/dev/v4l/by-path/platform-vivid.0-video-index0'
DRIVER = '/sys/bus/platform/drivers/vivid'
# Controls of the driver, and values of them.
PATTERN, GREEN = 0x00F0F000, 8
SET_CONTROL = """
import fcntl, struct, sys
VIDIOC_S_CTRL = 0xC008561C
device, control, value = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open(device, 'rb', buffering=0) as camera:
    fcntl.ioctl(camera, VIDIOC_S_CTRL, struct.pack('Ii', control, value))
"""


class CameraRig:
    """All that a test of a camera needs. It all runs inside, and ends with the robot."""

    def __init__(self, robot: VirtualRobot) -> None:
        self.robot = robot
        # The static one: there, the usual one takes longer to load its libraries than the stream
        # node waits for a first picture.
        self._env = {**inside_env(), 'AVATAR_FFMPEG': imageio_ffmpeg.get_ffmpeg_exe()}
        self.load(CAMERA)
        # The robot's own configuration, but for the gateway, which would be asked who may.
        self.server = robot.spawn(
            *(program(), CONFIG / 'mediamtx.yml'),
            env={
                **media_server.settings(Ports(), True, CONFIG / 'offline.mp4'),
                'MTX_AUTHMETHOD': 'internal',
            },
        )
        self.spectator = self._python(str(Path(__file__).with_name('spectator.py')))
        self.stream: GuestProcess | None = None

    def _python(self, *args: str) -> GuestProcess:
        return self.robot.spawn(sys.executable, *args, env=self._env)

    # The camera

    def load(self, kind: str) -> str:
        """Have a device of this kind (CAMERA, SCREEN), the only one; return its name in /dev."""
        self.robot.sh(f'modprobe -r vivid; modprobe vivid n_devs=1 {kind}; udevadm settle')
        self._kind, self._plugged = kind, True
        return self.device()

    def device(self) -> str:
        """Wait for the link of the device; return where it leads to."""
        return self.robot.sh(f'until [ -e {LINK} ]; do sleep 0.05; done; readlink -f {LINK}')

    def plug(self) -> str:
        """Plug it in: it gets the lowest number that is free. Return its name in /dev."""
        self.robot.sh(f'echo vivid.0 > {DRIVER}/bind')
        self._plugged = True
        return self.device()

    def unplug(self) -> None:
        """Pull it out, whoever has it open; return when its link is gone."""
        self.robot.sh(
            f'echo vivid.0 > {DRIVER}/unbind; while [ -L {LINK} ]; do sleep 0.05; done'
        )
        self._plugged = False

    def control(self, device: str, control: int, value: int) -> None:
        """Set a control of a device's driver."""
        script = [sys.executable, '-IS', '-c', SET_CONTROL]
        self.robot.run(*script, device, control, value)

    def holders(self, device: str) -> str:
        """Return the files of all processes that have a device open."""
        return self.robot.sh(f'find /proc/[0-9]*/fd -lname {device} 2> /dev/null || true')

    # The stream node

    def start_stream(self, device: str = '') -> None:
        """Start the stream node, with `device` as its parameter, and wait for its first word."""
        heard = len(self.spectator.lines)
        parameters = {'source': 'device', 'device': device, 'profile': '320p', 'fps': 10}
        words = [f'{name}:={json.dumps(value)}' for name, value in parameters.items()]
        self.stream = self._python(
            *('-m', 'avatar_camera.stream.node', '--ros-args'),
            *(part for word in words for part in ('-p', word)),
        )
        self.spectator.wait_line(
            lambda line: line.startswith('{"state"'), START_S, 'camera/stream_state', heard
        )

    def stop_stream(self) -> None:
        """End the stream node as the supervisor would."""
        if self.stream is not None and self.stream.code is None:
            self.stream.signal(signal.SIGINT)
            self.stream.wait(REACT_S)

    def state(self) -> State:
        """Return the newest camera/stream_state."""
        state: State = newest(self.spectator, 'state') or {}
        return state

    def wait_state(
        self, what: str, timeout_s: float = REACT_S, says: Sequence[str] = (), **wanted: str
    ) -> State:
        """Wait for a camera/stream_state with these values and words; `what` is that in words."""
        return wait_state(self.state, what, timeout_s, says, wanted)

    # The spectator

    def tell(self, **order: bool) -> None:
        """Let the spectator watch, or subscribe images, or not (see spectator.py)."""
        self.spectator.write(json.dumps(order) + '\n')

    def viewer(self) -> dict[str, Any]:
        """Return what the spectator said last of what it watches."""
        viewer: dict[str, Any] = newest(self.spectator, 'viewer') or {}
        return viewer

    def sees_green(self) -> bool:
        """Return whether the newest picture of who watches is green; it must be connected."""
        viewer = self.viewer()
        assert viewer.get('connected', True), 'the viewer was disconnected'
        red, green, blue = viewer.get('colour') or (0, 0, 0)
        return bool(green > red + 80 and green > blue + 80)

    def wait_green(self, what: str, timeout_s: float = REACT_S) -> None:
        """Wait until who watches sees green."""
        wait_for(self.sees_green, timeout_s, f'{what}; {self.viewer()}', 0.05)

    def rest(self) -> None:
        """Nobody watches, no stream node runs, a camera is plugged in as if it had been new."""
        self.tell(watch=False, images=False)
        self.stop_stream()
        if self._kind != CAMERA:
            self.load(CAMERA)
            return
        if self._plugged:
            self.unplug()
        self.plug()

    def logs(self) -> str:
        """Return what everybody said, for a failed test."""
        stream = self.stream.text() if self.stream else ''
        return '\n'.join(
            f'--- {name} ---\n{text[-4000:]}'
            for name, text in (
                ('stream node', stream),
                ('spectator', self.spectator.text()),
                ('media server', self.server.text()),
                ('console', self.robot.console()),
            )
        )
