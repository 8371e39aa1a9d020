# SPDX-License-Identifier: Apache-2.0
"""What the stock rosbridge may do, judged as rosbridge and rosapi of Humble judge it."""

import fnmatch

import pytest

from avatar_bringup.processes import Place, table
from avatar_bringup.rosbridge import lists


def allowed(parameter: str, name: str, namespace: str = '') -> bool:
    """Do what rosbridge does with its lists: cut the brackets off, and match each entry."""
    text = lists(namespace)[parameter]
    entries = [e.strip().strip("'") for e in text[1:-1].split(',') if e.strip().strip("'")]
    assert entries, 'an empty list allows everything'
    return any(fnmatch.fnmatch(name, entry) for entry in entries)


@pytest.mark.parametrize('topic', [
    '/cmd_vel', '/odom', '/diagnostics', '/say/ro', '/battery_state'])
def test_topics_that_are_meant(topic: str) -> None:
    assert allowed('topics_glob', topic)


@pytest.mark.parametrize('topic', [
    '/operator/cmd_vel', '/operator/lease', 'operator/cmd_vel', '//operator/cmd_vel',
    # Read by the page and by other nodes, which would believe a foreign publisher.
    '/e_stop', '/motor/state', '/health', '/camera/stream_state', '/speaker/state',
    '/camera/image_raw', '/camera/image_raw/compressed', '/rosout', '/parameter_events', '/', '*',
    '', '/cmd_vel/', '/CMD_VEL', '/cmd_vel\n'])
def test_topics_that_are_not(topic: str) -> None:
    assert not allowed('topics_glob', topic)


@pytest.mark.parametrize('service, fine', [
    ('/e_stop_trigger', True), ('/lights/front', True), ('/speaker/hush', True),
    ('/e_stop_reset', False), ('/e_stop_reset#1', False), ('e_stop_reset', False),
    ('/motor/self_test', False), ('/motor/confirm_reverse', False), ('/motor/reconnect', False),
    ('/motor/set_parameters', False), ('/rosapi/set_param', False), ('*', False)])
def test_services(service: str, fine: bool) -> None:
    # /rosapi/* is added by rosbridge; what rosapi sets is judged below.
    assert allowed('services_glob', service) is fine


@pytest.mark.parametrize('parameter, fine', [
    ('volume', True), ('profile', True), ('max_speed_mps', False), ('port', False),
    ('cmd_timeout_s', False), ('reverse_confirmed', False), ('host', False), ('tls', False)])
def test_parameters_are_judged_by_their_name_alone(parameter: str, fine: bool) -> None:
    assert allowed('params_glob', parameter) is fine


def test_no_parameter_that_may_be_set_is_one_of_motor_or_gateway() -> None:
    from dataclasses import fields

    from avatar_motor.params import Params as Motor
    from avatar_web.node import Params as Gateway
    for node in (Motor, Gateway):
        assert not any(allowed('params_glob', field.name) for field in fields(node))


def test_a_namespace_moves_the_lists_too() -> None:
    assert allowed('topics_glob', '/robot/cmd_vel', 'robot')
    assert not allowed('topics_glob', '/cmd_vel', 'robot')
    assert allowed('topics_glob', '/diagnostics', 'robot')
    assert allowed('services_glob', '/robot/e_stop_trigger', '/robot/')


def test_both_get_the_lists_and_loopback_only() -> None:
    from pathlib import Path
    rows = {row.name: row for row in table(
        Place(Path('/s'), sim=False, ros=True, port=8090, namespace='r'))}
    assert rows['rosbridge'].parameters['address'] == '127.0.0.1'
    assert rows['rosbridge'].parameters['port'] == 9100
    for name in ('rosbridge', 'rosapi'):
        assert {k: rows[name].parameters[k] for k in lists('r')} == lists('r')
