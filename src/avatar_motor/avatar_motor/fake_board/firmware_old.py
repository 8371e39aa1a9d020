# SPDX-License-Identifier: Apache-2.0
"""The two older firmwares; neither has a watchdog that works."""

from __future__ import annotations

import re

from avatar_motor.fake_board.board import NEUTRAL_US, NEVER, Board, Firmware
from avatar_motor.fake_board.firmware_v2 import TEST_STEPS, FirmwareV2, to_int


class FirmwareV1(FirmwareV2):
    """Plain text, MOTOR: only. The watchdog exists in its source but is never called."""

    def _banner(self) -> None:
        self.print_line('ESP32_CRAWLER_READY', is_reply=False)
        self.print_line('Command format: MOTOR:L:{speed}:R:{speed}', is_reply=False)
        self.print_line('Speed range: -255 to +255', is_reply=False)

    def _initialized(self) -> None:
        self.print_line('ESP32_CRAWLER_INITIALIZED', is_reply=False)

    def process(self, command: str) -> Firmware:
        if command.startswith('MOTOR:'):
            yield from self._motor(command)
        elif command == 'STATUS':
            self.print_line(f'STATUS_OK:L:{self.left}:R:{self.right}')
        elif command == 'STOP':
            self._drive(0, 0, 'STOP')
            self.print_line('MOTOR_STOPPED')
        elif command == 'TEST':
            self.print_line('MOTOR_TEST_START')
            for name, left_us, right_us, seconds in TEST_STEPS:
                self.print_line(f'TEST:{name}', is_reply=False)
                self.set_outputs(left_us, right_us, 'TEST')
                yield seconds
            self.print_line('MOTOR_TEST_COMPLETE', is_reply=False)
        else:
            self.print_line('ERROR:UNKNOWN_COMMAND')

    def _motor(self, command: str) -> Firmware:
        colons = [at for at, char in enumerate(command) if char == ':']
        if len(colons) < 3:
            self.print_line('MOTOR_ERROR:INVALID_FORMAT')
            return
        left = to_int(command[colons[1] + 1 : colons[2]])
        right = to_int(command[colons[2] + 1 :])
        if not (-255 <= left <= 255 and -255 <= right <= 255):
            self.print_line('MOTOR_ERROR:INVALID_SPEED_RANGE')
            return
        self._drive(left, right, 'MOTOR')
        self.print_line(f'MOTOR_OK:L:{left}:R:{right}')
        yield from self.blink(1, 0.05)

    def check(self) -> Firmware:
        yield from ()

    def _next_check(self) -> float:
        return NEVER


class FirmwareV0(Board):
    """H-bridge and battery monitor; telemetry twice a second; no watchdog at all.

    Its outputs are duties, not servo pulses: duty d is traced as 1500 + d * 500 / 255 us.
    """

    PASS_S = 0.001
    READ_TIMEOUT_S = 1.0  # of Arduino's readStringUntil
    VOLTAGE, CURRENT = '11.85', '230.0'

    def run(self) -> Firmware:
        self.print_line('{"boot":true,"ina219":true}', is_reply=False)
        last_telemetry_ms = 0
        while True:
            if self.available():
                yield from self._read_and_handle()
            if self.millis() - last_telemetry_ms > 500:
                last_telemetry_ms = self.millis()
                self._telemetry(is_reply=False)
            self.idle_until = self.booted_at + (last_telemetry_ms + 501) / 1000
            yield None

    def _read_and_handle(self) -> Firmware:
        line = ''
        last = self.time
        while True:
            while self.available():
                last = self.time
                byte = self.read_byte()
                if byte == 10:
                    self._handle(line.strip(' \t\n\v\f\r'))
                    return
                line += chr(byte)
            if self.time - last >= self.READ_TIMEOUT_S:
                self._handle(line.strip(' \t\n\v\f\r'))
                return
            self.idle_until = last + self.READ_TIMEOUT_S
            yield None

    def _telemetry(self, is_reply: bool) -> None:
        self.print_line(
            f'{{"ok":true,"voltage":{self.VOLTAGE},"current":{self.CURRENT},'
            f'"ts":{self.millis()}}}',
            is_reply,
        )

    def _handle(self, line: str) -> None:
        if not line:
            return
        found = re.match(r'PWM\s*([+-]?[0-9]{1,9})\s+([+-]?[0-9]{1,9})', line)
        if line.startswith('STATUS'):
            self._telemetry(is_reply=True)
        elif line.startswith('STOP'):
            self.set_outputs(NEUTRAL_US, NEUTRAL_US, 'STOP')
            self.print_line(f'{{"ack":"STOP","voltage":{self.VOLTAGE}}}')
        elif found:
            left, right = int(found[1]), int(found[2])
            self.set_outputs(_as_pulse(left), _as_pulse(right), 'PWM')
            self.print_line(f'{{"ack":"PWM","L":{left},"R":{right},"voltage":{self.VOLTAGE}}}')
        else:
            self.print_line(f'{{"err":"bad_cmd","voltage":{self.VOLTAGE}}}')


def _as_pulse(duty: int) -> int:
    return NEUTRAL_US + round(max(-255, min(255, duty)) * 500 / 255)
