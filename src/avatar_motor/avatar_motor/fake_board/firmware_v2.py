# SPDX-License-Identifier: Apache-2.0
"""Firmware 2.0 of the crawler, with its quirks; see docs/serial_protocol.md."""

from __future__ import annotations

import re

from avatar_motor.fake_board.board import NEUTRAL_US, NEVER, Board, Firmware

WATCHDOG_MS = 2000
HEARTBEAT_MS = 1000
TEST_STEPS = (
    ('FORWARD', 1600, 1600, 1.0),
    ('BACKWARD', 1400, 1400, 1.0),
    ('LEFT_TURN', 1400, 1600, 1.0),
    ('RIGHT_TURN', 1600, 1400, 1.0),
    ('STOP', NEUTRAL_US, NEUTRAL_US, 0.5),
)
_WHITE = ' \t\n\v\f\r'


def to_int(text: str) -> int:
    """Read a number as Arduino's toInt does: leading digits, else 0."""
    found = re.match(r'[ \t\n\v\f\r]*([+-]?[0-9]{1,18})', text)
    return int(found[1]) if found else 0


def pulse_us(duty: int) -> int:
    """Give the pulse of a duty; the reverse half is upside down, as shipped."""
    if duty == 0:
        return NEUTRAL_US
    if duty > 0:
        return 1501 + (duty - 1) * 499 // 254
    return 1000 + (-duty - 1) * 499 // 254


class FirmwareV2(Board):
    """JSON replies, lights, a watchdog of two seconds."""

    def run(self) -> Firmware:
        self.left = self.right = 0
        self.input = ''
        self.complete = False
        scale = self.switches.boot_s / 3.2
        yield 2.0 * scale
        self.last_command_ms = self.last_heartbeat_ms = self.millis()
        self._banner()
        yield 1.2 * scale
        self._initialized()
        while True:
            self.uptime = self.millis()
            if self.complete:
                command, self.input, self.complete = self.input, '', False
                yield from self.process(command.strip(_WHITE))
            yield from self.check()
            self.idle_until = self._next_check()
            yield None
            while self.available():
                byte = self.read_byte()
                if byte == 10:
                    self.complete = True  # and the newline is dropped: lines are glued
                else:
                    self.input += chr(byte)

    def _banner(self) -> None:
        for text in (
            '{"status":"ready","version":"2.0","firmware":"ESP32_CRAWLER"}',
            '{"info":"Commands: PWM left right | STOP | STATUS | TEST"}',
            '{"info":"Speed range: -255 to +255"}',
            '{"info":"Watchdog timeout: 2000ms"}',
        ):
            self.print_line(text, is_reply=False)

    def _initialized(self) -> None:
        self.print_line('{"status":"initialized","ok":true}', is_reply=False)

    def _drive(self, left: int, right: int, cause: str) -> None:
        self.left, self.right = left, right
        self.set_outputs(pulse_us(left), pulse_us(right), cause)

    def process(self, command: str) -> Firmware:
        self.last_command_ms = self.millis()  # any line feeds the watchdog
        if command.startswith('PWM '):
            yield from self._pwm(command)
        elif command == 'STATUS':
            self._status()
        elif command == 'STOP':
            self._drive(0, 0, 'STOP')
            self.print_line(
                f'{{"ok":true,"cmd":"STOP","reason":"command","uptime":{self.uptime}}}'
            )
            yield from self.blink(2, 0.1)
        elif command == 'TEST':
            yield from self._test()
        elif command.startswith('LIGHTS '):
            yield from self._lights(command)
        elif command.startswith('MOTOR:'):
            yield from self._motor(command)
        else:
            self.print_line(f'{{"ok":false,"error":"unknown_command","received":"{command}"}}')

    def _pwm(self, command: str) -> Firmware:
        second = command.find(' ', 4)
        if second < 0:
            self._refuse('invalid_pwm_format', ',"expected":"PWM left right"')
            return
        left, right = to_int(command[4:second]), to_int(command[second + 1 :])
        if not (-255 <= left <= 255 and -255 <= right <= 255):
            self._refuse('invalid_speed_range', ',"range":"-255 to +255"')
            return
        self._drive(left, right, 'PWM')
        self.print_line(
            f'{{"ok":true,"cmd":"PWM","left":{left},"right":{right},"uptime":{self.uptime}}}'
        )
        yield from self.blink(1, 0.05)

    def _motor(self, command: str) -> Firmware:
        colons = [at for at, char in enumerate(command) if char == ':']
        if len(colons) < 3:
            self._refuse('invalid_motor_format')
            return
        left = to_int(command[colons[1] + 1 : colons[2]])
        right = to_int(command[colons[2] + 1 :])  # 'R:80' reads as 0: the shipped bug
        if not (-255 <= left <= 255 and -255 <= right <= 255):
            self._refuse('invalid_speed_range')
            return
        self._drive(left, right, 'MOTOR')
        self.print_line(f'{{"ok":true,"cmd":"MOTOR","left":{left},"right":{right}}}')
        yield from self.blink(1, 0.05)

    def _lights(self, command: str) -> Firmware:
        second = command.find(' ', 7)
        if second < 0:
            self._refuse('invalid_lights_format', ',"expected":"LIGHTS FRONT/BACK ON/OFF"')
            return
        which, state = command[7:second].upper(), command[second + 1 :].upper()
        on = state in ('ON', '1')  # anything else is off, and fine
        if which == 'FRONT':
            self.set_lights(on, self.back_lights)
        elif which == 'BACK':
            self.set_lights(self.front_lights, on)
        else:
            self._refuse('invalid_light_position', ',"expected":"FRONT or BACK"')
            return
        word = 'on' if on else 'off'
        self.print_line(f'{{"ok":true,"cmd":"LIGHTS","light":"{which.lower()}","state":"{word}"}}')
        yield from self.blink(1, 0.05)

    def _refuse(self, error: str, rest: str = '') -> None:
        self.print_line(f'{{"ok":false,"error":"{error}"{rest}}}')

    def _status(self) -> None:
        front, back = ('on' if lamp else 'off' for lamp in (self.front_lights, self.back_lights))
        self.print_line(
            f'{{"ok":true,"status":{{"left":{self.left},"right":{self.right},'
            f'"front_lights":"{front}","back_lights":"{back}","uptime":{self.uptime},'
            f'"last_cmd":{self.millis() - self.last_command_ms},'
            f'"watchdog_timeout":{WATCHDOG_MS}}}}}'
        )

    def _test(self) -> Firmware:
        # The speeds stay as they were, so that neither watchdog nor heartbeat sees the test.
        self.print_line('{"status":"test_start","ok":true}')
        for name, left_us, right_us, seconds in TEST_STEPS:
            self.print_line(f'TEST:{name}', is_reply=False)
            self.set_outputs(left_us, right_us, 'TEST')
            yield seconds
        self.print_line('{"status":"test_complete","ok":true}', is_reply=False)

    def check(self) -> Firmware:
        """Watchdog and heartbeat, once a pass."""
        moving = self.left != 0 or self.right != 0
        late = self.millis() - self.last_command_ms > WATCHDOG_MS
        if moving and late and not self.switches.stuck_watchdog:
            self._drive(0, 0, 'watchdog')
            self.print_line(
                f'{{"emergency":true,"reason":"watchdog_timeout","uptime":{self.uptime}}}',
                is_reply=False,
            )
            yield from self.blink(5, 0.1)
            moving = False
        if moving and self.millis() - self.last_heartbeat_ms > HEARTBEAT_MS:
            self.print_line(
                f'{{"heartbeat":true,"left":{self.left},"right":{self.right},'
                f'"uptime":{self.uptime}}}',
                is_reply=False,
            )
            self.last_heartbeat_ms = self.millis()

    def _next_check(self) -> float:
        if self.left == 0 and self.right == 0:
            return NEVER
        due = self.last_heartbeat_ms + HEARTBEAT_MS
        if not self.switches.stuck_watchdog:
            due = min(due, self.last_command_ms + WATCHDOG_MS)
        return self.booted_at + (due + 1) / 1000
