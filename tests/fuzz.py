# SPDX-License-Identifier: Apache-2.0
"""
Nonsense for the gateway: an endless stream of frames, none of which asks the robot to move.

What comes out by chance as a command that a driver may give (a flipped bit can turn 0.0 into
0.1) is left out, and so are the emergency stop, which would hide every motion, and the self-test.
"""

import json
import math
import random
from collections.abc import Iterator

from avatar_motor.limits import ABSURD, Limits
from tests.websocket import BINARY, TEXT

Frame = tuple[int, bytes]

# Every seed but the first two is a message that is answered or obeyed.
SEEDS = [
    {'op': 'publish', 'topic': 'cmd_vel', 'msg': {'linear': {'x': 0.0}, 'angular': {'z': 0.0}}},
    {'op': 'publish', 'topic': '/cmd_vel', 'id': 'a', 'type': 'geometry_msgs/Twist', 'msg': {
        'linear': {'x': 0, 'y': 0, 'z': 0}, 'angular': {'x': 0, 'y': 0, 'z': 0}}},
    {'op': 'ping', 't': 12345.6},
    {'op': 'advertise', 'topic': 'cmd_vel', 'type': 'geometry_msgs/Twist'},
    {'op': 'unadvertise', 'topic': 'cmd_vel'},
    {'op': 'subscribe', 'topic': 'motor/state', 'id': 's', 'throttle_rate': 100},
    {'op': 'unsubscribe', 'topic': 'motor/state', 'id': 's'},
    {'op': 'subscribe', 'topic': '/odom', 'type': 'nav_msgs/msg/Odometry', 'queue_length': 1},
    {'op': 'call_service', 'service': 'e_stop_reset', 'args': {'number': 4}, 'id': 'c'},
    {'op': 'call_service', 'service': 'lights/front', 'args': {'data': True}, 'id': 'd'},
    {'op': 'lease', 'action': 'take'},
    {'op': 'lease', 'action': 'allow', 'cmd_vel': False},
    {'op': 'status', 'level': 'info', 'msg': 'hello'},
    {'op': 'set_level', 'level': 'error'},
    {'op': 'publish', 'topic': 'say/en', 'msg': {'data': 'hello'}},
    {'op': 'publish', 'topic': 'operator/cmd_vel', 'msg': {'linear': {'x': 0.3}}},
    {'op': 'publish', 'topic': 'operator/lease', 'msg': {'level': 0, 'name': 'x'}},
]

NUMBERS = ['NaN', 'Infinity', '-Infinity', '1e308', '-1e308', '1e999', '1' + '0' * 400, '-0',
           '6.1', '-6.1', '1e-400', '0x10', '.5', '+1', '1_0', '١']
VALUES = ['null', 'true', '"0.3"', '"fast"', '[]', '{}', '[0.3]', '{"x":0.3}', '""', '"\\ud800"']
OPS = ['', 'Publish', 'fly', 'fragment', 'png', 'auth', 'advertise_service', 'service_response',
       'call_service\u0000', '__class__', 'send_action_goal', 'ping' * 100]
TOPICS = ['', '/', '//cmd_vel', 'cmd_vel/', '../cmd_vel', '/operator/cmd_vel', 'tf', 'rosout',
          'x' * 300, 'cmd vel', 'cmd_vel\n', '/clock', 'motor/../cmd_vel', '~/cmd_vel', 'ⅽmd_vel']


def nonsense(chance: random.Random) -> Iterator[Frame]:
    """Yield frames for ever; the same ones for the same `chance`."""
    makers = [
        *[_bad_number] * 6, *[_bad_value] * 4, *[_missing] * 4, *[_wrong_type] * 6, *[_name] * 4,
        *[_flipped] * 12, *[_cut_short] * 3, *[_bytes] * 2, _deep, _many, _not_an_object]
    while True:
        made = chance.choice(makers)(chance)
        if not asks_to_move(made[1]):
            yield made


def asks_to_move(payload: bytes) -> bool:
    """Return whether a lease holder's message is a command, or one of the two kept out."""
    try:
        message = json.loads(payload)
        if not isinstance(message, dict):
            return False
        if message.get('op') == 'call_service':
            return str(message.get('service')).strip('/') in ('e_stop_trigger', 'motor/self_test')
        twist = message.get('msg')
        if str(message.get('topic')).strip('/') != 'cmd_vel' or not isinstance(twist, dict):
            return False
        wanted = [twist.get(v, {}).get(a, 0) for v, a in (('linear', 'x'), ('angular', 'z'))]
        limits = Limits()
        return any(wanted) and all(
            math.isfinite(v) and abs(v) <= ABSURD * limit
            for v, limit in zip(wanted, (limits.max_speed_mps, limits.max_turn_radps),
                                strict=True))
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        return False


def _text(text: str) -> Frame:
    return TEXT, text.encode(errors='surrogatepass')


def _twist(x: str, z: str) -> Frame:
    return _text('{"op":"publish","topic":"cmd_vel","msg":'
                 f'{{"linear":{{"x":{x}}},"angular":{{"z":{z}}}}}}}')


def _bad_number(chance: random.Random) -> Frame:
    bad = chance.choice(NUMBERS)
    return _twist(*chance.choice([(bad, '0'), ('0', bad), (bad, bad), ('0.3', bad)]))


def _bad_value(chance: random.Random) -> Frame:
    return _twist(*chance.choice([(chance.choice(VALUES), '0.3'), ('0.3', chance.choice(VALUES))]))


def _missing(chance: random.Random) -> Frame:
    message = dict(chance.choice(SEEDS))
    for key in chance.sample(list(message), chance.randint(1, len(message))):
        del message[key]
    return _text(json.dumps(message))


def _wrong_type(chance: random.Random) -> Frame:
    message = dict(chance.choice(SEEDS))
    message[chance.choice(list(message))] = json.loads(chance.choice([
        '0', '-1', 'true', 'null', '[]', '{}', '"x"', '1e308', '[[[]]]', '{"op":"publish"}',
        '"' + 'y' * 1000 + '"']))
    return _text(json.dumps(message))


def _name(chance: random.Random) -> Frame:
    message = dict(chance.choice(SEEDS))
    if chance.random() < 0.4:
        message['op'] = chance.choice(OPS)
    else:
        message['topic' if 'topic' in message else 'service'] = chance.choice(TOPICS)
    return _text(json.dumps(message))


def _flipped(chance: random.Random) -> Frame:
    data = bytearray(json.dumps(chance.choice(SEEDS)).encode())
    # The eighth bit makes invalid UTF-8, which ends the connection: now and then.
    bits = 8 if chance.random() < 0.02 else 7
    for _ in range(chance.randint(1, 3)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(bits)
    return chance.choice((TEXT, TEXT, TEXT, BINARY)), bytes(data)


def _cut_short(chance: random.Random) -> Frame:
    data = json.dumps(chance.choice(SEEDS)).encode()
    return TEXT, data[:chance.randrange(len(data))]


def _bytes(chance: random.Random) -> Frame:
    data = chance.randbytes(chance.randint(0, 300))
    return (TEXT, data) if chance.random() < 0.05 else (BINARY, data)


def _deep(chance: random.Random) -> Frame:
    depth = chance.choice((33, 100, 1000, 5000))
    start, end = chance.choice((('[', ']'), ('{"op":', '}'), ('{"msg":[', ']}')))
    return _text(start * depth + chance.choice(('', '1')) + end * chance.choice((0, depth)))


def _many(chance: random.Random) -> Frame:
    return _text('{' + ','.join(f'"k{i}":{i}' for i in range(chance.randint(1, 500))) + '}')


def _not_an_object(chance: random.Random) -> Frame:
    return _text(chance.choice(['', ' ', '0', 'null', '"cmd_vel"', '[]', 'true', '\ufeff{}', '{}',
                                '[{"op":"publish","topic":"cmd_vel"}]', '\x00', '{"op"', "{'op'"]))
