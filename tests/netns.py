# SPDX-License-Identifier: Apache-2.0
"""
A network of its own for an operator, with a real cut: packets dropped by the kernel (root only).

Unlike behind the proxy, nothing is acknowledged any more: this is what 4G does in a tunnel.
"""

import ctypes
import os
import random
import shutil
import socket
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class NoNamespace(Exception):
    """This machine does not let us make network namespaces; the text says what failed."""


class Namespace:
    """A namespace joined to this machine by a cable: `host` is our end, `guest` its end."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise NoNamespace('only root makes network namespaces')
        for tool in ('ip', 'iptables'):
            if shutil.which(tool) is None:
                raise NoNamespace(f'{tool} was not found')
        number = random.randrange(1, 1 << 14)
        self.name = f'avatar-test-{number}'
        net = f'10.{200 + number // 4096}.{number // 64 % 64}.{number % 64 * 4}'
        base, last = net.rsplit('.', 1)
        self.host, self.guest = f'{base}.{int(last) + 1}', f'{base}.{int(last) + 2}'
        self._cable = f'avt{number}'
        try:
            _run('ip', 'netns', 'add', self.name)
            _run('ip', 'link', 'add', self._cable, 'type', 'veth', 'peer', 'name', 'eth0',
                 'netns', self.name)
            _run('ip', 'addr', 'add', f'{self.host}/30', 'dev', self._cable)
            _run('ip', 'link', 'set', self._cable, 'up')
            self._inside('ip', 'addr', 'add', f'{self.guest}/30', 'dev', 'eth0')
            self._inside('ip', 'link', 'set', 'eth0', 'up')
            self.heal()
        except NoNamespace:
            self.close()
            raise

    def _inside(self, *command: str) -> None:
        _run('ip', 'netns', 'exec', self.name, *command)

    def make_socket(self, host: str, port: int) -> socket.socket:
        """Return a connection made from inside."""
        made: list[socket.socket | OSError] = []

        def work() -> None:
            # A namespace is a thread's: a socket made in it stays in it.
            with open(f'/var/run/netns/{self.name}') as file:
                if _libc.setns(file.fileno(), CLONE_NEWNET):
                    made.append(OSError(ctypes.get_errno(), 'setns'))
                    return
            try:
                made.append(socket.create_connection((host, port), 5))
            except OSError as problem:
                made.append(problem)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]

    def cut(self) -> float:
        """Drop every packet in both directions; return when."""
        for chain in ('INPUT', 'OUTPUT'):
            event = time.monotonic()
            self._inside('iptables', '-A', chain, '-j', 'DROP')
        return event

    def heal(self) -> None:
        """Let packets pass again."""
        self._inside('iptables', '-F')

    def close(self) -> None:
        """Remove the namespace and the cable."""
        # A namespace lives on while a socket in it does; the cable goes at once.
        for command in (['ip', 'link', 'del', self._cable], ['ip', 'netns', 'del', self.name]):
            subprocess.run(command, stderr=subprocess.DEVNULL, check=False)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoNamespace(f'{" ".join(command)}: {done.stderr.strip()}')
