# SPDX-License-Identifier: Apache-2.0
"""The lines the host sends, and the times between them (see docs/serial_protocol.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from avatar_motor import protocol

NEVER = math.inf
PACE_S = 0.062  # a PWM or LIGHTS blocks the board for 60 ms: 50 of blink, 10 of its loop
AFTER_STOP_S = 0.312  # a STOP for 310 ms
AFTER_WATCHDOG_S = 0.912
AFTER_OTHER_S = 0.012  # STATUS and refusals do not blink
OWED_S = 0.08  # a stop waits so long for the reply of another line
REPEAT_RELEASE_S = 0.08
REPEAT_STOP_S = 0.35
LOST_S = 0.25  # a reply that did not come by then is lost
STOP_GAP_S = 0.02  # between two stops, however many wrong replies come
POLL_S = 1.0  # STATUS while standing
SILENCE_S = 1.2  # nothing answered for so long: the board is gone
LIGHTS_RETRY_S = 0.5

HALT = (0, 0)


@dataclass(frozen=True)
class Line:
    kind: str  # 'PWM', 'STOP', 'STATUS', 'LIGHTS'
    data: bytes
    duties: tuple[int, int] = HALT
    lamp: tuple[str, bool] = ('', False)

    @property
    def stops(self) -> bool:
        return self.kind == 'STOP' or (self.kind == 'PWM' and self.duties == HALT)


STOP = Line('STOP', protocol.stop())
STATUS = Line('STATUS', protocol.status())


def drive_line(left: int, right: int) -> Line:
    return Line('PWM', protocol.pwm(left, right), (left, right))


RELEASE = drive_line(0, 0)
