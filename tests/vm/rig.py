# SPDX-License-Identifier: Apache-2.0
"""The virtual robot with its motor: fake board and modem outside, motor node and driver inside."""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from avatar_node.environment import dds_environment
from avatar_node.testing import wait_for
from tests.stack import PACKAGES, SRC, Process
from tests.vm.guest import GuestProcess
from tests.vm.machine import VirtualRobot
from tests.vm.modem import FakeModem
from tests.wheels import SerialLines, Wheels

BY_ID = '/dev/serial/by-id'
LINKS = {
    'board': f'{BY_ID}/usb-QEMU_QEMU_USB_SERIAL_ESP32A-if00-port0',
    'modem': f'{BY_ID}/usb-QEMU_QEMU_USB_SERIAL_MODEM4G-if00-port0',
}
SERIALS = {'board': 'ESP32A', 'modem': 'MODEM4G'}

# Emulated, a Python process with rclpy takes ten seconds to start; the rest is of that order.
START_S = 60.0
REACT_S = 20.0

State = dict[str, str]


def inside_env() -> dict[str, str]:
    """Return the environment of the project's programs inside the robot."""
    python_path = [*(str(SRC / p) for p in PACKAGES), os.environ.get('PYTHONPATH', '')]
    return {
        **dds_environment(os.environ, domain=1),
        'PYTHONPATH': os.pathsep.join(filter(None, python_path)),
    }


def newest(process: GuestProcess, what: str) -> Any:
    """Return the value of the newest line {"what": value} of a program inside, None without."""
    for line in reversed(process.lines):
        if line.startswith(f'{{"{what}"'):
            return json.loads(line)[what]
    return None


def wait_state(
    state: Callable[[], State], what: str, timeout_s: float, says: Sequence[str], wanted: State
) -> State:
    """Wait for a state with these values and words in its message; `what` is that in words."""

    def is_there() -> bool:
        now = state()
        message = now.get('message', '')
        return wanted.items() <= now.items() and all(word in message for word in says)

    try:
        wait_for(is_there, timeout_s, what, 0.05)
    except AssertionError:
        raise AssertionError(f'{what}: not within {timeout_s} s: {state()}') from None
    return state()


class Rig:
    """All that a test of the serial line needs. `close` ends all that is outside of the robot."""

    def __init__(self, robot: VirtualRobot, folder: Path) -> None:
        self.robot = robot
        self._env = inside_env()
        trace, lines = folder / 'board.jsonl', folder / 'lines.jsonl'
        self.wheels, self.lines = Wheels(trace), SerialLines(lines)
        self.board = Process(
            'board',
            [
                *(sys.executable, '-m', 'avatar_motor.fake_board', '--state-dir', str(folder)),
                *('--trace', str(trace), '--lines', str(lines)),
                *('--socket', str(robot.socket_path('board'))),
            ],
            self._env,
            folder / 'board.log',
        )
        self.board.start()
        self.modem = FakeModem(robot.socket_path('modem'))
        self.driver = self._python(str(Path(__file__).with_name('driver.py')))
        self.motor: GuestProcess | None = None
        self._plugged: list[str] = []

    def _python(self, *args: str) -> GuestProcess:
        return self.robot.spawn(sys.executable, *args, env=self._env)

    # Adapters

    def plug(self, name: str) -> str:
        """Plug the adapter of `name` in; return the device its link leads to."""
        self.robot.plug_serial(name, chardev=name, serial=SERIALS[name])
        self._plugged.append(name)
        link = LINKS[name]
        return self.robot.sh(f'until [ -e {link} ]; do sleep 0.05; done; readlink -f {link}')

    def unplug(self, name: str) -> None:
        """Pull the adapter out; return when its link is gone."""
        self.robot.unplug(name)
        self._plugged.remove(name)
        self.robot.sh(f'while [ -L {LINKS[name]} ]; do sleep 0.05; done')

    # The motor node

    def start_motor(self, port: str = '') -> None:
        """Start the motor node, with `port` as its parameter, and wait for its first word."""
        heard = len(self.driver.lines)
        self.motor = self._python(
            *('-m', 'avatar_motor.node', '--ros-args', '-p', f'port:={json.dumps(port)}'),
            *('-p', 'reverse_confirmed:=true'),
        )
        motor = self.motor
        wait_for(
            lambda: len(self.driver.lines) > heard or motor.code is not None,
            START_S,
            'the first motor/state',
            0.05,
        )
        assert motor.code is None, f'the motor node ended:\n{motor.text()}'

    def stop_motor(self) -> None:
        """End the motor node as the supervisor would."""
        if self.motor is not None and self.motor.code is None:
            self.motor.signal(signal.SIGINT)
            self.motor.wait(REACT_S)

    def state(self) -> State:
        """Return the newest motor/state."""
        state: State = newest(self.driver, 'state') or {}
        return state

    def wait_state(
        self, what: str, timeout_s: float = REACT_S, says: Sequence[str] = (), **wanted: str
    ) -> State:
        """Wait for a motor/state with these values and words; `what` is all that in words."""
        return wait_state(self.state, what, timeout_s, says, wanted)

    def lines_received(self) -> int:
        """Return how many lines the board ever received."""
        return sum(1 for line in self.lines.lines if line.direction == 'rx')

    # Driving

    def hold(self, speed_mps: float, turn_radps: float = 0.0) -> None:
        """Command this from now on."""
        self.driver.write(json.dumps({'drive': [speed_mps, turn_radps]}) + '\n')

    def release(self) -> None:
        """Let go."""
        self.driver.write('{"drive": null}\n')

    def rest(self) -> None:
        """Nobody drives, nothing is plugged in, no motor node runs."""
        self.release()
        self.stop_motor()
        for name in list(self._plugged):
            self.unplug(name)

    def close(self) -> None:
        """End what runs outside."""
        self.modem.close()
        self.board.end()

    def logs(self) -> str:
        """Return what everybody said, for a failed test."""
        motor = self.motor.text() if self.motor else ''
        return '\n'.join(
            f'--- {name} ---\n{text[-4000:]}'
            for name, text in (
                ('motor node', motor),
                ('driver', self.driver.text()),
                ('board', self.board.log),
                ('console', self.robot.console()),
            )
        )
