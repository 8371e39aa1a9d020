# SPDX-License-Identifier: Apache-2.0
"""The ESP32 without its firmware: serial buffer, outputs, and its time.

The firmware is a generator that yields where the original blocks: `yield seconds` is a
`delay()`, `yield None` the pause at the end of its loop. Passes of the loop in which nothing
could happen are skipped, so that an idle board costs nothing, but the instants at which passes
begin stay on their grid. All times are seconds of one monotonic clock given from outside.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

BYTE_S = 10 / 115200  # start bit, 8 data bits, stop bit
RECEIVE_BUFFER = 256  # bytes; what comes beyond it is lost, as on the ESP32
NEUTRAL_US = 1500
NEVER = math.inf

Firmware = Generator['float | None', None, None]


@dataclass
class Switches:
    """What can be asked of a board from outside, kept over resets."""

    blink: bool = True
    boot_s: float = 3.2
    stuck_watchdog: bool = False


@dataclass
class Sent:
    """One line of the board, with the time at which its first bit leaves."""

    t: float
    data: bytes
    is_reply: bool


@dataclass
class Board:
    """Hardware state; subclasses add `run`, the firmware."""

    switches: Switches = field(default_factory=Switches)
    on_outputs: Callable[[float, int, int, str], None] = lambda *_: None

    PASS_S = 0.010
    DEAF_S = 0.25  # after a reset, until its program has opened the serial port
    ROM_NOISE = (
        b'ets Jun  8 2016 00:22:57\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 '
        b'(SPI_FAST_FLASH_BOOT)\r\n\xff\x00\xfe\xf8\r\n'
    )

    def __post_init__(self) -> None:
        self.time = 0.0
        self.powered = False
        self.left_us = self.right_us = NEUTRAL_US
        self.front_lights = self.back_lights = False
        self.booted_at = 0.0
        self.idle_until = NEVER  # when the next pass of the loop matters without input
        self.sent: deque[Sent] = deque()
        self.lost_bytes = 0
        self._received: deque[tuple[float, int]] = deque()
        self._line_free_at = 0.0
        self._program: Firmware | None = None
        self._wake = NEVER
        self._in_pass = False
        self._hung_until = 0.0

    # ---- what the firmware uses

    def run(self) -> Firmware:
        raise NotImplementedError

    def millis(self) -> int:
        return int((self.time - self.booted_at) * 1000) & 0xFFFFFFFF

    def print_line(self, text: str, is_reply: bool = True) -> None:
        self.sent.append(Sent(self.time, text.encode('latin-1') + b'\r\n', is_reply))

    def set_outputs(self, left_us: int, right_us: int, cause: str) -> None:
        if (left_us, right_us) != (self.left_us, self.right_us):
            self.left_us, self.right_us = left_us, right_us
            self.on_outputs(self.time, left_us, right_us, cause)

    def set_lights(self, front: bool, back: bool) -> None:
        self.front_lights, self.back_lights = front, back

    def blink(self, times: int, seconds: float) -> Firmware:
        """Flash the status LED, which is what makes the board deaf."""
        if self.switches.blink:
            yield (2 * times - 1) * seconds

    def available(self) -> bool:
        return bool(self._received) and self._received[0][0] <= self.time

    def read_byte(self) -> int:
        return self._received.popleft()[1]

    # ---- what the world does to it

    def power_on(self, now: float, cause: str = 'boot') -> None:
        """Start, or start again: RAM, buffers and outputs are as new."""
        self.time = self.booted_at = self._line_free_at = now
        self.powered = True
        self._received.clear()
        self.sent.clear()
        self._hung_until = 0.0
        self.idle_until = NEVER
        self.set_outputs(NEUTRAL_US, NEUTRAL_US, cause)
        self.set_lights(False, False)
        if self.ROM_NOISE:
            self.sent.append(Sent(now, self.ROM_NOISE, False))
        self._program = self.run()
        self._wake, self._in_pass = now, False

    def power_off(self, now: float, cause: str) -> None:
        self.time = now
        self.powered = False
        self._program, self._wake, self._in_pass = None, NEVER, False
        self._received.clear()
        self.sent.clear()
        self.set_outputs(NEUTRAL_US, NEUTRAL_US, cause)
        self.set_lights(False, False)

    def hang(self, now: float, seconds: float) -> None:
        """Stop the processor; the outputs keep their pulses."""
        self._hung_until = now + seconds

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes that started to arrive now."""
        if not self.powered or now < self.booted_at + self.DEAF_S:
            return
        self._line_free_at = max(self._line_free_at, now)
        for byte in data:
            self._line_free_at += BYTE_S
            if len(self._received) < RECEIVE_BUFFER:
                self._received.append((self._line_free_at, byte))
            else:
                self.lost_bytes += 1

    def next_wake(self) -> float:
        """When `advance` has something to do next."""
        wake = self._wake
        if self._in_pass:
            reason = min(self.idle_until, self._received[0][0] if self._received else NEVER)
            if reason == NEVER:
                return NEVER
            passes = math.ceil((reason - wake) / self.PASS_S - 1e-9)
            wake += max(1, passes) * self.PASS_S
        return max(wake, self._hung_until)

    def advance(self, now: float) -> None:
        """Run the firmware up to now."""
        while self._program is not None and (wake := self.next_wake()) <= now:
            self.time = wake
            try:
                pause = next(self._program)
            except StopIteration:  # a firmware never returns
                self._program, self._wake, self._in_pass = None, NEVER, False
                return
            self._in_pass = pause is None
            self._wake = self.time + (pause or 0.0)
