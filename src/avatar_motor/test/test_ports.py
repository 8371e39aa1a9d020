# SPDX-License-Identifier: Apache-2.0
"""Which port is the board's, and who holds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from avatar_motor import ports
from avatar_motor.ports import Candidate, PortProblem
from avatar_node.holders import Holder

BOARD = 'usb-Silicon_Labs_CP2102N_USB_to_UART_Bridge_Controller_0001-if00-port0'


@pytest.fixture
def plug(tmp_path: Path):
    """Plug a device of this name in: a by-id link and, if told, its USB vendor in sysfs."""
    (tmp_path / 'by-id').mkdir()

    def plug(name: str, number: int, vendor: str = '') -> str:
        device = tmp_path / f'ttyUSB{number}'
        device.touch()
        (tmp_path / 'by-id' / name).symlink_to(f'../ttyUSB{number}')
        if vendor:
            usb = tmp_path / f'sys/devices/usb1/1-{number}'
            (usb / 'interface' / device.name).mkdir(parents=True)
            (usb / 'idVendor').write_text(vendor + '\n')
            entry = tmp_path / 'sys/class/tty' / device.name
            entry.mkdir(parents=True)
            (entry / 'device').symlink_to(usb / 'interface' / device.name)
        return str(tmp_path / 'by-id' / name)

    return plug


def found(tmp_path: Path) -> list[str]:
    return [one.path for one in ports.candidates(str(tmp_path / 'by-id'), str(tmp_path / 'sys'))]


@pytest.mark.parametrize('name', [
    BOARD,
    'usb-Silicon_Labs_CP2102_USB_to_UART_Bridge_Controller_0001-if00-port0',
    'usb-1a86_USB_Serial-if00-port0',
    'usb-1a86_USB2.0-Serial-if00-port0',
    'usb-1a86_USB_Single_Serial_54D2042345-if00',
    'usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0',
    'usb-Espressif_USB_JTAG_serial_debug_unit_34:85:18:6A-if00',
])  # fmt: skip
def test_bridges_of_boards_are_known_by_name(plug, tmp_path, name):
    assert found(tmp_path) == []
    assert [plug(name, 0)] == found(tmp_path)


@pytest.mark.parametrize('name', [
    'usb-Quectel_EG25-G-if02-port0', 'usb-SimTech__Incorporated_SIM7600-if02-port0',
    'usb-HUAWEI_Mobile_HUAWEI_Mobile-if00-port0', 'usb-u-blox_AG_u-blox_7-if00',
    'usb-Prolific_Technology_Inc._USB-Serial_Controller-if00-port0', 'usb-FTDIX_modem-if00',
])  # fmt: skip
def test_nothing_else_is(plug, tmp_path, name):
    plug(name, 0)
    assert found(tmp_path) == []


def test_the_kernels_vendor_decides_where_it_is_told(plug, tmp_path):
    board = plug('usb-QEMU_QEMU_USB_SERIAL_ESP32A-if00-port0', 0, vendor='0403')
    plug('usb-Silicon_Labs_that_is_a_modem-if00-port0', 1, vendor='2c7c')
    assert found(tmp_path) == [board]


def test_two_links_to_one_device_are_one_candidate(plug, tmp_path):
    first = plug(BOARD, 0)
    (tmp_path / 'by-id' / 'usb-Silicon_Labs_zzz').symlink_to('../ttyUSB0')
    assert found(tmp_path) == [first]


def test_a_link_that_leads_nowhere_is_none(plug, tmp_path):
    plug(BOARD, 0)
    (tmp_path / 'ttyUSB0').unlink()
    assert found(tmp_path) == []


A, B = Candidate('/by-id/a', '/dev/ttyUSB0'), Candidate('/by-id/b', '/dev/ttyUSB1')


def test_exactly_one_candidate_is_used():
    assert ports.choose('', [A]) == '/by-id/a'


def test_another_adapter_is_not_taken_for_the_board_that_was_here():
    assert ports.choose('', [A], before=A.path) == A.path
    problem = ports.choose('', [B], before=A.path)
    assert isinstance(problem, PortProblem) and problem.code == 'other_port'
    assert A.path in problem.reason and B.path in problem.reason


def test_none_says_what_to_do():
    problem = ports.choose('', [])
    assert isinstance(problem, PortProblem) and problem.code == 'no_port'
    assert "'port'" in problem.reason and 'CP210x' in problem.reason


def test_more_than_one_are_all_listed_and_none_is_chosen():
    problem = ports.choose('', [A, B])
    assert isinstance(problem, PortProblem) and problem.code == 'several_ports'
    for word in (A.path, A.device, B.path, B.device, "'port'"):
        assert word in problem.reason


def test_a_named_port_is_the_only_one(plug, tmp_path):
    by_id = str(tmp_path / 'by-id')
    path = plug('usb-Unknown_thing', 3)
    assert ports.choose(path, [A, B]) == path
    assert ports.choose('usb-Unknown_thing', [A, B], by_id) == path
    problem = ports.choose('usb-gone', [A], by_id)
    assert isinstance(problem, PortProblem) and problem.code == 'port_missing'
    assert 'usb-gone' in problem.reason and A.path in problem.reason


def test_an_invisible_holder_is_said_to_be_one():
    problem = ports.held_problem('/dev/ttyUSB0', [])
    assert problem.code == 'port_held' and 'another user' in problem.reason
    assert 'pid 7 (screen)' in ports.held_problem('/dev/x', [Holder(7, 'screen')]).reason
