# SPDX-License-Identifier: Apache-2.0
"""The process around the board: one loop over its plug, its control socket and its time."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avatar_motor.fake_board.board import NEVER, Board
from avatar_motor.fake_board.port import Port
from avatar_motor.fake_board.records import LineCutter, Record
from avatar_motor.fake_board.tracks import Tracks
from avatar_motor.fake_board.wire import Wire

DEFAULT_UNPLUG_S = 2.0


@dataclass
class Server:
    """Owns everything; `run` returns when a signal asks for the end."""

    board: Board
    port: Port
    trace: Record
    lines: Record | None
    control: Path
    tracks: Tracks = field(default_factory=Tracks)
    reset_on_open: bool = False

    def __post_init__(self) -> None:
        self._wire = Wire()
        self._received, self._sent = LineCutter(), LineCutter()
        self._lines_received = 0
        self._replug_at = NEVER
        self._was_open = False
        self._clients: dict[int, tuple[socket.socket, bytearray]] = {}
        self._watched = -1
        self._ended = False
        self.board.on_outputs = self._outputs_changed

    def _outputs_changed(self, t: float, left_us: int, right_us: int, cause: str) -> None:
        self.tracks.set_pulses(t, left_us, right_us)
        self.trace.write(t=round(t, 6), left_us=left_us, right_us=right_us, cause=cause)

    def _record(self, direction: str, t: float, line: str) -> None:
        if self.lines is not None:
            self.lines.write(t=round(t, 6), dir=direction, line=line)

    # ---- the loop

    def run(self) -> None:
        signals, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, lambda *_: None)
        self._power_on(time.monotonic())
        listener = self._listen()
        always = [signals, listener.fileno()]
        try:
            while not self._ended:
                self._step()
                waiting = [*always, *self._clients]
                if self._watched >= 0:
                    waiting.append(self._watched)
                ready, _, _ = select.select(waiting, (), (), self._timeout_s())
                for fd in ready:
                    if fd == signals:
                        self._signalled(os.read(signals, 16))
                    elif fd == listener.fileno():
                        self._accept(listener)
                    elif fd in self._clients:
                        self._serve(fd)
        finally:
            signal.set_wakeup_fd(-1)
            self.port.unplug(rename=False)
            listener.close()
            self.control.unlink(missing_ok=True)

    def _power_on(self, now: float) -> None:
        self.board.time = now
        self.port.plug_in()
        self.tracks.advance(now)
        self.trace.write(
            t=round(now, 6), left_us=self.board.left_us, right_us=self.board.right_us, cause='boot'
        )
        self.board.power_on(now)

    def _timeout_s(self) -> float | None:
        due = min(self.board.next_wake(), self._wire.due(), self._replug_at)
        now = time.monotonic()
        if self.port.wait_fd < 0 and self._replug_at == NEVER:
            due = min(due, now + self.port.RETRY_S)
        return max(0.0, due - now) if due != NEVER else None

    def _step(self) -> None:
        now = time.monotonic()
        if now >= self._replug_at:
            self._replug_at = NEVER
            self._power_on(now)
        data = self.port.read()
        if self.port.wait_fd != self._watched:
            self._watch()
        if data:
            for line in self._received.cut(data):
                self._lines_received += 1
                self._record('rx', now, line)
            self.board.receive(data, now)
        self.board.advance(now)
        while self.board.sent:
            self._wire.put(self.board.sent.popleft())
        while (out := self._wire.take(now)) is not None:
            self.port.write(out)
            for line in self._sent.cut(out):
                self._record('tx', now, line)

    def _watch(self) -> None:
        self._watched = self.port.wait_fd
        if self._watched >= 0 and self.reset_on_open:
            self._reset(time.monotonic())

    # ---- faults

    def _reset(self, now: float) -> None:
        if self._replug_at == NEVER:
            self.board.advance(now)
            self._wire.clear()
            self.board.power_on(now, 'reset')

    def _unplug(self, now: float, seconds: float, rename: bool) -> None:
        if self._replug_at == NEVER:
            self.board.advance(now)
            self.board.power_off(now, 'unplug')
            self._wire.clear()
            self.port.unplug(rename)
            self._watch()
        self._replug_at = now + seconds

    def _signalled(self, numbers: bytes) -> None:
        now = time.monotonic()
        for number in numbers:
            if number == signal.SIGUSR1:
                self._reset(now)
            elif number == signal.SIGUSR2:
                self._unplug(now, DEFAULT_UNPLUG_S, rename=False)
            else:
                self._ended = True

    # ---- control socket

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.setblocking(False)
        try:
            self.control.unlink(missing_ok=True)
            listener.bind(str(self.control))
        except OSError as error:  # too long a path: the board works without faults, too
            print(f'fake_board: no control socket at {self.control}: {error}; give a shorter '
                  'path with --control', file=sys.stderr)  # fmt: skip
            listener.bind('')
        listener.listen()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        client.setblocking(False)
        self._clients[client.fileno()] = (client, bytearray())

    def _serve(self, fd: int) -> None:
        client, buffer = self._clients[fd]
        try:
            data = client.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b''
        buffer += data
        try:
            while (end := buffer.find(b'\n')) >= 0:
                answer = self._command(bytes(buffer[:end]))
                del buffer[: end + 1]
                client.sendall(json.dumps(answer).encode() + b'\n')
        except OSError:
            data = b''
        if not data or len(buffer) > 4096:
            client.close()
            del self._clients[fd]

    def _command(self, line: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            return {'ok': True, **self._do(asked, time.monotonic())}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            return {'ok': False, 'error': f'{type(error).__name__}: {error}'}

    def _do(self, asked: dict[str, Any], now: float) -> dict[str, Any]:
        do, faults = asked['do'], self._wire.faults
        count = int(asked.get('n', 1))
        if do == 'reset':
            self._reset(now)
        elif do == 'hang':
            self.board.advance(now)
            self.board.hang(now, float(asked['s']))
        elif do == 'unplug':
            seconds = float(asked.get('s', DEFAULT_UNPLUG_S))
            self._unplug(now, seconds, bool(asked.get('rename', False)))
        elif do == 'garbage':
            self.port.write(os.urandom(count))
        elif do == 'drop_replies':
            faults.drop = count
        elif do == 'double_replies':
            faults.double = count
        elif do == 'delay_replies':
            faults.delay, faults.delay_s = count, float(asked['s'])
        elif do == 'stuck_watchdog':
            self.board.switches.stuck_watchdog = bool(asked.get('on', True))
        elif do != 'state':
            raise ValueError(f'unknown {do!r}')
        return self._state(now)

    def _state(self, now: float) -> dict[str, Any]:
        self.tracks.advance(now)
        board = self.board
        return {
            't': now, 'plugged': self._replug_at == NEVER, 'device': self.port.device,
            'left_us': board.left_us, 'right_us': board.right_us,
            'front_lights': board.front_lights, 'back_lights': board.back_lights,
            'x_m': self.tracks.x_m, 'y_m': self.tracks.y_m,
            'heading_rad': self.tracks.heading_rad,
            'lines_received': self._lines_received, 'lost_bytes': board.lost_bytes,
        }  # fmt: skip
