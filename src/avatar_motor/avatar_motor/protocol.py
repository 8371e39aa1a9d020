# SPDX-License-Identifier: Apache-2.0
"""The board's language: bytes to events, commands to bytes. No I/O and no clock.

Three firmwares are understood. V2 answers in JSON with its uptime, V1 in plain text, V0
(the predecessor with the battery monitor) in JSON without an uptime.
Whatever the bytes are, `Decoder.feed` never raises and never keeps more than one line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from avatar_motor.board_events import (
    Ack,
    Battery,
    Boot,
    Dialect,
    Error,
    Event,
    Heartbeat,
    Info,
    Initialized,
    LightsAck,
    Noise,
    Restarting,
    Reverse,
    Status,
    Stopped,
    WatchdogTripped,
)

__all__ = [
    'Ack', 'Battery', 'Boot', 'Decoder', 'Dialect', 'Error', 'Event', 'Heartbeat', 'Info',
    'Initialized', 'LightsAck', 'MAX_DUTY', 'MAX_LINE', 'Noise', 'Restarting', 'Reverse',
    'Status', 'Stopped', 'UPTIME_SPAN', 'WatchdogTripped', 'lights', 'parse_line', 'pwm',
    'reverse_of', 'status', 'stop', 'wire_duty',
]  # fmt: skip

MAX_DUTY = 255
MAX_LINE = 512  # bytes; the longest line of any firmware is below 200
UPTIME_SPAN = 1 << 32  # the board counts milliseconds in 32 bits: 49.7 days


# ---- commands


def pwm(left: int, right: int) -> bytes:
    """Drive line; duties -255..255 as the board reads them (see `wire_duty`)."""
    for duty in (left, right):
        if type(duty) is not int or not -MAX_DUTY <= duty <= MAX_DUTY:
            raise ValueError(f'duty {duty!r} is not a whole number in -255..255')
    return b'PWM %d %d\n' % (left, right)


def stop() -> bytes:
    return b'STOP\n'


def status() -> bytes:
    return b'STATUS\n'


def lights(which: str, on: bool) -> bytes:
    if which not in ('front', 'back'):
        raise ValueError(f"there are 'front' and 'back' lights, not {which!r}")
    return b'LIGHTS %s %s\n' % (which.upper().encode(), b'ON' if on else b'OFF')


def wire_duty(duty: int, reverse: Reverse) -> int:
    """Turn a wanted duty (-255..255, positive forward) into the one to send."""
    if type(duty) is not int or not -MAX_DUTY <= duty <= MAX_DUTY:
        raise ValueError(f'duty {duty!r} is not a whole number in -255..255')
    if duty >= 0 or reverse is Reverse.STRAIGHT:
        return duty
    if reverse is Reverse.UNCONFIRMED:
        return -128
    return -(MAX_DUTY + 1 + duty)


def reverse_of(dialect: Dialect, configured: Reverse) -> Reverse:
    """V0 has its own motor driver and reads reverse straight; the question is V2's."""
    return Reverse.STRAIGHT if dialect is Dialect.V0 else configured


# ---- bytes to events


class Decoder:
    """Cuts the byte stream into lines and the lines into events."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        start = 0
        while True:
            end = data.find(b'\n', start)
            if end < 0:
                self._keep(data, start, len(data), events)
                return events
            self._keep(data, start, end, events)
            if not self._skipping:
                event = parse_line(bytes(self._buffer))
                if event is not None:
                    events.append(event)
            self._buffer.clear()
            self._skipping = False
            start = end + 1

    def _keep(self, data: bytes, start: int, end: int, events: list[Event]) -> None:
        if self._skipping:
            return
        if len(self._buffer) + end - start > MAX_LINE:
            room = MAX_LINE - len(self._buffer)
            self._buffer += data[start : start + room]
            events.append(_noise(bytes(self._buffer)))
            self._buffer.clear()
            self._skipping = True  # until the next newline
            return
        self._buffer += data[start:end]


def parse_line(line: bytes) -> Event | None:
    """One line without its newline; None for an empty one."""
    line = line.strip(b' \t\r\0')
    if not line:
        return None
    try:
        text = line.decode('ascii')
    except UnicodeDecodeError:
        return _noise(line)
    event = _from_json(text) if text.startswith('{') else _from_text(text)
    return event or _noise(line)


def _noise(line: bytes) -> Noise:
    return Noise(line[:80].decode('ascii', 'backslashreplace'))


class _Invalid(Exception):
    pass


def _whole(record: Mapping[str, Any], key: str, low: int, high: int) -> int:
    value = record.get(key)
    if type(value) is not int or not low <= value <= high:
        raise _Invalid
    return value


def _duty(record: Mapping[str, Any], key: str) -> int:
    return _whole(record, key, -MAX_DUTY, MAX_DUTY)


def _uptime(record: Mapping[str, Any], key: str = 'uptime') -> int:
    return _whole(record, key, 0, UPTIME_SPAN - 1)


def _number(record: Mapping[str, Any], key: str) -> float:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Invalid
    if not -1e6 < value < 1e6:  # also refuses NaN
        raise _Invalid
    return float(value)


def _lamp(record: Mapping[str, Any], key: str) -> bool:
    value = record.get(key)
    if value not in ('on', 'off'):
        raise _Invalid
    return bool(value == 'on')


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if type(value) is not str:
        raise _Invalid
    return value[:80]


def _from_json(text: str) -> Event | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return _broken_echo(text)
    if not isinstance(record, dict):
        return None
    try:
        for key, read in _READERS.items():
            if key in record:
                return read(record)
    except _Invalid:
        pass
    return None


def _broken_echo(text: str) -> Event | None:
    """The board echoes an unknown command without escaping it: still a refusal."""
    if text.startswith('{"ok":false,"error":"unknown_command","received":"'):
        return Error('unknown_command', text[50:130])
    return None


def _read_status(record: Mapping[str, Any]) -> Event:
    inner = record['status']
    if isinstance(inner, dict):
        if record.get('ok') is not True:
            raise _Invalid
        return Status(
            _duty(inner, 'left'), _duty(inner, 'right'),
            _lamp(inner, 'front_lights'), _lamp(inner, 'back_lights'),
            _uptime(inner), _whole(inner, 'watchdog_timeout', 0, UPTIME_SPAN - 1),
        )  # fmt: skip
    if inner == 'ready':
        return Boot(_text(record, 'version'), _text(record, 'firmware'))
    if inner == 'initialized':
        return Initialized()
    if inner in ('test_start', 'test_complete'):
        return Info(inner)
    raise _Invalid


def _read_cmd(record: Mapping[str, Any]) -> Event:
    if record.get('ok') is not True:
        raise _Invalid
    cmd = record['cmd']
    if cmd == 'PWM':
        return Ack(cmd, _duty(record, 'left'), _duty(record, 'right'), _uptime(record))
    if cmd == 'STOP':
        return Stopped(_uptime(record))
    if cmd == 'LIGHTS' and record.get('light') in ('front', 'back'):
        return LightsAck(record['light'], _lamp(record, 'state'))
    if cmd == 'MOTOR':
        return Ack(cmd, _duty(record, 'left'), _duty(record, 'right'))
    raise _Invalid


def _read_error(record: Mapping[str, Any]) -> Event:
    received = record.get('received', '')
    return Error(_text(record, 'error'), received[:80] if isinstance(received, str) else '')


def _read_heartbeat(record: Mapping[str, Any]) -> Event:
    return Heartbeat(_duty(record, 'left'), _duty(record, 'right'), _uptime(record))


def _read_ack(record: Mapping[str, Any]) -> Event:
    volts = _number(record, 'voltage')
    if record['ack'] == 'STOP':
        return Stopped(voltage_v=volts, dialect=Dialect.V0)
    if record['ack'] == 'PWM':
        left, right = _duty(record, 'L'), _duty(record, 'R')
        return Ack('PWM', left, right, voltage_v=volts, dialect=Dialect.V0)
    raise _Invalid


def _read_boot(record: Mapping[str, Any]) -> Event:
    return Boot('0', 'TB6612FNG', Dialect.V0)


# In this order: the first key that a line has decides what it is.
_READERS: dict[str, Callable[[Mapping[str, Any]], Event]] = {
    'status': _read_status,
    'cmd': _read_cmd,
    'error': _read_error,
    'heartbeat': _read_heartbeat,
    'emergency': lambda record: WatchdogTripped(_uptime(record)),
    'info': lambda record: Info(_text(record, 'info')),
    'ack': _read_ack,
    'err': lambda record: Error(_text(record, 'err'), dialect=Dialect.V0),
    'boot': _read_boot,
    'voltage': lambda record: Battery(
        _number(record, 'voltage'), _number(record, 'current'), _uptime(record, 'ts')
    ),
}

_PAIR = re.compile(r'(MOTOR_OK|STATUS_OK):L:(-?\d{1,3}):R:(-?\d{1,3})')
_V1_LINES: dict[str, Event] = {
    'ESP32_CRAWLER_READY': Boot('1', 'ESP32_CRAWLER', Dialect.V1),
    'ESP32_CRAWLER_INITIALIZED': Initialized(Dialect.V1),
    'MOTOR_STOPPED': Stopped(dialect=Dialect.V1),
    'MOTOR_ERROR:INVALID_SPEED_RANGE': Error('invalid_speed_range', dialect=Dialect.V1),
    'MOTOR_ERROR:INVALID_FORMAT': Error('invalid_motor_format', dialect=Dialect.V1),
    'ERROR:UNKNOWN_COMMAND': Error('unknown_command', dialect=Dialect.V1),
    'EMERGENCY_STOP': WatchdogTripped(),
}
_PLAIN = ('TEST:', 'MOTOR_TEST_', 'Command format: ', 'Speed range: ')


def _from_text(text: str) -> Event | None:
    if text in _V1_LINES:
        return _V1_LINES[text]
    pair = _PAIR.fullmatch(text)
    if pair:
        left, right = int(pair[2]), int(pair[3])
        if max(abs(left), abs(right)) > MAX_DUTY:
            return None
        if pair[1] == 'STATUS_OK':
            return Status(left, right, dialect=Dialect.V1)
        return Ack('MOTOR', left, right, dialect=Dialect.V1)
    if text.startswith('rst:0x'):
        return Restarting()
    if text.startswith(_PLAIN):
        return Info(text[:80])
    return None
