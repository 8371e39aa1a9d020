# SPDX-License-Identifier: Apache-2.0
"""The names and addresses this machine is opened by; Linux only."""

import fcntl
import ipaddress
import re
import socket
import struct
from pathlib import Path

_SIOCGIFADDR = 0x8915


def own_names() -> list[str]:
    """Return the names of this machine, the one to be printed first."""
    name = socket.gethostname().lower().rstrip('.')
    short = name.split('.')[0]
    # mDNS: what phones and laptops find without any name server.
    names = [f'{short}.local', short, name, 'localhost']
    return [n for i, n in enumerate(names) if valid(n) and n not in names[:i]]


def valid(name: str) -> bool:
    """Return whether this can be a DNS name (a `*.` in front is allowed)."""
    return len(name) <= 253 and re.fullmatch(
        r'(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*'
        r'[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?', name) is not None


def own_addresses() -> list[str]:
    """Return the addresses of this machine's interfaces: IPv4 first, loopback last."""
    found = {address for _, name in socket.if_nameindex() for address in _ipv4(name)}
    found |= _ipv6() | {'127.0.0.1'}
    addresses = [ipaddress.ip_address(text) for text in found]
    addresses = [a for a in addresses if not a.is_link_local]
    return [str(a) for a in sorted(addresses, key=lambda a: (a.is_loopback, a.version, int(a)))]


def addresses_by_interface() -> dict[str, list[str]]:
    """Return the addresses of each interface but loopback's, link-local ones last."""
    found = {name: _ipv4(name) for _, name in socket.if_nameindex()}
    for name, address in _ipv6_of_each():
        found.setdefault(name, []).append(address)
    return {name: sorted(addresses, key=lambda one: ipaddress.ip_address(one).is_link_local)
            for name, addresses in found.items()
            if addresses and not all(ipaddress.ip_address(one).is_loopback for one in addresses)}


def _ipv4(interface: str) -> list[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack('256s', interface.encode()[:15])
        try:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
        except OSError:
            return []  # An interface without an IPv4 address.
    return [socket.inet_ntoa(answer[20:24])]


def _ipv6() -> set[str]:
    return {address for _, address in _ipv6_of_each()}


def _ipv6_of_each() -> list[tuple[str, str]]:
    try:
        lines = Path('/proc/net/if_inet6').read_text().splitlines()
    except OSError:
        return []  # A kernel without IPv6.
    rows = [line.split() for line in lines if line]
    return [(row[-1], str(ipaddress.IPv6Address(int(row[0], 16)))) for row in rows]
