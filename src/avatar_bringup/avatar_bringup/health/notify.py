# SPDX-License-Identifier: Apache-2.0
"""
Tell systemd (sd_notify): ready, alive, and a sentence. Without systemd nothing is told.

The unit has NotifyAccess=all, because launch itself never tells anything. So WATCHDOG_PID, which
is launch's, is not asked.
"""

import contextlib
import os
import socket
from collections.abc import MutableMapping

FRESH_S = 3.0
"""Motor loop and gateway must have answered within this time for the watchdog to be fed."""


class Notifier:
    """Sends what is new; `tell` once a second or so. Never waits, never raises."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._address = environ.get('NOTIFY_SOCKET', '')
        if self._address.startswith('@'):
            self._address = '\0' + self._address[1:]
        self._period_s = _microseconds(environ.get('WATCHDOG_USEC', '')) / 2
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._is_ready = False
        self._fed_s = float('-inf')
        self._status = ''

    @property
    def is_there(self) -> bool:
        """Return whether somebody listens to what is told."""
        return self._socket is not None

    def tell(self, sentence: str, motor_s: float | None, gateway_s: float | None,
             now_s: float) -> None:
        """
        Tell how it is.

        motor_s, gateway_s: when the motor loop and the gateway last showed that they work
        [s, CLOCK_MONOTONIC]; ready once both did, whatever else is missing.
        """
        if self._socket is None:
            return
        lines = []
        if not self._is_ready and motor_s is not None and gateway_s is not None:
            lines.append('READY=1')
        if sentence != self._status:
            lines.append('STATUS=' + ' '.join(sentence.split()))
        feeds = (self._period_s > 0 and now_s - self._fed_s >= min(self._period_s / 2, 1.0)
                 and _is_fresh(motor_s, now_s) and _is_fresh(gateway_s, now_s))
        if feeds:
            lines.append('WATCHDOG=1')
        if lines and self._send('\n'.join(lines)):
            self._is_ready |= 'READY=1' in lines
            self._status = sentence
            self._fed_s = now_s if feeds else self._fed_s

    def _send(self, text: str) -> bool:
        assert self._socket is not None
        with contextlib.suppress(OSError):
            self._socket.sendto(text.encode(), self._address)
            return True
        return False

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _is_fresh(at_s: float | None, now_s: float) -> bool:
    return at_s is not None and now_s - at_s <= FRESH_S


def _microseconds(text: str) -> float:
    return int(text) / 1e6 if text.isascii() and text.isdigit() else 0.0


def of_this_process() -> Notifier:
    """Return the one of this process; who is started by it is not to tell anything."""
    notifier = Notifier(os.environ)
    for name in ('NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'):
        os.environ.pop(name, None)
    return notifier
