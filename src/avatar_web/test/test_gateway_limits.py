# SPDX-License-Identifier: Apache-2.0
"""Floods, sizes, slow readers, nonsense: bounded, said, and the robot stands."""

import asyncio
import base64
import contextlib
import json
import os
import random
import socket
import struct
import time
from concurrent import futures

import aiohttp
import psutil
import pytest
from std_msgs.msg import String

from avatar_node.testing import wait_for


def test_the_bound_on_clients(make_gateway):
    gateway = make_gateway(max_clients=3)
    sockets = [gateway.connect(f'n{i}') for i in range(3)]

    async def one_more():
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f'http://127.0.0.1:{gateway.port}/rosbridge')
            assert refused.value.status == 503
    asyncio.run(one_more())
    sockets[0].close()
    gateway.connect('late')


def test_viewers_who_fill_all_places_do_not_keep_a_driver_out(make_gateway):
    gateway = make_gateway(max_clients=3)
    viewers = [gateway.connect(f'v{i}', 'viewer') for i in range(3)]
    ann = gateway.connect('ann').take()
    wait_for(viewers[0].closed.is_set, 3, 'the oldest viewer closed')
    assert viewers[0].close_code == 4409
    # Who drives is never the one to go.
    gateway.connect('boss', 'admin')
    gateway.connect('boss2', 'admin')
    assert not ann.closed.is_set()
    assert all(v.closed.wait(3) for v in viewers)


def test_one_session_does_not_fill_all_places(gateway):
    sockets = [gateway.connect('ann', session='s1') for _ in range(10)]
    wait_for(lambda: [s.closed.is_set() for s in sockets] == [True] * 2 + [False] * 8, 3,
             'the two oldest closed')


def test_a_message_that_is_too_big_closes_the_socket_and_stops(gateway):
    ann = gateway.connect().take()
    ann.hold(0.3, 0.2)
    start = time.monotonic()
    ann.text(' ' * (300 * 1024))
    gateway.wait_velocity(0.0)
    wait_for(ann.closed.is_set, 3, 'the socket closed')
    assert ann.close_code == 1009
    assert time.monotonic() - start < 1.5


def test_text_that_is_no_utf8_closes_the_socket_and_stops(gateway):
    ann = gateway.connect().take()
    ann.hold(0.3, 0.2)
    ann.frame(1, b'\xff\xfe{"op"')
    gateway.wait_velocity(0.0)
    wait_for(ann.closed.is_set, 3, 'the socket closed')
    assert ann.close_code == 1007


def test_a_binary_message_is_refused_and_neutral(gateway):
    ann = gateway.connect().take()
    ann.hold(0.3, 0.2)
    ann.frame(2, b'\0\1')
    gateway.wait_velocity(0.0)
    ann.status('binary messages are not offered')


def test_too_many_messages_are_refused_but_zeros_and_stops_pass(make_gateway):
    gateway = make_gateway(messages_per_s=50.0)
    ann = gateway.connect().take()

    async def burst():
        for _ in range(250):
            await ann._ws.send_str('{"op":"ping","t":1}')
        for x in (0.3, 0.0):
            await ann._ws.send_str(json.dumps(
                {'op': 'publish', 'topic': 'cmd_vel', 'msg': {'linear': {'x': x}}}))
        await ann._ws.send_str('{"op":"call_service","service":"e_stop_trigger","id":"s"}')
        await ann._ws.send_str('{"op":"lease","action":"release"}')
    seen = len(gateway.velocities)
    ann.do(burst())
    ann.status('too many messages')
    assert 90 <= len(ann.all('pong')) <= 110
    wait_for(lambda: gateway.lease['state'] == 'free', 1, 'the lease free')
    assert all(v[1] == 0.0 for v in gateway.velocities[seen:])
    assert gateway.velocities[seen:]
    ann.wait(lambda m: m['op'] == 'drive' and m['why'] == 'limits', 'the reason')
    ann.wait(lambda m: m.get('id') == 's', 'the answer of the stop', 12)


def test_a_flood_closes_the_socket_and_the_others_drive_on(make_gateway):
    gateway = make_gateway(messages_per_s=50.0)
    ann, eve = gateway.connect('ann').take(), gateway.connect('eve')
    ann.hold(0.3, 0.2)

    async def flood():
        for _ in range(20_000):
            await eve._ws.send_str('{"op":"ping","t":1}')
    with contextlib.suppress(ConnectionError, aiohttp.ClientError, futures.TimeoutError):
        eve.do(flood())
    last = ann.hold(0.35, 0.5)
    wait_for(eve.closed.is_set, 3, 'the flood closed')
    # Who only sends may be cut off before the reason is read.
    assert eve.close_code in (1008, 1006)
    assert 0.35 in [v[1] for v in gateway.velocities]
    assert gateway.velocities[-1][0] - last < 0.1


def raw_client(port, name='slow', role='admin'):
    """Connect a socket that reads nothing but what is asked for."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(('127.0.0.1', port))
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall((f'GET /rosbridge?name={name}&role={role} HTTP/1.1\r\nHost: x\r\n'
                  f'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n'
                  'Sec-WebSocket-Version: 13\r\n\r\n').encode())
    answer = b''
    while b'\r\n\r\n' not in answer:
        answer += sock.recv(1)
    assert b' 101 ' in answer
    return sock


def frame(payload, opcode=1):
    """Return one masked frame."""
    data = payload.encode() if isinstance(payload, str) else payload
    head = bytes((0x80 | opcode,))
    if len(data) < 126:
        head += bytes((0x80 | len(data),))
    elif len(data) < 65536:
        head += b'\xfe' + struct.pack('>H', len(data))
    else:
        head += b'\xff' + struct.pack('>Q', len(data))
    return head + b'\0\0\0\0' + data


def send_raw(sock, payload, opcode=1):
    """Send one masked frame."""
    sock.sendall(frame(payload, opcode))


def frames_until_the_end(sock, answered=False):
    """Return (opcode, payload) of every frame until the other side closes; answer a Close once."""
    sock.settimeout(5)
    data, found = b'', []
    while True:
        try:
            part = sock.recv(65536)
        except ConnectionResetError:
            return [*found, 'reset']
        if not part:
            return found
        data += part
        while len(data) > 1:
            size, start = data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4], 'big'), 4
            if len(data) < start + size:
                break
            found.append((data[0] & 15, data[start:start + size]))
            data = data[start + size:]
            if found[-1][0] == 8 and not answered:
                answered = True
                send_raw(sock, found[-1][1], opcode=8)


def test_an_ended_session_sees_one_close_and_the_reason(gateway):
    """A second Close frame is an error of the protocol: a browser says 1006 and tries again."""
    sock = raw_client(gateway.port, 'eve', 'viewer')
    gateway.get('/end?name=eve', 'POST')
    closes = [f for f in frames_until_the_end(sock) if f == 'reset' or f[0] == 8]
    assert closes == [(8, (4401).to_bytes(2, 'big') + b'signed out')]


def test_a_close_of_the_client_is_answered_once(gateway):
    sock = raw_client(gateway.port, 'eve', 'viewer')
    send_raw(sock, (1000).to_bytes(2, 'big'), opcode=8)
    seen = frames_until_the_end(sock, answered=True)
    assert [f[0] for f in seen if f == 'reset' or f[0] == 8] == [8]


def test_a_viewer_sends_little_and_a_driver_more(gateway):
    text = json.dumps({'op': 'status', 'x': 'x' * 20_000})
    driver = gateway.connect('ann')
    driver.text(text)
    driver.send(op='ping', t=7)
    driver.wait(lambda m: m['op'] == 'pong' and m['t'] == 7, 'the driver heard')
    viewer = gateway.connect('vic', 'viewer')
    viewer.text(text)
    wait_for(viewer.closed.is_set, 3, 'the socket of the viewer closed')
    assert viewer.close_code == 1009


def test_a_viewer_has_one_allowance_for_all_sockets(gateway):
    sockets = [gateway.connect('vic', 'viewer', session=f's{i}') for i in range(4)]
    text = json.dumps({'op': 'status', 'x': 'x' * 10_000})
    for _ in range(5):
        # One that is closed has no loop any more that could send.
        for one in [s for s in sockets if not s.closed.is_set()]:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError, futures.TimeoutError):
                one.text(text)
    wait_for(lambda: any(s.closed.is_set() for s in sockets), 3, 'a socket of the viewer closed')
    assert {s.close_code for s in sockets if s.closed.is_set()} <= {1008, 1006}
    # Nobody else pays for it.
    other = gateway.connect('eve', 'viewer')
    for _ in range(5):
        other.text(text)
    other.send(op='ping', t=7)
    other.wait(lambda m: m['op'] == 'pong' and m['t'] == 7, 'the other viewer heard')


def test_sockets_that_come_and_go_are_bounded_per_user(gateway):
    codes = []

    async def come_and_go():
        async with aiohttp.ClientSession() as session:
            for _ in range(300):
                try:
                    ws = await session.ws_connect(
                        f'http://127.0.0.1:{gateway.port}/rosbridge?name=vic&role=viewer')
                    await ws.close()
                except aiohttp.WSServerHandshakeError as problem:
                    codes.append(problem.status)
                    return
    asyncio.run(come_and_go())
    assert 429 in codes
    gateway.connect('ann')


def test_a_lease_that_is_passed_to_and_fro_is_bounded(gateway):
    ann, bob = gateway.connect('ann'), gateway.connect('bob')
    before = len(gateway.leases)
    for _ in range(40):
        for one in (ann, bob):
            one.send(op='lease', action='take')
    ann.status('asked for too often')
    assert len(gateway.leases) - before < 45
    # Letting go is never refused.
    for one in (ann, bob):
        one.send(op='lease', action='release')
    wait_for(lambda: gateway.lease['state'] == 'free', 1, 'the lease free')


def memory_mb(gateway):
    return psutil.Process(gateway.process.pid).memory_full_info().uss / 1e6


def test_a_slow_reader_loses_old_messages_not_the_robot_its_memory(gateway):
    publisher = gateway.node.create_publisher(String, 'big', 10)
    slow = raw_client(gateway.port)
    send_raw(slow, '{"op":"subscribe","topic":"big","type":"std_msgs/String"}')
    wait_for(lambda: publisher.get_subscription_count(), 3, 'the match')
    ann = gateway.connect('ann').take()
    text = 'x' * 100_000
    publisher.publish(String(data=text))
    before = memory_mb(gateway)
    for _ in range(60):
        # It lives, and does not read.
        send_raw(slow, '{"op":"status"}')
        for _ in range(10):
            publisher.publish(String(data=text))
        ann.drive(0.3)
        time.sleep(0.04)
    assert memory_mb(gateway) - before < 16
    assert 0.3 in [v[1] for v in gateway.velocities[-10:]]
    dropped = [line for line in gateway.get('/metrics').splitlines()
               if line.startswith('avatar_topic_messages_dropped_total')]
    assert float(dropped[0].split()[1]) > 300
    slow.close()


def test_pings_whose_answers_nobody_reads_cost_no_memory(make_gateway):
    gateway = make_gateway(messages_per_s=5000.0)
    slow = raw_client(gateway.port)
    pings = frame(b'x' * 120, opcode=9) * 2000
    slow.sendall(pings)
    before = memory_mb(gateway)
    for _ in range(40):
        slow.sendall(pings)
        # Below what closes the socket (50 000 a second).
        time.sleep(0.04)
    assert memory_mb(gateway) - before < 5
    assert gateway.process.poll() is None
    slow.close()


def test_a_large_message_on_a_thin_link_arrives(gateway):
    publisher = gateway.node.create_publisher(String, 'big', 10)
    thin = raw_client(gateway.port)
    send_raw(thin, '{"op":"subscribe","topic":"big","type":"std_msgs/String"}')
    wait_for(lambda: publisher.get_subscription_count(), 3, 'the match')
    publisher.publish(String(data='x' * 1_000_000))
    thin.settimeout(5)
    got = b''
    while len(got) < 1_000_000:
        # Seconds for a megabyte, and pings that wait meanwhile; it answers none but is heard.
        send_raw(thin, '{"op":"status"}')
        part = thin.recv(65536)
        assert part, f'closed after {len(got)} bytes'
        got += part
        time.sleep(0.01)
    assert got.count(b'x' * 1000) > 900


def test_a_reader_that_takes_nothing_is_closed(gateway):
    slow = raw_client(gateway.port)
    began = time.monotonic()
    # Each asks for an answer; none is ever read.
    text = json.dumps({'op': 'dance', 'id': 'x' * 250})
    with pytest.raises(OSError):
        while time.monotonic() - began < 20:
            send_raw(slow, text)
            time.sleep(0.006)
    assert time.monotonic() - began < 18


VALUES = [None, True, 0, -1, 1e308, 2**63, 'x', '', [], {}, [[]], 'NaN', '\ud800', 'a' * 500]
NAMES = ['cmd_vel', '/cmd_vel', 'operator/cmd_vel', '/operator/lease', 'odom', 'e_stop', 'x y',
         '', '/', 'say', 'motor/state', '../x']
OPS = ['publish', 'subscribe', 'unsubscribe', 'advertise', 'unadvertise', 'call_service', 'status',
       'set_level', 'lease', 'ping', 'png', 'fragment', 'auth', '', 'PUBLISH']


def nonsense(rng):
    """Return one message of nonsense; none takes the lease."""
    kind = rng.random()
    if kind < 0.15:
        return ''.join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(1, 0xd7ff)]))
                       for _ in range(rng.randrange(200)))
    message = {'op': rng.choice(OPS)}
    for key in ('topic', 'service', 'type', 'msg', 'args', 'id', 'action', 'to', 'throttle_rate',
                'queue_length', 'compression', 'level', 't', 'cmd_vel'):
        if rng.random() < 0.5:
            message[key] = rng.choice(NAMES if key in ('topic', 'service') else VALUES)
    if rng.random() < 0.3:
        message['msg'] = {'linear': {'x': rng.choice(VALUES)}, 'angular': {'z': 0.5}}
    text = json.dumps(message)
    if kind < 0.5:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(['NaN', '{', '"', '[' * 50, '1e999', '']) + text[at + 1:]
    return text.encode('utf-8', 'replace').decode()


@pytest.mark.parametrize('role', ['viewer', 'driver', 'admin'])
def test_nonsense_moves_nothing_and_costs_no_memory(make_gateway, role):
    gateway = make_gateway(messages_per_s=2000.0)
    rng = random.Random(role)

    # A viewer may send 64 KB a second.
    size, pace_s, counts = (
        (100, 0.8, (500, 500)) if role == 'viewer' else (250, 0.0, (1500, 3500)))

    def send(count):
        for _ in range(count // size):
            time.sleep(pace_s)
            fuzz = gateway.connect('fuzz', role)

            async def burst(fuzz=fuzz):
                for _ in range(size):
                    await fuzz._ws.send_str(nonsense(rng))
            fuzz.do(burst())
            fuzz.send(op='ping', t=42)
            fuzz.wait(lambda m: m['op'] == 'pong' and m['t'] == 42, 'an answer after nonsense', 5)
            fuzz.close()
            gateway.sockets.remove(fuzz)

    send(counts[0])
    before = memory_mb(gateway)
    send(counts[1])
    assert memory_mb(gateway) - before < 5
    assert gateway.process.poll() is None
    assert all(v[1:] == (0.0, 0.0) for v in gateway.velocities)
    gateway.connect('ann').take().hold(0.3, 0.2)
    gateway.wait_velocity(0.3)
