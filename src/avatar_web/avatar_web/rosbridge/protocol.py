# SPDX-License-Identifier: Apache-2.0
"""
The rosbridge v2 protocol and our own operations: JSON text -> frozen operations, and back.

`Decoder(namespace).decode(text)` returns one operation or raises ProtocolError; it never raises
anything else on any text. Numbers that are not finite pass as floats: who uses a number judges it
(`limits.judge`, `convert.to_ros`), because a command that is not finite must stop the robot and
not merely be refused.
"""

import json
import re
from collections.abc import Callable, Mapping

from avatar_web.rosbridge.operations import (
    Advertise,
    CallService,
    Drive,
    Id,
    Json,
    LeaseAllow,
    LeaseGive,
    LeaseRelease,
    LeaseTake,
    Operation,
    Picture,
    Ping,
    Publish,
    SetLevel,
    Status,
    Subscribe,
    Unadvertise,
    Unsubscribe,
)

MAX_BYTES = 256 * 1024
MAX_BRACKETS = 2000
"""Decoding 256 KB of empty lists takes 40 ms, in which nobody could stop the robot."""
"""The longest message a client may send."""

MAX_DEPTH = 32
"""The deepest nesting of lists and objects in a message."""

MAX_ID = 256
MAX_NAME = 255
MAX_INT_DIGITS = 20

DRIVE_TOPIC = 'cmd_vel'
DRIVE_TYPE = 'geometry_msgs/msg/Twist'
E_STOP = 'e_stop_trigger'

_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*', re.ASCII)
_TYPE = re.compile(r'([a-z][a-z0-9_]*)/(?:(msg|srv)/)?([A-Za-z][A-Za-z0-9_]*)', re.ASCII)


class ProtocolError(ValueError):
    """
    A message that is no operation; the text is a sentence for the sender.

    `id` is the message's own where it could be read. `neutral` says that a driver who sends this
    must be taken as having let go: the text cannot be read, or it is a command without a meaning.
    """

    def __init__(self, sentence: str, id: Id = None, *, neutral: bool = False) -> None:
        super().__init__(sentence)
        self.id = id
        self.neutral = neutral


STATUS_LEVELS = ('none', 'error', 'warning', 'info')

# Part of rosbridge, and not offered here: said by name, so that nobody waits for an answer.
_NOT_OFFERED = {
    'fragment': 'send the message whole',
    'png': 'send the message as plain JSON',
    'auth': 'log in over HTTP, or give a token when connecting',
    'advertise_service': 'offer services in ROS',
    'unadvertise_service': 'offer services in ROS',
    'service_response': 'offer services in ROS',
    'advertise_action': 'offer actions in ROS',
    'unadvertise_action': 'offer actions in ROS',
    'send_action_goal': 'use topics and services',
    'cancel_action_goal': 'use topics and services',
    'action_feedback': 'offer actions in ROS',
    'action_result': 'offer actions in ROS',
}


def _int(token: str) -> int:
    # int() of a long text takes quadratic time on Python 3.10, and no field is longer.
    if len(token) > MAX_INT_DIGITS:
        raise ProtocolError(f'a whole number of {len(token)} digits: none may have more than '
                            f'{MAX_INT_DIGITS}', neutral=True)
    return int(token)


_json = json.JSONDecoder(parse_int=_int)


class Decoder:
    """Reads the messages of one client; `namespace` is the robot's, e.g. '/' or '/robot1'."""

    def __init__(self, namespace: str = '/') -> None:
        self._prefix = namespace.strip('/') + '/' if namespace.strip('/') else ''

    def decode(self, text: str) -> Operation:
        """Return the operation of one message, or raise ProtocolError."""
        message = _parse(text)
        id_ = _id(message)
        op = message.get('op')
        if not isinstance(op, str):
            raise ProtocolError(f'"op" is {_short(op)}: it must be the name of an operation', id_)
        read = _READERS.get(op)
        if read is None:
            if op in _NOT_OFFERED:
                raise ProtocolError(f'op {op} is not offered: {_NOT_OFFERED[op]}', id_)
            raise ProtocolError(f'unknown op {_short(op)}; there are: {", ".join(_READERS)}', id_)
        return read(self, message, id_)

    def relative(self, name: str) -> str | None:
        """Return a name without its leading slash and the robot's namespace; None if no name."""
        if len(name) > MAX_NAME:
            return None
        name = name.removeprefix('/')
        if not _NAME.fullmatch(name):
            return None
        return name.removeprefix(self._prefix) if self._prefix else name

    def _name(self, message: Mapping[str, Json], key: str, id_: Id) -> tuple[str, str]:
        name = message.get(key)
        relative = self.relative(name) if isinstance(name, str) else None
        if relative is None or not isinstance(name, str):
            raise ProtocolError(f'"{key}" is {_short(name)}: it must be a name like cmd_vel or '
                                '/motor/state', id_)
        return relative, name

    def _publish(self, message: Mapping[str, Json], id_: Id) -> Operation:
        topic, name = self._name(message, 'topic', id_)
        msg = message.get('msg')
        if topic == DRIVE_TOPIC:
            given = message.get('type')
            if given is not None and full_type(given, 'msg') != DRIVE_TYPE:
                raise ProtocolError(f'cmd_vel is {DRIVE_TYPE}, not {_short(given)}', id_,
                                    neutral=True)
            return _drive(msg, id_)
        if not isinstance(msg, dict):
            raise ProtocolError(f'"msg" is {_short(msg)}: it must be an object', id_)
        return Publish(topic, name, msg, id_)

    def _advertise(self, message: Mapping[str, Json], id_: Id) -> Operation:
        topic, name = self._name(message, 'topic', id_)
        return Advertise(topic, name, _type(message, 'msg', id_, needed=True), id_)

    def _unadvertise(self, message: Mapping[str, Json], id_: Id) -> Operation:
        return Unadvertise(*self._name(message, 'topic', id_), id_)

    def _subscribe(self, message: Mapping[str, Json], id_: Id) -> Operation:
        topic, name = self._name(message, 'topic', id_)
        compression = message.get('compression') or 'none'
        if compression != 'none':
            raise ProtocolError(f'compression {_short(compression)} is not offered; use "none"',
                                id_)
        throttle_ms = _number(message, 'throttle_rate', 0, 3_600_000, 0, id_)
        queue_length = _number(message, 'queue_length', 0, 1_000_000, 0, id_)
        return Subscribe(topic, name, _type(message, 'msg', id_), throttle_ms / 1000,
                         int(queue_length), id_)

    def _unsubscribe(self, message: Mapping[str, Json], id_: Id) -> Operation:
        return Unsubscribe(*self._name(message, 'topic', id_), id_)

    def _call_service(self, message: Mapping[str, Json], id_: Id) -> Operation:
        service, name = self._name(message, 'service', id_)
        if service == E_STOP:
            # Whatever else the message says, it says stop.
            return CallService(service, name, '', {}, 0.0, id_)
        args = message.get('args')
        if args is None or args == []:
            args = {}
        if not isinstance(args, dict):
            raise ProtocolError(f'"args" is {_short(args)}: it must be an object', id_)
        timeout_s = _number(message, 'timeout', 0, 3600, 0, id_)
        return CallService(service, name, _type(message, 'srv', id_), args, timeout_s, id_)

    def _set_level(self, message: Mapping[str, Json], id_: Id) -> Operation:
        level = message.get('level')
        if level not in STATUS_LEVELS:
            raise ProtocolError(f'"level" is {_short(level)}: it must be one of '
                                f'{", ".join(STATUS_LEVELS)}', id_)
        return SetLevel(level, id_)

    def _status(self, message: Mapping[str, Json], id_: Id) -> Operation:
        return Status(id_)

    def _lease(self, message: Mapping[str, Json], id_: Id) -> Operation:
        action = message.get('action')
        if action == 'take':
            return LeaseTake(id_)
        if action == 'release':
            return LeaseRelease(id_)
        if action == 'give':
            to = message.get('to')
            if not isinstance(to, str) or not 0 < len(to) <= MAX_ID:
                raise ProtocolError(f'"to" is {_short(to)}: it must be a session from "people"',
                                    id_)
            return LeaseGive(to, id_)
        if action == 'allow':
            allowed = message.get('cmd_vel')
            if not isinstance(allowed, bool):
                raise ProtocolError(f'"cmd_vel" is {_short(allowed)}: it must be true or false',
                                    id_)
            return LeaseAllow(allowed, id_)
        raise ProtocolError(f'"action" is {_short(action)}: it must be take, release, give or '
                            'allow', id_)

    def _picture(self, message: Mapping[str, Json], id_: Id) -> Operation:
        blind = message.get('blind', False)
        if not isinstance(blind, bool):
            raise ProtocolError(f'"blind" is {_short(blind)}: it must be true or false', id_)
        if message.get('age_ms') is None:
            return Picture(None, blind, id_)
        return Picture(_number(message, 'age_ms', 0, 1e9, None, id_) / 1000, blind, id_)

    def _ping(self, message: Mapping[str, Json], id_: Id) -> Operation:
        return Ping(_number(message, 't', -1e15, 1e15, None, id_), id_)


_READERS: dict[str, Callable[[Decoder, Mapping[str, Json], Id], Operation]] = {
    'publish': Decoder._publish,
    'subscribe': Decoder._subscribe,
    'unsubscribe': Decoder._unsubscribe,
    'advertise': Decoder._advertise,
    'unadvertise': Decoder._unadvertise,
    'call_service': Decoder._call_service,
    'set_level': Decoder._set_level,
    'status': Decoder._status,
    'lease': Decoder._lease,
    'ping': Decoder._ping,
    'picture': Decoder._picture,
}


def full_type(name: object, kind: str) -> str | None:
    """Return 'pkg/msg/Name' for 'pkg/Name' and 'pkg/msg/Name' (kind 'msg' or 'srv'), or None."""
    if not isinstance(name, str) or len(name) > MAX_NAME:
        return None
    found = _TYPE.fullmatch(name)
    if not found or found[2] not in (None, kind):
        return None
    return f'{found[1]}/{kind}/{found[3]}'


def _parse(text: str) -> dict[str, Json]:
    if len(text) > MAX_BYTES:
        raise ProtocolError(f'a message of {len(text)} characters: none may be longer than '
                            f'{MAX_BYTES}', neutral=True)
    if text.count('{') + text.count('[') > MAX_BRACKETS:
        raise ProtocolError(f'more than {MAX_BRACKETS} lists and objects in one message',
                            neutral=True)
    try:
        message = _json.decode(text)
    except RecursionError:
        raise ProtocolError(f'nested deeper than {MAX_DEPTH}', neutral=True) from None
    except ProtocolError:
        raise
    except ValueError as error:
        raise ProtocolError(f'not JSON: {str(error)[:100]}', neutral=True) from None
    if not isinstance(message, dict):
        raise ProtocolError(f'{_short(message)} is not a JSON object', neutral=True)
    # Counting brackets is a hundred times cheaper than walking, and nearly always enough.
    if text.count('{') + text.count('[') > MAX_DEPTH and _deeper_than(message, MAX_DEPTH):
        raise ProtocolError(f'nested deeper than {MAX_DEPTH}', _id(message), neutral=True)
    return message


def _deeper_than(value: Json, limit: int) -> bool:
    level: list[Json] = [value]
    for _ in range(limit):
        inner: list[Json] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(v for v in item.values() if isinstance(v, (dict, list)))
            else:
                inner.extend(v for v in item if isinstance(v, (dict, list)))
        if not inner:
            return False
        level = inner
    return True


def _id(message: Mapping[str, Json]) -> Id:
    # An id that cannot be echoed is no reason to refuse: it might be an emergency stop's.
    id_ = message.get('id')
    if isinstance(id_, str):
        return id_ if len(id_) <= MAX_ID else None
    return id_ if isinstance(id_, int) and not isinstance(id_, bool) else None


def _type(message: Mapping[str, Json], kind: str, id_: Id, needed: bool = False) -> str:
    given = message.get('type')
    if given is None and not needed:
        return ''
    full = full_type(given, kind)
    if full is None:
        raise ProtocolError(f'"type" is {_short(given)}: it must be like std_msgs/{kind}/Name',
                            id_)
    return full


def _number(
    message: Mapping[str, Json], key: str, low: float, high: float, default: float | None, id_: Id
) -> float:
    value = message.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ProtocolError(f'"{key}" is {_short(value)}: it must be a number between {low:g} and '
                            f'{high:g}', id_)
    return value


def _drive(msg: Json, id_: Id) -> Drive:
    if not isinstance(msg, dict):
        raise ProtocolError(f'"msg" is {_short(msg)}: it must be a Twist', id_, neutral=True)
    for key in msg:
        if key not in ('linear', 'angular'):
            raise ProtocolError(f'a Twist has no field {_short(key)}', id_, neutral=True)
    return Drive(_vector(msg, 'linear', id_), _vector(msg, 'angular', id_), id_)


def _vector(msg: Mapping[str, Json], key: str, id_: Id) -> tuple[float, float, float]:
    vector = msg.get(key, {})
    if not isinstance(vector, dict):
        raise ProtocolError(f'{key} is {_short(vector)}: it must be an object with x, y, z', id_,
                            neutral=True)
    for axis, value in vector.items():
        if axis not in ('x', 'y', 'z'):
            raise ProtocolError(f'{key} has no field {_short(axis)}', id_, neutral=True)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ProtocolError(f'{key}.{axis} is {_short(value)}: it must be a number', id_,
                                neutral=True)
    return (float(vector.get('x', 0.0)), float(vector.get('y', 0.0)), float(vector.get('z', 0.0)))


def _short(value: object) -> str:
    """Return a value for an error text: never long, never more than ASCII."""
    if value is None:
        return 'missing'
    if isinstance(value, (dict, list)):
        return 'an object' if isinstance(value, dict) else 'a list'
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + '...'


def encode(message: Mapping[str, Json]) -> str:
    """Return the text of a message to a client; pure ASCII, so no text can break it."""
    return json.dumps(message, separators=(',', ':'), allow_nan=False)


def encode_text(text: str) -> str:
    """Return one text as JSON."""
    return json.dumps(text)


def status(level: str, sentence: str, id: Id = None) -> str:
    """Return a rosbridge status message ('error', 'warning' or 'info')."""
    message: dict[str, Json] = {'op': 'status', 'level': level, 'msg': sentence}
    if id is not None:
        message['id'] = id
    return encode(message)


def service_response(service: str, values: Json, result: bool, id: Id = None) -> str:
    """Return the answer to a call_service; `values` is a sentence where `result` is False."""
    message: dict[str, Json] = {
        'op': 'service_response', 'service': service, 'values': values, 'result': result}
    if id is not None:
        message['id'] = id
    return encode(message)
