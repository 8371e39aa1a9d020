# SPDX-License-Identifier: Apache-2.0
"""docs/ros_api.md says what the running nodes say of themselves, no more and no less."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import Stack

DOC = (Path(__file__).resolve().parents[1] / 'docs' / 'ros_api.md').read_text()
NODES = ('motor', 'gateway', 'sim_camera', 'stream', 'health', 'camera')

# A graph is looked at from a process of its own, in the environment of the robot's processes.
LOOK = r"""
import json, sys
import rclpy
from rclpy.node import Node
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters
from avatar_node.testing import wait_for

OURS = ('/parameter_events', '/rosout')
rclpy.init()
node = Node('looker')

def ask(kind, name, request):
    client = node.create_client(kind, name)
    assert client.wait_for_service(10.0), name
    future = client.call_async(request)
    rclpy.spin_until_future_complete(node, future, timeout_sec=10.0)
    return future.result()

def qos(info):
    profile = info.qos_profile
    return [profile.reliability.name, profile.durability.name]

seen = {}
for name in sys.argv[1:]:
    wait_for(lambda: (name, '/') in node.get_node_names_and_namespaces(), 10, name)
    # Its name may be known before its topics.
    wait_for(lambda: {topic for topic, _ in node.get_publisher_names_and_types_by_node(name, '/')}
             - set(OURS), 10, f'topics of {name}')
    topics = {}
    for direction, found, infos in (
            ('in', node.get_subscriber_names_and_types_by_node(name, '/'),
             node.get_subscriptions_info_by_topic),
            ('out', node.get_publisher_names_and_types_by_node(name, '/'),
             node.get_publishers_info_by_topic)):
        for topic, types in found:
            if topic not in OURS:
                own = [i for i in infos(topic) if i.node_name == name]
                topics[f'{direction} {topic}'] = [*types, *qos(own[0])]
    services = {s: t[0] for s, t in node.get_service_names_and_types_by_node(name, '/')
                if t[0].startswith('std_srvs/')}
    names = ask(ListParameters, f'{name}/list_parameters', ListParameters.Request()).result.names
    names = [n for n in names if n not in ('use_sim_time', 'start_type_description_service')]
    described = ask(DescribeParameters, f'{name}/describe_parameters',
                    DescribeParameters.Request(names=names)).descriptors
    values = ask(GetParameters, f'{name}/get_parameters',
                 GetParameters.Request(names=names)).values
    parameters = {}
    for d, v in zip(described, values):
        ranges = [*d.floating_point_range, *d.integer_range]
        bounds = f'{ranges[0].from_value} .. {ranges[0].to_value}' if ranges else \
            d.additional_constraints.removeprefix('one of: ')
        kind = {1: 'bool', 2: 'int', 3: 'float', 4: 'str', 7: 'int[]'}[v.type]
        parameters[d.name] = [kind, bounds, 'no' if d.read_only else 'yes', d.description]
    seen[name] = {'topics': topics, 'services': services, 'parameters': parameters}
print(json.dumps(seen))
"""

QOS = {
    'COMMAND': ['RELIABLE', 'VOLATILE'],
    'SENSOR': ['BEST_EFFORT', 'VOLATILE'],
    'STATE': ['RELIABLE', 'TRANSIENT_LOCAL'],
    'reliable, volatile, keep-last 10': ['RELIABLE', 'VOLATILE'],
}


def table(section: str, node: str) -> list[list[str]]:
    """Return the rows of the table under `## section` / `### Node node`."""
    chapter = re.search(rf'^## {section}\n(.*?)(?=^## |\Z)', DOC, re.M | re.S)
    assert chapter, section
    part = re.search(rf'^### Node `{node}`\n(.*?)(?=^### |\Z)', chapter[1], re.M | re.S)
    if part is None:
        return []
    rows = [line.strip().strip('|') for line in part[1].splitlines() if line.startswith('| `')]
    return [[cell.strip().strip('`') for cell in row.split(' | ')] for row in rows]


@pytest.fixture(scope='module')
def graph(_module_stack: Stack) -> dict[str, dict[str, dict[str, list[str]]]]:
    """What the nodes say of themselves."""
    process = _module_stack.motor
    for name, module in (('sim_camera', 'avatar_camera.sim.node'),
                         ('stream', 'avatar_camera.stream.node'),
                         ('health', 'avatar_bringup.health.node'),
                         ('camera', 'avatar_camera.driver.node')):
        _module_stack.python(name, module).start()
    done = subprocess.run(
        [sys.executable, '-c', LOOK, *NODES], env={**os.environ, **process.env}, text=True,
        capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, dict[str, dict[str, list[str]]]] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize('node', NODES)
def test_topics(graph, node):
    documented = {f'{row[2]} {"" if row[0].startswith("/") else "/"}{row[0]}':
                  [row[1], *QOS[row[3]]] for row in table('Topics', node)}
    assert graph[node]['topics'] == documented


@pytest.mark.parametrize('node', NODES)
def test_services(graph, node):
    assert graph[node]['services'] == {f'/{row[0]}': row[1] for row in table('Services', node)}


@pytest.mark.parametrize('node', NODES)
def test_parameters(graph, node):
    documented = {
        name: [kind, bounds.strip(), live, doc + (f' [{unit.strip()}]' if unit.strip() else '')]
        for name, kind, _, bounds, unit, live, doc in map(seven, table('Parameters', node))
    }
    assert graph[node]['parameters'] == documented


def seven(row: list[str]) -> list[str]:
    """Return the cells of a parameter row; empty ones were split off by their blanks."""
    assert len(row) == 7, row
    return row
