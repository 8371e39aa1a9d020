# SPDX-License-Identifier: Apache-2.0
"""What to say to the board, and when: stop-and-wait, repeats, the handshake. Pure.

Time is an argument in seconds. The owner feeds `received`, calls `check_silence`, writes what
`next_line` returns, and sleeps no longer than `due`. A line that meets another in the board's
buffer is glued to it and lost, so a drive line waits until the board listens again; a stop
waits for nothing but a reply that is owed, and is repeated until its own answer came.
"""

from __future__ import annotations

from enum import Enum, auto

from avatar_motor import protocol
from avatar_motor.board_clock import BoardClock, OwedReplies
from avatar_motor.deadlines import BOARD_REPEAT_S, LATE_NEUTRAL_S
from avatar_motor.lines import (
    AFTER_OTHER_S,
    AFTER_STOP_S,
    AFTER_WATCHDOG_S,
    HALT,
    LIGHTS_RETRY_S,
    LOST_S,
    NEVER,
    OWED_S,
    PACE_S,
    POLL_S,
    RELEASE,
    REPEAT_RELEASE_S,
    REPEAT_STOP_S,
    SILENCE_S,
    STATUS,
    STOP,
    STOP_GAP_S,
    Line,
    drive_line,
)
from avatar_motor.protocol import Dialect

__all__ = ['HALT', 'NEVER', 'PACE_S', 'Dialogue', 'Happening', 'Phase']


class Phase(Enum):
    CLOSED = auto()
    STOPPING = auto()  # STOP until it is answered: the tracks may be turning
    ASKING = auto()  # STATUS until it is answered
    READY = auto()


class Happening(Enum):
    """What the owner has to be told."""

    UP = auto()
    SILENT = auto()
    BOARD_RESET = auto()
    WATCHDOG = auto()
    TARGET_EXPIRED = auto()


class Dialogue:
    def __init__(self, pace_s: float = PACE_S, hold_s: float = LATE_NEUTRAL_S) -> None:
        self._pace_s = pace_s
        self._hold_s = hold_s
        self._clock = BoardClock()
        self._owed = OwedReplies()
        self.phase = Phase.CLOSED
        self.dialect = Dialect.UNKNOWN
        self.firmware = ''
        self.watchdog_ms: int | None = None
        self.voltage_v: float | None = None
        self.outputs = HALT  # as the board said last
        self.lamps: dict[str, bool | None] = {'front': None, 'back': None}
        self.replies = 0
        self.lost_replies = 0
        self.last_reply_at: float | None = None
        self.started_at = 0.0  # of the handshake
        self._wanted = HALT
        self._wanted_at = 0.0
        self._must_release = False
        self._stop_wanted = False
        self._certain: tuple[int, int] | None = None  # the outputs, if they are known
        self._wanted_lamps: dict[str, bool] = {}
        self._lights_not_before = 0.0
        self._happened: list[Happening] = []
        self._reset_untold = False  # it was ready since the last reset or opening
        self._forget_line()

    def _forget_line(self) -> None:
        self._sent: Line | None = None  # the line whose reply is owed
        self._sent_at = 0.0
        self._series_at = 0.0  # when it was sent first, if it is a repeat
        self._last_kind = ''
        self._owed.forget()
        self._last_drive_at = 0.0
        self._last_stop_at = -1.0
        self._free_at = 0.0
        self._unanswered_since: float | None = None

    # ---- what is wanted

    def drive(self, left: int, right: int, now: float) -> None:
        """Set the duties on the wire; to be called again within `hold_s` while not (0, 0).

        A target that was cut off (silence, reset, watchdog, no call in time) or never carried
        out has to be let go, by (0, 0), before another one is taken.
        """
        self._expire(now)
        target = (left, right)
        protocol.pwm(left, right)  # refuses what cannot be sent
        if target == HALT:
            self._must_release = False
        elif self.phase is not Phase.READY or self._stop_wanted or not self.dialect.can_drive:
            self._must_release = True
        self._wanted = HALT if self._must_release else target
        self._wanted_at = now

    def emergency_stop(self) -> None:
        self._cut_off()
        self._stop_wanted = True

    def lights(self, which: str, on: bool) -> None:
        protocol.lights(which, on)
        self._wanted_lamps[which] = on

    @property
    def wanted(self) -> tuple[int, int]:
        return self._wanted

    @property
    def settled(self) -> bool:
        """The board has confirmed what is wanted."""
        return (
            self.phase is Phase.READY and not self._stop_wanted and self._certain == self._wanted
        )

    @property
    def stop_owed(self) -> bool:
        """A STOP was asked for and is not answered yet."""
        return self._stop_wanted

    def _cut_off(self) -> None:
        if self._wanted != HALT:
            self._wanted, self._must_release = HALT, True

    def _expire(self, now: float) -> None:
        if self._wanted != HALT and now >= self._wanted_at + self._hold_s:
            self._cut_off()
            self._happened.append(Happening.TARGET_EXPIRED)

    # ---- the port

    def opened(self, now: float) -> None:
        self.dialect, self.firmware, self.watchdog_ms = Dialect.UNKNOWN, '', None
        self.voltage_v = None
        self._clock.forget()
        self._reset_untold = False
        self._start(now)

    def closed(self) -> None:
        self._cut_off()
        self.phase = Phase.CLOSED
        self._certain, self.outputs = None, HALT
        self.lamps = {'front': None, 'back': None}
        self._forget_line()

    def _start(self, now: float) -> None:
        self._cut_off()
        self._forget_line()
        self._certain = None
        self._stop_wanted = True
        self.phase, self.started_at = Phase.STOPPING, now

    # ---- what to send

    def due(self) -> float:
        """When `next_line` wants to be called next."""
        due, _ = self._plan()
        if self._wanted != HALT:
            due = min(due, self._wanted_at + self._hold_s)
        if self.phase is Phase.READY and self._unanswered_since is not None:
            due = min(due, self._unanswered_since + SILENCE_S)
        return due

    def check_silence(self, now: float) -> None:
        """Begin anew if the board went silent; to be called when all that came was fed."""
        since = now if self._unanswered_since is None else self._unanswered_since
        if self.phase is Phase.READY and now >= since + SILENCE_S:
            self._happened.append(Happening.SILENT)
            self._start(now)

    def next_line(self, now: float) -> bytes | None:
        """Return the bytes to write now, if any; they count as sent."""
        self._expire(now)
        at, line = self._plan()
        if line is None or at > now:
            return None
        if self._sent is not None and self.phase is Phase.READY:
            self.lost_replies += 1
        if self._sent != line:
            self._series_at = now
        self._sent, self._sent_at, self._last_kind = line, now, line.kind
        self._owed.sent(line, now)
        if self._unanswered_since is None:
            self._unanswered_since = now
        if line.kind == 'PWM':
            self._last_drive_at = now
            if self._certain != line.duties:
                self._certain = None
        if line.kind == 'LIGHTS':
            self._lights_not_before = now + LIGHTS_RETRY_S
        if line.stops:
            self._last_stop_at = now
        return line.data

    def _plan(self) -> tuple[float, Line | None]:
        """Return the next line and the earliest time for it."""
        if self.phase is Phase.CLOSED:
            return NEVER, None
        if self._stop_wanted or self._must_halt():
            return self._plan_stop()
        owed_until = self._sent_at + LOST_S if self._sent is not None else 0.0
        base = max(self._free_at, owed_until)
        if self.phase is Phase.ASKING:
            return max(base, self._sent_at + REPEAT_STOP_S if self._sent else 0.0), STATUS
        moving = self._wanted != HALT
        unsaid = moving and self._wanted != self._certain
        if unsaid:
            due, line = base, drive_line(*self._wanted)
        elif moving:
            due, line = max(base, self._last_drive_at + BOARD_REPEAT_S), drive_line(*self._wanted)
        else:
            due, line = max(base, (self.last_reply_at or 0.0) + POLL_S), STATUS
        lamp = self._lamp_to_send()
        if lamp is not None and not (unsaid and self._last_kind != 'PWM'):
            lamp_at = max(base, self._lights_not_before)
            if lamp_at <= due:
                return lamp_at, Line('LIGHTS', protocol.lights(*lamp), lamp=lamp)
        return due, line

    def _must_halt(self) -> bool:
        return self.phase is Phase.READY and self._wanted == HALT and self._certain != HALT

    def _plan_stop(self) -> tuple[float, Line]:
        line = STOP if self._stop_wanted or not self.dialect.can_drive else RELEASE
        at = self._last_stop_at + STOP_GAP_S
        if self._sent is not None:
            wait_s = OWED_S
            if self._sent == line:
                wait_s = REPEAT_STOP_S if line is STOP else REPEAT_RELEASE_S
            at = max(at, self._sent_at + wait_s)
        return at, line

    def _lamp_to_send(self) -> tuple[str, bool] | None:
        if self.dialect.has_lights:
            for which, on in self._wanted_lamps.items():
                if self.lamps[which] is not on:
                    return which, on
        return None

    # ---- what was heard

    def received(self, event: protocol.Event, now: float) -> None:
        uptime: int | None = getattr(event, 'uptime_ms', None)
        if uptime is not None and self._clock.observe(uptime, now) and self.phase is Phase.READY:
            self._was_reset(now)
        stale = self._sent is not None and (
            self._clock.is_older(uptime, self._series_at)
            if uptime is not None
            else self._owed.answers_before(event, now, self._series_at)
        )
        if isinstance(event, (protocol.Restarting, protocol.Boot, protocol.Initialized)):
            self._booted(event, now)
        elif isinstance(event, protocol.WatchdogTripped):
            self._watchdog_tripped(now)
        elif isinstance(event, protocol.Heartbeat):
            self._seen(event.left, event.right)
        elif isinstance(event, protocol.Battery):
            self.voltage_v = event.voltage_v
            if self._is_sent('STATUS'):
                self._heard(now)
                self._answered(now, AFTER_OTHER_S)
                if self.phase is Phase.ASKING:
                    self._ready(Dialect.V0)
        elif isinstance(event, protocol.Error):
            self._heard(now)
            self._answered(now, AFTER_OTHER_S)
        elif isinstance(event, (protocol.Noise, protocol.Info)):
            pass
        elif stale:
            self._heard(now)  # the answer of an older line: the board lives, no more is known
        elif isinstance(event, protocol.Ack):
            self._ack(event, now)
        elif isinstance(event, protocol.Stopped):
            self._stopped(event, now)
        elif isinstance(event, protocol.LightsAck):
            self._lights_ack(event, now)
        elif isinstance(event, protocol.Status):
            self._status(event, now)

    def happened(self) -> list[Happening]:
        """Take what happened since the last call."""
        happened, self._happened = self._happened, []
        return happened

    def _is_sent(self, kind: str) -> bool:
        return self._sent is not None and self._sent.kind == kind

    def _heard(self, now: float) -> None:
        self.replies += 1
        self.last_reply_at = now
        self._unanswered_since = None

    def _answered(self, now: float, busy_s: float) -> None:
        self._sent = None
        self._free_at = now + busy_s

    def _seen(self, left: int, right: int) -> None:
        """Take what the board says it drives, unless a line that changes it is under way."""
        self.outputs = (left, right)
        if self._sent is None or self._sent.kind in ('STATUS', 'LIGHTS'):
            self._certain = (left, right)

    def _ack(self, event: protocol.Ack, now: float) -> None:
        self._heard(now)
        if event.voltage_v is not None:
            self.voltage_v = event.voltage_v
        values = (event.left, event.right)
        if self._sent is None or self._sent.kind == 'PWM':
            # Other values than those sent are the truth too: the lines were glued, or bits
            # fell over. What is wanted differs from it then, and is said again.
            self._certain = values
            self._answered(now, self._pace_s)
        elif self._sent.stops:
            self._sent = None  # the stop was swallowed: again, at once
        self.outputs = values

    def _stopped(self, event: protocol.Stopped, now: float) -> None:
        self._heard(now)
        if event.voltage_v is not None:
            self.voltage_v = event.voltage_v
        self.outputs = HALT
        if self._is_sent('STOP'):
            self._answered(now, AFTER_STOP_S)
            self._stop_wanted = False
            self._certain = HALT
            if self.phase is Phase.STOPPING:
                self.phase = Phase.ASKING
        elif self._sent is None:
            self._certain = HALT
            self._free_at = now + AFTER_STOP_S

    def _lights_ack(self, event: protocol.LightsAck, now: float) -> None:
        self._heard(now)
        self.lamps[event.which] = event.on
        if self._is_sent('LIGHTS'):
            self._answered(now, self._pace_s)
            self._lights_not_before = 0.0
        elif self._sent is not None and self._sent.stops:
            self._sent = None

    def _status(self, event: protocol.Status, now: float) -> None:
        self._heard(now)
        if not self._is_sent('STATUS'):
            return
        self._answered(now, AFTER_OTHER_S)
        self.lamps = {'front': event.front_lights, 'back': event.back_lights}
        self._seen(event.left, event.right)
        if self.phase is Phase.ASKING:
            self.watchdog_ms = event.watchdog_timeout_ms
            if self._certain == HALT:
                self._ready(event.dialect)
            else:
                self._start(now)

    def _ready(self, dialect: Dialect) -> None:
        self.dialect = dialect
        for which, on in self.lamps.items():
            if on is not None:
                self._wanted_lamps.setdefault(which, on)  # what a reset has to bring back
        self.phase = Phase.READY
        self._reset_untold = True
        self._happened.append(Happening.UP)

    def _watchdog_tripped(self, now: float) -> None:
        self.outputs = HALT
        self._certain = HALT if self._sent is None else None
        self._free_at = now + AFTER_WATCHDOG_S
        self._cut_off()
        self._happened.append(Happening.WATCHDOG)

    def _booted(self, event: protocol.Event, now: float) -> None:
        if isinstance(event, protocol.Boot):
            self.firmware = f'{event.firmware} {event.version}'
        self._clock.forget()
        if self.phase is not Phase.STOPPING or self._reset_untold:
            self._was_reset(now)

    def _was_reset(self, now: float) -> None:
        if self._reset_untold:
            self._happened.append(Happening.BOARD_RESET)
        self._reset_untold = False
        self.outputs = HALT
        self._start(now)
