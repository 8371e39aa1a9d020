# SPDX-License-Identifier: Apache-2.0
"""
The ROS side of the gateway: its node, spun in a thread of its own.

Commands and the lease are published straight from the event loop (0.1 ms, and no thread change);
everything that arrives comes back to the loop. Subscriptions, publishers and clients are made and
destroyed in the thread that spins, because an executor does not like them to vanish meanwhile.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Twist
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Empty

from avatar_motor.limits import Velocity
from avatar_node import diagnostics, qos
from avatar_web.rosbridge import convert, policy, protocol

SERVICE_TIMEOUT_S = 5.0
MAX_SERVICE_TIMEOUT_S = 60.0
SERVICE_SEARCH_S = 1.0
POLL_S = 0.02
MAX_CLIENTS = 64


class CallFailed(RuntimeError):
    """A service call without an answer; the text says why."""


class Ros:
    """What the gateway says and asks in ROS. All methods belong to the event loop's thread."""

    def __init__(
        self, node: Node, loop: asyncio.AbstractEventLoop, ended: Callable[[], None]
    ) -> None:
        """`ended` is called on the loop if ROS stops by itself; the gateway is deaf then."""
        self.node = node
        self._loop = loop
        self._ended = ended
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name='ros', daemon=True)
        self._velocity = node.create_publisher(Twist, 'operator/cmd_vel', qos.COMMAND)
        self._lease = node.create_publisher(DiagnosticStatus, 'operator/lease', qos.STATE)
        self._look = node.create_publisher(Empty, 'camera/look', qos.COMMAND)
        self._diagnostics = node.create_publisher(
            DiagnosticArray, '/diagnostics', QoSProfile(depth=10))
        self._clients: dict[tuple[str, str], Any] = {}
        for name in (protocol.E_STOP, policy.E_STOP_RESET):
            type_name = policy.SERVICES[name].type
            self._clients[name, type_name] = node.create_client(convert.load(type_name), name)
        self._reserved = {self.resolved(f'operator/{name}') for name in ('cmd_vel', 'lease')}

    def start(self) -> None:
        """Start to receive."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Return whether ROS is still being listened to."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop to receive; the node may be destroyed afterwards."""
        self._executor.shutdown(timeout_sec=1.0)
        self._thread.join(timeout=1.0)

    def publish_velocity(self, velocity: Velocity) -> None:
        """Publish `operator/cmd_vel`, now."""
        message = Twist()
        message.linear.x = velocity.speed_mps
        message.angular.z = velocity.turn_radps
        self._velocity.publish(message)

    def publish_lease(self, sentence: str, ok: bool, values: Mapping[str, object]) -> None:
        """Publish `operator/lease`, now."""
        level = diagnostics.OK if ok else diagnostics.ERROR
        self._lease.publish(diagnostics.status('operator/lease', level, sentence, values))

    def publish_diagnostics(self, *statuses: DiagnosticStatus) -> None:
        """Publish `/diagnostics`, now."""
        stamp = self.node.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostics.array(stamp, statuses))

    def publish_look(self) -> None:
        """Publish `camera/look`, now."""
        self._look.publish(Empty())

    def end(self) -> None:
        """Have the gateway end, as if ROS had."""
        self._ended()

    def publishers(self, topic: str) -> int:
        """Return how many publishers of a topic this graph has."""
        return int(self.node.count_publishers(topic))

    def gateways(self) -> int:
        """Return how many gateways this graph has, this one included."""
        return self.publishers('operator/cmd_vel')

    def resolved(self, name: str) -> str:
        """Return the full name of a relative one, namespace and remappings applied."""
        name = f'/{name}' if name in policy.GLOBAL else name
        return str(self.node.resolve_topic_name(name))

    def is_reserved(self, name: str) -> bool:
        """Return whether a name leads to the gateway's own topics by whatever way."""
        return self.resolved(name) in self._reserved

    def in_ros(self, job: Callable[[], None]) -> None:
        """Run `job` in the thread that spins."""
        def guarded() -> None:
            try:
                job()
            except (RuntimeError, ValueError) as error:
                # What rcl refuses of one client's wish must not end the spinning for all.
                self.node.get_logger().error(f'ROS refused: {error}')

        self._executor.create_task(guarded)

    def later(self, delay_s: float, job: Callable[..., None], *args: Any) -> None:
        """Run `job` on the event loop after `delay_s`; to be called on the loop."""
        self._loop.call_later(delay_s, job, *args)

    def post(self, job: Callable[..., None], *args: Any) -> None:
        """Run `job` on the event loop; to be called from the thread that spins."""
        # A closed loop: the gateway is on its way out and needs no news.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(job, *args)

    async def call(
        self, service: str, type_name: str, args: Mapping[str, Any], timeout_s: float = 0.0,
        search_s: float = SERVICE_SEARCH_S,
    ) -> dict[str, Any]:
        """
        Call a service and return its response as JSON values.

        Raises CallFailed with a sentence, `convert.UnknownType` or `convert.ConversionError`.
        Up to the request nothing is awaited where the service is known and there.
        """
        cls = convert.load(type_name)
        request = convert.to_ros(dict(args), cls.Request)
        client = self._clients.get((service, type_name)) or await self._client(service, type_name)
        until = self._loop.time() + search_s
        while not client.service_is_ready():
            if self._loop.time() >= until:
                raise CallFailed(f'service {service} is not there: is its node running?')
            await asyncio.sleep(POLL_S)
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()

        def arrived(future: Any) -> None:
            # In the thread that spins.
            if future.exception() is not None:
                self.post(_fail, answer, CallFailed(f'{service}: {future.exception()}'))
            else:
                self.post(_resolve, answer, convert.to_json(future.result()))

        pending = client.call_async(request)
        pending.add_done_callback(arrived)
        timeout_s = min(timeout_s or SERVICE_TIMEOUT_S, MAX_SERVICE_TIMEOUT_S)
        try:
            return await asyncio.wait_for(answer, timeout_s)
        except asyncio.TimeoutError:
            raise CallFailed(f'service {service} did not answer within {timeout_s:g} s') from None
        finally:
            if not pending.done():
                client.remove_pending_request(pending)

    async def service_type(self, service: str) -> str:
        """Return the type of a service in the graph; CallFailed if it is not there."""
        full = self.node.resolve_service_name(service)
        until = self._loop.time() + SERVICE_SEARCH_S
        while True:
            for name, types in self.node.get_service_names_and_types():
                if name == full and types:
                    return str(types[0])
            if self._loop.time() >= until:
                raise CallFailed(f'service {service} is not there: is its node running?')
            await asyncio.sleep(0.1)

    async def _client(self, service: str, type_name: str) -> Any:
        made: asyncio.Future[Any] = self._loop.create_future()

        def make() -> None:
            if len(self._clients) >= MAX_CLIENTS:
                self.post(_fail, made, CallFailed(f'more than {MAX_CLIENTS} services in use'))
                return
            client = self.node.create_client(convert.load(type_name), service)
            self._clients[service, type_name] = client
            self.post(_resolve, made, client)

        self.in_ros(make)
        return await asyncio.wait_for(made, SERVICE_TIMEOUT_S)

    def _spin(self) -> None:
        try:
            with contextlib.suppress(ExternalShutdownException):
                self._executor.spin()
        finally:
            self.post(self._ended)


def _resolve(future: 'asyncio.Future[Any]', value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: 'asyncio.Future[Any]', error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
