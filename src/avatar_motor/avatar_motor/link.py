# SPDX-License-Identifier: Apache-2.0
"""The owner of the serial port: one thread that finds, opens, talks and comes back.

The thread sleeps in `select` on the port, a wake-up and the next deadline. `drive` and
`emergency_stop` write from the caller's thread if the line is free: no hand-over, no delay.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import select
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import serial

from avatar_motor import ports, protocol
from avatar_motor.deadlines import BOARD_WATCHDOG_S, LATE_NEUTRAL_S
from avatar_motor.dialogue import HALT, NEVER, PACE_S, Dialogue, Happening, Phase
from avatar_motor.link_events import (
    BoardReset,
    Changed,
    Down,
    LinkEvent,
    LinkState,
    TargetExpired,
    Up,
    WatchdogTripped,
)
from avatar_motor.ports import PortProblem
from avatar_motor.protocol import Decoder
from avatar_node.holders import holders

__all__ = [
    'BoardReset', 'Changed', 'Down', 'Link', 'LinkConfig', 'LinkEvent', 'LinkState',
    'TargetExpired', 'Up', 'WatchdogTripped',
]  # fmt: skip

BAUD = 115200
RETRY_S = 0.5  # between two looks for the board
HELD_RETRY_S = 1.0  # looking for a holder reads all of /proc
HANDSHAKE_S = 6.0  # a board that boots takes 3.6 s
CLOSE_S = 0.5  # for the answer to the last STOP

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LinkConfig:
    port: str = ''  # path, or name in by_id_dir; '' = the only known bridge
    by_id_dir: str = ports.BY_ID_DIR
    pace_s: float = PACE_S  # from a reply to the next drive line
    hold_s: float = LATE_NEUTRAL_S  # a target not repeated by `drive` for so long ends


_CODES = {
    errno.ENOENT: 'port_missing', errno.ENXIO: 'unplugged', errno.EIO: 'unplugged',
    errno.ENODEV: 'unplugged', errno.EACCES: 'port_denied', errno.EPERM: 'port_denied',
    errno.EBUSY: 'port_held', errno.EAGAIN: 'port_held',
}  # fmt: skip


class Link:
    """Thread-safe; no method but `close` waits for the board.

    `on_event` is called from the link's thread, never while its lock is held.
    """

    def __init__(
        self,
        config: LinkConfig,
        on_event: Callable[[LinkEvent], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._on_event = on_event
        self._clock = clock
        self._lock = threading.Lock()
        self._dialogue = Dialogue(config.pace_s, config.hold_s)
        self._decoder = Decoder()
        self._serial: serial.Serial | None = None
        self._fd = -1
        self._path = ''
        self._board_path = ''  # where a board answered, until somebody asks to look anew
        self._reason = PortProblem('closed', LinkState.reason)
        self._broken: PortProblem | None = None
        self._events: list[LinkEvent] = []
        self._reported: LinkState | None = None
        self._next_try_at = 0.0
        self._sleeps_until = 0.0
        self._closing_at: float | None = None
        self._wake_fd = -1
        self._thread = threading.Thread(target=self._run, name='serial link', daemon=True)

    # ---- for callers

    def start(self) -> None:
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread.start()

    def close(self) -> None:
        """Stop the tracks, wait up to 0.5 s for the answer, give the port back."""
        if self._closing_at is not None or not self._thread.is_alive():
            return
        with self._lock:
            self._closing_at = self._clock()
            self._dialogue.emergency_stop()
            self._write_due()
        self._wake()
        self._thread.join(CLOSE_S + 1.0)
        if self._thread.is_alive():
            _log.error('the serial thread did not end; the port stays open until the process ends')

    def drive(self, left: int, right: int) -> None:
        """Set the duties wanted on the wire, to be repeated while they are not (0, 0)."""
        with self._lock:
            self._dialogue.drive(left, right, self._clock())
            self._write_due()

    def emergency_stop(self) -> None:
        """Send STOP until it is answered; neutral until the next `drive`."""
        with self._lock:
            self._dialogue.emergency_stop()
            self._write_due()

    def lights(self, which: str, on: bool) -> None:
        """Switch the 'front' or 'back' lights as soon as the line has room."""
        with self._lock:
            self._dialogue.lights(which, on)
            self._write_due()

    def reconnect(self) -> None:
        """Close the port and look for the board again."""
        with self._lock:
            self._broken = PortProblem('reconnect', 'connecting again, as asked')
            self._next_try_at = 0.0
            self._board_path = ''
        self._wake()

    @property
    def state(self) -> LinkState:
        with self._lock:
            return self._snapshot()

    # ---- with the lock held

    def _snapshot(self) -> LinkState:
        talk = self._dialogue
        ready = talk.phase is Phase.READY
        age_s = None if talk.last_reply_at is None else self._clock() - talk.last_reply_at
        watchdog_s = (talk.watchdog_ms or 0) / 1000
        return LinkState(
            connected=ready, port=self._path, dialect=talk.dialect,
            firmware=talk.firmware or (f'firmware {talk.dialect.value}' if talk.dialect else ''),
            has_watchdog=0 < watchdog_s <= BOARD_WATCHDOG_S, can_drive=talk.dialect.can_drive,
            left=talk.outputs[0], right=talk.outputs[1],
            front_lights=talk.lamps['front'], back_lights=talk.lamps['back'],
            voltage_v=talk.voltage_v, replies=talk.replies, lost_replies=talk.lost_replies,
            reason_code='' if ready else self._reason.code,
            reason='' if ready else self._reason.reason,
            last_reply_age_s=age_s, settled=talk.settled, stop_owed=talk.stop_owed,
        )  # fmt: skip

    def _write_due(self) -> None:
        """Write what may go out now, and see that the thread wakes for the rest."""
        if self._fd >= 0 and self._broken is None:
            line = self._dialogue.next_line(self._clock())
            if line is not None:
                self._write(line)
            self._translate_happenings()
        if self._broken is not None or self._events or self._dialogue.due() < self._sleeps_until:
            self._wake()

    def _write(self, line: bytes) -> None:
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            self._broken = self._problem(error)
            return
        if written != len(line):
            self._broken = PortProblem('no_answer', f'{self._path} does not take data any more')

    def _problem(self, error: OSError) -> PortProblem:
        code = _CODES.get(error.errno or 0, 'open_failed')
        says = {
            'unplugged': f'the board at {self._path} was unplugged: plug it in again',
            'port_denied': f'{self._path} may not be opened: add this user to the group dialout',
        }.get(code, f'{self._path}: {error.strerror or error}')
        return PortProblem(code, says)

    def _translate_happenings(self) -> None:
        for happening in self._dialogue.happened():
            if happening is Happening.UP:
                self._reason = PortProblem('', '')
                self._board_path = self._path
                self._events.append(Up(self._snapshot()))
            elif happening is Happening.SILENT:
                self._reason = PortProblem(
                    'no_answer', f'the board at {self._path} does not answer: look at its power'
                )
                self._events.append(Down(self._reason.code, self._reason.reason))
            elif happening is Happening.BOARD_RESET:
                self._reason = PortProblem(
                    'board_reset', f'the board at {self._path} was reset and starts again'
                )
                self._events.append(BoardReset())
            elif happening is Happening.WATCHDOG:
                self._events.append(WatchdogTripped())
            elif happening is Happening.TARGET_EXPIRED:
                self._events.append(TargetExpired())

    def _wake(self) -> None:
        if self._wake_fd >= 0:
            os.eventfd_write(self._wake_fd, 1)

    # ---- the thread

    def _run(self) -> None:
        ended = PortProblem('closed', 'the serial link was closed')
        try:
            while not self._is_over():
                if self._fd < 0:
                    self._try_to_open()
                timeout_s = self._step()
                self._tell()
                self._sleep(timeout_s)
        except Exception:  # noqa: BLE001  whatever it is, the tracks are stopped first
            _log.exception('the serial link failed')
            ended = PortProblem('link_failed', 'the serial link failed: restart the motor node')
        finally:
            if self._fd >= 0 and not (self._dialogue.settled and self._dialogue.wanted == HALT):
                self._write(protocol.stop())
            self._close_port()
            self._reason = ended
            self._tell()
            with self._lock:
                wake_fd, self._wake_fd = self._wake_fd, -1
            os.close(wake_fd)

    def _is_over(self) -> bool:
        if self._closing_at is None:
            return False
        with self._lock:
            settled = self._fd < 0 or not self._dialogue.stop_owed
        return settled or self._clock() - self._closing_at > CLOSE_S

    def _step(self) -> float | None:
        """Do what is due; return how long nothing will be (None: until woken)."""
        if self._fd >= 0:
            self._read()  # first: a process that slept must not take itself for deaf
        with self._lock:
            now = self._clock()
            if self._fd >= 0 and self._broken is None:
                talk = self._dialogue
                if talk.phase is not Phase.READY and now - talk.started_at > HANDSHAKE_S:
                    self._broken = PortProblem(
                        'no_answer',
                        f'{self._path} does not answer like a motor board: is it the right '
                        'port, and is the firmware on it?',
                    )
                talk.check_silence(now)
                line = talk.next_line(now)
                if line is not None:
                    self._write(line)
                self._translate_happenings()
            broken = self._broken
        if broken is not None:
            self._go_down(broken)
        with self._lock:
            due = self._dialogue.due() if self._fd >= 0 else self._next_try_at
            if self._fd >= 0 and self._dialogue.phase is not Phase.READY:
                due = min(due, self._dialogue.started_at + HANDSHAKE_S + 0.01)
            if self._closing_at is not None:
                due = min(due, self._closing_at + CLOSE_S + 0.01)
            self._sleeps_until = due
        return None if due == NEVER else max(0.0, due - self._clock())

    def _sleep(self, timeout_s: float | None) -> None:
        waiting = [self._wake_fd] if self._fd < 0 else [self._wake_fd, self._fd]
        ready, _, _ = select.select(waiting, (), (), timeout_s)
        if self._wake_fd in ready:
            os.eventfd_read(self._wake_fd)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._broken = self._problem(error)
            return
        if not data:
            self._broken = self._problem(OSError(errno.EIO, ''))
            return
        with self._lock:
            now = self._clock()
            for event in self._decoder.feed(data):
                self._dialogue.received(event, now)
            self._translate_happenings()

    def _tell(self) -> None:
        with self._lock:
            events, self._events = self._events, []
            state = self._snapshot()
            # What merely counts is no news.
            news = replace(state, replies=0, lost_replies=0, last_reply_age_s=None)
            if news != self._reported:
                self._reported = news
                events.append(Changed(state))
        for event in events:
            try:
                self._on_event(event)
            except Exception:  # noqa: BLE001  the caller's error must not end the stops
                _log.exception('on_event failed for %r', event)

    # ---- opening and closing

    def _try_to_open(self) -> None:
        now = self._clock()
        if now < self._next_try_at:
            return
        self._next_try_at = now + RETRY_S
        config = self._config
        found = [] if '/' in config.port else ports.candidates(config.by_id_dir)
        path = ports.choose(config.port, found, config.by_id_dir, self._board_path)
        if isinstance(path, PortProblem):
            self._reason, self._path = path, ''
            return
        self._path = path
        others = holders(path)
        if not others:
            try:
                self._open(path)
                return
            except OSError as error:  # SerialException is one
                problem = self._problem(error)
                if problem.code != 'port_held':
                    self._reason = problem
                    return
                others = holders(path)
        # Held: it was not even opened, as that alone can reset the board under its owner's hands.
        self._reason = ports.held_problem(path, others)
        self._next_try_at = now + HELD_RETRY_S

    def _open(self, path: str) -> None:
        port = serial.Serial(baudrate=BAUD, timeout=0, write_timeout=0, exclusive=True)
        port.port = path
        # As the kernel raises both lines itself, lowering one would be the pulse that resets
        # an ESP32; so both are asked for before opening, and nothing moves.
        port.dtr = port.rts = True
        port.open()
        try:
            fd = port.fileno()
            fcntl.ioctl(fd, termios.TIOCEXCL)
            settings = termios.tcgetattr(fd)
            settings[2] &= ~termios.HUPCL  # closing leaves the lines as they are, too
            settings[6][termios.VMIN] = 1  # or no data would look like the end of it
            termios.tcsetattr(fd, termios.TCSANOW, settings)
        except (OSError, termios.error) as error:
            port.close()
            raise OSError(error.args[0], error.args[-1]) from error
        with self._lock:
            self._serial, self._fd = port, fd
            self._broken = None
            self._decoder = Decoder()
            self._dialogue.opened(self._clock())
            if self._reason.code != 'no_answer':  # else it has not got better yet
                self._reason = PortProblem(
                    'handshake', f'waiting for the board at {path} to answer'
                )

    def _go_down(self, problem: PortProblem) -> None:
        with self._lock:
            was_up = self._dialogue.phase is Phase.READY
            was_open = self._fd >= 0
            self._broken = None
        self._close_port()
        with self._lock:
            self._reason = problem
            if was_up:
                self._events.append(Down(problem.code, problem.reason))
            if was_open and problem.code != 'reconnect':
                self._next_try_at = self._clock() + RETRY_S

    def _close_port(self) -> None:
        with self._lock:
            port, self._serial, fd, self._fd = self._serial, None, self._fd, -1
            self._dialogue.closed()
        if port is None:
            return
        with contextlib.suppress(OSError):  # it may be gone
            fcntl.ioctl(fd, termios.TIOCNXCL)
        with contextlib.suppress(OSError):
            port.close()
