# SPDX-License-Identifier: Apache-2.0
"""The camera by HTTP and WebSocket: a real gateway, a ROS node in the place of `stream`."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import aiohttp
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from std_srvs.srv import SetBool, Trigger

from avatar_node import diagnostics, qos
from avatar_node.environment import dds_environment
from avatar_node.params import Parameters, param
from avatar_node.testing import ros_env, wait_for

TOKEN = 'a-token-of-this-test-only'
PASSWORD = 'correct horse'


@dataclass(frozen=True)
class Params:
    profile: str = param('480p', 'profile', choices=('320p', '480p'))
    fps: int = param(20, 'rate', range=(10, 20))


class Stream:
    """What the gateway sees of a stream node: parameters, two services, its state."""

    def __init__(self, env):
        os.environ.update(dds_environment({}))
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=int(env['ROS_DOMAIN_ID']))
        self.node = rclpy.create_node('stream', context=self._context)
        self.params = Parameters(self.node, Params)
        self.answer = True, 'avatar_20260102_030405.jpg'
        self.recording = None
        self.node.create_service(Trigger, 'camera/snapshot', self._snapshot)
        self.node.create_service(SetBool, 'camera/record', self._record)
        self._state = self.node.create_publisher(
            DiagnosticStatus, 'camera/stream_state', qos.STATE)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self):
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def _snapshot(self, _, response):
        response.success, response.message = self.answer
        return response

    def _record(self, request, response):
        self.recording = request.data
        response.success, response.message = self.answer
        return response

    def say(self, **values):
        self._state.publish(diagnostics.status(
            'camera/stream_state', diagnostics.OK, 'live', values))

    def close(self):
        self._context.try_shutdown()
        self._thread.join(5)
        self.node.destroy_node()


class Robot:
    """A gateway process, and its stream node once that is wanted."""

    def __init__(self, folder):
        self.env = {**ros_env(folder), 'AVATAR_DEMO_TOKEN': TOKEN,
                    'AVATAR_MEDIA_SECRET': 'secret'}
        self.log = (folder / 'log.txt').open('w+')
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'avatar_web.node', '--ros-args', '-p', 'port:=0', '-p',
             'camera:=true', '-p', 'inner_port:=0', '-p', 'max_picture_age_s:=0.7', '-p',
             'ice_servers:=stun:10.0.0.1'], env=self.env, stderr=self.log, text=True)
        file = folder / 'gateway.port'
        wait_for(file.exists, 15, 'gateway.port')
        self.url = f'http://127.0.0.1:{int(file.read_text())}'
        self.stream = None

    def close(self):
        if self.stream is not None:
            self.stream.close()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.log.close()

    def said(self):
        self.log.flush()
        return open(self.log.name).read()


@pytest.fixture(scope='module')
def robot(tmp_path_factory):
    """One gateway for all tests of this file."""
    one = Robot(tmp_path_factory.mktemp('robot'))
    yield one
    one.close()


async def login(robot, name, role):
    """Return a client of somebody with this role, and its token."""
    async with aiohttp.ClientSession(headers={'Authorization': f'Bearer {TOKEN}'}) as admin:
        await admin.post(f'{robot.url}/api/users', json={
            'name': name, 'role': role, 'password': PASSWORD})
        response = await admin.post(f'{robot.url}/api/login', json={
            'name': name, 'password': PASSWORD, 'bearer': True})
        token = (await response.json())['token']
    return aiohttp.ClientSession(robot.url, headers={'Authorization': f'Bearer {token}'}), token


async def ask(client, method, path, body=None):
    async with client.request(method, path, json=body) as response:
        return response.status, await response.json()


def test_without_a_stream_node_it_says_so(robot):
    async def body():
        client, _ = await login(robot, 'dora', 'driver')
        async with client:
            status, camera = await ask(client, 'GET', '/api/camera')
            assert (status, camera['profile'], camera['fps']) == (200, None, None)
            assert camera['ice_servers'] == [{'urls': 'stun:10.0.0.1'}]
            for path, what in (('/api/camera', {'profile': '320p'}), ('/api/snapshots', {}),
                               ('/api/recordings', {'on': True})):
                status, answer = await ask(client, 'POST', path, what)
                assert (status, answer['code']) == (503, 'no_stream'), path
    asyncio.run(body())


def test_the_page_is_told_of_the_picture(robot):
    async def body():
        client, _ = await login(robot, 'vera', 'viewer')
        async with client:
            _, session = await ask(client, 'GET', '/api/session')
            assert session['picture'] == {
                'max_age_s': 0.7, 'profiles': ['320p', '480p', '720p'], 'fps': [10, 20, 30]}
    asyncio.run(body())


def test_profile_and_rate_are_parameters_of_the_stream_node(robot):
    robot.stream = robot.stream or Stream(robot.env)

    async def body():
        client, token = await login(robot, 'dora', 'driver')
        other, _ = await login(robot, 'dirk', 'driver')
        async with client, other:
            assert await ask(client, 'POST', '/api/camera', {'profile': '320p', 'fps': 10}) == (
                200, {'profile': '320p', 'fps': 10})
            assert robot.stream.params.value == Params('320p', 10)
            # What the node refuses, it refuses with its reason, and nothing is changed by half.
            status, answer = await ask(client, 'POST', '/api/camera', {
                'profile': '480p', 'fps': 30})
            assert (status, answer['code']) == (400, 'refused') and 'fps' in answer['error']
            assert robot.stream.params.value == Params('320p', 10)
            for wrong in ({}, {'profile': '1080p'}, {'fps': 25}, {'fps': True}, {'fps': '20'},
                          {'profile': 7}, {'profile': ['480p']}):
                status, answer = await ask(client, 'POST', '/api/camera', wrong)
                assert (status, answer['code']) == (400, 'request'), wrong
            robot.stream.say(profile='320p', fps=10, recording='')
            until = time.monotonic() + 5
            while (await ask(client, 'GET', '/api/camera'))[1]['profile'] != '320p':
                assert time.monotonic() < until
            # While somebody drives it is his.
            async with client.ws_connect(f'/rosbridge?token={token}', autoping=True) as ws:
                await ws.send_json({'op': 'lease', 'action': 'take'})
                while (m := json.loads((await ws.receive()).data))['op'] != 'lease' \
                        or not m['mine']:
                    pass
                status, answer = await ask(other, 'POST', '/api/camera', {'profile': '480p'})
                assert (status, answer['code']) == (409, 'lease') and 'dora' in answer['error']
                assert (await ask(client, 'POST', '/api/camera', {'profile': '480p'}))[0] == 200
    asyncio.run(body())


def test_snapshots_and_recordings_are_made_by_the_stream_node(robot):
    robot.stream = robot.stream or Stream(robot.env)

    async def body():
        client, _ = await login(robot, 'dora', 'driver')
        viewer, _ = await login(robot, 'vera', 'viewer')
        async with client, viewer:
            robot.stream.answer = True, 'avatar_20260102_030405.jpg'
            assert await ask(client, 'POST', '/api/snapshots', {}) == (
                201, {'name': 'avatar_20260102_030405.jpg'})
            robot.stream.answer = True, 'avatar_20260102_030405.mp4'
            for on in (True, False):
                assert await ask(client, 'POST', '/api/recordings', {'on': on}) == (
                    200, {'name': 'avatar_20260102_030405.mp4'})
                assert robot.stream.recording is on
            robot.stream.answer = False, 'the disk is full'
            status, answer = await ask(client, 'POST', '/api/recordings', {'on': True})
            assert (status, answer) == (409, {'error': 'the disk is full', 'code': 'refused'})
            assert (await ask(client, 'POST', '/api/recordings', {'on': 1}))[0] == 400
            for path, what in (('/api/snapshots', {}), ('/api/recordings', {'on': True}),
                               ('/api/camera', {'fps': 10})):
                assert (await ask(viewer, 'POST', path, what))[0] == 403, path
    asyncio.run(body())


def test_what_the_driver_sees_is_in_the_report(robot):
    async def body():
        client, token = await login(robot, 'dora', 'driver')
        async with client, client.ws_connect(f'/rosbridge?token={token}') as ws:
            async def until(fits):
                while not fits(message := json.loads((await ws.receive()).data)):
                    pass
                return message

            before = time.monotonic()
            await ws.send_json({'op': 'ping', 't': 1})
            pong = await until(lambda m: m['op'] == 'pong')
            assert before <= pong['clock_ms'] / 1000 <= time.monotonic()
            await ws.send_json({'op': 'picture', 'age_ms': 5000, 'blind': True})  # No driver yet.
            await ws.send_json({'op': 'lease', 'action': 'take'})
            await until(lambda m: m['op'] == 'lease' and m['mine'])
            for age_ms, blind in ((100, False), (120, False), (None, True), (4000, True)):
                await ws.send_json({'op': 'picture', 'age_ms': age_ms, 'blind': blind})
            await asyncio.sleep(0.5)
            await ws.send_json({'op': 'picture', 'age_ms': 90, 'blind': False})
            for wrong in ({'age_ms': -1}, {'age_ms': 'x'}, {'age_ms': 1, 'blind': 1},
                          {'age_ms': True}):
                await ws.send_json({'op': 'picture', **wrong})
                assert (await until(lambda m: m['op'] == 'status'))['level'] == 'error'
            await ws.send_json({'op': 'lease', 'action': 'release'})
            await until(lambda m: m['op'] == 'lease' and m['holder'] is None)
            _, report = await ask(client, 'GET', '/api/report')
        drive = report['drives'][-1]
        assert drive['picture_age_ms']['count'] == 4 and drive['picture_missing'] == 1
        assert drive['picture_age_ms']['max'] == 4000
        assert drive['picture_age_ms']['p50'] == pytest.approx(110, rel=0.15)
        assert 0.4 < drive['blind_s'] < 5
    asyncio.run(body())
    log = robot.said()
    assert log.count('drives blind: no picture') == 1
    assert log.count('drives by the picture again') == 1
