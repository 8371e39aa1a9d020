# SPDX-License-Identifier: Apache-2.0
"""Parameters against a real node: typed, ranged, described, and nothing unknown."""

import os
import random
from dataclasses import dataclass

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from avatar_node.params import ParameterProblem, Parameters, param


@dataclass(frozen=True)
class Example:
    speed_mps: float = param(0.5, 'largest speed', range=(0.0, 2.0), unit='m/s')
    slow_mps: float = param(0.1, 'smallest speed', range=(0.0, 2.0), unit='m/s')
    mode: str = param('auto', 'how', choices=('auto', 'off'))
    port: str = param('', 'which', read_only=True)
    count: int = param(3, 'how many', range=(1, 9))
    on: bool = param(True, 'whether')
    size: tuple[int, int] = param((4, 3), 'how large', range=(1, 99))


def order(value: Example) -> str | None:
    return None if value.slow_mps <= value.speed_mps else 'slow_mps must not exceed speed_mps'


@pytest.fixture
def make(monkeypatch):
    monkeypatch.setenv('ROS_LOCALHOST_ONLY', '1')
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=random.randint(1, 101))
    nodes = []

    def make_node(*overrides: Parameter, changed=lambda _: None):
        node = Node(f'example_{os.getpid()}', context=context,
                    parameter_overrides=list(overrides))
        nodes.append(node)
        return node, Parameters(node, Example, check=order, changed=changed)

    yield make_node
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def test_defaults_and_descriptors(make):
    node, params = make()
    assert params.value == Example()
    described = node.describe_parameter('speed_mps')
    assert described.description == 'largest speed [m/s]'
    assert described.floating_point_range[0].to_value == 2.0
    assert node.describe_parameter('port').read_only
    assert node.describe_parameter('count').integer_range[0].from_value == 1


def test_override_and_change(make):
    seen = []
    node, params = make(Parameter('count', value=5), changed=seen.append)
    assert params.value.count == 5
    assert node.set_parameters([Parameter('count', value=6)])[0].successful
    assert params.value.count == 6 and seen == [params.value]


@pytest.mark.parametrize(('name', 'value', 'says'), [
    ('speed_mps', 3.0, 'between 0.0 and 2.0'),
    ('speed_mps', float('nan'), 'finite'),
    ('speed_mps', 1, 'type float'),
    ('mode', 'fast', 'one of auto, off'),
    ('slow_mps', 0.9, 'must not exceed'),
])
def test_refused_with_the_reason(make, name, value, says):
    node, params = make()
    result = node.set_parameters([Parameter(name, value=value)])[0]
    # rclpy judges types and ranges of its own before ours is asked.
    assert not result.successful and result.reason
    assert params.value == Example()
    with pytest.raises(ParameterProblem, match=says):
        make(Parameter(name, value=value))


def test_read_only_and_unknown(make):
    node, _ = make()
    assert not node.set_parameters([Parameter('port', value='x')])[0].successful
    with pytest.raises(ParameterProblem, match='no parameter speed_mpss; there are: speed_mps'):
        make(Parameter('speed_mpss', value=1.0))


def test_an_array_is_a_tuple_of_as_many_integers(make):
    _, params = make(Parameter('size', value=[5, 6]))
    assert params.value.size == (5, 6)
    node, params = make()
    assert params.value.size == (4, 3)
    assert node.set_parameters([Parameter('size', value=[7, 8])])[0].successful
    assert params.value.size == (7, 8)
    for refused in ([1], [1, 2, 3], [0, 5], [5, 100]):
        assert not node.set_parameters([Parameter('size', value=refused)])[0].successful
    assert params.value.size == (7, 8)
    with pytest.raises(ParameterProblem, match='2 integers'):
        make(Parameter('size', value=[1.0, 2.0]))
