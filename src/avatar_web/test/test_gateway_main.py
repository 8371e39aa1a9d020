# SPDX-License-Identifier: Apache-2.0
"""The gateway as it is started on a robot: `python -m avatar_web.node`, with its real door."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time

import aiohttp
import pytest
import rclpy

from avatar_node.testing import ros_env, wait_for
from avatar_web.ros.node import Ros

TOKEN = 'a-token-of-this-test-only'


class Started:
    """One run of the node; `port` once it listens."""

    def __init__(self, folder, *parameters):
        self.folder = folder
        arguments = [a for parameter in parameters for a in ('-p', parameter)]
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'avatar_web.node', '--ros-args', *arguments],
            env={**ros_env(folder), 'AVATAR_DEMO_TOKEN': TOKEN}, stderr=subprocess.PIPE, text=True)

    @property
    def port(self):
        file = self.folder / 'gateway.port'
        wait_for(file.exists, 30, 'gateway.port')
        return int(file.read_text())

    def end(self):
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@pytest.fixture
def start(tmp_path):
    """Start the node in a folder of its own; kill what is left."""
    runs = []

    def run(*parameters):
        runs.append(Started(tmp_path, *parameters))
        return runs[-1]
    yield run
    for one in runs:
        one.process.kill()
        one.process.wait()


def test_a_token_opens_the_socket_and_nothing_else_does(start):
    gateway = start('port:=0')
    url = f'http://127.0.0.1:{gateway.port}'

    async def visit():
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f'{url}/rosbridge?token={TOKEN}') as ws:
                hello = json.loads((await ws.receive()).data)
                assert (hello['op'], hello['role']) == ('hello', 'admin')
            for bad in ('', '?token=wrong'):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await session.ws_connect(f'{url}/rosbridge{bad}')
                assert refused.value.status == 401
            async with session.get(f'{url}/healthz') as health:
                # No motor node here.
                assert (health.status, (await health.text()).strip()) == (503, 'starting')
    asyncio.run(visit())
    start_s = time.monotonic()
    code, errors = gateway.end()
    assert (code, time.monotonic() - start_s < 3) == (0, True), errors
    assert 'Traceback' not in errors


def test_a_taken_port_is_said_with_exit_code_78(start):
    with socket.socket() as holder:
        holder.bind(('127.0.0.1', 0))
        holder.listen()
        port = holder.getsockname()[1]
        gateway = start(f'port:={port}')
        _, errors = gateway.process.communicate(timeout=30)
    assert gateway.process.returncode == 78, errors
    assert str(port) in errors
    assert 'Traceback' not in errors


def test_a_second_gateway_on_one_state_folder_is_refused(start):
    first = start('port:=0')
    assert first.port
    second = start('port:=0')
    _, errors = second.process.communicate(timeout=30)
    assert second.process.returncode == 78, errors
    assert str(first.process.pid) in errors
    assert first.process.poll() is None


@pytest.mark.parametrize(('parameter', 'words'), [
    ('max_round_trip_s:=0.7', 'between 0.05 and 0.6'), ('nonsense:=1', 'no parameter nonsense'),
    ('port:=eighty', 'must be of type int'), ('max_clients:=0', 'between 1 and 200')])
def test_a_wrong_parameter_is_one_sentence_and_exit_code_2(start, parameter, words):
    gateway = start(parameter)
    _, errors = gateway.process.communicate(timeout=30)
    assert gateway.process.returncode == 2, errors
    assert words in errors
    assert 'Traceback' not in errors


def test_a_gateway_that_lost_ros_notices(tmp_path, monkeypatch):
    for key, value in ros_env(tmp_path).items():
        monkeypatch.setenv(key, value)

    async def lose():
        context = rclpy.Context()
        rclpy.init(context=context)
        ended = asyncio.Event()
        ros = Ros(rclpy.create_node('gateway', context=context), asyncio.get_running_loop(),
                  ended.set)
        ros.start()
        assert ros.is_alive
        context.shutdown()
        await asyncio.wait_for(ended.wait(), 5)
    asyncio.run(lose())
