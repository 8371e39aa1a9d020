# SPDX-License-Identifier: Apache-2.0
"""
ROS messages to JSON values and back, by the types the message classes carry themselves.

Outgoing: bytes as base64, numbers that are not finite as null (JSON has none). Incoming: strict;
ConversionError names the field by its path, and a missing field keeps its default.
"""

import array
import base64
import binascii
import importlib.util
import math
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from rosidl_parser import definition as idl

MAX_ELEMENTS = 100_000
"""The longest list a client may send."""

_PART = re.compile(r'[A-Za-z][A-Za-z0-9_]*', re.ASCII)

_INTEGERS = {
    'int8': (-(2**7), 2**7 - 1), 'uint8': (0, 2**8 - 1),
    'int16': (-(2**15), 2**15 - 1), 'uint16': (0, 2**16 - 1),
    'int32': (-(2**31), 2**31 - 1), 'uint32': (0, 2**32 - 1),
    'int64': (-(2**63), 2**63 - 1), 'uint64': (0, 2**64 - 1),
    'char': (0, 2**8 - 1), 'octet': (0, 2**8 - 1),
}
_FLOATS = ('float', 'double', 'long double')
_MAX_FLOAT32 = 3.4028234663852886e38
_BYTES = ('uint8', 'octet', 'char')


class ConversionError(ValueError):
    """A JSON value that does not fit the message; the text names the field."""


class UnknownType(ValueError):
    """A message or service type that is not installed, or no type at all."""


@lru_cache(maxsize=256)
def load(type_name: str) -> Any:
    """Return the class of 'pkg/msg/Name' or 'pkg/srv/Name'; UnknownType if there is none."""
    parts = type_name.split('/')
    if (len(parts) != 3 or parts[1] not in ('msg', 'srv')
            or not all(_PART.fullmatch(part) for part in parts)):
        raise UnknownType(f'{type_name!r} is not a type like std_msgs/msg/String')
    package, kind, name = parts
    found = None
    if _is_interface_package(package, kind):
        found = getattr(importlib.import_module(f'{package}.{kind}'), name, None)
    marker = 'SLOT_TYPES' if kind == 'msg' else 'Request'
    if not isinstance(found, type) or not hasattr(found, marker):
        raise UnknownType(f'type {type_name} is not installed on the robot')
    return found


def _is_interface_package(package: str, kind: str) -> bool:
    # Looked at before it is imported: the name is a client's, and importing runs code.
    spec = importlib.util.find_spec(package)
    return spec is not None and any(
        Path(folder, kind, '__init__.py').is_file()
        for folder in spec.submodule_search_locations or ())


def to_json(message: Any) -> dict[str, Any]:
    """Return the fields of a message as values that `json.dumps` takes."""
    return {name: out(getattr(message, name)) for name, out, _ in _plan(type(message))}


def to_ros(values: Any, cls: Any) -> Any:
    """Return a message of class `cls` with these values; ConversionError names what is wrong."""
    return _fill(values, cls, '')


def _fill(values: Any, cls: Any, path: str) -> Any:
    if not isinstance(values, dict):
        raise ConversionError(f'{path or "msg"}: {_short(values)} must be an object')
    message = cls()
    plan = {name: read for name, _, read in _plan(cls)}
    for name, value in values.items():
        read = plan.get(name)
        where = f'{path}.{name}' if path else name
        if read is None:
            raise ConversionError(f'{where[:100]!a}: {cls.__name__} has no such field')
        setattr(message, name, read(value, where))
    return message


Out = Callable[[Any], Any]
Read = Callable[[Any, str], Any]


@lru_cache(maxsize=512)
def _plan(cls: Any) -> tuple[tuple[str, Out, Read], ...]:
    names = cls.get_fields_and_field_types()
    return tuple(
        (name, _out(slot), _read(slot))
        for name, slot in zip(names, cls.SLOT_TYPES, strict=True)
        # A placeholder of the generator for messages without fields.
        if name != 'structure_needs_at_least_one_member'
    )


def _out(slot: Any) -> Out:
    if isinstance(slot, idl.BasicType):
        if slot.typename == 'octet':
            return _octet_out
        return _float_out if slot.typename in _FLOATS else _same
    if isinstance(slot, idl.AbstractGenericString):
        return _same
    if isinstance(slot, idl.NamespacedType):
        return to_json
    element = slot.value_type
    if isinstance(element, idl.BasicType):
        if element.typename in _BYTES:
            return _bytes_out
        return _floats_out if element.typename in _FLOATS else _list_out
    if isinstance(element, idl.NamespacedType):
        return _messages_out
    return list


def _same(value: Any) -> Any:
    return value


def _octet_out(value: Any) -> int:
    return value[0] if isinstance(value, (bytes, bytearray)) else int(value)


def _float_out(value: Any) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None


def _floats_out(value: Any) -> list[float | None]:
    return [_float_out(item) for item in value]


def _list_out(value: Any) -> list[Any]:
    # numpy and array items are not what json.dumps takes; tolist() of both is.
    return list(value.tolist()) if hasattr(value, 'tolist') else list(value)


def _bytes_out(value: Any) -> str:
    if isinstance(value, list):
        value = b''.join(value) if value and isinstance(value[0], bytes) else bytes(value)
    return base64.b64encode(value).decode('ascii')


def _messages_out(value: Any) -> list[dict[str, Any]]:
    return [to_json(item) for item in value]


def _read(slot: Any) -> Read:
    if isinstance(slot, idl.BasicType):
        return _basic(slot.typename)
    if isinstance(slot, idl.AbstractGenericString):
        return _text(getattr(slot, 'maximum_size', None))
    if isinstance(slot, idl.NamespacedType):
        return _message(slot)
    return _sequence(slot)


def _message(slot: Any) -> Read:
    name = '/'.join([*slot.namespaces, slot.name])

    def read(value: Any, path: str) -> Any:
        return _fill(value, load(name), path)
    return read


def _basic(typename: str) -> Read:
    if typename == 'boolean':
        def read_bool(value: Any, path: str) -> bool:
            if not isinstance(value, bool):
                raise ConversionError(f'{path}: {_short(value)} must be true or false')
            return value
        return read_bool
    if typename in _FLOATS:
        limit = _MAX_FLOAT32 if typename == 'float' else math.inf

        def read_float(value: Any, path: str) -> float:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ConversionError(f'{path}: {_short(value)} must be a number')
            if not math.isfinite(value) or abs(value) > limit:
                raise ConversionError(f'{path}: {_short(value)} must be a finite {typename}')
            return float(value)
        return read_float
    low, high = _INTEGERS[typename]

    def read_int(value: Any, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ConversionError(f'{path}: {_short(value)} must be a whole number between {low} '
                                  f'and {high}')
        return value
    if typename == 'octet':
        return lambda value, path: bytes([read_int(value, path)])
    return read_int


def _text(longest: int | None) -> Read:
    def read(value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise ConversionError(f'{path}: {_short(value)} must be a text')
        if longest is not None and len(value) > longest:
            raise ConversionError(f'{path}: {len(value)} characters, at most {longest} fit')
        try:
            value.encode('utf-8')
        except UnicodeEncodeError:
            raise ConversionError(f'{path}: {_short(value)} holds half a character') from None
        if '\0' in value:
            raise ConversionError(f'{path}: {_short(value)} holds a zero character')
        return value
    return read


def _sequence(slot: Any) -> Read:
    item = _read(slot.value_type)
    typename = getattr(slot.value_type, 'typename', '')
    exactly = slot.size if isinstance(slot, idl.Array) else None
    most = slot.maximum_size if isinstance(slot, idl.BoundedSequence) else MAX_ELEMENTS

    def read(value: Any, path: str) -> Any:
        if typename in _BYTES and isinstance(value, str):
            value = _base64(value, path)
        elif not isinstance(value, list):
            raise ConversionError(f'{path}: {_short(value)} must be a list')
        if exactly is not None and len(value) != exactly:
            raise ConversionError(f'{path}: {len(value)} items, it must be {exactly}')
        if len(value) > most and not isinstance(value, bytes):
            raise ConversionError(f'{path}: {len(value)} items, at most {most} fit')
        if isinstance(value, bytes):
            return [bytes([b]) for b in value] if typename == 'octet' else array.array('B', value)
        return [item(element, f'{path}[{i}]') for i, element in enumerate(value)]
    return read


def _base64(value: str, path: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ConversionError(f'{path}: {_short(value)} is not base64') from None


def _short(value: object) -> str:
    if value is None:
        return 'null'
    if isinstance(value, (dict, list)):
        return 'an object' if isinstance(value, dict) else 'a list'
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + '...'
