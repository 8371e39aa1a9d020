# SPDX-License-Identifier: Apache-2.0
"""
One WebSocket: what it sends is dispatched, what it is to be sent waits in its outbox.

A command to drive is judged and published in the same step that reads it: between the frame and
DDS nothing is awaited, and nothing of anybody else stands before it. Service calls and whatever
else takes time run as tasks.
"""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from avatar_web import convert, policy, rosbridge
from avatar_web.accounts import Identity
from avatar_web.freshness import Freshness
from avatar_web.lease import Holder
from avatar_web.outbox import Outbox
from avatar_web.rates import Bucket
from avatar_web.ros import CallFailed
from avatar_web.topics import TopicProblem

if TYPE_CHECKING:
    from avatar_web.hub import Hub

MAX_SUBSCRIPTIONS = 32
MAX_ADVERTISED = 32
MAX_CALLS = 16
BYTES_PER_S = 4 * 1024 * 1024
HARD_RATE = 10
"""This many times the ordinary message rate, and the socket is closed."""

CLOSE_ENDED = 4401
FRAMES_PER_PASS = 16
WRITE_BUFFER_BYTES = 32 * 1024
UNSENT_BYTES = 16 * 1024
STALLED_S = 10.0

_numbers = itertools.count(1)
_LEVELS = {'none': 0, 'error': 1, 'warning': 2, 'info': 3}


class _Subscription:
    """One topic of one client, under the name the client uses; several ids may share it."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.terms: dict[rosbridge.Id, tuple[float, int]] = {}
        self.listener: Any = None


class Client:
    """One connected WebSocket. Everything here belongs to the event loop's thread."""

    def __init__(
        self, hub: 'Hub', identity: Identity, ws: web.WebSocketResponse, request: web.Request,
        now: float,
    ) -> None:
        self.number = next(_numbers)
        self.identity = identity
        self.holder = Holder(self.number, identity.session_id, identity.name)
        self.connected_s = self.heard_s = now
        self.freshness = Freshness(hub.config.max_round_trip_s)
        self.outbox = Outbox()
        self._hub, self._ws = hub, ws
        self._transport = request.transport
        self._decoder = rosbridge.Decoder(hub.namespace)
        rate = hub.config.messages_per_s
        self._rate = Bucket(rate, 2 * rate, now)
        self._hard_rate = Bucket(HARD_RATE * rate, HARD_RATE * rate, now)
        self._byte_rate = Bucket(BYTES_PER_S, 2 * BYTES_PER_S, now)
        self._subscriptions: dict[str, _Subscription] = {}
        self._advertised: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._writing_since_s: float | None = None
        self._level = _LEVELS['warning']
        self._drive_why: str | None = None
        self._take_waits = False
        self._limited = False
        self._closer: asyncio.Task[None] | None = None
        self.closing = self.closed = False

    async def run(self) -> None:
        """Serve the socket until it closes."""
        self._tune()
        writer = asyncio.create_task(self._write())
        try:
            for count in itertools.count(1):
                if not self._frame(await self._ws.receive()):
                    return
                if not count % FRAMES_PER_PASS:
                    # A flood that is already in memory must not keep the loop from the others.
                    await asyncio.sleep(0)
        finally:
            self.closing = True
            self._hub.leave(self)
            for name in list(self._subscriptions):
                self._drop_subscription(name)
            for topic in self._advertised:
                self._hub.topics.unadvertise(topic, self)
            writer.cancel()
            for task in self._tasks:
                task.cancel()
            self.closed = True

    def send(self, text: str) -> None:
        """Queue a reply or an announcement; a client that cannot take it any more is closed."""
        if self.closing:
            return
        if self.outbox.put(text):
            self._wake.set()
        else:
            self._hub.log(f'{self.identity.name}: reads nothing any more, socket closed')
            self.abort()

    def tell(self, level: str, sentence: str, id_: rosbridge.Id = None) -> None:
        """Send a rosbridge status, if the client wants this level."""
        if _LEVELS[level] <= self._level:
            self.send(rosbridge.status(level, sentence, id_))

    def tell_drive(self, why: str, sentence: str, id_: rosbridge.Id = None) -> None:
        """Say once per change whether commands are accepted ('' = yes), and why not."""
        if why == self._drive_why:
            return
        self._drive_why = why
        self.send(rosbridge.encode({'op': 'drive', 'why': why, 'msg': sentence}))
        if why:
            self.tell('error', f'command refused ({why}): {sentence}', id_)

    def forget_drive(self) -> None:
        """Have the next command answered whatever was said before."""
        self._drive_why = None

    def ping(self, now: float) -> None:
        """Send the next ping, past everything that waits."""
        self._control(0x9, self.freshness.ping(now))

    def is_stalled(self, now: float) -> bool:
        """Return whether the client has taken nothing for STALLED_S though something waits."""
        return self._writing_since_s is not None and now - self._writing_since_s > STALLED_S

    def close(self, code: int, reason: str) -> None:
        """Close the socket with a code, in the background; at once where it does not answer."""
        if self.closing:
            return
        self.closing = True
        # Not among the tasks that end with the socket: it is what ends the socket.
        self._closer = asyncio.create_task(self._close(code, reason))

    def abort(self) -> None:
        """Close the socket now, without a word."""
        if self._transport is not None:
            self._transport.abort()

    async def _close(self, code: int, reason: str) -> None:
        try:
            await asyncio.wait_for(self._ws.close(code=code, message=reason.encode()), 0.5)
        except (asyncio.TimeoutError, OSError):
            self.abort()

    def _tune(self) -> None:
        if self._transport is None:
            return
        sock = self._transport.get_extra_info('socket')
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # What the kernel has taken nobody can overtake: keep it little, so that pings and
            # replies do not queue behind old topics.
            with contextlib.suppress(AttributeError, OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)

    def _control(self, opcode: int, payload: bytes) -> None:
        # Written by hand because it must not be awaited: a frame of a server has no mask.
        if self._transport is not None and not self._transport.is_closing() and not self.closing:
            self._transport.write(bytes((0x80 | opcode, len(payload))) + payload)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            text = self.outbox.next(loop.time())
            if text is None:
                self._wake.clear()
                due_s = self.outbox.due_s()
                handle = loop.call_at(due_s, self._wake.set) if due_s is not None else None
                await self._wake.wait()
                if handle is not None:
                    handle.cancel()
                continue
            self._writing_since_s = loop.time()
            try:
                await self._ws.send_str(text)
            except (ConnectionError, RuntimeError):
                # Closed meanwhile; the reading side ends the client.
                return
            self._writing_since_s = None

    # ------------------------------------------------------------------ what arrives

    def _frame(self, frame: WSMessage) -> bool:
        """Handle one frame; return False when the socket is closed."""
        now = self._hub.now()
        kind = frame.type
        if kind not in (WSMsgType.TEXT, WSMsgType.PONG, WSMsgType.PING, WSMsgType.BINARY):
            return False
        if self.closing:
            return True
        self.heard_s = now
        self._hub.heard(self, now)
        size = len(frame.data)
        if not self._hard_rate.take(now) or not self._byte_rate.take(now, size):
            self._hub.log(f'{self.identity.name}: far too many messages, socket closed')
            self._hub.leave(self)
            self.close(WSCloseCode.POLICY_VIOLATION, 'too many messages')
        elif kind is WSMsgType.TEXT:
            self._text(frame.data, now)
        elif kind is WSMsgType.PONG:
            self._pong(bytes(frame.data), now)
        elif kind is WSMsgType.PING:
            self._control(0xA, bytes(frame.data))
        else:
            self._hub.bad(self, 'a binary message: send JSON as text', now)
            self.tell('error', 'binary messages are not offered: send JSON as text')
        return True

    def _pong(self, payload: bytes, now: float) -> None:
        if not self.freshness.pong(payload, now):
            return
        self._hub.answered(self, now)
        if self._take_waits:
            self._take_waits = False
            self._hub.take(self, now)

    def _text(self, text: str, now: float) -> None:
        within = self._rate.take(now)
        try:
            op = self._decoder.decode(text)
        except rosbridge.ProtocolError as problem:
            if problem.neutral:
                self._hub.bad(self, str(problem), now)
            self.tell('error', str(problem), problem.id)
            return
        if isinstance(op, rosbridge.Drive):
            self._hub.drive(self, op, within, now)
            return
        if isinstance(op, rosbridge.CallService) and op.service == policy.E_STOP:
            self._hub.e_stop(self, op, now)
            return
        if not within and not isinstance(op, rosbridge.LeaseRelease):
            if not self._limited:
                self._limited = True
                self.tell('error', 'too many messages: at most '
                                   f'{self._hub.config.messages_per_s:g} a second', op.id)
            return
        self._limited = False
        try:
            self._dispatch(op, now)
        except (TopicProblem, convert.UnknownType, convert.ConversionError) as problem:
            self.tell('error', str(problem), op.id)

    def _dispatch(self, op: rosbridge.Operation, now: float) -> None:
        if isinstance(op, rosbridge.Ping):
            self._answer_ping(op)
        elif isinstance(op, rosbridge.LeaseTake):
            # A first message may overtake the first answer to a ping: it waits for it.
            self._take_waits = self.freshness.round_trip_s is None
            if not self._take_waits:
                self._hub.take(self, now)
        elif isinstance(op, rosbridge.LeaseRelease):
            self._take_waits = False
            self._hub.release(self, now)
        elif isinstance(op, rosbridge.LeaseGive):
            self._hub.give(self, op, now)
        elif isinstance(op, rosbridge.LeaseAllow):
            self._hub.allow(self, op, now)
        elif isinstance(op, rosbridge.CallService):
            self._call(op, now)
        elif isinstance(op, rosbridge.Subscribe):
            self._subscribe(op)
        elif isinstance(op, rosbridge.Unsubscribe):
            self._unsubscribe(op)
        elif isinstance(op, rosbridge.Publish):
            self._publish(op)
        elif isinstance(op, rosbridge.Advertise):
            self._advertise(op)
        elif isinstance(op, rosbridge.Unadvertise):
            self._unadvertise(op)
        elif isinstance(op, rosbridge.SetLevel):
            self._level = _LEVELS[op.level]

    def _answer_ping(self, op: rosbridge.Ping) -> None:
        round_trip_s = self.freshness.round_trip_s
        self.send(rosbridge.encode({
            'op': 'pong', 't': op.t,
            'round_trip_ms': None if round_trip_s is None else round(1000 * round_trip_s, 1)}))

    # ------------------------------------------------------------------ topics

    def _subscribe(self, op: rosbridge.Subscribe) -> None:
        reason = policy.may_subscribe(self.identity.role, op.topic)
        if reason:
            raise TopicProblem(reason)
        subscription = self._subscriptions.get(op.name)
        if subscription is None:
            if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
                raise TopicProblem(f'more than {MAX_SUBSCRIPTIONS} subscriptions: end one first')
            subscription = _Subscription(op.topic)
        elif op.id not in subscription.terms and len(subscription.terms) >= MAX_SUBSCRIPTIONS:
            raise TopicProblem(f'more than {MAX_SUBSCRIPTIONS} subscriptions of {op.name}')
        subscription.terms[op.id] = (op.throttle_s, op.queue_length)
        self._set_terms(op.name, subscription)
        if subscription.listener is not None:
            return
        head = '{"op":"publish","topic":' + rosbridge.encode_text(op.name) + ',"msg":'

        def listener(text: str) -> None:
            self.outbox.put_topic(op.name, head + text + '}')
            self._wake.set()

        try:
            self._hub.topics.subscribe(op.topic, op.type, listener)
        except (TopicProblem, convert.UnknownType):
            self.outbox.close(op.name)
            raise
        subscription.listener = listener
        self._subscriptions[op.name] = subscription

    def _set_terms(self, name: str, subscription: _Subscription) -> None:
        terms = subscription.terms.values()
        self.outbox.open(name, min(t for t, _ in terms), max(q for _, q in terms))

    def _unsubscribe(self, op: rosbridge.Unsubscribe) -> None:
        subscription = self._subscriptions.get(op.name)
        if subscription is None or (op.id is not None and op.id not in subscription.terms):
            self.tell('warning', f'not subscribed to {op.name}', op.id)
            return
        if op.id is None:
            subscription.terms.clear()
        else:
            del subscription.terms[op.id]
        if subscription.terms:
            self._set_terms(op.name, subscription)
        else:
            self._drop_subscription(op.name)

    def _drop_subscription(self, name: str) -> None:
        subscription = self._subscriptions.pop(name)
        self._hub.topics.unsubscribe(subscription.topic, subscription.listener)
        self.outbox.close(name)

    def _advertise(self, op: rosbridge.Advertise) -> None:
        self._may_publish(op.topic)
        if op.topic == rosbridge.DRIVE_TOPIC:
            # Its publisher is the gateway's own, and driving asks for the lease each time.
            if op.type != rosbridge.DRIVE_TYPE:
                raise TopicProblem(f'{op.topic} is {rosbridge.DRIVE_TYPE}, not {op.type}')
            return
        self._hub.topics.advertise(op.topic, op.type, self)
        self._advertised.add(op.topic)

    def _unadvertise(self, op: rosbridge.Unadvertise) -> None:
        self._advertised.discard(op.topic)
        self._hub.topics.unadvertise(op.topic, self)

    def _publish(self, op: rosbridge.Publish) -> None:
        self._may_publish(op.topic)
        self._advertised.add(op.topic)
        self._hub.topics.publish(op.topic, op.msg, self)

    def _may_publish(self, topic: str) -> None:
        reason = policy.may_publish(self.identity.role, topic)
        if reason:
            raise TopicProblem(reason)
        if topic not in self._advertised and len(self._advertised) >= MAX_ADVERTISED:
            raise TopicProblem(f'more than {MAX_ADVERTISED} topics: unadvertise one first')

    # ------------------------------------------------------------------ services

    def respond(self, op: rosbridge.CallService, values: Any, result: bool) -> None:
        """Answer a service call; `values` is a sentence where it failed."""
        self.send(rosbridge.service_response(op.name, values, result, op.id))

    def _call(self, op: rosbridge.CallService, now: float) -> None:
        reason = self._hub.may_call(self, op, now)
        if reason:
            self.respond(op, reason, False)
            return
        self.call(op, op.args)

    def call(
        self, op: rosbridge.CallService, args: dict[str, Any], search_s: float | None = None
    ) -> None:
        """Call a ROS service in the background and answer the client."""
        # Calls that hang must not take an emergency stop's place.
        room = 2 * MAX_CALLS if op.service == policy.E_STOP else MAX_CALLS
        if len(self._tasks) >= room:
            self.respond(op, f'{room} calls are still open', False)
            return
        self._start(self._call_ros(op, args, search_s))

    async def _call_ros(
        self, op: rosbridge.CallService, args: dict[str, Any], search_s: float | None
    ) -> None:
        ros = self._hub.ros
        known = policy.SERVICES.get(op.service)
        try:
            type_name = known.type if known else op.type or await ros.service_type(op.service)
            if op.type not in ('', type_name):
                raise CallFailed(f'{op.service} is {type_name}, not {op.type}')
            values = await ros.call(op.service, type_name, args, op.timeout_s, search_s)
        except (CallFailed, convert.UnknownType, convert.ConversionError) as problem:
            self.respond(op, str(problem), False)
            return
        self.respond(op, values, True)

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
