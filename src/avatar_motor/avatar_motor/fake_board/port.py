# SPDX-License-Identifier: Apache-2.0
"""What the board is plugged into: a pseudo terminal, or QEMU's socket."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import socket
import termios
import tty
from pathlib import Path
from typing import Protocol


class Port(Protocol):
    """One plug. `wait_fd` is what to wait on, -1 while nobody is at the other end."""

    RETRY_S: float
    device: str
    wait_fd: int

    def plug_in(self) -> None: ...

    def unplug(self, rename: bool) -> None: ...

    def read(self) -> bytes: ...

    def write(self, data: bytes) -> None: ...


class PtyPort:
    """A pseudo terminal, and a link that leads to its newest name."""

    RETRY_S = 0.02  # a terminal that nobody holds cannot be waited on: it hangs up for ever

    def __init__(self, link: Path) -> None:
        self._link = link
        self._master = -1
        self._spare: tuple[int, str] | None = None
        self.wait_fd = -1
        self.device = ''

    def plug_in(self) -> None:
        self._master, self.device = self._spare or _new_terminal()
        self._spare = None
        self._relink()

    def _relink(self) -> None:
        fresh = self._link.with_name(self._link.name + '.new')
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self.device)
        fresh.replace(self._link)

    def unplug(self, rename: bool) -> None:
        """Hang up. With `rename` the next number is taken before this one gets free."""
        if self._master < 0:
            return
        if rename:
            self._spare = _new_terminal()
        os.close(self._master)
        self._master = self.wait_fd = -1
        self.device = ''
        self._link.unlink(missing_ok=True)

    def read(self) -> bytes:
        data = b''
        if self._master >= 0:
            try:
                data = os.read(self._master, 4096)
                self.wait_fd = self._master
            except BlockingIOError:
                self.wait_fd = self._master
            except OSError:  # nobody has it open; the board runs on
                if self.wait_fd >= 0:
                    self.wait_fd = -1
                    self._let_in_again()
        return data

    def _let_in_again(self) -> None:
        """Undo the exclusive use of a host that was killed.

        A real serial port forgets it at the last close, a pseudo terminal does not, and would
        refuse everyone (but root) from then on. So it gets a new one.
        """
        try:
            slave = os.open(self.device, os.O_RDWR | os.O_NOCTTY)
            fcntl.ioctl(slave, termios.TIOCNXCL)  # only root gets this far if it matters
            os.close(slave)
        except OSError:
            os.close(self._master)
            self._master, self.device = _new_terminal()
            self._relink()

    def write(self, data: bytes) -> None:
        if self.wait_fd >= 0:
            with contextlib.suppress(OSError):  # a full or closed line loses bytes
                os.write(self.wait_fd, data)


def _new_terminal() -> tuple[int, str]:
    """Return a master and the name of its other end, raw and held by nobody.

    The host's end must not stay ours: who holds it is what the host asks /proc.
    """
    master, slave = pty.openpty()
    tty.setraw(slave)  # or the kernel would echo the banner back to the board
    name = os.ttyname(slave)
    os.close(slave)
    os.set_blocking(master, False)
    return master, name


class SocketPort:
    """The board's end of QEMU's usb-serial chardev; connects again whenever it can."""

    RETRY_S = 0.2

    def __init__(self, path: str) -> None:
        self._socket: socket.socket | None = None
        self._plugged = False
        self.wait_fd = -1
        self.device = path

    def plug_in(self) -> None:
        self._plugged = True

    def unplug(self, rename: bool) -> None:
        self._plugged = False
        self._drop()

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self.wait_fd = None, -1

    def _connect(self) -> None:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(self.device)
        except OSError:
            line.close()
            return
        line.setblocking(False)
        self._socket, self.wait_fd = line, line.fileno()

    def read(self) -> bytes:
        if self._socket is None and self._plugged:
            self._connect()
        if self._socket is None:
            return b''
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            return b''
        except OSError:
            data = b''
        if not data:
            self._drop()
        return data

    def write(self, data: bytes) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send(data)
