# SPDX-License-Identifier: Apache-2.0
"""rosbridge at work: topics and services of the graph through a WebSocket."""

import time

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from std_msgs.msg import Bool, Float32, String
from std_srvs.srv import SetBool, Trigger

from avatar_node import diagnostics, qos
from avatar_node.testing import wait_for


def messages(socket, topic):
    return [m['msg'] for m in socket.all('publish') if m['topic'] == topic]


def subscribers(gateway, topic):
    return gateway.node.count_subscribers(topic)


def test_a_latched_topic_comes_at_once_and_to_late_joiners(gateway):
    gateway.node.create_publisher(Bool, 'e_stop', qos.STATE).publish(Bool(data=True))
    ann = gateway.connect('ann', 'viewer')
    ann.send(op='subscribe', topic='/e_stop', type='std_msgs/Bool')
    wait_for(lambda: messages(ann, '/e_stop') == [{'data': True}], 2, 'the latch')
    bob = gateway.connect('bob', 'viewer')
    bob.send(op='subscribe', topic='e_stop')
    wait_for(lambda: messages(bob, 'e_stop') == [{'data': True}], 2, 'the latch for the second')
    # One ROS subscription for both.
    assert subscribers(gateway, 'e_stop') == 1


def test_the_ros_subscription_goes_with_the_last_client(gateway):
    ann, bob = gateway.connect('ann'), gateway.connect('bob')
    for socket in (ann, bob):
        socket.send(op='subscribe', topic='odom', id='x')
    wait_for(lambda: subscribers(gateway, 'odom') == 1, 3, 'the subscription')
    ann.send(op='unsubscribe', topic='odom', id='x')
    bob.call('nothing')
    assert subscribers(gateway, 'odom') == 1
    bob.close()
    wait_for(lambda: subscribers(gateway, 'odom') == 0, 3, 'no subscription')


def test_unsubscribe_by_id(gateway):
    publisher = gateway.node.create_publisher(Float32, 'microphone/level', 10)
    ann = gateway.connect()
    for id_ in 'ab':
        ann.send(op='subscribe', topic='microphone/level', id=id_)
    wait_for(lambda: publisher.get_subscription_count(), 3, 'the match')
    publisher.publish(Float32(data=1.0))
    # One message however many ids share the topic.
    wait_for(lambda: len(messages(ann, 'microphone/level')) == 1, 2, 'the message')
    ann.send(op='unsubscribe', topic='microphone/level', id='a')
    ann.send(op='unsubscribe', topic='microphone/level', id='c')
    ann.status('not subscribed')
    publisher.publish(Float32(data=2.0))
    wait_for(lambda: len(messages(ann, 'microphone/level')) == 2, 2, 'the second')
    ann.send(op='unsubscribe', topic='microphone/level', id='b')
    wait_for(lambda: not publisher.get_subscription_count(), 3, 'no subscription')


@pytest.mark.parametrize('profile', [qos.SENSOR, qos.STATE, 10], ids=['sensor', 'state', 'plain'])
def test_a_subscription_adapts_to_a_publisher_that_comes_later(gateway, profile):
    ann = gateway.connect('ann', 'admin')
    ann.send(op='subscribe', topic='/other', type='std_msgs/msg/String')
    wait_for(lambda: subscribers(gateway, 'other') == 1, 3, 'the subscription')
    publisher = gateway.node.create_publisher(String, 'other', profile)
    publisher.publish(String(data='first'))

    def arrives():
        if profile is not qos.STATE:
            publisher.publish(String(data='first'))
        return messages(ann, '/other')
    # A latched one was published once, before the subscription knew of it.
    wait_for(arrives, 5, 'the message', 0.1)


def test_numbers_that_are_not_finite_arrive_as_null(gateway):
    publisher = gateway.node.create_publisher(Odometry, 'odom', 10)
    ann = gateway.connect()
    ann.send(op='subscribe', topic='odom')
    wait_for(lambda: publisher.get_subscription_count(), 3, 'the match')
    odom = Odometry()
    odom.twist.twist.linear.x = float('nan')
    publisher.publish(odom)
    wait_for(lambda: messages(ann, 'odom'), 2, 'the message')
    assert messages(ann, 'odom')[0]['twist']['twist']['linear']['x'] is None


def test_throttle_rate_is_kept(gateway):
    publisher = gateway.node.create_publisher(Float32, 'microphone/level', 10)
    ann, bob = gateway.connect('ann'), gateway.connect('bob')
    ann.send(op='subscribe', topic='microphone/level', throttle_rate=200)
    bob.send(op='subscribe', topic='microphone/level')
    wait_for(lambda: publisher.get_subscription_count(), 3, 'the match')
    time.sleep(0.3)
    began = time.monotonic()
    for i in range(100):
        publisher.publish(Float32(data=float(i)))
        time.sleep(0.02)
    periods = (time.monotonic() - began) / 0.2
    assert 0.9 * periods - 1 <= len(messages(ann, 'microphone/level')) <= periods + 2
    wait_for(lambda: len(messages(bob, 'microphone/level')) == 100, 1, 'all of them')
    # The newest is not the one that is left out.
    wait_for(lambda: messages(ann, 'microphone/level')[-1]['data'] == 99.0, 1, 'the last')


@pytest.mark.parametrize(('message', 'words'), [
    ({'op': 'subscribe', 'topic': '/operator/lease'}, 'belongs to the gateway'),
    ({'op': 'subscribe', 'topic': '/camera/image_raw'}, 'needs the role admin'),
    ({'op': 'subscribe', 'topic': 'odom', 'compression': 'png'}, 'compression'),
    ({'op': 'subscribe', 'topic': 'odom', 'type': 'std_msgs/String'}, 'odom is nav_msgs/msg'),
    ({'op': 'publish', 'topic': 'operator/cmd_vel', 'msg': {}}, 'belongs to the gateway'),
    ({'op': 'publish', 'topic': 'e_stop', 'msg': {'data': False}}, 'needs the role admin'),
    ({'op': 'publish', 'topic': 'say', 'msg': {'data': 5}}, 'data: 5 must be a text'),
    ({'op': 'advertise', 'topic': 'cmd_vel', 'type': 'std_msgs/String'}, 'cmd_vel is geometry'),
    ({'op': 'advertise', 'topic': 'motor/state', 'type': 'std_msgs/String'}, 'role admin'),
    ({'op': 'unsubscribe', 'topic': 'odom'}, 'not subscribed'),
    ({'op': 'advertise_service', 'service': 'x', 'type': 'std_srvs/Trigger'}, 'not offered'),
    ({'op': 'dance'}, 'unknown op'),
])
def test_refusals_come_as_status_with_the_reason_and_the_id(shared_gateway, message, words):
    ann = shared_gateway.connect()
    ann.send(**message, id='q1')
    assert ann.status(words)['id'] == 'q1'


def test_an_admin_reaches_any_topic_but_the_gateways_own(gateway):
    heard = []
    gateway.node.create_subscription(String, 'anything', lambda m: heard.append(m.data), 10)
    boss = gateway.connect('boss', 'admin')
    boss.send(op='subscribe', topic='/nothing_here')
    boss.status('give its "type"')
    boss.send(op='advertise', topic='/x', type='no_such/msg/Type')
    boss.status('not installed')
    boss.send(op='publish', topic='/anything', msg={'data': 'hello'})
    wait_for(lambda: heard == ['hello'], 3, 'the text')
    boss.send(op='publish', topic='operator/cmd_vel', msg={})
    boss.status('belongs to the gateway')
    assert gateway.velocities == []


def test_a_text_to_say_reaches_a_subscriber_without_advertise(gateway):
    heard = []
    gateway.node.create_subscription(String, 'say/ro', lambda m: heard.append(m.data), 10)
    ann = gateway.connect()
    for word in ('bună', 'ziua'):
        ann.send(op='publish', topic='/say/ro', msg={'data': word})
    wait_for(lambda: heard == ['bună', 'ziua'], 3, 'the words in order')
    ann.close()
    wait_for(lambda: gateway.node.count_publishers('say/ro') == 0, 3, 'no publisher')


def test_subscriptions_are_bounded(gateway):
    boss = gateway.connect('boss', 'admin')
    for i in range(33):
        boss.send(op='subscribe', topic=f't{i}', type='std_msgs/String')
    boss.status('more than 32 subscriptions')


class MotorSide:
    """The services of the motor node as ROS sees them, and its state."""

    def __init__(self, gateway):
        self.called = []
        node = gateway.node
        for name in ('e_stop_trigger', 'e_stop_reset', 'motor/self_test'):
            node.create_service(Trigger, name, lambda q, a, name=name: self._answer(name, a))
        node.create_service(SetBool, 'lights/front',
                            lambda q, a: self._answer(f'lights {q.data}', a))
        self._state = node.create_publisher(DiagnosticStatus, 'motor/state', qos.STATE)

    def _answer(self, name, answer):
        self.called.append(name)
        answer.success, answer.message = True, name
        return answer

    def say(self, **values):
        self._state.publish(diagnostics.status('motor/state', diagnostics.OK, 'stands', values))


def test_services_and_their_types(gateway):
    motor = MotorSide(gateway)
    ann = gateway.connect()
    answer = ann.call('/lights/front', {'data': True})
    assert answer['result'] is True
    assert answer['values'] == {'success': True, 'message': 'lights True'}
    assert answer['service'] == '/lights/front'
    wrong = ann.call('lights/front', {'data': 'on'})
    assert (wrong['result'], 'data' in wrong['values']) == (False, True)
    absent = ann.call('lights/back', {'data': True})
    assert absent['result'] is False
    assert 'is its node running' in absent['values']
    assert motor.called == ['lights True']


def test_a_viewer_calls_nothing_but_the_emergency_stop(gateway):
    motor = MotorSide(gateway)
    vic = gateway.connect('vic', 'viewer')
    refused = vic.call('lights/front', {'data': True})
    assert (refused['result'], 'role driver' in refused['values']) == (False, True)
    assert vic.call('/e_stop_trigger')['result'] is True
    assert motor.called == ['e_stop_trigger']


def test_an_emergency_stop_is_a_zero_at_once_and_neutral_first(gateway):
    motor = MotorSide(gateway)
    ann, vic = gateway.connect('ann').take(), gateway.connect('vic', 'viewer')
    ann.hold(0.3, 0.3)
    start = time.monotonic()
    vic.send(op='call_service', service='e_stop_trigger')
    assert gateway.wait_velocity(0.0) - start < 0.05
    wait_for(lambda: motor.called == ['e_stop_trigger'], 1, 'the service')
    ann.hold(0.3, 0.5)
    assert gateway.velocity == (0.0, 0.0)
    assert ann.last('drive')['why'] == 'waiting_neutral'


def test_the_zero_of_an_emergency_stop_waits_for_no_motor_node(gateway):
    ann = gateway.connect('ann').take()
    ann.hold(0.3, 0.2)
    start = time.monotonic()
    ann.send(op='call_service', service='e_stop_trigger', id='s')
    assert gateway.wait_velocity(0.0) - start < 0.05
    answer = ann.wait(lambda m: m.get('id') == 's', 'the answer', 12)
    assert (answer['result'], 'not there' in answer['values']) == (False, True)


def test_an_emergency_stop_reaches_a_motor_node_that_comes_a_moment_later(gateway):
    ann = gateway.connect('ann')
    ann.send(op='call_service', service='e_stop_trigger')
    time.sleep(0.5)
    motor = MotorSide(gateway)
    wait_for(lambda: motor.called == ['e_stop_trigger'], 4, 'the service')


def test_an_emergency_stop_goes_on_when_its_socket_closes(gateway):
    ann = gateway.connect('ann')
    ann.send(op='call_service', service='e_stop_trigger')
    ann.abort()
    time.sleep(0.3)
    motor = MotorSide(gateway)
    wait_for(lambda: motor.called == ['e_stop_trigger'], 4, 'the service')


def test_calls_that_hang_take_no_emergency_stops_place(gateway):
    motor = MotorSide(gateway)
    ann = gateway.connect('ann')
    for _ in range(40):
        ann.send(op='call_service', service='lights/back', args={'data': True})
    ann.wait(lambda m: m['op'] == 'service_response' and 'still open' in m['values'], 'the limit')
    assert ann.call('e_stop_trigger')['result'] is True
    assert motor.called == ['e_stop_trigger']


def test_a_reset_needs_the_lease_and_the_number_of_the_latest_stop(gateway):
    motor = MotorSide(gateway)
    ann, vic = gateway.connect('ann'), gateway.connect('vic', 'viewer')
    motor.say(stop_number=7)
    assert 'role driver' in vic.call('e_stop_reset', {'number': 7})['values']
    assert 'take the lease' in ann.call('e_stop_reset', {'number': 7})['values']
    ann.take()
    ann.send(op='subscribe', topic='motor/state')
    wait_for(lambda: messages(ann, 'motor/state'), 2, 'motor/state')
    for args in ({}, {'number': 6}, {'number': '7'}, {'number': 7.5}, {'number': True}):
        answer = ann.call('/e_stop_reset', args)
        assert answer['result'] is False, args
    assert motor.called == []
    assert ann.call('/e_stop_reset', {'number': 7})['result'] is True
    assert motor.called == ['e_stop_reset']
    # A newer stop is not lifted by an older dialog.
    motor.say(stop_number=8)
    wait_for(lambda: len(messages(ann, 'motor/state')) == 2, 2, 'the newer stop')
    assert 'not the latest' in ann.call('e_stop_reset', {'number': 7})['values']
    assert motor.called == ['e_stop_reset']


def test_the_self_test_is_for_admins_while_nobody_else_drives(gateway):
    motor = MotorSide(gateway)
    boss = gateway.connect('boss', 'admin')
    ann = gateway.connect('ann')
    assert 'role admin' in ann.call('motor/self_test')['values']
    ann.take()
    assert 'somebody else drives' in boss.call('motor/self_test')['values']
    boss.take()
    assert boss.call('motor/self_test')['result'] is True
    assert motor.called == ['motor/self_test']


def test_an_admin_calls_other_services_by_the_type_in_the_graph(gateway):
    gateway.node.create_service(SetBool, 'extra', lambda q, a: setattr(a, 'success', q.data) or a)
    boss = gateway.connect('boss', 'admin')
    assert boss.call('extra', {'data': True})['values']['success'] is True
    assert boss.call('not_there')['result'] is False


def test_a_service_that_does_not_answer_is_given_up(gateway):
    gateway.node.create_service(
        Trigger, 'speaker/hush', lambda q, a: time.sleep(1.5) or a)
    ann = gateway.connect()
    ann.send(op='call_service', service='speaker/hush', timeout=0.5, id='h')
    answer = ann.wait(lambda m: m.get('id') == 'h', 'the answer', 4)
    assert (answer['result'], 'within 0.5 s' in answer['values']) == (False, True)


def test_ready_and_limits_follow_the_motor_node(gateway):
    motor = MotorSide(gateway)
    ann = gateway.connect().take()
    motor.say(connected=True, max_speed_mps=0.2, max_turn_radps=0.5)
    wait_for(lambda: ann.drive(0.4) and gateway.velocity == (0.2, 0.0), 3, 'the lower limit', 0.05)
    assert gateway.connect('bob').last('hello')['max_speed_mps'] == 0.2


def test_status_levels_can_be_turned_off(gateway):
    ann = gateway.connect()
    ann.send(op='set_level', level='none')
    ann.send(op='dance')
    ann.send(op='ping', t=5)
    assert ann.wait(lambda m: m['op'] == 'pong', 'the pong')['t'] == 5
    assert ann.last('pong')['round_trip_ms'] is not None
    assert ann.all('status') == []
