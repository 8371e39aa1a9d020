# SPDX-License-Identifier: Apache-2.0
"""rosbridge v2 text to operations: what is understood, and what each refusal says."""

import json
import math
import random

import pytest

from avatar_web.rosbridge import operations as ops
from avatar_web.rosbridge import protocol
from avatar_web.rosbridge.protocol import Decoder, ProtocolError


def decode(text, namespace='/'):
    return Decoder(namespace).decode(text if isinstance(text, str) else json.dumps(text))


def refusal(text):
    with pytest.raises(ProtocolError) as caught:
        decode(text)
    return caught.value


@pytest.mark.parametrize('topic', ['cmd_vel', '/cmd_vel'])
@pytest.mark.parametrize('type_', [None, 'geometry_msgs/Twist', 'geometry_msgs/msg/Twist'])
def test_a_publish_to_cmd_vel_is_a_command(topic, type_):
    message = {'op': 'publish', 'topic': topic, 'msg': {'linear': {'x': 0.5}, 'angular': {'z': 1}}}
    if type_:
        message['type'] = type_
    assert decode(message) == ops.Drive((0.5, 0.0, 0.0), (0.0, 0.0, 1.0))


def test_missing_fields_of_a_twist_are_zero():
    assert decode({'op': 'publish', 'topic': 'cmd_vel', 'msg': {}}) == ops.Drive(
        (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


def test_numbers_that_are_not_finite_pass_as_what_they_are():
    # They must stop the robot, which is for the judge of commands to do.
    drive = decode('{"op":"publish","topic":"cmd_vel",'
                   '"msg":{"linear":{"x":NaN,"y":1e999,"z":-Infinity}}}')
    assert math.isnan(drive.linear[0])
    assert drive.linear[1:] == (math.inf, -math.inf)


@pytest.mark.parametrize('msg', [
    None, 'forward', 3, [], {'linear': 1}, {'linear': {'x': '1'}}, {'linear': {'x': True}},
    {'linear': {'x': None}}, {'linear': {'w': 1.0}}, {'linear': []}, {'twist': {}},
    {'linear': {'x': 10**19 * 10}},
])
def test_a_command_without_a_meaning_is_refused_as_neutral(msg):
    assert refusal({'op': 'publish', 'topic': '/cmd_vel', 'msg': msg}).neutral


@pytest.mark.parametrize('text', [
    '', 'x', '{', '[]', '3', 'null', '"op"', '{"op":"publish"', '[' * 200_000, '{"a":' * 50_000,
    '{"op": 1' + '0' * 5000 + '}', '{"op":"publish","topic":"cmd_vel","msg":' + '9' * 100 + '}',
    ' ' * (protocol.MAX_BYTES + 1),
    json.dumps({'op': 'status', 'x': '[[[['}) + 'x',
])
def test_what_cannot_be_read_is_refused_as_neutral(text):
    assert refusal(text).neutral


def nested(depth):
    text = '{"op":"publish","topic":"say","msg":'
    return text + '{"a":' * (depth - 2) + '{}' + '}' * (depth - 2) + '}'


def test_the_depth_of_nesting_is_bounded():
    decode(nested(protocol.MAX_DEPTH))
    assert 'nested deeper than 32' in str(refusal(nested(protocol.MAX_DEPTH + 1)))


def test_a_message_that_is_all_brackets_is_not_even_decoded():
    text = '{"op":"ping","t":1,"a":[' + ','.join(['[]'] * 80_000) + ']}'
    assert 'more than 2000 lists' in str(refusal(text))


def test_brackets_in_texts_do_not_count_as_nesting():
    decode({'op': 'publish', 'topic': 'say', 'msg': {'data': '[' * 1000}})


def test_other_refusals_do_not_stop_the_robot():
    for message in ({'op': 'dance'}, {'op': 'png'}, {'op': None}, {'op': ['publish']},
                    {'op': 'subscribe', 'topic': 'a b'}, {'op': 'publish', 'topic': 3},
                    {'op': 'publish', 'topic': 'say', 'msg': 'hello'},
                    {'op': 'advertise', 'topic': 'say'}, {'op': 'lease', 'action': 'steal'}):
        assert not refusal(message).neutral, message


def test_a_refusal_carries_the_id_and_says_what_there_is():
    problem = refusal({'op': 'dance', 'id': 'a7'})
    assert problem.id == 'a7'
    assert 'unknown op' in str(problem)
    assert 'subscribe' in str(problem)
    assert 'not offered' in str(refusal({'op': 'advertise_service', 'service': 'x'}))


def test_an_id_that_cannot_be_echoed_is_left_out():
    for id_ in (['a'], {'a': 1}, 1.5, True, 'x' * 1000):
        assert decode({'op': 'ping', 't': 1, 'id': id_}).id is None
    assert decode({'op': 'ping', 't': 1, 'id': 7}).id == 7


@pytest.mark.parametrize(('name', 'namespace', 'relative'), [
    ('odom', '/', 'odom'), ('/odom', '/', 'odom'), ('/robot1/odom', '/robot1', 'odom'),
    ('robot1/odom', '/robot1', 'odom'), ('/odom', '/robot1', 'odom'),
    ('/robot10/odom', '/robot1', 'robot10/odom'), ('motor/state', '/', 'motor/state'),
])
def test_names_are_relative_to_the_namespace(name, namespace, relative):
    op = decode({'op': 'subscribe', 'topic': name}, namespace)
    assert (op.topic, op.name) == (relative, name)


@pytest.mark.parametrize('name', [
    '', '/', '//odom', 'odom/', 'a//b', '~/odom', 'a b', 'a\n', 'ä', '1a', 'a.b', '../a',
    'x' * 300, None, 3, ['odom'],
])
def test_what_is_no_name_is_refused(name):
    assert 'must be a name' in str(refusal({'op': 'subscribe', 'topic': name}))


def test_types_are_completed():
    assert decode({'op': 'advertise', 'topic': 'a', 'type': 'std_msgs/String'}).type == (
        'std_msgs/msg/String')
    assert decode({'op': 'call_service', 'service': 'a', 'type': 'std_srvs/SetBool'}).type == (
        'std_srvs/srv/SetBool')
    for type_ in ('String', 'a/b/c', 'std_srvs/srv/SetBool', '../x/Y', 5, 'a/msg/', 'os/msg/x y'):
        refusal({'op': 'advertise', 'topic': 'a', 'type': type_})


def test_a_subscription_with_all_that_roslibjs_sends():
    op = decode({'op': 'subscribe', 'id': 's:1', 'type': 'nav_msgs/Odometry', 'topic': '/odom',
                 'compression': 'none', 'throttle_rate': 100, 'queue_length': 1,
                 'reconnect_on_close': True})
    assert op == ops.Subscribe('odom', '/odom', 'nav_msgs/msg/Odometry', 0.1, 1, 's:1')


@pytest.mark.parametrize('compression', ['png', 'cbor', 'cbor-raw', 5])
def test_compression_is_refused_by_name(compression):
    problem = refusal({'op': 'subscribe', 'topic': 'odom', 'compression': compression})
    assert str(compression) in str(problem)


@pytest.mark.parametrize(('key', 'value'), [
    ('throttle_rate', -1), ('throttle_rate', 'fast'), ('queue_length', True),
    ('queue_length', 10**18), ('throttle_rate', math.inf), ('throttle_rate', math.nan)])
def test_numbers_have_bounds(key, value):
    assert key in str(refusal({'op': 'subscribe', 'topic': 'odom', key: value}))


def test_an_emergency_stop_is_understood_whatever_else_it_says():
    for more in ({}, {'args': []}, {'args': 5}, {'args': [1]}, {'type': 3}, {'timeout': 'x'},
                 {'id': {}}, {'args': {'a': 1}}):
        op = decode({'op': 'call_service', 'service': '/e_stop_trigger', **more})
        assert (op.service, op.args, op.type) == ('e_stop_trigger', {}, '')


def test_lease_operations():
    assert decode({'op': 'lease', 'action': 'take'}) == ops.LeaseTake()
    assert decode({'op': 'lease', 'action': 'release'}) == ops.LeaseRelease()
    assert decode({'op': 'lease', 'action': 'give', 'to': 's'}) == ops.LeaseGive('s')
    assert decode({'op': 'lease', 'action': 'allow', 'cmd_vel': True}) == ops.LeaseAllow(True)
    for wrong in ({'action': 'give'}, {'action': 'allow', 'cmd_vel': 1}, {}):
        refusal({'op': 'lease', **wrong})


def test_answers_are_ascii_and_json():
    text = protocol.status('error', 'ä\ud800"', 'id')
    assert text.isascii()
    assert json.loads(text)['level'] == 'error'
    assert json.loads(protocol.service_response('/x', {'success': True}, True, 5)) == {
        'op': 'service_response', 'service': '/x', 'values': {'success': True}, 'result': True,
        'id': 5}


def test_no_text_raises_anything_but_a_protocol_error():
    rng = random.Random(5)
    good = [json.dumps(m) for m in (
        {'op': 'publish', 'topic': 'cmd_vel', 'msg': {'linear': {'x': 0.1}}},
        {'op': 'subscribe', 'topic': '/odom', 'throttle_rate': 100, 'id': 'a'},
        {'op': 'call_service', 'service': 'e_stop_reset', 'args': {'number': 4}},
        {'op': 'lease', 'action': 'give', 'to': 'x'}, {'op': 'ping', 't': 1.5})]
    for _ in range(20_000):
        text = list(rng.choice(good))
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(text))
            text[at:at + rng.randint(0, 3)] = rng.choice(
                ['"', '{', '}', '[', ']', ',', ':', '\\', '\0', '\ud800', 'NaN', '1e999', '-', '9',
                 'null', 'true', '"op"', '\\ud800', ' ', '\U0001f600'])
        try:
            decode(''.join(text))
        except ProtocolError as problem:
            assert str(problem)
            json.dumps(protocol.status('error', str(problem), problem.id))
