# SPDX-License-Identifier: Apache-2.0
"""
Values that a person sets, described where they are declared; no ROS.

    class Example:
        patience_s: float = param(0.3, 'what it means', range=(0.2, 0.3), unit='s')

Parameters of nodes (params.py) and the settings of the robot (avatar_bringup/settings.py) are
dataclasses of such fields.
"""

import dataclasses
import math
import re
from typing import Any

Range = tuple[float, float]


def param(
    default: Any,
    doc: str,
    *,
    range: Range | None = None,
    choices: tuple[str, ...] = (),
    unit: str = '',
    read_only: bool = False,
    pattern: str = '',
    example: str = '',
) -> Any:
    """
    Describe one value: its default, what it means, its bounds (both included), its unit.

    A text may have `choices`, or a regular expression and an `example` that says what is wanted.
    """
    metadata = {
        'doc': doc, 'range': range, 'choices': choices, 'unit': unit, 'read_only': read_only,
        'pattern': pattern, 'example': example,
    }
    return dataclasses.field(default=default, metadata=metadata)


def problem_of(field: 'dataclasses.Field[Any]', value: object) -> str | None:
    """Return why `value` cannot be the value of `field`, or None."""
    bounds, choices = field.metadata['range'], field.metadata['choices']
    if type(value) is not type(field.default):
        wanted = type(field.default).__name__
        return f'{field.name} = {value!r}: must be of type {wanted}'
    if isinstance(value, tuple):
        return _problem_of_items(field, value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'{field.name} = {value}: must be a finite number'
    if bounds and isinstance(value, (int, float)) and not bounds[0] <= value <= bounds[1]:
        unit = f' {field.metadata["unit"]}'.rstrip()
        return f'{field.name} = {value}: must be between {bounds[0]} and {bounds[1]}{unit}'
    if choices and value not in choices:
        return f'{field.name} = {value!r}: must be one of {", ".join(choices)}'
    pattern = field.metadata['pattern']
    if pattern and not re.fullmatch(pattern, str(value)):
        return f'{field.name} = {value!r}: must be {field.metadata["example"]}'
    return None


def _problem_of_items(field: 'dataclasses.Field[Any]', values: tuple[Any, ...]) -> str | None:
    default: Any = field.default
    wanted, bounds = len(default), field.metadata['range']
    if len(values) != wanted or any(type(value) is not int for value in values):
        return f'{field.name} = {list(values)}: must be {wanted} integers'
    if bounds and not all(bounds[0] <= value <= bounds[1] for value in values):
        return f'{field.name} = {list(values)}: each must be between {bounds[0]} and {bounds[1]}'
    return None
