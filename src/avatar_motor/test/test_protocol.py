# SPDX-License-Identifier: Apache-2.0
"""Bytes to events and back, for all three firmwares, and for bytes that are none of them."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_motor import protocol
from avatar_motor.fake_board.firmware_v2 import pulse_us
from avatar_motor.protocol import (
    MAX_LINE,
    Ack,
    Battery,
    Boot,
    Decoder,
    Dialect,
    Error,
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
    parse_line,
    pwm,
    wire_duty,
)

# Every line that a firmware can print, as its source prints it.
LINES = [
    (b'{"ok":true,"cmd":"PWM","left":80,"right":-80,"uptime":1234}',
     Ack('PWM', 80, -80, 1234)),
    (b'{"ok":false,"error":"invalid_speed_range","range":"-255 to +255"}',
     Error('invalid_speed_range')),
    (b'{"ok":false,"error":"invalid_pwm_format","expected":"PWM left right"}',
     Error('invalid_pwm_format')),
    (b'{"ok":true,"cmd":"STOP","reason":"command","uptime":5}', Stopped(5)),
    (b'{"ok":true,"status":{"left":1,"right":-2,"front_lights":"on","back_lights":"off",'
     b'"uptime":9,"last_cmd":0,"watchdog_timeout":2000}}', Status(1, -2, True, False, 9, 2000)),
    (b'{"status":"test_start","ok":true}', Info('test_start')),
    (b'TEST:LEFT_TURN', Info('TEST:LEFT_TURN')),
    (b'{"ok":true,"cmd":"LIGHTS","light":"back","state":"on"}', LightsAck('back', True)),
    (b'{"ok":false,"error":"invalid_light_position","expected":"FRONT or BACK"}',
     Error('invalid_light_position')),
    (b'{"ok":false,"error":"invalid_lights_format","expected":"LIGHTS FRONT/BACK ON/OFF"}',
     Error('invalid_lights_format')),
    (b'{"ok":true,"cmd":"MOTOR","left":80,"right":0}', Ack('MOTOR', 80, 0)),
    (b'{"ok":false,"error":"invalid_motor_format"}', Error('invalid_motor_format')),
    (b'{"ok":false,"error":"unknown_command","received":"STOPSTOP"}',
     Error('unknown_command', 'STOPSTOP')),
    (b'{"ok":false,"error":"unknown_command","received":"a"b\\c"}',
     Error('unknown_command', 'a"b\\c"}')),
    (b'{"heartbeat":true,"left":80,"right":0,"uptime":77}', Heartbeat(80, 0, 77)),
    (b'{"emergency":true,"reason":"watchdog_timeout","uptime":4294967295}',
     WatchdogTripped(4294967295)),
    (b'{"status":"ready","version":"2.0","firmware":"ESP32_CRAWLER"}',
     Boot('2.0', 'ESP32_CRAWLER')),
    (b'{"info":"Watchdog timeout: 2000ms"}', Info('Watchdog timeout: 2000ms')),
    (b'{"status":"initialized","ok":true}', Initialized()),
    (b'rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)', Restarting()),
    # v1
    (b'ESP32_CRAWLER_READY', Boot('1', 'ESP32_CRAWLER', Dialect.V1)),
    (b'Command format: MOTOR:L:{speed}:R:{speed}',
     Info('Command format: MOTOR:L:{speed}:R:{speed}')),
    (b'ESP32_CRAWLER_INITIALIZED', Initialized(Dialect.V1)),
    (b'MOTOR_OK:L:80:R:-80', Ack('MOTOR', 80, -80, dialect=Dialect.V1)),
    (b'MOTOR_ERROR:INVALID_SPEED_RANGE', Error('invalid_speed_range', dialect=Dialect.V1)),
    (b'STATUS_OK:L:0:R:-7', Status(0, -7, dialect=Dialect.V1)),
    (b'MOTOR_STOPPED', Stopped(dialect=Dialect.V1)),
    (b'ERROR:UNKNOWN_COMMAND', Error('unknown_command', dialect=Dialect.V1)),
    (b'EMERGENCY_STOP', WatchdogTripped()),
    # v0
    (b'{"boot":true,"ina219":false}', Boot('0', 'TB6612FNG', Dialect.V0)),
    (b'{"ack":"PWM","L":3,"R":-3,"voltage":11.85}',
     Ack('PWM', 3, -3, voltage_v=11.85, dialect=Dialect.V0)),
    (b'{"ack":"STOP","voltage":12.00}', Stopped(voltage_v=12.0, dialect=Dialect.V0)),
    (b'{"ok":true,"voltage":11.85,"current":-230.0,"ts":500}', Battery(11.85, -230.0, 500)),
    (b'{"err":"bad_cmd","voltage":11.85}', Error('bad_cmd', dialect=Dialect.V0)),
]  # fmt: skip


@pytest.mark.parametrize(('line', 'event'), LINES)
def test_every_line_of_the_firmwares_is_understood(line, event):
    assert Decoder().feed(line + b'\r\n') == [event]
    assert Decoder().feed(line + b'\n') == [event]


@pytest.mark.parametrize('line', [
    b'{"ok":true,"cmd":"PWM","left":80,"right":-80,"upt',  # half
    b'{"ok":true,"cmd":"PW{"ok":true,"cmd":"STOP","reason":"command","uptime":5}',  # glued
    b'{"ok":true,"cmd":"PWM","left":true,"right":0,"uptime":1}',
    b'{"ok":true,"cmd":"PWM","left":256,"right":0,"uptime":1}',
    b'{"ok":true,"cmd":"PWM","left":1.0,"right":0,"uptime":1}',
    b'{"ok":true,"cmd":"PWM","left":"1","right":0,"uptime":1}',
    b'{"ok":true,"cmd":"PWM","left":1,"right":0}',
    b'{"ok":true,"cmd":"PWM","left":1,"right":0,"uptime":-1}',
    b'{"ok":false,"cmd":"STOP","uptime":5}',
    b'{"ok":true,"status":{"left":0,"right":0}}',
    b'{"ok":true,"status":{"left":0,"right":0,"front_lights":"dim","back_lights":"off",'
    b'"uptime":9,"watchdog_timeout":2000}}',
    b'{"ok":true,"voltage":NaN,"current":1.0,"ts":500}',
    b'{"ok":true,"voltage":1e999,"current":1.0,"ts":500}',
    b'{"voltage":true,"current":1.0,"ts":500}',
    b'MOTOR_OK:L:999:R:0',
    b'MOTOR_OK:L:1:R:0 ',
    b'STATUS_OK:L:1:R:',
    b'[' * 500,
    b'{"a":' * 100,
    b'{"left":' + b'9' * 480 + b'}',
    b'\xff\xfe{"ok":true,"cmd":"STOP","reason":"command","uptime":5}',
    '{"info":"µ"}'.encode(),
    b'AT+CGMM', b'OK', b'null', b'{}', b'{"status":{}}', b'{"status":[]}', b'{"cmd":{}}',
])  # fmt: skip
def test_what_is_not_a_line_of_the_board_is_noise(line):
    event = parse_line(line)
    if line == b'MOTOR_OK:L:1:R:0 ':
        assert event == Ack('MOTOR', 1, 0, dialect=Dialect.V1)  # trimmed, as the board does
    else:
        assert isinstance(event, Noise) and len(event.text) <= 320


def test_lines_cut_anywhere_give_the_same_events():
    stream = b'\r\n'.join(line for line, _ in LINES) + b'\r\n'
    expected = [event for _, event in LINES]
    for size in (1, 2, 3, 7, 64, 1000):
        decoder = Decoder()
        got = [event for at in range(0, len(stream), size)
               for event in decoder.feed(stream[at : at + size])]  # fmt: skip
        assert got == expected


@given(st.lists(st.binary(max_size=600), max_size=20))
def test_any_bytes_are_survived_and_the_next_line_is_heard(chunks):
    decoder = Decoder()
    for chunk in chunks:
        decoder.feed(chunk)
        assert len(decoder._buffer) <= MAX_LINE
    decoder.feed(b'\n')
    assert decoder.feed(b'MOTOR_STOPPED\r\n') == [Stopped(dialect=Dialect.V1)]


@pytest.mark.parametrize('kind', ['random', 'flipped', 'no newline'])
def test_a_megabyte_of_damage_neither_grows_nor_blocks(kind):
    dice = random.Random(5)
    if kind == 'flipped':
        data = bytearray(b'\r\n'.join(line for line, _ in LINES) * (1_000_000 // 1900))
        for _ in range(len(data) // 20):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    elif kind == 'random':
        data = bytearray(dice.randbytes(1_000_000))
    else:
        data = bytearray(dice.randbytes(1_000_000).replace(b'\n', b' '))
    decoder = Decoder()
    tracemalloc.start()
    kinds = set()
    for at in range(0, len(data), 4096):
        kinds |= {type(event) for event in decoder.feed(bytes(data[at : at + 4096]))}
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 100_000
    assert Noise in kinds
    decoder.feed(b'\n')
    assert decoder.feed(LINES[0][0] + b'\n') == [LINES[0][1]]


@given(st.integers(-255, 255), st.integers(-255, 255))
def test_drive_line(left, right):
    assert pwm(left, right) == f'PWM {left} {right}\n'.encode()


@pytest.mark.parametrize('bad', [256, -256, 1.0, True, '1', None, float('nan')])
def test_no_other_duty_leaves(bad):
    for call in (lambda: pwm(bad, 0), lambda: pwm(0, bad),
                 lambda: wire_duty(bad, Reverse.STRAIGHT)):  # fmt: skip
        with pytest.raises(ValueError, match='whole number'):
            call()


def test_lights_line():
    assert protocol.lights('front', True) == b'LIGHTS FRONT ON\n'
    assert protocol.lights('back', False) == b'LIGHTS BACK OFF\n'
    with pytest.raises(ValueError, match='roof'):
        protocol.lights('roof', True)


# ---- reverse, against the pulse formula of the firmware


def straight_pulse_us(duty: int) -> int:
    """What a firmware without the fault would do: the reverse half the right way round."""
    return pulse_us(duty) if duty >= 0 else 1499 - (-duty - 1) * 499 // 254


def test_the_pulse_formula_is_the_firmwares():
    known = {0: 1500, 1: 1501, 255: 2000, -1: 1000, -50: 1096, -100: 1194, -150: 1292, -255: 1499}
    assert {duty: pulse_us(duty) for duty in known} == known


@pytest.mark.parametrize('duty', range(256))
def test_equal_speeds_forward_and_back_give_mirrored_pulses(duty):
    ahead = pulse_us(wire_duty(duty, Reverse.INVERTED))
    back = pulse_us(wire_duty(-duty, Reverse.INVERTED))
    assert abs((ahead - 1500) - (1500 - back)) <= 1
    assert (back < 1500) is (duty > 0)
    straight = straight_pulse_us(wire_duty(-duty, Reverse.STRAIGHT))
    assert abs((ahead - 1500) - (1500 - straight)) <= 1


@pytest.mark.parametrize('duty', range(-255, 0))
def test_unconfirmed_reverse_is_alike_in_both_readings(duty):
    sent = wire_duty(duty, Reverse.UNCONFIRMED)
    assert sent == -128
    assert pulse_us(sent) == 1249
    assert abs(straight_pulse_us(sent) - 1249) <= 1


@pytest.mark.parametrize('reverse', Reverse)
def test_forward_is_never_changed_and_faster_is_faster(reverse):
    assert [wire_duty(duty, reverse) for duty in range(256)] == list(range(256))
    formula = straight_pulse_us if reverse is Reverse.STRAIGHT else pulse_us
    pulses = [formula(wire_duty(duty, reverse)) for duty in range(-255, 256)]
    assert pulses == sorted(pulses)
    assert all(-255 <= wire_duty(duty, reverse) <= 255 for duty in range(-255, 256))


def test_the_predecessor_reads_reverse_straight():
    assert protocol.reverse_of(Dialect.V0, Reverse.INVERTED) is Reverse.STRAIGHT
    assert protocol.reverse_of(Dialect.V2, Reverse.UNCONFIRMED) is Reverse.UNCONFIRMED
