# SPDX-License-Identifier: Apache-2.0
"""A gateway process with an open door, sockets to it, and an observer of what it says in ROS."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Twist
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from avatar_node import diagnostics, qos
from avatar_node.child import tied_to_parent
from avatar_node.environment import dds_environment
from avatar_node.testing import Lines, ros_env, wait_for

Message = dict[str, Any]


class Socket:
    """One WebSocket with a loop of its own; `answers` = whether it answers pings."""

    def __init__(self, url: str, answers: bool = True) -> None:
        self.url, self.answers = url, answers
        self.received: list[tuple[float, Message]] = []
        self.pinged_s = 0.0
        self.closed = threading.Event()
        self.close_code: int | None = None
        self._loop = asyncio.new_event_loop()
        self._open = threading.Event()
        self._ws: Any = None
        self._thread = threading.Thread(target=self._loop.run_until_complete,
                                        args=(self._run(),), daemon=True)
        self._thread.start()
        wait_for(lambda: self._open.is_set() or self.closed.is_set(), 5, 'the socket to open')

    async def _run(self) -> None:
        try:
            async with aiohttp.ClientSession() as session, session.ws_connect(
                    self.url, autoping=False, compress=0, max_msg_size=0) as self._ws:
                self._open.set()
                while True:
                    frame = await self._ws.receive()
                    if frame.type == aiohttp.WSMsgType.TEXT:
                        self.received.append((time.monotonic(), json.loads(frame.data)))
                    elif frame.type == aiohttp.WSMsgType.PING:
                        self.pinged_s = time.monotonic()
                        if self.answers:
                            await self._ws.pong(frame.data)
                    elif frame.type != aiohttp.WSMsgType.PONG:
                        break
        except (aiohttp.ClientError, OSError):
            pass
        finally:
            self.close_code = self._ws.close_code if self._ws is not None else None
            self.closed.set()

    def do(self, coroutine: Any) -> Any:
        """Run something of aiohttp on the socket's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(5)

    def text(self, text: str) -> None:
        """Send a text frame."""
        self.do(self._ws.send_str(text))

    def frame(self, opcode: int, payload: bytes) -> None:
        """Send a short frame as it is, past all checks of the client's library."""
        head = bytes((0x80 | opcode, 0x80 | len(payload))) + b'\0\0\0\0'
        transport = self._ws._response.connection.transport
        self._loop.call_soon_threadsafe(transport.write, head + payload)

    def send(self, **message: Any) -> None:
        """Send a message."""
        self.text(json.dumps(message))

    def drive(self, x: float = 0.0, z: float = 0.0, topic: str = 'cmd_vel') -> float:
        """Send one command; return when."""
        now = time.monotonic()
        self.send(op='publish', topic=topic, msg={'linear': {'x': x}, 'angular': {'z': z}})
        return now

    def hold(self, x: float, seconds: float) -> float:
        """Send a command at 20 Hz; return when the last was sent."""
        for _ in range(round(seconds / 0.05)):
            last = self.drive(x)
            time.sleep(0.05)
        return last

    def take(self) -> 'Socket':
        """Take the lease, and let go once."""
        self.send(op='lease', action='take')
        self.wait(lambda m: m['op'] == 'lease' and m['mine'], 'the lease')
        self.drive(0.0)
        return self

    def call(self, service: str, args: Message | None = None) -> Message:
        """Call a service and return its answer."""
        id_ = f'{service}-{random.random()}'
        self.send(op='call_service', service=service, args=args or {}, id=id_)
        return self.wait(lambda m: m.get('id') == id_,
                         f'the answer of {service}', 8)

    def all(self, op: str) -> list[Message]:
        """Return all messages of an operation."""
        return [m for _, m in self.received if m['op'] == op]

    def last(self, op: str) -> Message:
        """Return the newest message of an operation."""
        return ([{}] + self.all(op))[-1]

    def wait(self, fits: Callable[[Message], bool], what: str, timeout_s: float = 3) -> Message:
        """Return the newest message that fits."""
        return wait_for(lambda: next((m for _, m in reversed(self.received) if fits(m)), None),
                        timeout_s, what) or {}

    def status(self, words: str) -> Message:
        """Wait for a status with these words."""
        return self.wait(lambda m: m['op'] == 'status' and words in m['msg'], f'status: {words}')

    def close(self) -> None:
        """Close in order."""
        if not self.closed.is_set():
            self.do(self._ws.close())
        self.closed.wait(5)

    def abort(self) -> None:
        """Cut the connection without a close frame."""
        transport = self._ws._response.connection.transport
        self._loop.call_soon_threadsafe(transport.abort)
        self.closed.wait(5)


class Gateway:
    """The process of `gateway_process.py`, and a node that sees what it publishes."""

    def __init__(
        self, folder: Path, parameters: dict[str, object], namespace: str = ''
    ) -> None:
        self.env = ros_env(folder)
        self._arguments = ['--ros-args', *(a for name, value in parameters.items()
                                           for a in ('-p', f'{name}:={value}'))]
        if namespace:
            self._arguments += ['-r', f'__ns:={namespace}']
        self._prefix = namespace + '/' if namespace else ''
        self.sockets: list[Socket] = []
        self.velocities: list[tuple[float, float, float]] = []
        self.leases: list[tuple[float, dict[str, str]]] = []
        self._context = rclpy.Context()
        self.node: Any = None
        self._start_node()
        self.process, self.port = self.start()
        try:
            wait_for(lambda: self.leases, 10, 'operator/lease')
        except AssertionError:
            self.close()  # nobody else has it yet
            raise

    def start(self) -> tuple['subprocess.Popen[str]', int]:
        """Start a gateway on this graph; return the process and its port."""
        process = subprocess.Popen(
            [*tied_to_parent(), sys.executable, Path(__file__).with_name('gateway_process.py'),
             *self._arguments],
            env=self.env, stdout=subprocess.PIPE, text=True)
        line = Lines(process.stdout).next()
        assert line.startswith('port '), line
        return process, int(line.split()[1])

    def _start_node(self) -> None:
        # This process must speak DDS as the gateway does, or they lose each other for good after
        # a pause; all of it is read when a participant is made.
        os.environ.update(dds_environment({}))
        rclpy.init(context=self._context, domain_id=int(self.env['ROS_DOMAIN_ID']))
        self.node = rclpy.create_node('observer', context=self._context)
        self.node.create_subscription(
            Twist, f'{self._prefix}operator/cmd_vel',
            lambda m: self.velocities.append((time.monotonic(), m.linear.x, m.angular.z)), 50)
        self.node.create_subscription(
            DiagnosticStatus, f'{self._prefix}operator/lease',
            lambda m: self.leases.append((time.monotonic(), diagnostics.values(m))), qos.STATE)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def connect(self, name: str = 'ann', role: str = 'driver', session: str = '',
                port: int = 0, answers: bool = True) -> Socket:
        """Open a socket as somebody."""
        url = f'http://127.0.0.1:{port or self.port}/rosbridge?name={name}&role={role}'
        socket = Socket(url + (f'&session={session}' if session else ''), answers)
        self.sockets.append(socket)
        if answers:
            socket.wait(lambda m: m['op'] == 'people', 'people')
        return socket

    def rest(self) -> None:
        """Let go of the lease, close every socket, forget what was seen."""
        for socket in self.sockets:
            if not socket.closed.is_set():
                socket.send(op='lease', action='release')
            socket.close()
        self.sockets.clear()
        wait_for(lambda: self.lease['state'] == 'free', 5, 'a lease that is free')
        self.velocities.clear()

    def get(self, path: str, method: str = 'GET') -> str:
        """Ask the process something over HTTP."""
        async def ask() -> str:
            async with aiohttp.ClientSession() as session, session.request(
                    method, f'http://127.0.0.1:{self.port}{path}') as response:
                return await response.text()
        return asyncio.run(ask())

    @property
    def velocity(self) -> tuple[float, float] | None:
        """Return the newest velocity."""
        return self.velocities[-1][1:] if self.velocities else None

    @property
    def lease(self) -> dict[str, str]:
        """Return the values of the newest lease message."""
        return self.leases[-1][1]

    def wait_velocity(self, x: float, timeout_s: float = 2) -> float:
        """Wait until the newest velocity is x; return when it arrived."""
        wait_for(lambda: self.velocity is not None and abs(self.velocity[0] - x) < 1e-9,
                 timeout_s, f'a velocity of {x}; seen: {self.velocities[-3:]}')
        return self.velocities[-1][0]

    def close(self) -> None:
        """End everything."""
        for socket in self.sockets:
            socket.close()
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(5)
        finally:
            self.process.kill()
            self._context.try_shutdown()
            self._thread.join(5)
            self.node.destroy_node()
        assert code in (0, -signal.SIGKILL), f'the gateway ended with {code}'


@pytest.fixture
def make_gateway(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Start a gateway with parameters of one's own."""
    made: list[Gateway] = []

    def make(namespace: str = '', **parameters: object) -> Gateway:
        made.append(Gateway(tmp_path, parameters, namespace))
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture(scope='module')
def _shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp('shared'), {})
    yield gateway
    gateway.close()


@pytest.fixture
def shared_gateway(_shared_gateway: Gateway) -> Iterator[Gateway]:
    """One gateway for all tests of a file that leave it as it was."""
    yield _shared_gateway
    _shared_gateway.rest()


@pytest.fixture
def gateway(make_gateway: Callable[..., Gateway]) -> Gateway:
    """Start a gateway with the defaults."""
    return make_gateway()
