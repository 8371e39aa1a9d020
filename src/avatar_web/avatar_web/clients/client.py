# SPDX-License-Identifier: Apache-2.0
"""
One WebSocket: each frame it sends is judged and dispatched.

A command to drive is judged and published in the same step that reads it: between the frame and
DDS nothing is awaited, and nothing of anybody else stands before it. Service calls run as tasks.
"""

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from avatar_web.accounts.identity import Identity
from avatar_web.clients import announcements
from avatar_web.clients.allowance import Budget
from avatar_web.clients.client_topics import ClientTopics
from avatar_web.clients.wire import PING, PONG, Wire
from avatar_web.driving.freshness import Freshness
from avatar_web.driving.lease import Holder, Lease
from avatar_web.rates import Bucket
from avatar_web.ros.node import SERVICE_SEARCH_S, CallFailed
from avatar_web.ros.topics import TopicProblem
from avatar_web.rosbridge import convert, policy, protocol
from avatar_web.rosbridge import operations as ops

if TYPE_CHECKING:
    from avatar_web.hub import Hub

MAX_CALLS = 16
STOP_ANSWER_S = 2.5
"""A motor node that lives has answered by then."""
LEASE_PER_S = 2.0
LEASE_AT_ONCE = 10
"""Each change of the lease is told to everybody; letting go is never refused."""

CLOSE_ENDED = 4401
CLOSE_REPLACED = 4409
FRAMES_PER_PASS = 16

_numbers = itertools.count(1)
_LEVELS = {level: i for i, level in enumerate(protocol.STATUS_LEVELS)}
_FRAMES = (WSMsgType.TEXT, WSMsgType.PONG, WSMsgType.PING, WSMsgType.BINARY)


class Client:
    """One connected WebSocket. Everything here belongs to the event loop's thread."""

    def __init__(
        self, hub: 'Hub', identity: Identity, ws: web.WebSocketResponse, request: web.Request,
        budget: Budget, now: float,
    ) -> None:
        self.number = next(_numbers)
        self.identity = identity
        self.holder = Holder(self.number, identity.session_id, identity.name)
        self.connected_s = self.heard_s = now
        self.freshness = Freshness(hub.config.max_round_trip_s)
        self.wire = Wire(ws, request.transport)
        self.closed = False
        self._hub, self._ws = hub, ws
        self._topics = ClientTopics(hub.topics, identity.role, self.wire)
        self._decoder = protocol.Decoder(hub.namespace)
        rate = hub.config.messages_per_s
        self._rate = Bucket(rate, 2 * rate, now)
        self._budget = budget
        self._lease_rate = Bucket(LEASE_PER_S, LEASE_AT_ONCE, now)
        self._calls: set[asyncio.Task[None]] = set()
        self._level = _LEVELS['warning']
        self._drive_why: str | None = None
        self._take_waits = False
        self._limited = False

    @property
    def closing(self) -> bool:
        """Return whether nothing more is taken from this socket."""
        return self.wire.closing

    async def run(self) -> None:
        """Serve the socket until it closes."""
        writer = asyncio.create_task(self.wire.run())
        try:
            for count in itertools.count(1):
                frame = await self._ws.receive()
                if frame.type is WSMsgType.CLOSE and self.closing:
                    # The answer to our own Close: a second one would be an error of the protocol.
                    self.wire.abort()
                if not self._frame(frame):
                    return
                if not count % FRAMES_PER_PASS:
                    # A flood that is already in memory must not keep the loop from the others.
                    await asyncio.sleep(0)
        finally:
            self._hub.leave(self)
            self._topics.close()
            writer.cancel()
            for call in self._calls:
                call.cancel()
            self.wire.closing = self.closed = True

    # ------------------------------------------------------------------ what it is told

    def send(self, text: str) -> None:
        """Queue a reply or an announcement; a client that cannot take it any more is closed."""
        if not self.wire.send(text):
            self._hub.log(f'{self.identity.name}: reads nothing any more, socket closed')
            self.wire.abort()

    def tell(self, level: str, sentence: str, id_: ops.Id = None) -> None:
        """Send a rosbridge status, if the client wants this level."""
        if _LEVELS[level] <= self._level:
            self.send(protocol.status(level, sentence, id_))

    def tell_lease(self, lease: Lease) -> None:
        """Say who holds the lease."""
        self.send(announcements.lease_for(lease, self.number))

    def tell_drive(self, why: str, sentence: str, id_: ops.Id = None) -> None:
        """Say once per change whether commands are accepted ('' = yes), and why not."""
        if why == self._drive_why:
            return
        self._drive_why = why
        self.send(protocol.encode({'op': 'drive', 'why': why, 'msg': sentence}))
        if why:
            self.tell('error', f'command refused ({why}): {sentence}', id_)

    def forget_drive(self) -> None:
        """Have the next command answered whatever was said before."""
        self._drive_why = None

    def ping(self, now: float) -> None:
        """Send the next ping, past everything that waits."""
        self.wire.control(PING, self.freshness.ping(now))

    # ------------------------------------------------------------------ what it says

    def _frame(self, frame: WSMessage) -> bool:
        """Handle one frame; return False when the socket is closed."""
        kind = frame.type
        if kind not in _FRAMES:
            return False
        if self.closing:
            return True
        now = self.heard_s = self._hub.now()
        self._hub.control.heard(self, now)
        if not self._budget.spend(len(frame.data), now):
            self._hub.log(f'{self.identity.name}: far too many messages, socket closed')
            self._hub.leave(self)
            self.wire.close(WSCloseCode.POLICY_VIOLATION, 'too many messages')
        elif kind is WSMsgType.TEXT:
            self._text(frame.data, now)
        elif kind is WSMsgType.PONG:
            self._pong(bytes(frame.data), now)
        elif kind is WSMsgType.PING:
            self.wire.control(PONG, bytes(frame.data))
        else:
            self._hub.control.bad(self, 'a binary message: send JSON as text', now)
            self.tell('error', 'binary messages are not offered: send JSON as text')
        return True

    def _pong(self, payload: bytes, now: float) -> None:
        if not self.freshness.pong(payload, now):
            return
        self._hub.answered(self)
        if self._take_waits:
            self._take_waits = False
            self._hub.control.take(self, now)

    def _text(self, text: str, now: float) -> None:
        within = self._rate.take(now)
        try:
            op = self._decoder.decode(text)
        except protocol.ProtocolError as problem:
            if problem.neutral:
                self._hub.control.bad(self, str(problem), now)
            if within:
                self.tell('error', str(problem), problem.id)
            return
        if isinstance(op, ops.Drive):
            self._hub.drive(self, op, within, now)
        elif isinstance(op, ops.CallService) and op.service == protocol.E_STOP:
            self._hub.e_stop(self, op, now)
        elif isinstance(op, ops.LeaseRelease):
            self._take_waits = False
            self._hub.control.release(self, now)
        elif within:
            self._limited = False
            try:
                self._dispatch(op, now)
            except (TopicProblem, convert.UnknownType, convert.ConversionError) as problem:
                self.tell('error', str(problem), op.id)
        elif not self._limited:
            self._limited = True
            self.tell('error', f'too many messages: at most {self._hub.config.messages_per_s:g} '
                               'a second', op.id)

    def _dispatch(self, op: ops.Operation, now: float) -> None:
        if isinstance(op, ops.Ping):
            self._answer_ping(op)
        elif isinstance(op, ops.Picture):
            self._hub.picture(self, op, now)
        elif (isinstance(op, (ops.LeaseTake, ops.LeaseGive, ops.LeaseAllow))
              and not self._lease_rate.take(now)):
            self.tell('error', 'the lease was asked for too often: wait a second', op.id)
        elif isinstance(op, ops.LeaseTake):
            # A first message may overtake the first answer to a ping: it waits for it.
            self._take_waits = self.freshness.round_trip_s is None
            if not self._take_waits:
                self._hub.control.take(self, now)
        elif isinstance(op, ops.LeaseGive):
            self._hub.control.give(self, op, now)
        elif isinstance(op, ops.LeaseAllow):
            self._hub.control.allow(self, op, now)
        elif isinstance(op, ops.CallService):
            reason = self._hub.may_call(self, op, now)
            if reason:
                self._respond(op, reason, False)
            else:
                self.call(op, self._calls, MAX_CALLS, SERVICE_SEARCH_S)
        elif isinstance(op, ops.Subscribe):
            self._topics.subscribe(op)
        elif isinstance(op, ops.Unsubscribe):
            self._topics.unsubscribe(op)
        elif isinstance(op, ops.Publish):
            self._topics.publish(op)
        elif isinstance(op, ops.Advertise):
            self._topics.advertise(op)
        elif isinstance(op, ops.Unadvertise):
            self._topics.unadvertise(op)
        elif isinstance(op, ops.SetLevel):
            self._level = _LEVELS[op.level]

    def _answer_ping(self, op: ops.Ping) -> None:
        round_trip_s = self.freshness.round_trip_s
        self.send(protocol.encode({
            'op': 'pong', 't': op.t, 'clock_ms': round(1000 * time.monotonic(), 3),
            'round_trip_ms': None if round_trip_s is None else round(1000 * round_trip_s, 1)}))

    # ------------------------------------------------------------------ services

    def call(
        self, op: ops.CallService, calls: set['asyncio.Task[None]'], room: int, search_s: float
    ) -> None:
        """Call a ROS service as one of at most `room` of `calls`, and answer the client."""
        if len(calls) >= room:
            self._respond(op, f'{room} calls are still open', False)
            return
        call = asyncio.create_task(self._call_ros(op, search_s))
        calls.add(call)
        call.add_done_callback(calls.discard)

    async def _call_ros(self, op: ops.CallService, search_s: float) -> None:
        ros = self._hub.ros
        known = policy.SERVICES.get(op.service)
        try:
            type_name = known.type if known else op.type or await ros.service_type(op.service)
            if op.type not in ('', type_name):
                raise CallFailed(f'{op.service} is {type_name}, not {op.type}')
            # What a reset names is for the gateway; the Trigger behind it takes nothing.
            args = {} if op.service == policy.E_STOP_RESET else op.args
            values = await (
                self._stop(type_name, search_s) if op.service == protocol.E_STOP else
                ros.call(op.service, type_name, args, op.timeout_s, search_s))
        except (CallFailed, convert.UnknownType, convert.ConversionError) as problem:
            self._respond(op, str(problem), False)
        else:
            self._respond(op, values, True)

    async def _stop(self, type_name: str, search_s: float) -> dict[str, Any]:
        """Trigger the emergency stop; again if the motor node died before it answered."""
        until = self._hub.now() + search_s
        while True:
            left_s = until - self._hub.now()
            try:
                return await self._hub.ros.call(
                    protocol.E_STOP, type_name, {}, STOP_ANSWER_S, max(0.0, left_s))
            except CallFailed:
                # What it did and had not stored when it died, the next one does not know.
                if left_s <= STOP_ANSWER_S:
                    raise

    def _respond(self, op: ops.CallService, values: Any, result: bool) -> None:
        self.send(protocol.service_response(op.name, values, result, op.id))
