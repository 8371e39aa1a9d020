# SPDX-License-Identifier: Apache-2.0
"""The kernel's socket tables: parsing, and real sockets of this process."""

import os
import socket

import pytest

from avatar_bringup.sockets import LISTEN, Bound, bound, command_line, inodes, listener, parse

TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1
   1: 00000000:1F91 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 4712 2
"""  # noqa: E501
TABLE6 = """  sl  local_address                         remote_address                        st
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 5 1
   1: 00000000000000000000000000000000:1F91 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 6 1
"""  # noqa: E501


def test_a_table_is_read() -> None:
    assert parse('tcp', TABLE) == [
        Bound('tcp', '127.0.0.1', 8080, LISTEN, 4711), Bound('tcp', '0.0.0.0', 8081, 7, 4712)]
    assert [s.on_loopback for s in parse('tcp', TABLE)] == [True, False]


def test_a_table_of_ipv6_is_read() -> None:
    assert [(s.address, s.inode, s.on_loopback) for s in parse('tcp6', TABLE6)] == [
        ('::1', 5, True), ('::', 6, False)]


@pytest.mark.parametrize('address, loopback', [
    ('127.0.0.1', True), ('127.1.2.3', True), ('0.0.0.0', False), ('192.0.2.2', False),
    ('::1', True), ('::', False), ('::ffff:127.0.0.1', False)])
def test_what_counts_as_loopback(address: str, loopback: bool) -> None:
    assert Bound('tcp', address, 1, LISTEN, 1).on_loopback is loopback


@pytest.mark.parametrize('kind', [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_our_own_socket_is_found(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(('127.0.0.1', 0))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        port = sock.getsockname()[1]
        own = [s for s in bound() if s.inode in inodes(os.getpid())]
        assert any(s.port == port and s.address == '127.0.0.1' for s in own)
        assert listener(port) == (os.getpid() if kind == socket.SOCK_STREAM else None)


def test_a_process_that_is_gone_holds_nothing() -> None:
    assert inodes(2**22 + 1) == set()
    assert command_line(2**22 + 1) == ''
