# SPDX-License-Identifier: Apache-2.0
"""
The serial line on a real kernel: names, numbers, holders, and adapters pulled out while driving.

One robot is booted for all of them. A USB adapter beside the board's has a modem behind it that
remembers every byte. Times here are those of an emulated machine: only the order of things counts.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from avatar_node.testing import wait_for
from tests.vm.machine import VirtualRobot
from tests.vm.rig import LINKS, REACT_S, START_S, Rig

REPLUGS = 10


@pytest.fixture(scope='module')
def _rig(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with VirtualRobot(kernel, chardevs=['board', 'modem']) as robot:
        rig = Rig(robot, tmp_path_factory.mktemp('vm'))
        yield rig
        rig.close()


@pytest.fixture
def rig(_rig: Rig) -> Iterator[Rig]:
    """The robot with nothing plugged in and no motor node."""
    yield _rig
    _rig.rest()


def drive(rig: Rig) -> None:
    """Let go and drive forward until both tracks turn forward."""

    def turning() -> bool:
        now = rig.wheels.now
        return now.left_us > 1500 and now.right_us > 1500

    rig.release()
    rig.wheels.wait_neutral(REACT_S)
    rig.wait_state('free to drive', why='')
    rig.hold(0.3)
    wait_for(turning, REACT_S, f'both tracks forward; {rig.state()}', 0.02)


def test_beside_a_modem_nothing_is_sent_and_both_are_listed(rig: Rig) -> None:
    rig.plug('board')
    rig.plug('modem')
    received = rig.lines_received()
    rig.start_motor()
    rig.wait_state('both listed', why='not_connected', says=list(LINKS.values()))
    rig.hold(0.3)
    rig.wheels.assert_still(2.0, 'two candidates')
    assert rig.lines_received() == received
    assert rig.modem.received[:80] == b''

    # With one gone the other is the one: found by its link.
    rig.release()
    rig.unplug('modem')
    rig.wait_state('the board found by its link', connected='true', port=LINKS['board'])
    drive(rig)
    rig.release()
    rig.wheels.wait_neutral(REACT_S)
    assert rig.modem.received[:80] == b''


def test_the_holder_of_the_port_is_named_and_the_port_taken_when_free(rig: Rig) -> None:
    device = rig.plug('board')
    rig.plug('modem')
    holder = rig.robot.spawn('sh', '-c', f'exec sleep 1000 <>{device}')
    pid = holder.wait_pid()
    received = rig.lines_received()
    rig.start_motor(LINKS['board'])
    rig.wait_state('the holder named', why='not_connected', says=[f'pid {pid} ', 'sleep 1000'])
    assert rig.lines_received() == received
    holder.signal(9)
    holder.wait(REACT_S)
    rig.wait_state('the port taken', connected='true', port=LINKS['board'])
    drive(rig)
    assert rig.modem.received[:80] == b''


def test_unplugged_while_moving_and_replugged_under_another_number(rig: Rig) -> None:
    device = rig.plug('board')
    rig.plug('modem')
    rig.start_motor(LINKS['board'])
    for number in range(REPLUGS):
        rig.wait_state(f'connected, {number} times replugged', START_S, connected='true')
        drive(rig)
        pulled = time.monotonic()
        rig.unplug('board')
        # Nobody can tell the board any more: its own watchdog stops it.
        assert rig.wheels.stop_time_s(pulled) < 2.5
        rig.wait_state('not connected', connected='false', why='not_connected')
        rig.unplug('modem')
        before = device
        if device.endswith('0'):  # now the modem gets the number the board had
            rig.plug('modem')
            device = rig.plug('board')
        else:
            device = rig.plug('board')
            rig.plug('modem')
        assert device != before
        # The command is still held: nothing before it was let go once.
        rig.wait_state('connected, and waiting', START_S, connected='true', why='waiting_neutral')
        rig.wheels.assert_still(1.0, 'a command held over an unplugged board')
    assert rig.modem.received[:80] == b''
