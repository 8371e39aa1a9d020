# SPDX-License-Identifier: Apache-2.0
"""Who is bound to which address, read from the kernel's own tables in /proc (Linux only)."""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LISTEN = 0x0A


@dataclass(frozen=True)
class Bound:
    """One bound socket; `state` is the kernel's number (LISTEN for a listening TCP socket)."""

    protocol: str
    address: str
    port: int
    state: int
    inode: int

    @property
    def on_loopback(self) -> bool:
        """Whether nothing outside this machine can reach the socket."""
        return self.address.startswith('127.') or self.address == '::1'


def address_of(text: str) -> str:
    """Return the address the kernel prints as 32-bit words in host byte order."""
    words = struct.pack(f'={len(text) // 8}I', *(
        int(text[i:i + 8], 16) for i in range(0, len(text), 8)))
    return socket.inet_ntop(socket.AF_INET if len(words) == 4 else socket.AF_INET6, words)


def parse(protocol: str, table: str) -> list[Bound]:
    """Return the sockets of one table (`/proc/net/udp` and its like)."""
    result = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        address, port = fields[1].rsplit(':', 1)
        result.append(Bound(protocol, address_of(address), int(port, 16),
                            int(fields[3], 16), int(fields[9])))
    return result


def bound(proc: Path = Path('/proc')) -> list[Bound]:
    """Return every bound IP socket of this network namespace."""
    result = []
    for protocol in ('tcp', 'udp', 'tcp6', 'udp6', 'raw', 'raw6', 'udplite', 'udplite6'):
        try:
            result += parse(protocol, (proc / 'self/net' / protocol).read_text())
        except FileNotFoundError:
            continue  # a kernel without IPv6 has no such table
    return result


def inodes(pid: int, proc: Path = Path('/proc')) -> set[int]:
    """Return the socket inodes a process holds; empty where it is gone or not ours to see."""
    result = set()
    try:
        for entry in os.scandir(proc / str(pid) / 'fd'):
            try:
                target = os.readlink(entry.path)
            except FileNotFoundError:
                continue
            if target.startswith('socket:['):
                result.add(int(target[8:-1]))
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return result
    return result


def pids(proc: Path = Path('/proc')) -> Iterator[int]:
    """Yield the ids of all processes."""
    return (int(name) for name in os.listdir(proc) if name.isdigit())


def command_line(pid: int, proc: Path = Path('/proc')) -> str:
    """Return the command line of a process, or '' where it is gone."""
    try:
        return (proc / str(pid) / 'cmdline').read_bytes().replace(b'\0', b' ').decode(
            errors='replace').strip()
    except (FileNotFoundError, ProcessLookupError):
        return ''


def holder(protocol: str, port: int, proc: Path = Path('/proc')) -> int | None:
    """Return the pid that has a port ('tcp', 'udp'), 0 where it may not be seen, or None."""
    held = {s.inode for s in bound(proc)
            if s.protocol in (protocol, f'{protocol}6') and s.port == port
            and (s.state == LISTEN or protocol == 'udp')}
    if not held:
        return None
    return next((pid for pid in pids(proc) if held & inodes(pid, proc)), 0)


def listener(port: int, proc: Path = Path('/proc')) -> int | None:
    """Return the pid that listens on a TCP port, 0 where it may not be seen, or None."""
    return holder('tcp', port, proc)


def cannot_bind(protocol: str, host: str, port: int) -> str:
    """Return why a port cannot be had: 'taken', another reason, or ''; an empty host is every."""
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    kind = socket.SOCK_DGRAM if protocol == 'udp' else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        if protocol == 'tcp':
            # As servers do: connections of the last one that linger do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            if protocol == 'tcp':
                probe.listen(1)
        except OSError as error:
            return 'taken' if error.errno == errno.EADDRINUSE else str(error.strerror)
    return ''
