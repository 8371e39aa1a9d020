# SPDX-License-Identifier: Apache-2.0
"""The process as a whole: two on one graph, a stock client, an idle one, its end."""

import json
import signal
import subprocess
import sys
import time

import psutil
import pytest
from geometry_msgs.msg import Twist
from std_msgs.msg import Bool
from std_srvs.srv import SetBool

from avatar_node import qos
from avatar_node.testing import wait_for


def test_two_gateways_are_seen_and_said(gateway):
    ann = gateway.connect()
    second, _ = gateway.start()
    try:
        ann.status('2 gateways are running')
        wait_for(lambda: any(lease['gateways'] == '2' for _, lease in gateway.leases[-4:]), 3,
                 'the count in the lease')
        assert 'two_gateways' in gateway.get('/report')
    finally:
        second.send_signal(signal.SIGINT)
        assert second.wait(5) == 0
    wait_for(lambda: gateway.lease['gateways'] == '1', 5, 'alone again')


STOCK = """
import json, sys, time
import roslibpy
ros = roslibpy.Ros(sys.argv[1])
ros.run(10)
seen = []
listener = roslibpy.Topic(ros, '/chatter', 'geometry_msgs/Twist', throttle_rate=10)
listener.subscribe(lambda m: seen.append(m))
lights = roslibpy.Service(ros, '/lights/front', 'std_srvs/SetBool')
answer = lights.call(roslibpy.ServiceRequest({'data': True}), timeout=10)
ros.send_on_ready(roslibpy.Message({'op': 'lease', 'action': 'take'}))
time.sleep(0.5)
talker = roslibpy.Topic(ros, '/cmd_vel', 'geometry_msgs/Twist')
for i in range(30):
    talker.publish(roslibpy.Message({'linear': {'x': 0.25 if i > 5 else 0.0, 'y': 0.0, 'z': 0.0},
                                     'angular': {'x': 0.0, 'y': 0.0, 'z': 0.0}}))
    time.sleep(0.05)
talker.unadvertise()
listener.unsubscribe()
time.sleep(0.2)
print(json.dumps({'seen': len(seen), 'first': seen[:1], 'answer': dict(answer)}), flush=True)
ros.terminate()
"""


def test_roslibpy_connects_publishes_subscribes_and_calls(gateway):
    pytest.importorskip('roslibpy')
    gateway.node.create_service(
        SetBool, 'lights/front', lambda q, a: setattr(a, 'success', q.data) or a)
    chatter = gateway.node.create_publisher(Twist, 'chatter', 10)
    gateway.node.create_timer(0.02, lambda: chatter.publish(Twist()))
    done = subprocess.run(
        [sys.executable, '-c', STOCK,
         f'ws://127.0.0.1:{gateway.port}/rosbridge?name=py&role=admin'],
        capture_output=True, text=True, timeout=60, check=False, env=gateway.env)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen['answer'] == {'success': True, 'message': ''}
    assert seen['seen'] > 20
    assert seen['first'][0]['linear'] == {'x': 0.0, 'y': 0.0, 'z': 0.0}
    assert sum(v[1] == 0.25 for v in gateway.velocities) > 15
    wait_for(lambda: gateway.velocity == (0.0, 0.0), 2, 'the end of the drive')


def test_names_are_relative_to_the_namespace(make_gateway):
    gateway = make_gateway(namespace='/robot1')
    gateway.node.create_publisher(Bool, '/robot1/e_stop', qos.STATE).publish(Bool(data=True))
    ann = gateway.connect().take()
    for name in ('e_stop', '/e_stop', '/robot1/e_stop', 'diagnostics', '/diagnostics'):
        ann.send(op='subscribe', topic=name)
        # Each answers under the name that was used; /diagnostics is the gateway's own.
        ann.wait(lambda m, name=name: m['op'] == 'publish' and m['topic'] == name, name)
    ann.send(op='subscribe', topic='/robot1/operator/lease')
    ann.status('belongs to the gateway')
    ann.drive(0.2, topic='/robot1/cmd_vel')
    gateway.wait_velocity(0.2)


def test_an_idle_gateway_costs_next_to_nothing(gateway):
    process = psutil.Process(gateway.process.pid)
    time.sleep(1)
    before, start = process.cpu_times(), time.monotonic()
    time.sleep(5)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    assert used / (time.monotonic() - start) < 0.015


def test_the_end_of_the_process_is_a_zero_and_a_close(gateway):
    ann = gateway.connect().take()
    ann.hold(0.3, 0.3)
    ann.drive(0.3)
    gateway.wait_velocity(0.3)
    start = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.wait_velocity(0.0) - start < 0.1
    assert gateway.process.wait(3) == 0
    wait_for(ann.closed.is_set, 1, 'the socket closed')
    assert ann.close_code == 1001


def test_metrics_and_report_tell_of_a_drive(gateway):
    ann = gateway.connect().take()
    ann.hold(0.3, 0.5)
    ann.text('nonsense')
    ann.send(op='lease', action='release')
    wait_for(lambda: gateway.lease['state'] == 'free', 1, 'the lease free')
    metrics = gateway.get('/metrics')
    for line in ('avatar_clients 1', 'avatar_lease_held 0', 'avatar_commands_total 11',
                 'avatar_commands_refused_total{why="bad_command"} 1',
                 'avatar_round_trip_seconds{quantile="0.99"}',
                 'avatar_loop_lateness_seconds_count'):
        assert line in metrics, metrics
    (drive,) = json.loads(gateway.get('/report'))['drives']
    assert (drive['who'], drive['end'], drive['commands']) == ('ann', 'released', 11)
    assert drive['command_age_ms']['p99'] < 250


def test_people_are_told_who_is_there(gateway):
    ann = gateway.connect('ann', session='s1')
    gateway.connect('ann', session='s1')
    bob = gateway.connect('bob', 'viewer', session='s2')
    people = [{'name': 'ann', 'role': 'driver', 'session': 's1'},
              {'name': 'bob', 'role': 'viewer', 'session': 's2'}]
    ann.wait(lambda m: m['op'] == 'people' and m['list'] == people, 'both')
    bob.close()
    ann.wait(lambda m: m['op'] == 'people' and m['list'] == people[:1], 'one left')
