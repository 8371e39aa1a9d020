# SPDX-License-Identifier: Apache-2.0
"""
A cable with delay and loss between this network and a namespace: two TUN devices (root only).

    python bench/relay.py NAMESPACE OUR_DEVICE ITS_DEVICE ONE_WAY_MS LOSS

Makes both devices, says `ready`, and carries packets until its stdin is closed. Each packet is
lost with the probability LOSS (0..1), the others arrive ONE_WAY_MS later and in order. The rate
is limited by the kernel (tc tbf on both devices).
"""

import ctypes
import fcntl
import os
import random
import select
import struct
import sys
import time
from collections import deque

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
LARGEST = 65536


def tun(name: str) -> int:
    """Make a TUN device in the network of this process; return its descriptor."""
    descriptor = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF,
                struct.pack('16sH22x', name.encode(), IFF_TUN | IFF_NO_PI))
    return descriptor


def enter(namespace: str) -> None:
    """Move this process into a namespace; devices made before stay where they are."""
    with open(f'/var/run/netns/{namespace}') as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f'setns {namespace}')


def carry(ours: int, its: int, delay_s: float, loss: float) -> None:
    """Carry packets in both directions until stdin ends."""
    other = {ours: its, its: ours}
    under_way: deque[tuple[float, int, bytes]] = deque()
    while True:
        wait_s = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        ready, _, _ = select.select([ours, its, sys.stdin], [], [], wait_s)
        now = time.monotonic()
        for descriptor in ready:
            if descriptor is sys.stdin:
                if not os.read(0, 1024):
                    return
                continue
            try:
                packet = os.read(descriptor, LARGEST)
            except BlockingIOError:
                continue
            if random.random() >= loss:
                under_way.append((now + delay_s, other[descriptor], packet))
        while under_way and under_way[0][0] <= now:
            _, descriptor, packet = under_way.popleft()
            try:
                os.write(descriptor, packet)
            except OSError as problem:
                # A device that is down: the packet is lost, as on a cable that is not plugged in.
                print(f'relay: {problem}', file=sys.stderr)


def main() -> None:
    """Make the devices and carry."""
    namespace, our_device, its_device, delay_ms, loss = sys.argv[1:6]
    ours = tun(our_device)
    enter(namespace)
    its = tun(its_device)
    print('ready', flush=True)
    carry(ours, its, float(delay_ms) / 1e3, float(loss))


if __name__ == '__main__':
    main()
