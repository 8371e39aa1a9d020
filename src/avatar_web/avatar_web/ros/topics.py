# SPDX-License-Identifier: Apache-2.0
"""
Topics shared by all clients: one ROS subscription or publisher each, however many want it.

A subscription is made for its first listener and destroyed with its last. It asks for what the
publishers offer, and a latched topic's last message goes to everybody who comes later.
"""

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from avatar_node import qos
from avatar_web.ros.node import Ros
from avatar_web.rosbridge import convert, policy

Listener = Callable[[str], None]
"""Takes the JSON text of a message, on the event loop."""

MAX_TOPICS = 128
MAX_WAITING = 20
MATCH_S = 0.5
POLL_S = 0.02


class TopicProblem(ValueError):
    """A topic cannot be used; the text says why and what to do."""


class _Feed:
    """One subscription; what the spinning thread writes is only `inbox` and `handle`."""

    def __init__(self, topic: str, type_name: str, profile: QoSProfile, settled: bool) -> None:
        self.topic, self.type, self.profile, self.settled = topic, type_name, profile, settled
        self.listeners: list[Listener] = []
        self.inbox: deque[str] = deque(maxlen=MAX_WAITING)
        self.posted = False
        self.last: str | None = None
        self.handle: Any = None
        self.closed = False

    @property
    def latched(self) -> bool:
        return self.profile.durability == DurabilityPolicy.TRANSIENT_LOCAL


class _Outlet:
    """One publisher and who advertised it."""

    def __init__(self, type_name: str) -> None:
        self.type = type_name
        self.users: set[object] = set()
        self.waiting: deque[Any] = deque(maxlen=MAX_WAITING)
        self.handle: Any = None
        self.ready = False
        self.closed = False


class Topics:
    """All topics that clients see or publish. Methods belong to the event loop's thread."""

    def __init__(self, ros: Ros) -> None:
        self._ros = ros
        self._feeds: dict[str, _Feed] = {}
        self._outlets: dict[str, _Outlet] = {}

    @property
    def subscriptions(self) -> int:
        """Return how many ROS subscriptions there are for clients."""
        return len(self._feeds)

    def subscribe(self, topic: str, type_name: str, listener: Listener) -> None:
        """Call `listener` with each message of `topic`, and a latched one's last at once."""
        feed = self._feeds.get(topic)
        if feed is None:
            feed = self._open_feed(topic, type_name)
        elif type_name not in ('', feed.type):
            raise TopicProblem(f'{topic} is {feed.type}, not {type_name}')
        feed.listeners.append(listener)
        if feed.last is not None:
            listener(feed.last)

    def unsubscribe(self, topic: str, listener: Listener) -> None:
        """Stop to call `listener`."""
        feed = self._feeds.get(topic)
        if feed is None or listener not in feed.listeners:
            return
        feed.listeners.remove(listener)
        if not feed.listeners:
            del self._feeds[topic]
            self._close_feed(feed)

    def advertise(self, topic: str, type_name: str, user: object) -> None:
        """Have a publisher of `topic` ready for `user`."""
        self._outlet(topic, type_name).users.add(user)

    def unadvertise(self, topic: str, user: object) -> None:
        """Give the publisher up; it goes with its last user."""
        outlet = self._outlets.get(topic)
        if outlet is None or user not in outlet.users:
            return
        outlet.users.discard(user)
        if not outlet.users:
            del self._outlets[topic]
            outlet.closed = True
            self._ros.in_ros(lambda: self._destroy_publisher(outlet))

    def publish(self, topic: str, values: dict[str, Any], user: object) -> None:
        """
        Publish a message; a publisher that is new waits a moment for its subscribers.

        Raises TopicProblem, `convert.UnknownType` or `convert.ConversionError`.
        """
        outlet = self._outlet(topic, '')
        outlet.users.add(user)
        message = convert.to_ros(values, convert.load(outlet.type))
        if outlet.ready:
            outlet.handle.publish(message)
        else:
            outlet.waiting.append(message)

    def refresh(self) -> None:
        """Adapt subscriptions that were made before their publishers; once a second."""
        for topic, feed in list(self._feeds.items()):
            if feed.settled:
                continue
            profile = self._profile(topic)
            if profile is None:
                continue
            feed.settled = True
            if _terms(profile) != _terms(feed.profile):
                feed.profile = profile
                self._ros.in_ros(lambda feed=feed: self._create_subscription(feed))

    def _open_feed(self, topic: str, type_name: str) -> _Feed:
        if len(self._feeds) >= MAX_TOPICS:
            raise TopicProblem(f'more than {MAX_TOPICS} topics are subscribed')
        type_name = self._type(topic, type_name)
        known = policy.TOPICS.get(topic)
        if known is None:
            # The robot's own are there, and are better imported in the other thread.
            convert.load(type_name)
        profile = qos.STATE if known and known.state else self._profile(topic)
        settled = profile is not None
        # Best effort goes with every publisher, until one is there to be asked.
        feed = _Feed(topic, type_name, profile or _profile(reliable=False, latched=False), settled)
        self._feeds[topic] = feed
        self._ros.in_ros(lambda: self._create_subscription(feed))
        return feed

    def _close_feed(self, feed: _Feed) -> None:
        feed.closed = True

        def destroy() -> None:
            if feed.handle is not None:
                self._ros.node.destroy_subscription(feed.handle)
                feed.handle = None

        self._ros.in_ros(destroy)

    def _create_subscription(self, feed: _Feed) -> None:
        # In the thread that spins.
        if feed.handle is not None:
            self._ros.node.destroy_subscription(feed.handle)
            feed.handle = None
        if feed.closed:
            return

        def received(message: Any) -> None:
            feed.inbox.append(
                json.dumps(convert.to_json(message), separators=(',', ':'), allow_nan=False))
            if not feed.posted:
                feed.posted = True
                self._ros.post(self._deliver, feed)

        feed.handle = self._ros.node.create_subscription(
            convert.load(feed.type), self._ros.resolved(feed.topic), received, feed.profile)

    def _deliver(self, feed: _Feed) -> None:
        # Before the inbox is emptied: a message that comes meanwhile must be posted again.
        feed.posted = False
        while feed.inbox:
            text = feed.inbox.popleft()
            if feed.latched:
                feed.last = text
            for listener in list(feed.listeners):
                listener(text)

    def _outlet(self, topic: str, type_name: str) -> _Outlet:
        outlet = self._outlets.get(topic)
        if outlet is not None:
            if type_name not in ('', outlet.type):
                raise TopicProblem(f'{topic} is {outlet.type}, not {type_name}')
            return outlet
        if self._ros.is_reserved(topic):
            raise TopicProblem(f'{topic} belongs to the gateway')
        if len(self._outlets) >= MAX_TOPICS:
            raise TopicProblem(f'more than {MAX_TOPICS} topics are advertised')
        type_name = self._type(topic, type_name)
        convert.load(type_name)
        outlet = self._outlets[topic] = _Outlet(type_name)

        def create() -> None:
            if not outlet.closed:
                outlet.handle = self._ros.node.create_publisher(
                    convert.load(type_name), self._ros.resolved(topic), QoSProfile(depth=10))
                self._ros.post(self._await_match, outlet, 0.0)

        self._ros.in_ros(create)
        return outlet

    def _await_match(self, outlet: _Outlet, waited_s: float) -> None:
        if outlet.closed:
            return
        if waited_s < MATCH_S and not outlet.handle.get_subscription_count():
            self._ros.later(POLL_S, self._await_match, outlet, waited_s + POLL_S)
            return
        outlet.ready = True
        while outlet.waiting:
            outlet.handle.publish(outlet.waiting.popleft())

    def _destroy_publisher(self, outlet: _Outlet) -> None:
        if outlet.handle is not None:
            self._ros.node.destroy_publisher(outlet.handle)

    def _type(self, topic: str, given: str) -> str:
        known = policy.TOPICS.get(topic)
        if known is not None:
            if given not in ('', known.type):
                raise TopicProblem(f'{topic} is {known.type}, not {given}')
            return known.type
        full = self._ros.resolved(topic)
        types = dict(self._ros.node.get_topic_names_and_types()).get(full, [])
        if given and types and given not in types:
            raise TopicProblem(f'{topic} is {types[0]}, not {given}')
        if not given and not types:
            raise TopicProblem(f'nobody publishes {topic} yet: give its "type"')
        return given or str(types[0])

    def _profile(self, topic: str) -> QoSProfile | None:
        offered = [info.qos_profile for info in
                   self._ros.node.get_publishers_info_by_topic(self._ros.resolved(topic))]
        if not offered:
            return None
        return _profile(
            reliable=all(o.reliability != ReliabilityPolicy.BEST_EFFORT for o in offered),
            latched=all(o.durability == DurabilityPolicy.TRANSIENT_LOCAL for o in offered))


def _terms(profile: QoSProfile) -> tuple[Any, Any]:
    return profile.reliability, profile.durability


def _profile(*, reliable: bool, latched: bool) -> QoSProfile:
    return QoSProfile(
        depth=10,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=(DurabilityPolicy.TRANSIENT_LOCAL if latched
                    else DurabilityPolicy.VOLATILE))
