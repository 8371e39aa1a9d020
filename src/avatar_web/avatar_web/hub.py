# SPDX-License-Identifier: Apache-2.0
"""
The gateway's middle: all clients, the lease, the one stream of commands, what everybody is told.

Everything runs on one event loop. A tick of PING_PERIOD_S pings the clients, measures how late
the loop is, and finds who fell silent; the lease is published at every second one and at once
when it changes.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, web

from avatar_motor import deadlines
from avatar_motor.limits import NEUTRAL, Limits, Velocity
from avatar_node import diagnostics
from avatar_web import lease, metrics, policy, rosbridge
from avatar_web.accounts import Identity
from avatar_web.client import CLOSE_ENDED, Client
from avatar_web.driving import Answer, Driving
from avatar_web.freshness import SENTENCES, Why
from avatar_web.lease import Lease
from avatar_web.motor import Motor
from avatar_web.report import Report
from avatar_web.ros import Ros
from avatar_web.topics import Topics

E_STOP_SEARCH_S = 3.0
TICKS_PER_LEASE = round(deadlines.LEASE_PERIOD_S / deadlines.PING_PERIOD_S)
TICKS_PER_SECOND = round(1 / deadlines.PING_PERIOD_S)

_WHAT = {
    lease.Event.TAKEN: 'took the lease',
    lease.Event.GIVEN: 'was given the lease',
    lease.Event.REGAINED: 'is back and has the lease again',
    lease.Event.RELEASED: 'released the lease',
    lease.Event.LOST: 'lost the lease: the link broke',
    lease.Event.EXPIRED: 'did not come back',
}


@dataclass(frozen=True)
class HubConfig:
    """What can be set about the gateway's middle."""

    robot_name: str = 'avatar'
    version: str = '0.1.0'
    max_round_trip_s: float = deadlines.MAX_ROUND_TRIP_S
    max_clients: int = 32
    messages_per_s: float = 200.0
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
        self.lease = Lease()
        self.motor = Motor()
        self.record = Report(config.robot_name, config.version, self.now(), time.time())
        self._driving = Driving(config.limits)
        self._loop = loop
        self._ticks = 0
        self._due_s = self.now()
        self._timer: asyncio.TimerHandle | None = None
        self._zero_timer: asyncio.TimerHandle | None = None
        self._gateways = 1
        self._motor_why = ''

    def start(self) -> None:
        """Begin to tick."""
        self.topics.subscribe('motor/state', '', self._motor_state)
        self._due_s = self.now()
        self._tick()

    async def close(self) -> None:
        """Stop the robot, say that nobody drives, close all sockets."""
        if self._timer is not None:
            self._timer.cancel()
        if self._driving.moving:
            self._zero('the gateway ends', '')
        clients = list(self.clients.values())
        for client in clients:
            self.leave(client)
            client.close(WSCloseCode.GOING_AWAY, 'the gateway ends')
        for _ in range(20):
            if all(client.closed for client in clients):
                break
            await asyncio.sleep(0.05)

    # ------------------------------------------------------------------ the HTTP side

    async def websocket(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        """Serve one rosbridge socket until it closes."""
        if len(self.clients) >= self.config.max_clients:
            raise web.HTTPServiceUnavailable(
                text=f'{self.config.max_clients} clients are connected: close one first\n')
        ws = web.WebSocketResponse(
            autoping=False, heartbeat=None, compress=False, timeout=0.5, writer_limit=0,
            max_msg_size=rosbridge.MAX_BYTES)
        await ws.prepare(request)
        client = Client(self, identity, ws, request, self.now())
        self._join(client)
        await client.run()
        return ws

    def ready(self) -> bool:
        """Return whether a person could drive now."""
        return self.motor.is_connected(self.now())

    def about(self) -> dict[str, Any]:
        """Return what a signed-in page is told."""
        limits = self._driving.limits
        return {'max_speed_mps': limits.max_speed_mps, 'max_turn_radps': limits.max_turn_radps}

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
                client.close(CLOSE_ENDED, 'signed out')
        holder = self.lease.holder
        if holder and (holder.session == session_id or (user and holder.name == user)):
            self._changed(self.lease.closed(holder.socket, self.now(), returns=False))

    # ------------------------------------------------------------------ clients

    def _join(self, client: Client) -> None:
        now = self.now()
        self.clients[client.number] = client
        client.ping(now)
        limits = self._driving.limits
        client.send(rosbridge.encode({
            'op': 'hello', 'name': client.identity.name, 'role': client.identity.role.word,
            'session': client.identity.session_id, 'robot': self.config.robot_name,
            'version': self.config.version,
            'max_speed_mps': limits.max_speed_mps, 'max_turn_radps': limits.max_turn_radps,
            'deadlines': {
                'page_period_s': deadlines.PAGE_PERIOD_S,
                'gateway_cmd_timeout_s': deadlines.GATEWAY_CMD_TIMEOUT_S,
                'motor_cmd_timeout_s': deadlines.MOTOR_CMD_TIMEOUT_S,
                'max_delay_s': deadlines.MAX_DELAY_S,
                'max_round_trip_s': self.config.max_round_trip_s,
                'ghost_s': deadlines.GHOST_S,
                'lease_return_s': deadlines.LEASE_RETURN_S,
            }}))
        self._changed(self.lease.connected(client.holder, now))
        self._tell_lease(client)
        self._tell_people()

    def leave(self, client: Client, *, returns: bool = True) -> None:
        """Forget a client whose socket is closed or is being closed; the wheels first."""
        self._changed(self.lease.closed(client.number, self.now(), returns=returns))
        if self.clients.pop(client.number, None) is not None:
            self._tell_people()

    def heard(self, client: Client, now: float) -> None:
        """Note a frame of a client."""
        self._changed(self.lease.heard(client.number, now))

    def answered(self, client: Client, now: float) -> None:
        """Note the answer to a ping."""
        self.record.answer(client.freshness.round_trip_s or 0.0,
                           self.lease.is_held_by(client.number))

    # ------------------------------------------------------------------ driving

    def drive(self, client: Client, op: rosbridge.Drive, within: bool, now: float) -> None:
        """Judge one command and publish what follows from it, at once."""
        self._look_at_the_clock(now)
        holds = self.lease.is_held_by(client.number)
        answer = self._driving.command(
            op.linear, op.angular, holds, client.freshness.verdict(now), now, within=within)
        if answer.publish is not None:
            self.ros.publish_velocity(answer.publish)
            if self._driving.moving and self._zero_timer is None:
                self._zero_timer = self._loop.call_at(self._driving.zero_due_s, self._silence)
        self._account(client, answer, holds, now, op.id)

    def bad(self, client: Client, sentence: str, now: float) -> None:
        """Take what cannot be read for a command without a meaning, if it is the driver's."""
        if not self.lease.is_held_by(client.number):
            return
        answer = self._driving.bad(sentence, now)
        if answer.publish is not None:
            self.ros.publish_velocity(answer.publish)
        self._account(client, answer, True, now, None)

    def _account(
        self, client: Client, answer: Answer, holds: bool, now: float, id_: rosbridge.Id
    ) -> None:
        client.tell_drive(answer.why, answer.sentence, id_)
        if answer.why:
            self.record.refuse(answer.why, holds)
            if answer.publish is not None:
                self.record.stop(answer.why, client.identity.name, now, time.time(),
                                 answer.sentence)
        else:
            self.record.command(client.freshness.bound_s(now) or 0.0)

    def _silence(self) -> None:
        self._zero_timer = None
        now = self.now()
        if self._driving.poll(now) is not None:
            self.ros.publish_velocity(NEUTRAL)
            holder = self.lease.holder
            self.record.stop('silent', holder.name if holder else '', now, time.time())
        elif self._driving.moving:
            self._zero_timer = self._loop.call_at(self._driving.zero_due_s, self._silence)

    def _zero(self, why: str, who: str) -> None:
        """Stop now, and want neutral before anything else."""
        now = self.now()
        zero: Velocity | None = self._driving.neutral_first(now)
        if zero is not None:
            self.ros.publish_velocity(zero)
            self.record.stop(why, who, now, time.time())

    def _look_at_the_clock(self, now: float) -> None:
        """
        Throw away what waited while the loop slept.

        A tick that is overdue says so, whichever of tick and command comes first after a pause:
        nothing counts that was not sent after an answer to a ping from now on.
        """
        late_s = now - self._due_s
        if late_s <= deadlines.LATE_DISCARD_S:
            return
        self._due_s = now
        for client in self.clients.values():
            client.freshness.barrier(now)
            client.ping(now)
        self.log(f'the gateway was {1000 * late_s:.0f} ms late: commands of that time are '
                 'thrown away')
        if late_s > deadlines.LATE_NEUTRAL_S:
            self._zero('gateway_late', '')
        elif self._driving.stop() is not None:
            self.ros.publish_velocity(NEUTRAL)
            self.record.stop('gateway_late', '', now, time.time())

    # ------------------------------------------------------------------ the lease

    def take(self, client: Client, now: float) -> None:
        """Give the lease to a client who may have it, whoever had it."""
        reason = policy.may_drive(client.identity.role)
        why = 'role'
        if reason is None:
            fresh = client.freshness.verdict(now)
            reason, why = SENTENCES[fresh], fresh.value
        if reason:
            client.tell('error', f'lease refused: {reason}')
            client.forget_drive()
            client.tell_drive(why, reason)
            self._tell_lease(client)
            return
        change = self.lease.take(client.holder, now)
        if change is None:
            self._tell_lease(client)
        self._changed(change)

    def release(self, client: Client, now: float) -> None:
        """Let go of the lease."""
        change = self.lease.release(client.number)
        if change is None:
            self._tell_lease(client)
        self._changed(change)

    def give(self, client: Client, op: rosbridge.LeaseGive, now: float) -> None:
        """Hand the lease to the newest socket of another session."""
        if not self.lease.is_held_by(client.number):
            client.tell('error', 'only the holder of the lease gives it away', op.id)
            return
        others = [c for c in self.clients.values()
                  if c.identity.session_id == op.to and c is not client]
        reason = 'nobody of that session is connected' if not others else policy.may_drive(
            others[-1].identity.role)
        if reason:
            client.tell('error', f'lease not given: {reason}', op.id)
            return
        self._changed(self.lease.give(client.number, others[-1].holder, now))

    def allow(self, client: Client, op: rosbridge.LeaseAllow, now: float) -> None:
        """Let `cmd_vel` drive beside the holder, or no longer."""
        if not self.lease.is_held_by(client.number):
            client.tell('error', 'only the holder of the lease allows cmd_vel', op.id)
            return
        change = self.lease.allow(client.number, op.cmd_vel)
        if change is None:
            self._tell_lease(client)
        self._changed(change)

    def _changed(self, change: lease.Change | None) -> None:
        if change is None:
            return
        now = self.now()
        event, before, after = change.event, change.before, change.after
        if event is not lease.Event.ALLOWED:
            # Whoever drives now: what was held before must be let go first.
            who = before.name if before else ''
            self._zero(f'lease_{event.value}', who)
            new = self.clients.get(after.socket) if after else None
            if new is not None:
                new.forget_drive()
                if event is not lease.Event.TAKEN:
                    # Its own "take" stands before its commands; of the rest it may not know yet.
                    new.freshness.barrier(now)
                    new.ping(now)
            if before is not None:
                self.record.end(event.value, now)
            if after is not None:
                self.record.begin(after.name, now, time.time())
            person = after or before or self.lease.holder
            self.log(f'{person.name if person else "the holder"} {_WHAT[event]}')
        self._publish_lease()
        for client in self.clients.values():
            self._tell_lease(client)
        if event is lease.Event.LOST:
            self._give_back(before)

    def _give_back(self, before: lease.Holder | None) -> None:
        """Return the lease where the session is here on a newer socket already."""
        if before is None:
            return
        for client in reversed(self.clients.values()):
            if (client.identity.session_id == before.session and not client.closing
                    and client.connected_s > self.lease.last_heard_s):
                self._changed(self.lease.connected(client.holder, self.now()))
                return

    def _publish_lease(self) -> None:
        state, holder = self.lease.state, self.lease.holder
        name = holder.name if holder else ''
        sentence = {
            lease.State.FREE: 'nobody holds the lease',
            lease.State.HELD: f'{name} holds the lease',
            lease.State.AWAY: f'the link to {name} broke; waiting',
        }[state]
        if self._gateways > 1:
            sentence = f'{self._gateways} gateways are running: end all but one'
        self.ros.publish_lease(sentence, self._gateways == 1, {
            'state': state.value, 'holder': name, 'allow_cmd_vel': self.lease.allow_cmd_vel,
            'gateways': self._gateways})

    def _tell_lease(self, client: Client) -> None:
        holder = self.lease.holder
        client.send(rosbridge.encode({
            'op': 'lease', 'holder': holder.name if holder else None,
            'session': holder.session if holder else None,
            'mine': self.lease.is_held_by(client.number), 'state': self.lease.state.value,
            'allow_cmd_vel': self.lease.allow_cmd_vel}))

    def _tell_people(self) -> None:
        people = {c.identity.session_id: c.identity for c in self.clients.values()}
        text = rosbridge.encode({'op': 'people', 'list': [
            {'name': p.name, 'role': p.role.word, 'session': p.session_id}
            for p in people.values()]})
        for client in self.clients.values():
            client.send(text)

    # ------------------------------------------------------------------ services

    def e_stop(self, client: Client, op: rosbridge.CallService, now: float) -> None:
        """Stop, whoever asks, and have the motor node latch it."""
        self._zero('e_stop', client.identity.name)
        # Also where nobody drives here: a zero more costs nothing.
        self.ros.publish_velocity(NEUTRAL)
        for other in self.clients.values():
            other.freshness.barrier(now)
        self.log(f'{client.identity.name} triggered the emergency stop')
        client.call(op, {}, E_STOP_SEARCH_S)

    def may_call(self, client: Client, op: rosbridge.CallService, now: float) -> str | None:
        """Return why this client may not call this service now, or None."""
        reason = policy.may_call(client.identity.role, op.service)
        if reason:
            return reason
        holds = self.lease.is_held_by(client.number)
        if op.service == policy.E_STOP_RESET:
            if not holds:
                return 'take the lease first: only its holder resets an emergency stop'
            fresh = client.freshness.verdict(now)
            if fresh is not Why.FRESH:
                return SENTENCES[fresh]
            reason = self.motor.reset_problem(op.args.get('number'))
            if reason:
                return reason
            self.log(f'{client.identity.name} resets emergency stop {self.motor.stop_number}')
        if op.service == policy.SELF_TEST and self.lease.state is lease.State.HELD and not holds:
            return 'somebody else drives: take the lease first'
        return None

    def _motor_state(self, text: str) -> None:
        self.motor.update(text, self.now())
        limits = self.motor.limits
        if limits is not None and limits != self._driving.limits:
            self._driving.limits = limits
        if self.motor.why != self._motor_why:
            self._motor_why = self.motor.why
            if self.lease.state is lease.State.HELD and self._motor_why:
                self.record.stop(f'motor_{self._motor_why}', '', self.now(), time.time(),
                                 self.motor.sentence)

    # ------------------------------------------------------------------ the tick

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
            self._changed(self.lease.poll(now))
            for client in list(self.clients.values()):
                if now - client.heard_s > deadlines.GHOST_CLOSE_S or client.is_stalled(now):
                    self.log(f'{client.identity.name}: no answer any more, socket closed')
                    self.leave(client)
                    client.abort()
                else:
                    client.ping(now)
        if self._ticks % TICKS_PER_LEASE == 0:
            self._publish_lease()
        if self._ticks % TICKS_PER_SECOND == 0:
            self._each_second()

    def _each_second(self) -> None:
        self.topics.refresh()
        gateways = self.ros.gateways()
        if gateways != self._gateways:
            self._gateways = gateways
            if gateways > 1:
                sentence = (f'{gateways} gateways are running on this robot: it stands still '
                            'until all but one have ended')
                self.log(sentence)
                self.record.stop('two_gateways', '', self.now(), time.time(), sentence)
                for client in self.clients.values():
                    client.tell('error', sentence)
            self._publish_lease()
        holder = self.lease.holder
        level = diagnostics.OK if gateways <= 1 else diagnostics.ERROR
        self.ros.publish_diagnostics(diagnostics.status(
            'gateway: clients', level,
            f'{len(self.clients)} clients, '
            + (f'{holder.name} drives' if holder else 'nobody drives'),
            {'clients': len(self.clients), 'gateways': gateways,
             'lease': self.lease.state.value,
             'loop_lateness_p99_ms': round(1000 * self.record.lateness.percentile_s(99), 1)}))
