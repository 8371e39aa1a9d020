# SPDX-License-Identifier: Apache-2.0
"""What the link tells: one look at its state, and its events."""

from __future__ import annotations

from dataclasses import dataclass

from avatar_motor.protocol import Dialect


@dataclass(frozen=True)
class LinkState:
    """One look at the link. Duties are those on the wire."""

    connected: bool = False  # a valid STATUS was seen since the port was opened or reset
    port: str = ''
    dialect: Dialect = Dialect.UNKNOWN
    firmware: str = ''
    has_watchdog: bool = False
    can_drive: bool = False
    left: int = 0  # as the board said last
    right: int = 0
    front_lights: bool | None = None
    back_lights: bool | None = None
    voltage_v: float | None = None
    replies: int = 0
    lost_replies: int = 0
    reason_code: str = 'closed'  # '' while connected
    reason: str = 'the serial link was not started'
    last_reply_age_s: float | None = None
    settled: bool = False  # the board has confirmed what is wanted
    stop_owed: bool = False  # a STOP is not answered yet


@dataclass(frozen=True)
class Up:
    state: LinkState


@dataclass(frozen=True)
class Down:
    """The port is gone, or the board has gone silent; outputs unknown until `Up`."""

    code: str
    reason: str


@dataclass(frozen=True)
class BoardReset:
    """The board started anew: outputs and lights were off. `Up` follows."""


@dataclass(frozen=True)
class WatchdogTripped:
    """The board stopped by itself, for want of lines."""


@dataclass(frozen=True)
class TargetExpired:
    """`drive` was not called within `hold_s`: the link went to neutral by itself."""


@dataclass(frozen=True)
class Changed:
    """Anything else of the state: duties, lights, settled, why it is not connected."""

    state: LinkState


LinkEvent = Up | Down | BoardReset | WatchdogTripped | TargetExpired | Changed
