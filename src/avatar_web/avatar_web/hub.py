# SPDX-License-Identifier: Apache-2.0
"""
The gateway's middle: all clients, what everybody is told, and the tick that keeps time.

A tick of PING_PERIOD_S pings the clients, measures how late the loop is, and finds who fell
silent; the lease is published at every second one and at once when it changes.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, web

from avatar_motor import deadlines
from avatar_motor.limits import Limits
from avatar_node import diagnostics
from avatar_node.hearing import DEAF_S, Hearing
from avatar_web import metrics
from avatar_web.accounts.identity import Identity
from avatar_web.clients import announcements
from avatar_web.clients.allowance import Budgets
from avatar_web.clients.client import CLOSE_ENDED, CLOSE_REPLACED, Client
from avatar_web.clients.places import Place, room_for
from avatar_web.driving.control import Control
from avatar_web.driving.freshness import SENTENCES, Why
from avatar_web.driving.lease import State
from avatar_web.driving.motor import Motor
from avatar_web.driving.report import Report
from avatar_web.health import Health
from avatar_web.media.camera_routes import FPS, PROFILES, NoAnswer
from avatar_web.media.stream import Stream
from avatar_web.rates import Bucket
from avatar_web.ros.node import CallFailed, Ros
from avatar_web.ros.topics import Topics
from avatar_web.rosbridge import policy
from avatar_web.rosbridge.operations import CallService, Drive, Picture

E_STOP_SEARCH_S = 10.0
"""So long an emergency stop waits for a motor node that is just being started again."""

MAX_STOP_CALLS = 64
CLOSE_S = 1.0
PREPARE_S = 0.4
"""So long a handshake may take; less than a handshake is looked after (`ended` of the door)."""
TICKS_PER_LEASE = round(deadlines.LEASE_PERIOD_S / deadlines.PING_PERIOD_S)
TICKS_PER_SECOND = round(1 / deadlines.PING_PERIOD_S)


@dataclass(frozen=True)
class HubConfig:
    """What can be set about the gateway's middle."""

    robot_name: str = 'avatar'
    version: str = '0.1.0'
    max_round_trip_s: float = deadlines.MAX_ROUND_TRIP_S
    max_clients: int = 32
    messages_per_s: float = 200.0
    camera: bool = False
    max_picture_age_s: float = 1.0
    limits: Limits = field(default_factory=Limits)


class Hub:
    """The gateway, as the HTTP side sees it (`http.GatewayHooks`) and as its clients do."""

    def __init__(
        self, ros: Ros, topics: Topics, config: HubConfig, loop: asyncio.AbstractEventLoop,
        log: Callable[[str], None],
    ) -> None:
        self.ros, self.topics, self.config, self.log = ros, topics, config, log
        self.namespace = str(ros.node.get_namespace())
        self.now = loop.time
        self.clients: dict[int, Client] = {}
        self.motor = Motor()
        self.is_deaf = False
        self._hearing = Hearing()
        self._stream = Stream()
        self.health = Health()
        self._budgets = Budgets(config.messages_per_s)
        self.record = Report(config.robot_name, config.version, self.now(), time.time())
        self.control = Control(
            ros, self.clients, config.limits, self.record, loop, log, self._lease_changed)
        self._loop = loop
        self._closing = False
        self._ticks = 0
        self._due_s = self.now()
        self._timer: asyncio.TimerHandle | None = None
        # Of a flood each is called for, but not each is news.
        self._stop_rate = Bucket(10, 10, self.now())
        self._stop_calls: set[asyncio.Task[None]] = set()
        self._gateways = 1
        self._motor_why = ''

    def start(self) -> None:
        """Begin to tick."""
        self.topics.subscribe('motor/state', '', self._motor_state)
        self.topics.subscribe('camera/stream_state', '', self._stream_state)
        self.topics.subscribe('health', '', lambda text: self.health.update(text, self.now()))
        self._due_s = self.now()
        self._tick()

    async def close(self) -> None:
        """Leave the robot standing, close all sockets."""
        self._closing = True
        self.control.end()
        if self._timer is not None:
            self._timer.cancel()
        clients = list(self.clients.values())
        for client in clients:
            self.leave(client)
            client.wire.close(WSCloseCode.GOING_AWAY, 'the gateway ends')
        until = self.now() + CLOSE_S
        while not all(client.closed for client in clients) and self.now() < until:
            await asyncio.sleep(0.02)

    # ------------------------------------------------------------------ the HTTP side

    async def websocket(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        """Serve one rosbridge socket until it closes."""
        now = self.now()
        budget = self._budgets.of(identity, now)
        if not budget.join(now):
            raise web.HTTPTooManyRequests(text='too many sockets, one after the other\n')
        room = room_for(
            identity, [Place(number, client.identity, self.control.lease.is_held_by(number))
                       for number, client in self.clients.items()], self.config.max_clients)
        if self._closing or not room.allowed:
            raise web.HTTPServiceUnavailable(text=f'{room.why or "the gateway ends"}\n')
        if room.goes is not None:
            oldest = self.clients[room.goes]
            self.leave(oldest)
            oldest.wire.close(CLOSE_REPLACED, room.why)
        ws = web.WebSocketResponse(
            autoping=False, autoclose=False, heartbeat=None, compress=False, timeout=0.5,
            max_msg_size=budget.allowed.message_bytes)
        try:
            await asyncio.wait_for(ws.prepare(request), PREPARE_S)
        except asyncio.TimeoutError:
            # Who does not read the answer shall not come in when his rights may be over.
            if request.transport is not None:
                request.transport.abort()
            return ws
        client = Client(self, identity, ws, request, budget, self.now())
        self._join(client)
        await client.run()
        return ws

    def ready(self) -> bool:
        """Return whether a person could drive now."""
        return self.motor.is_connected(self.now())

    def about(self) -> dict[str, Any]:
        """Return what a signed-in page is told."""
        limits = self.control.limits
        picture = {'max_age_s': self.config.max_picture_age_s, 'profiles': PROFILES, 'fps': FPS}
        return {'max_speed_mps': limits.max_speed_mps, 'max_turn_radps': limits.max_turn_radps,
                'picture': picture if self.config.camera else None}

    def about_health(self) -> dict[str, Any]:
        """Return what the health node says now."""
        return self.health.about(self.now())

    def report(self) -> dict[str, Any]:
        """Return the session report."""
        return self.record.summary(self.now())

    def metrics(self) -> str:
        """Return the metrics as Prometheus text."""
        return metrics.text(self)

    async def identity_ended(self, *, session_id: str = '', user: str = '') -> None:
        """Close every socket of this session, or of this user."""
        for client in list(self.clients.values()):
            identity = client.identity
            if identity.session_id == session_id or (user and identity.name == user):
                self.leave(client, returns=False)
                client.wire.close(CLOSE_ENDED, 'signed out')
        # A holder whose link broke has no socket any more, and may not come back.
        self.control.ended(self.now(), session_id=session_id, user=user)

    # ------------------------------------------------------------------ the machine

    def driver(self) -> str:
        """Return who drives, or may come back for it; '' = nobody."""
        holder = self.control.lease.holder
        return holder.name if holder else ''

    def stand(self, who: str, what: str) -> None:
        """Stop the wheels and end the lease, because `who` does what ends the robot or links."""
        self.control.stand(who, self.now())
        self.log(f'{who} {what}')
        for client in self.clients.values():
            client.tell('error', f'{who} {what}')

    # ------------------------------------------------------------------ the camera

    def stream_state(self) -> Mapping[str, str]:
        """Return the values of `camera/stream_state`; empty where nobody says any."""
        return self._stream.values(self.now())

    def viewer_came(self) -> None:
        """Have the stream node look at once who watches."""
        self.ros.publish_look()

    def may_set_camera(self, identity: Identity) -> str:
        """Return why somebody may not change the picture now, or '': it is the driver's."""
        holder = self.control.lease.holder
        if holder is None or holder.session == identity.session_id:
            return ''
        return f'{holder.name} drives, and chooses the picture: take the lease first'

    async def call_stream(
        self, service: str, type_name: str, args: Mapping[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """Call a service of the stream node."""
        try:
            return await self.ros.call(service, type_name, args, timeout_s)
        except CallFailed as problem:
            raise NoAnswer(str(problem)) from None

    def picture(self, client: Client, op: Picture, now: float) -> None:
        """Note what the driver sees: how old it is, and whether he drives without it."""
        if not self.control.lease.is_held_by(client.number):
            return
        if self.record.picture(op.age_s, op.blind, now):
            age = 'no picture' if op.age_s is None else f'a picture {op.age_s:.1f} s old'
            self.log(f'{client.identity.name} ' + (
                f'drives blind: {age}' if op.blind else 'drives by the picture again'))

    def _stream_state(self, text: str) -> None:
        self._stream.update(text, self.now())

    # ------------------------------------------------------------------ clients

    def _join(self, client: Client) -> None:
        now = self.now()
        self.clients[client.number] = client
        client.ping(now)
        client.send(announcements.hello(
            client.identity, self.config.robot_name, self.config.version, self.control.limits,
            self.config.max_round_trip_s))
        client.tell_lease(self.control.lease)
        self.control.joined(client, now)
        self._tell_people()
        if self._gateways > 1:
            client.tell('error', announcements.two_gateways(self._gateways))

    def leave(self, client: Client, *, returns: bool = True) -> None:
        """Forget a client whose socket is closed or is being closed; the wheels first."""
        self.control.left(client, self.now(), returns=returns)
        if self.clients.pop(client.number, None) is not None:
            self._tell_people()

    def answered(self, client: Client) -> None:
        """Note the answer to a ping."""
        self.record.answer(client.freshness.round_trip_s or 0.0,
                           self.control.lease.is_held_by(client.number))

    def drive(self, client: Client, op: Drive, within: bool, now: float) -> None:
        """Judge one command and publish what follows from it, at once."""
        self._look_at_the_clock(now)
        self.control.drive(client, op, within, now)

    def _lease_changed(self) -> None:
        self._publish_lease()
        for client in self.clients.values():
            client.tell_lease(self.control.lease)

    def _tell_people(self) -> None:
        text = announcements.people(client.identity for client in self.clients.values())
        for client in self.clients.values():
            client.send(text)

    # ------------------------------------------------------------------ services

    def e_stop(self, client: Client, op: CallService, now: float) -> None:
        """Stop, whoever asks, and have the motor node latch it."""
        if self._stop_rate.take(now):
            self.control.e_stop(client, now)
        # Not among the client's own calls: its socket may close, the stop goes on.
        client.call(op, self._stop_calls, MAX_STOP_CALLS, E_STOP_SEARCH_S)

    def may_call(self, client: Client, op: CallService, now: float) -> str | None:
        """Return why this client may not call this service now, or None."""
        reason = policy.may_call(client.identity.role, op.service)
        if reason:
            return reason
        holds = self.control.lease.is_held_by(client.number)
        if op.service == policy.E_STOP_RESET:
            if not holds:
                return 'take the lease first: only its holder resets an emergency stop'
            fresh = client.freshness.verdict(now)
            if fresh is not Why.FRESH:
                return SENTENCES[fresh]
            if self.control.is_held(now):
                # The motor node cannot see it: nothing of it is handed on during a stop.
                return 'a command is still held: let go, then reset'
            reason = self.motor.reset_problem(op.args.get('number'))
            if reason:
                return reason
            self.log(f'{client.identity.name} resets emergency stop {self.motor.stop_number}')
        elif (op.service == policy.SELF_TEST and not holds
              and self.control.lease.state is not State.FREE):
            return 'somebody else drives: take the lease first'
        return None

    def _motor_state(self, text: str) -> None:
        now = self.now()
        self._hearing.heard(now)
        self.motor.update(text, now)
        self.control.limits = self.motor.limits or self.control.limits
        if self.motor.why != self._motor_why:
            self._motor_why = self.motor.why
            if self.control.lease.state is State.HELD and self._motor_why:
                self.record.stop(
                    f'motor_{self._motor_why}', '', now, time.time(), self.motor.sentence)

    # ------------------------------------------------------------------ the tick

    def _look_at_the_clock(self, now: float) -> None:
        """Note a tick that is overdue, whichever of tick and command comes first after a pause."""
        late_s = now - self._due_s
        if late_s > deadlines.LATE_DISCARD_S:
            self._due_s = now
            self.control.overslept(late_s, now)

    def _tick(self) -> None:
        now = self.now()
        late_s = now - self._due_s
        self._ticks += 1
        self.record.lateness.add(max(late_s, 0.0))
        self._look_at_the_clock(now)
        self._due_s = max(self._due_s, now - deadlines.PING_PERIOD_S) + deadlines.PING_PERIOD_S
        self._timer = self._loop.call_at(self._due_s, self._tick)
        if late_s <= deadlines.LATE_DISCARD_S:
            # After a pause of our own everybody has been silent; the next tick will see.
            self.control.poll(now)
            for client in list(self.clients.values()):
                self._attend(client, now)
        if self._ticks % TICKS_PER_LEASE == 0:
            self._publish_lease()
        if self._ticks % TICKS_PER_SECOND == 0:
            self._each_second()

    def _attend(self, client: Client, now: float) -> None:
        if now - client.heard_s <= deadlines.GHOST_CLOSE_S and not client.wire.is_stalled(now):
            client.ping(now)
            return
        self.log(f'{client.identity.name}: no answer any more, socket closed')
        self.leave(client)
        client.wire.abort()

    def _publish_lease(self) -> None:
        state, holder = self.control.lease.state, self.control.lease.holder
        name = holder.name if holder else ''
        sentence = {
            State.FREE: 'nobody holds the lease',
            State.HELD: f'{name} holds the lease',
            State.AWAY: f'the link to {name} broke; it may come back',
        }[state]
        if self._gateways > 1:
            sentence = f'{self._gateways} gateways are running: end all but one'
        self.ros.publish_lease(sentence, self._gateways <= 1, {
            'state': state.value, 'holder': name,
            'allow_cmd_vel': self.control.lease.allow_cmd_vel, 'gateways': self._gateways})

    def _each_second(self) -> None:
        self._end_if_deaf()
        self.topics.refresh()
        gateways = self.ros.gateways()
        if gateways != self._gateways:
            self._gateways = gateways
            if gateways > 1:
                self._say_two_gateways()
            self._publish_lease()
        holder = self.control.lease.holder
        self.ros.publish_diagnostics(diagnostics.status(
            'gateway: clients', diagnostics.OK if gateways <= 1 else diagnostics.ERROR,
            f'{len(self.clients)} clients, '
            + (f'{holder.name} drives' if holder else 'nobody drives'),
            {'clients': len(self.clients), 'gateways': gateways,
             'lease': self.control.lease.state.value,
             'loop_lateness_p99_ms': round(1000 * self.record.lateness.percentile_s(99), 1)}))

    def _end_if_deaf(self) -> None:
        is_there = self.ros.publishers('motor/state') > 0
        if not self._hearing.is_deaf(is_there, self.now()):
            return
        self.is_deaf = True
        self.log(f'the motor node is there and was not heard for {DEAF_S:g} s: the gateway is '
                 'deaf and ends, to be started again')
        self.ros.end()

    def _say_two_gateways(self) -> None:
        sentence = announcements.two_gateways(self._gateways)
        self.log(sentence)
        self.record.stop('two_gateways', '', self.now(), time.time(), sentence)
        for client in self.clients.values():
            client.tell('error', sentence)
