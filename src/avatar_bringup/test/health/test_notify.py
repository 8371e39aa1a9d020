# SPDX-License-Identifier: Apache-2.0
"""What systemd is told, by a real socket of the kind it gives a unit."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from avatar_bringup.health.notify import FRESH_S, Notifier, of_this_process


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind('\0' + address[1:] if address.startswith('@') else address)
        self.environ = {'NOTIFY_SOCKET': address, 'WATCHDOG_USEC': '10000000',
                        'WATCHDOG_PID': '1'}

    def heard(self) -> list[str]:
        lines: list[str] = []
        while True:
            try:
                lines += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=['file', 'abstract'])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    name = str(tmp_path / 'notify') if request.param == 'file' else f'@avatar-{os.getpid()}'
    end = Systemd(name)
    yield end
    end.close()


def test_ready_once_when_both_answered_whatever_else_is_missing(systemd: Systemd) -> None:
    notifier = Notifier(systemd.environ)
    notifier.tell('STOPPED: starting', None, None, 10.0)
    notifier.tell('STOPPED: starting', 10.9, None, 11.0)
    assert systemd.heard() == ['STATUS=STOPPED: starting']
    notifier.tell('STOPPED: no board', 11.9, 11.9, 12.0)
    assert systemd.heard() == ['READY=1', 'STATUS=STOPPED: no board', 'WATCHDOG=1']
    notifier.tell('STOPPED: no board', 12.9, 12.9, 12.1)
    assert systemd.heard() == []


def test_the_watchdog_is_fed_only_while_both_really_answer(systemd: Systemd) -> None:
    notifier = Notifier(systemd.environ)
    for second in range(100, 110):
        notifier.tell('', float(second), float(second), float(second))
    assert systemd.heard().count('WATCHDOG=1') == 10
    for motor_s, gateway_s in ((109.0, 200.0), (200.0, 109.0)):
        notifier.tell('', motor_s, gateway_s, 109.0 + FRESH_S + 0.1)
        notifier.tell('', motor_s, gateway_s, 200.0)
        assert systemd.heard() == [], (motor_s, gateway_s)
    notifier.tell('', 200.0, 200.0, 200.0)
    assert systemd.heard() == ['WATCHDOG=1']


@pytest.mark.parametrize('usec, wanted', [('10000000', 10), ('1000000', 10), ('', 0), ('x', 0)])
def test_how_often_it_is_fed(systemd: Systemd, usec: str, wanted: int) -> None:
    notifier = Notifier({**systemd.environ, 'WATCHDOG_USEC': usec})
    for tick in range(40):  # 10 s
        now_s = 100 + tick / 4
        notifier.tell('', now_s, now_s, now_s)
    fed = systemd.heard().count('WATCHDOG=1')
    assert fed >= wanted if wanted else fed == 0


def test_a_sentence_is_one_line_whatever_is_in_it(systemd: Systemd) -> None:
    Notifier(systemd.environ).tell('no board:\nREADY=1\n x', None, None, 1.0)
    assert systemd.heard() == ['STATUS=no board: READY=1 x']


def test_without_systemd_nothing_is_told() -> None:
    notifier = Notifier({})
    assert not notifier.is_there
    notifier.tell('READY', 1.0, 1.0, 1.0)
    notifier.close()


def test_a_systemd_that_does_not_listen_holds_nobody_up(systemd: Systemd) -> None:
    notifier = Notifier(systemd.environ)
    for number in range(2000):  # more than fits into the socket
        notifier.tell(f'sentence {number}', None, None, 1.0)
    systemd.close()
    notifier.tell('the end', 2.0, 2.0, 2.0)


def test_children_are_not_to_tell(monkeypatch: pytest.MonkeyPatch, systemd: Systemd) -> None:
    for name, value in systemd.environ.items():
        monkeypatch.setenv(name, value)
    assert of_this_process().is_there
    assert not set(systemd.environ) & set(os.environ)
