# SPDX-License-Identifier: Apache-2.0
"""A look into the robot's ROS graph, and the one call that stops it."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import BatteryState
from std_srvs.srv import Trigger

from avatar_bringup.care.running import Run, below, environment_of, parents, words_of
from avatar_bringup.session import domain_of
from avatar_node import diagnostics
from avatar_node.environment import OVERRIDING, dds_environment
from avatar_node.qos import STATE

ASK_AGAIN_S = 0.3
PAUSE_S = 0.02
STATES = ('health', 'motor/state', 'operator/lease', 'camera/stream_state')


@dataclass(frozen=True)
class Said:
    """One DiagnosticStatus as plain values; level 0 OK, 1 WARN, 2 ERROR, 3 STALE."""

    level: int
    sentence: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class Seen:
    """What was heard within the time; whatever is missing was not said."""

    states: dict[str, Said] = field(default_factory=dict)
    battery: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where in DDS a robot is."""

    domain: int
    namespace: str = ''


def place_of(run: Run) -> Place:
    """Return the robot's domain and namespace: as its motor node has them, else as it would."""
    for pid in below(run.pid, parents()) if run.pid else ():
        words = words_of(pid)
        if '__node:=motor' not in words:
            continue
        domain = environment_of(pid).get('ROS_DOMAIN_ID', '')
        spaces = [w.partition(':=')[2] for w in words if w.startswith('__ns:=')]
        return Place(int(domain) if domain.isdecimal() else domain_of(run.port, os.environ),
                     spaces[-1].strip('/') if spaces else '')
    return Place(domain_of(run.port, os.environ))


@contextlib.contextmanager
def joined(domain: int) -> Iterator[tuple[Node, Callable[[], None]]]:
    """Join the graph on 127.0.0.1 as a node of its own; the callable lets it hear for a moment."""
    for name in OVERRIDING:
        os.environ.pop(name, None)
    os.environ.update(dds_environment(os.environ, domain=domain))
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node(f'avatar_care_{os.getpid()}', context=context, enable_rosout=False,
                             start_parameter_services=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield node, lambda: executor.spin_once(timeout_sec=PAUSE_S)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)


def look(place: Place, within_s: float, states: tuple[str, ...] = STATES) -> Seen:
    """Return what the nodes say of themselves, as soon as all of them did."""
    seen = Seen()
    with joined(place.domain) as (node, hear):
        for name in states:
            node.create_subscription(
                DiagnosticStatus, _name(place, name), _taker(seen, name), STATE)
        node.create_subscription(
            BatteryState, _name(place, 'battery_state'),
            lambda m: seen.battery.update(voltage=m.voltage, percentage=m.percentage), STATE)
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s and len(seen.states) < len(states):
            hear()
    return seen


def _name(place: Place, name: str) -> str:
    return f'/{place.namespace}/{name}' if place.namespace else f'/{name}'


def _taker(seen: Seen, name: str) -> Callable[[DiagnosticStatus], None]:
    def take(message: DiagnosticStatus) -> None:
        seen.states[name] = Said(
            message.level[0], message.message, diagnostics.values(message))
    return take


def trigger_stop(domain: int, within_s: float) -> dict[str, tuple[bool, str]]:
    """
    Call every `e_stop_trigger` there is in the domain; return what each answered, by its name.

    Whatever namespace it is in: a stop too many is no harm. A call that is not answered soon is
    made again.
    """
    answers: dict[str, tuple[bool, str]] = {}
    clients: dict[str, Any] = {}
    calls: list[tuple[str, Any]] = []
    asked_s: dict[str, float] = {}
    with joined(domain) as (node, hear):
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s and not (clients and answers.keys() >= clients.keys()):
            for name, types in node.get_service_names_and_types():
                if (name.endswith('/e_stop_trigger') and name not in clients
                        and 'std_srvs/srv/Trigger' in types):
                    clients[name] = node.create_client(Trigger, name)
            now_s = time.monotonic()
            for name, client in clients.items():
                if now_s >= asked_s.get(name, 0.0) and client.service_is_ready():
                    calls.append((name, client.call_async(Trigger.Request())))
                    asked_s[name] = now_s + ASK_AGAIN_S
            hear()
            for name, call in calls:
                if call.done() and call.result() is not None:
                    answers[name] = (call.result().success, call.result().message)
    return answers
