# SPDX-License-Identifier: Apache-2.0
"""The ports of one avatar."""

import socket
from dataclasses import asdict, astuple

import pytest

from avatar_bringup.ports import HIGHEST_PORT, Ports


def test_the_usual_numbers() -> None:
    assert Ports.beside(8080) == Ports()
    assert asdict(Ports()) == {'gateway': 8080, 'media': 8189, 'rtsp': 8554, 'webrtc': 8889,
                               'api': 9997, 'inner': 9998, 'rosbridge': 9090}


def test_another_port_moves_all_of_them_by_the_same_distance() -> None:
    assert astuple(Ports.beside(8090)) == tuple(n + 10 for n in astuple(Ports()))


def test_the_others_are_ports_too() -> None:
    assert max(astuple(Ports.beside(HIGHEST_PORT))) == 65535
    assert min(astuple(Ports.beside(1))) > 0
    for port in (0, -1, HIGHEST_PORT + 1):
        with pytest.raises(ValueError, match=str(port)):
            Ports.beside(port)


def test_free_ports_differ_and_are_free() -> None:
    ports = Ports.free()
    chosen = astuple(ports)[1:]
    assert ports.gateway == 0
    assert len(set(chosen)) == 6
    for port in chosen:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind(('127.0.0.1', port))
