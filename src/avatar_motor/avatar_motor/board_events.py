# SPDX-License-Identifier: Apache-2.0
"""What a board can say, whichever of the three firmwares it has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Dialect(str, Enum):
    """Which firmware speaks."""

    UNKNOWN = ''
    V0 = 'v0'
    V1 = 'v1'
    V2 = 'v2'

    @property
    def can_drive(self) -> bool:
        """V1 knows only the legacy MOTOR: form, which is never used to drive."""
        return self in (Dialect.V0, Dialect.V2)

    @property
    def has_lights(self) -> bool:
        return self is Dialect.V2


class Reverse(Enum):
    """How the board reads a negative duty."""

    INVERTED = 'inverted'  # firmware 2.0: -1 is full reverse, -255 almost stands
    STRAIGHT = 'straight'
    UNCONFIRMED = 'unconfirmed'  # nobody looked yet: only the middle, alike in both readings


@dataclass(frozen=True)
class Ack:
    """The board drives with these duties (-255..255, as sent)."""

    cmd: str
    left: int
    right: int
    uptime_ms: int | None = None
    voltage_v: float | None = None
    dialect: Dialect = Dialect.V2


@dataclass(frozen=True)
class Stopped:
    """The answer to STOP."""

    uptime_ms: int | None = None
    voltage_v: float | None = None
    dialect: Dialect = Dialect.V2


@dataclass(frozen=True)
class Status:
    """The answer to STATUS (V0 answers with `Battery`)."""

    left: int
    right: int
    front_lights: bool | None = None
    back_lights: bool | None = None
    uptime_ms: int | None = None
    watchdog_timeout_ms: int | None = None
    dialect: Dialect = Dialect.V2


@dataclass(frozen=True)
class LightsAck:
    which: str  # 'front' or 'back'
    on: bool


@dataclass(frozen=True)
class Error:
    """The board refused a line; what it was driving before goes on."""

    code: str
    received: str = ''
    dialect: Dialect = Dialect.V2


@dataclass(frozen=True)
class Heartbeat:
    """Sent by itself about once a second while a track turns."""

    left: int
    right: int
    uptime_ms: int


@dataclass(frozen=True)
class WatchdogTripped:
    """The board stopped by itself: no line for 2 s."""

    uptime_ms: int | None = None


@dataclass(frozen=True)
class Restarting:
    """The ESP32's own boot loader speaks: the board was just reset."""


@dataclass(frozen=True)
class Boot:
    """The firmware's banner, 2 s after the reset."""

    version: str
    firmware: str
    dialect: Dialect = Dialect.V2


@dataclass(frozen=True)
class Initialized:
    """The end of the boot: the board listens from now on."""

    dialect: Dialect = Dialect.V2


@dataclass(frozen=True)
class Battery:
    """V0: twice a second by itself, and the answer to STATUS."""

    voltage_v: float
    current_ma: float
    uptime_ms: int


@dataclass(frozen=True)
class Info:
    """A line of the firmware that carries no state (banner text, TEST steps)."""

    text: str


@dataclass(frozen=True)
class Noise:
    """Anything else; shortened."""

    text: str


Event = (
    Ack | Stopped | Status | LightsAck | Error | Heartbeat | WatchdogTripped
    | Restarting | Boot | Initialized | Battery | Info | Noise
)  # fmt: skip
