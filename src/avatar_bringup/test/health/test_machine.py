# SPDX-License-Identifier: Apache-2.0
"""What is read of the computer: of a folder made for it, and of the one that runs this."""

import ctypes
import os
from pathlib import Path

import pytest

from avatar_bringup.health import machine
from avatar_bringup.health.seen import Network
from avatar_node import machine as computer

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
wwan0\t00000000\t00000000\t0000\t0\t0\t700\t00000000\t0\t0\t0
"""
NONE, ALL = '0' * 32, 'f' * 32
ROUTES6 = f"""{NONE} 00 {NONE} 00 {NONE} ffffffff 00000001 00000000 00200200       lo
{NONE} 00 {NONE} 00 {ALL} 00000400 00000002 00000000 00000003    wlan0
"""


def write(path: Path, text: str | int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{text}\n')


def interface(root: Path, name: str, operstate: str, flags: str, received: int = 0) -> None:
    folder = root / 'sys/class/net' / name
    write(folder / 'operstate', operstate)
    write(folder / 'flags', flags)
    write(folder / 'statistics/rx_bytes', received)
    write(folder / 'statistics/tx_bytes', 7)


def test_memory_and_temperature(tmp_path: Path) -> None:
    write(tmp_path / 'proc/meminfo', 'MemTotal:  4000000 kB\nMemAvailable:    250000 kB\n')
    write(tmp_path / 'sys/class/thermal/thermal_zone0/temp', 48312)
    write(tmp_path / 'sys/class/thermal/thermal_zone1/temp', 81000)
    write(tmp_path / 'sys/class/thermal/thermal_zone2/temp', 'broken')
    assert computer.memory_free_mb(tmp_path) == 256
    assert computer.celsius(tmp_path) == 81.0


@pytest.mark.parametrize('name', computer.THROTTLED)
def test_the_register_of_a_raspberry_pi(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, '50005')
    assert computer.throttled(tmp_path) == 0x50005


@pytest.mark.parametrize('alarm', [0, 1])
def test_the_undervoltage_alarm_of_other_kernels(tmp_path: Path, alarm: int) -> None:
    write(tmp_path / 'sys/class/hwmon/hwmon1/name', 'rpi_volt')
    write(tmp_path / 'sys/class/hwmon/hwmon1/in0_lcrit_alarm', alarm)
    write(tmp_path / 'sys/class/hwmon/hwmon0/name', 'other')
    write(tmp_path / 'sys/class/hwmon/hwmon0/in0_lcrit_alarm', 1)
    assert computer.throttled(tmp_path) == alarm


def test_interfaces_and_the_way_out(tmp_path: Path) -> None:
    write(tmp_path / 'proc/net/route', ROUTES)
    write(tmp_path / 'proc/net/ipv6_route', ROUTES6)
    interface(tmp_path, 'eth0', 'up', '0x1003', received=123)
    interface(tmp_path, 'lo', 'unknown', '0x9')
    interface(tmp_path, 'usb0', 'unknown', '0x1003')
    interface(tmp_path, 'wlan0', 'up', '0x1003')
    interface(tmp_path, 'wwan0', 'down', '0x1002')
    write(tmp_path / 'sys/class/net/bonding_masters', 'bond0')
    assert machine.networks(tmp_path) == (
        Network('eth0', up=True, has_default_route=True, received=123, sent=7),
        Network('usb0', up=True, is_modem=True, sent=7),
        Network('wlan0', up=True, has_default_route=True, sent=7),
        Network('wwan0', up=False, is_modem=True, sent=7))


def test_without_a_way_out(tmp_path: Path) -> None:
    interface(tmp_path, 'eth0', 'up', '0x1003')
    assert machine.networks(tmp_path) == (Network('eth0', up=True, sent=7),)


def test_a_computer_that_tells_nothing(tmp_path: Path) -> None:
    seen = machine.look(tmp_path / 'state', tmp_path)
    assert (seen.memory_free_mb, seen.celsius, seen.throttled, seen.networks) == (None,) * 4
    assert seen.disk_free_mb, 'of the folder in which the state folder will be'


def test_this_computer(tmp_path: Path) -> None:
    """Nothing raises, and what every Linux tells is there."""
    seen = machine.look(tmp_path)
    room = os.statvfs(tmp_path)
    assert seen.disk_free_mb == pytest.approx(room.f_bavail * room.f_frsize / 1e6, rel=0.2)
    assert seen.memory_free_mb and seen.memory_free_mb > 10
    assert seen.networks is not None
    assert all(network.name != 'lo' for network in seen.networks)


@pytest.mark.parametrize('answer, wanted', [(0, True), (2, True), (5, False), (-1, None)])
def test_a_clock_that_somebody_keeps(answer: int, wanted: bool | None) -> None:
    class Libc:
        @staticmethod
        def adjtimex(request: 'ctypes.Array[ctypes.c_char]') -> int:
            assert bytes(request) == bytes(len(request)), 'asks, and changes nothing'
            return answer

    assert computer.clock_is_set(Libc) is wanted  # type: ignore[arg-type]
