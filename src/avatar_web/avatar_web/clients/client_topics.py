# SPDX-License-Identifier: Apache-2.0
"""The topics of one client: what it may see and publish, under the names it uses."""

from avatar_web.accounts.identity import Role
from avatar_web.clients.wire import Wire
from avatar_web.ros.topics import Listener, TopicProblem, Topics
from avatar_web.rosbridge import convert, policy, protocol
from avatar_web.rosbridge.operations import (
    Advertise,
    Id,
    Publish,
    Subscribe,
    Unadvertise,
    Unsubscribe,
)

MAX_SUBSCRIPTIONS = 32
MAX_ADVERTISED = 32


class _Subscription:
    """One topic under one spelling; several ids may share it."""

    def __init__(self, topic: str, listener: Listener) -> None:
        self.topic, self.listener = topic, listener
        self.terms: dict[Id, tuple[float, int]] = {}


class ClientTopics:
    """What one client subscribes to and advertises; TopicProblem says why something is not."""

    def __init__(self, topics: Topics, role: Role, wire: Wire) -> None:
        self._topics, self._role, self._wire = topics, role, wire
        self._subscriptions: dict[str, _Subscription] = {}
        self._advertised: set[str] = set()

    def subscribe(self, op: Subscribe) -> None:
        """Send the messages of a topic from now on."""
        _check(policy.may_subscribe(self._role, op.topic))
        subscription = self._subscriptions.get(op.name)
        if subscription is not None:
            if op.id not in subscription.terms and len(subscription.terms) >= MAX_SUBSCRIPTIONS:
                raise TopicProblem(f'more than {MAX_SUBSCRIPTIONS} subscriptions of {op.name}')
            subscription.terms[op.id] = (op.throttle_s, op.queue_length)
            self._set_terms(op.name, subscription)
            return
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise TopicProblem(f'more than {MAX_SUBSCRIPTIONS} subscriptions: end one first')
        head = f'{{"op":"publish","topic":{protocol.encode_text(op.name)},"msg":'
        subscription = _Subscription(
            op.topic, lambda text: self._wire.send_topic(op.name, head + text + '}'))
        subscription.terms[op.id] = (op.throttle_s, op.queue_length)
        # Before it is subscribed: a latched message comes at once.
        self._set_terms(op.name, subscription)
        try:
            self._topics.subscribe(op.topic, op.type, subscription.listener)
        except (TopicProblem, convert.UnknownType):
            self._wire.outbox.close(op.name)
            raise
        self._subscriptions[op.name] = subscription

    def unsubscribe(self, op: Unsubscribe) -> None:
        """End one subscription by its id, or all of this name where no id is given."""
        subscription = self._subscriptions.get(op.name)
        if subscription is None or (op.id is not None and op.id not in subscription.terms):
            raise TopicProblem(f'not subscribed to {op.name}')
        if op.id is None:
            subscription.terms.clear()
        else:
            del subscription.terms[op.id]
        if subscription.terms:
            self._set_terms(op.name, subscription)
        else:
            self._drop(op.name)

    def advertise(self, op: Advertise) -> None:
        """Have a topic ready to be published."""
        self._may_publish(op.topic)
        if op.topic == protocol.DRIVE_TOPIC:
            # Its publisher is the gateway's own, and driving asks for the lease each time.
            if op.type != protocol.DRIVE_TYPE:
                raise TopicProblem(f'{op.topic} is {protocol.DRIVE_TYPE}, not {op.type}')
            return
        self._topics.advertise(op.topic, op.type, self)
        self._advertised.add(op.topic)

    def unadvertise(self, op: Unadvertise) -> None:
        """Give a topic up."""
        self._advertised.discard(op.topic)
        self._topics.unadvertise(op.topic, self)

    def publish(self, op: Publish) -> None:
        """Publish a message."""
        self._may_publish(op.topic)
        self._advertised.add(op.topic)
        self._topics.publish(op.topic, op.msg, self)

    def close(self) -> None:
        """Give everything up."""
        for name in list(self._subscriptions):
            self._drop(name)
        for topic in self._advertised:
            self._topics.unadvertise(topic, self)
        self._advertised.clear()

    def _may_publish(self, topic: str) -> None:
        _check(policy.may_publish(self._role, topic))
        if topic not in self._advertised and len(self._advertised) >= MAX_ADVERTISED:
            raise TopicProblem(f'more than {MAX_ADVERTISED} topics: unadvertise one first')

    def _set_terms(self, name: str, subscription: _Subscription) -> None:
        terms = subscription.terms.values()
        self._wire.outbox.open(name, min(t for t, _ in terms), max(q for _, q in terms))

    def _drop(self, name: str) -> None:
        subscription = self._subscriptions.pop(name)
        self._topics.unsubscribe(subscription.topic, subscription.listener)
        self._wire.outbox.close(name)


def _check(reason: str | None) -> None:
    if reason:
        raise TopicProblem(reason)
