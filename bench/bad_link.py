# SPDX-License-Identifier: Apache-2.0
"""A network of its own for a browser, behind a link as bad as wanted (root only)."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.netns import Namespace, NoNamespace

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Quality:
    """Of a link; the loss is that of each direction, 0..1."""

    kbit_s: int = 1000
    round_trip_ms: float = 200.0
    loss: float = 0.05
    mtu_bytes: int = 1280
    queue_ms: int = 300


class BadLink:
    """
    Two ends: `robot` (an address of this machine) and `browser` (one in the namespace).

    The namespace has no other way out. `close` removes everything.
    """

    def __init__(self, quality: Quality) -> None:
        self._undo = contextlib.ExitStack()
        try:
            self._build(quality)
        except BaseException:
            self.close()
            raise

    def _build(self, quality: Quality) -> None:
        # Its cable is what the tests use; here it stays unplugged.
        self._namespace = Namespace()
        self._undo.callback(self._namespace.close)
        self.name = self._namespace.name
        self._inside('ip', 'link', 'set', 'eth0', 'down')
        self._inside('ip', 'link', 'set', 'lo', 'up')
        number = random.randrange(1, 1 << 14)
        net = f'10.{190 + number // 4096}.{number // 64 % 64}'
        last = number % 64 * 4
        self.robot, self.browser = f'{net}.{last + 1}', f'{net}.{last + 2}'
        device = f'avl{number}'
        self._relay = subprocess.Popen(
            [sys.executable, str(HERE / 'relay.py'), self.name, device, 'tun0',
             str(quality.round_trip_ms / 2), str(quality.loss)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._undo.callback(self._end_relay)
        assert self._relay.stdout is not None
        if self._relay.stdout.readline() != b'ready\n':
            raise NoNamespace('the relay did not start')
        shape = ('root', 'tbf', 'rate', f'{quality.kbit_s}kbit', 'burst', '3000',
                 'latency', f'{quality.queue_ms}ms')
        for run, name, address, peer in (
                (_run, device, self.robot, self.browser),
                (self._inside, 'tun0', self.browser, self.robot)):
            run('ip', 'addr', 'add', address, 'peer', peer, 'dev', name)
            run('ip', 'link', 'set', name, 'mtu', str(quality.mtu_bytes), 'up')
            run('tc', 'qdisc', 'add', 'dev', name, *shape)

    def _inside(self, *command: str) -> None:
        _run('ip', 'netns', 'exec', self.name, *command)

    def _end_relay(self) -> None:
        assert self._relay.stdin is not None
        self._relay.stdin.close()
        try:
            self._relay.wait(5)
        except subprocess.TimeoutExpired:
            self._relay.kill()
            self._relay.wait()

    def program(self, path: str) -> str:
        """Return a program that runs another one inside, for whoever wants only a path."""
        folder = Path(tempfile.mkdtemp(prefix='avatar-link-'))
        self._undo.callback(shutil.rmtree, folder, ignore_errors=True)
        wrapper = folder / Path(path).name
        wrapper.write_text(f'#!/bin/sh\nexec ip netns exec {self.name} {path} "$@"\n')
        wrapper.chmod(0o755)
        return str(wrapper)

    def make_socket(self, host: str, port: int) -> socket.socket:
        """Return a connection made from inside."""
        return self._namespace.make_socket(host, port)

    def cut(self) -> float:
        """Drop every packet; return when."""
        return self._namespace.cut()

    def heal(self) -> float:
        """Let packets pass again; return when."""
        self._namespace.heal()
        return time.monotonic()

    def close(self) -> None:
        """Remove everything."""
        self._undo.close()

    def __enter__(self) -> 'BadLink':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoNamespace(f'{" ".join(command)}: {done.stderr.strip()}')


def why_not() -> str | None:
    """Return why this machine cannot have one."""
    if os.geteuid() != 0:
        return 'only root makes network namespaces'
    missing = [tool for tool in ('ip', 'tc', 'iptables') if shutil.which(tool) is None]
    return f'{", ".join(missing)} not found' if missing else None
