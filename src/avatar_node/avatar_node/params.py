# SPDX-License-Identifier: Apache-2.0
"""
Parameters of a node as one frozen dataclass.

    @dataclass(frozen=True)
    class Params:
        cmd_timeout_s: float = param(0.3, 'a command lives this long', range=(0.2, 0.3), unit='s')
        port: str = param('', 'serial port; empty = by its id', read_only=True)

    self.params = Parameters(self, Params, check=problem_or_none, changed=apply)

Every field is declared with type, range and description; whatever else is given is refused. An
array is a tuple of as many integers as its default has; the range is that of each.
"""

import array
import dataclasses
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from avatar_node.fields import param, problem_of

T = TypeVar('T')

# Declared by rclpy itself on every node.
OF_RCLPY = ('use_sim_time', 'start_type_description_service')

__all__ = ['ParameterProblem', 'Parameters', 'param']


class ParameterProblem(ValueError):
    """A parameter was refused; the text says which, with which value, and why."""


def _plain(value: object) -> object:
    """Return a value as a dataclass keeps it; rclpy gives arrays in two other ways."""
    return tuple(value) if isinstance(value, (list, array.array)) else value


def descriptor(field: 'dataclasses.Field[Any]') -> ParameterDescriptor:
    """Return the ROS descriptor of a field made by `param`."""
    meta = field.metadata
    unit = f' [{meta["unit"]}]' if meta['unit'] else ''
    result = ParameterDescriptor(
        name=field.name,
        description=meta['doc'] + unit,
        read_only=meta['read_only'],
        additional_constraints='one of: ' + ', '.join(meta['choices']) if meta['choices'] else '',
    )
    if meta['range']:
        low, high = meta['range']
        if isinstance(field.default, tuple):
            # rclpy checks ranges of single numbers only.
            result.additional_constraints = f'each {low} .. {high}'
        elif isinstance(field.default, float):
            result.floating_point_range = [
                FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)]
        else:
            result.integer_range = [
                IntegerRange(from_value=int(low), to_value=int(high), step=0)]
    return result


class Parameters(Generic[T]):
    """
    The parameters of one node; `value` is always a complete, checked instance of the dataclass.

    `check(candidate)` returns why a combination is refused, or None. `changed(value)` is called
    in the node's executor after an accepted change.
    """

    def __init__(
        self,
        node: Node,
        cls: type[T],
        *,
        check: Callable[[T], str | None] = lambda _: None,
        changed: Callable[[T], None] = lambda _: None,
    ) -> None:
        self._fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        self._cls, self._check, self._changed = cls, check, changed
        overrides = {n: _plain(p.value) for n, p in node._parameter_overrides.items()}
        # rclpy drops overrides nobody declared without a word; a typing error must not pass.
        unknown = [n for n in overrides if n not in self._fields and n not in OF_RCLPY
                   and not n.startswith('qos_overrides.')]
        if unknown:
            known = ', '.join(self._fields)
            names = ', '.join(sorted(unknown))
            raise ParameterProblem(f'no parameter {names}; there are: {known}')
        self.value = self._judge({n: v for n, v in overrides.items() if n in self._fields})
        for name, field in self._fields.items():
            node.declare_parameter(name, field.default, descriptor(field))
        node.add_on_set_parameters_callback(self._on_set)

    def _judge(self, changes: dict[str, object], base: T | None = None) -> T:
        for name, value in changes.items():
            reason = problem_of(self._fields[name], value)
            if reason:
                raise ParameterProblem(reason)
        candidate = dataclasses.replace(base, **changes) if base else self._cls(**changes)  # type: ignore[type-var]
        reason = self._check(candidate)
        if reason:
            raise ParameterProblem(reason)
        return candidate

    def _on_set(self, parameters: list[Parameter]) -> SetParametersResult:
        changes = {p.name: _plain(p.value) for p in parameters if p.name in self._fields}
        if not changes:
            return SetParametersResult(successful=True)
        try:
            self.value = self._judge(changes, self.value)
        except ParameterProblem as problem:
            return SetParametersResult(successful=False, reason=str(problem))
        self._changed(self.value)
        return SetParametersResult(successful=True)
