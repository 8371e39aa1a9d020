# SPDX-License-Identifier: Apache-2.0
"""Where to listen and whether with TLS; who has the port if we cannot."""

import errno
import ipaddress
import os
import re
import socket
from pathlib import Path

from avatar_web.accounts.lock import command_of

BACKLOG = 128

OLDEST_AIOHTTP = (3, 14, 2)
"""Pipelining and parts of frames are bounded since 3.14.1, long header lines since 3.14.2."""


class ListenProblem(RuntimeError):
    """The server cannot start; the text says why and what to do. Exit code 78."""


def check_aiohttp(version: str) -> None:
    """Refuse an aiohttp that a stranger can fill or crash; a distribution's may be old."""
    numbers = tuple(int(n) for n in re.findall(r'\d+', version)[:3])
    if numbers < OLDEST_AIOHTTP:
        oldest = '.'.join(map(str, OLDEST_AIOHTTP))
        raise ListenProblem(f'aiohttp {version} takes pipelined requests and frames without a '
                            f'limit; it must be {oldest} or newer: '
                            f'python3 -m pip install "aiohttp>={oldest}"')


def resolve(host: str) -> list[str]:
    """Return the addresses of `host`; '' and '*' are all addresses of this machine."""
    if host in ('', '*'):
        return ['0.0.0.0', '::']
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM,
                                   flags=socket.AI_PASSIVE)
    except OSError as problem:
        raise ListenProblem(f'host {host!r} is no address of this machine: {problem}; '
                            'set the parameter host') from problem
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def wants_tls(addresses: list[str], tls: str, plain_http_beyond_loopback: bool) -> bool:
    """Return whether to use TLS; ListenProblem for plain HTTP that was not asked for twice."""
    beyond = not all(ipaddress.ip_address(a.split('%')[0]).is_loopback for a in addresses)
    if tls == 'on':
        return True
    if tls not in ('auto', 'off'):
        raise ListenProblem(f'tls = {tls!r}: must be auto, on or off')
    if not beyond or plain_http_beyond_loopback:
        return False
    if tls == 'off':
        raise ListenProblem('plain HTTP beyond this machine shows passwords to the network; set '
                            'tls to auto, or plain_http_beyond_loopback if that is wanted')
    return True


def bind(addresses: list[str], port: int) -> list[socket.socket]:
    """Return listening sockets, all on one port (0: any); ListenProblem names who has it."""
    sockets: list[socket.socket] = []
    try:
        for address in addresses:
            try:
                sockets.append(_bind_one(address, port))
            except OSError as problem:
                # A name or '*' may stand for IPv6 where there is none.
                if len(addresses) > 1 and problem.errno in (
                        errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and address != addresses[-1]:
                    continue
                if sockets and problem.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    continue
                raise ListenProblem(_sentence(address, port, problem)) from problem
            port = port or sockets[0].getsockname()[1]
    except ListenProblem:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bind_one(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _sentence(address: str, port: int, problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        pid = port_holder(port)
        who = f'pid {pid} ({command_of(pid)})' if pid else 'a process of another user'
        return (f'port {port} is taken by {who}; end that, or set another port '
                '(AVATAR_PORT or the parameter port)')
    if problem.errno == errno.EACCES:
        return f'port {port} is only for root; use one of 1024 or more'
    return f'cannot listen on {address} port {port}: {problem.strerror}'


def port_holder(port: int) -> int:
    """Return the pid of who listens on a TCP port, 0 if that cannot be seen."""
    inodes = set()
    for table in ('/proc/net/tcp', '/proc/net/tcp6'):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for words in map(str.split, lines):
            if words[3] == '0A' and int(words[1].rsplit(':', 1)[1], 16) == port:
                inodes.add(f'socket:[{words[9]}]')
    for entry in os.listdir('/proc'):
        if re.fullmatch(r'\d+', entry) and inodes & _links(f'/proc/{entry}/fd'):
            return int(entry)
    return 0


def _links(folder: str) -> set[str]:
    links = set()
    try:
        for fd in os.listdir(folder):
            links.add(os.readlink(f'{folder}/{fd}'))
    except OSError:
        pass  # Another user's process, or one that ended just now.
    return links


def bind_unix(path: Path) -> socket.socket:
    """
    Return a listening unix socket that only our own user (and root) can open.

    What lies there is what a killed gateway left: the caller holds the gateway's lock.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # By way of the folder: a socket's path must be shorter than 108 bytes.
        short = f'/proc/self/fd/{folder}/{path.name}'
        if os.path.lexists(short):
            os.unlink(short)
        sock.bind(short)
        # Nobody can connect before listen().
        os.chmod(short, 0o600)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    finally:
        os.close(folder)
    return sock
