# SPDX-License-Identifier: Apache-2.0
"""Role by operation by name: who may do what."""

import itertools

import pytest

from avatar_web.accounts.identity import Role
from avatar_web.rosbridge import policy

SEEN_BY_ALL = ['e_stop', 'motor/state', 'odom', 'joint_states', 'battery_state', 'diagnostics',
               'health', 'camera/stream_state', 'camera/camera_info', 'speaker/state',
               'microphone/level']
SPOKEN_BY_DRIVERS = ['say', 'say/en', 'say/ro', 'say/de', 'play_sound', 'cmd_vel']
CALLED_BY_DRIVERS = ['e_stop_reset', 'lights/front', 'lights/back', 'camera/snapshot',
                     'camera/record', 'speaker/hush']
ADMIN_ONLY = ['motor/self_test', 'motor/reconnect', 'motor/confirm_reverse',
              'gateway/set_parameters', 'motor/set_parameters', 'anything']


@pytest.mark.parametrize('topic', SEEN_BY_ALL)
def test_everybody_sees_the_state_and_nobody_but_an_admin_writes_it(topic):
    assert policy.may_subscribe(Role.VIEWER, topic) is None
    assert policy.may_publish(Role.DRIVER, topic)
    reserved = topic in policy.OF_THE_MOTOR_NODE
    assert (policy.may_publish(Role.ADMIN, topic) is None) is not reserved


@pytest.mark.parametrize('topic', SPOKEN_BY_DRIVERS)
def test_drivers_speak_and_drive(topic):
    assert 'role driver' in policy.may_publish(Role.VIEWER, topic)
    assert policy.may_publish(Role.DRIVER, topic) is None


@pytest.mark.parametrize('topic', ['camera/image_raw', 'tf', 'rosout', 'robot2/odom', 'x'])
def test_other_topics_are_for_admins(topic):
    for role in (Role.VIEWER, Role.DRIVER):
        assert policy.may_subscribe(role, topic)
        assert policy.may_publish(role, topic)
    assert policy.may_subscribe(Role.ADMIN, topic) is None
    assert policy.may_publish(Role.ADMIN, topic) is None


@pytest.mark.parametrize('name', [
    'operator/cmd_vel', 'operator/lease', 'operator/anything', 'operator', 'operator/a/b',
    'robot2/operator/cmd_vel'])
def test_what_is_the_gateways_own_is_for_nobody(name):
    for role, question in itertools.product(
            Role, (policy.may_publish, policy.may_subscribe, policy.may_call)):
        assert 'belongs to the gateway' in question(role, name)


def test_everybody_may_stop():
    for role in Role:
        assert policy.may_call(role, 'e_stop_trigger') is None


@pytest.mark.parametrize('service', CALLED_BY_DRIVERS)
def test_services_of_drivers(service):
    assert 'role driver' in policy.may_call(Role.VIEWER, service)
    assert policy.may_call(Role.DRIVER, service) is None
    assert policy.may_call(Role.ADMIN, service) is None


@pytest.mark.parametrize('service', ADMIN_ONLY)
def test_services_of_admins(service):
    assert 'role admin' in policy.may_call(Role.DRIVER, service)
    assert policy.may_call(Role.ADMIN, service) is None


def test_driving_is_for_drivers():
    assert 'signed in as viewer' in policy.may_drive(Role.VIEWER)
    assert policy.may_drive(Role.DRIVER) is policy.may_drive(Role.ADMIN) is None


def test_a_higher_role_may_all_that_a_lower_may():
    names = [*policy.TOPICS, *policy.SERVICES, 'x', 'operator/lease']
    for question, name in itertools.product(
            (policy.may_publish, policy.may_subscribe, policy.may_call), names):
        allowed = [question(role, name) is None for role in Role]
        assert allowed == sorted(allowed)


@pytest.mark.parametrize('topic', ['e_stop', 'motor/state'])
def test_nobody_can_pretend_that_it_is_not_stopped(topic):
    assert 'motor node' in policy.may_publish(Role.ADMIN, topic)
