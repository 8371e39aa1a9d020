# SPDX-License-Identifier: Apache-2.0
"""
Who drives and what becomes of it: the lease, the commands, and every way they end.

The wheels come first: each method publishes what is due before it tells, logs or counts. All of
it runs on the event loop and awaits nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from avatar_motor import deadlines
from avatar_motor.limits import NEUTRAL, Limits
from avatar_web.driving import lease
from avatar_web.driving.driving import Answer, Driving
from avatar_web.driving.freshness import SENTENCES
from avatar_web.driving.lease import Lease
from avatar_web.driving.report import Report
from avatar_web.rates import Log
from avatar_web.ros.node import Ros
from avatar_web.rosbridge import policy
from avatar_web.rosbridge.operations import Drive, Id, LeaseAllow, LeaseGive

if TYPE_CHECKING:
    from avatar_web.clients.client import Client

ROLE = 'role'

_WHAT = {
    lease.Event.TAKEN: 'took the lease',
    lease.Event.GIVEN: 'was given the lease',
    lease.Event.REGAINED: 'is back and has the lease again',
    lease.Event.RELEASED: 'released the lease',
    lease.Event.LOST: 'lost the lease: the link broke',
    lease.Event.EXPIRED: 'did not come back for the lease',
}


class Control:
    """The lease and the one stream of commands; `changed` is called after each change."""

    def __init__(
        self, ros: Ros, clients: Mapping[int, Client], limits: Limits, record: Report,
        loop: asyncio.AbstractEventLoop, log: Callable[[str], None], changed: Callable[[], None],
    ) -> None:
        self.lease = Lease()
        self._driving = Driving(limits)
        self._ros, self._clients, self._record = ros, clients, record
        self._loop, self._on_change = loop, changed
        # Two who take the lease from each other again and again, a key held on Stop.
        self._news = Log(log, 0.5, 20, loop.time())
        self._zero_timer: asyncio.TimerHandle | None = None
        # A machine that is too busy is late again and again: said every ten seconds.
        self._late_news = Log(log, 0.1, 1, loop.time())

    @property
    def limits(self) -> Limits:
        """Return the limits that commands are clamped to."""
        return self._driving.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._driving.limits = limits

    # ------------------------------------------------------------------ commands

    def drive(self, client: Client, op: Drive, within: bool, now: float) -> None:
        """Judge one command and publish what follows from it."""
        holds = self.lease.is_held_by(client.number)
        answer = self._driving.command(
            op.linear, op.angular, holds, client.freshness.verdict(now), now, within=within)
        if answer.publish is not None:
            self._ros.publish_velocity(answer.publish)
            if self._driving.moving and self._zero_timer is None:
                self._zero_timer = self._loop.call_at(self._driving.zero_due_s, self._silence)
        self._account(client, answer, holds, now, op.id)

    def is_held(self, now: float) -> bool:
        """Return whether the holder of the lease asks for movement now, obeyed or not."""
        return self._driving.is_held(now)

    def bad(self, client: Client, sentence: str, now: float) -> None:
        """Take what cannot be read for a command without a meaning, if it is the driver's."""
        if not self.lease.is_held_by(client.number):
            return
        answer = self._driving.bad(sentence, now)
        if answer.publish is not None:
            self._ros.publish_velocity(answer.publish)
        self._account(client, answer, True, now, None)

    def e_stop(self, client: Client, now: float) -> None:
        """Stop, and let nothing pass that was sent before this was known."""
        self._zero('e_stop', client.identity.name, now, always=True)
        self.discard(now)
        self._news.say(f'{client.identity.name} triggered the emergency stop', now)

    def discard(self, now: float) -> None:
        """Throw away every command that was sent before `now`."""
        for client in self._clients.values():
            client.freshness.barrier(now)
            client.ping(now)

    def overslept(self, late_s: float, now: float) -> None:
        """Throw away what waited while the loop slept; after a long sleep, neutral first."""
        if late_s > deadlines.LATE_NEUTRAL_S:
            self._zero('gateway_late', '', now)
        elif self._driving.stop() is not None:
            self._ros.publish_velocity(NEUTRAL)
            self._record.stop('gateway_late', '', now, time.time())
        self.discard(now)
        self._late_news.say(f'the gateway was {1000 * late_s:.0f} ms late: commands of that time '
                            'are thrown away', now)

    def end(self) -> None:
        """Leave the robot standing."""
        self._zero('gateway_ends', '', self._loop.time())

    def _account(
        self, client: Client, answer: Answer, holds: bool, now: float, id_: Id
    ) -> None:
        client.tell_drive(answer.why, answer.sentence, id_)
        if not answer.why:
            self._record.command(client.freshness.bound_s(now) or 0.0)
            return
        self._record.refuse(answer.why, holds)
        if answer.publish is not None:
            self._record.stop(
                answer.why, client.identity.name, now, time.time(), answer.sentence)

    def _silence(self) -> None:
        self._zero_timer = None
        now = self._loop.time()
        if self._driving.poll(now) is not None:
            self._ros.publish_velocity(NEUTRAL)
            holder = self.lease.holder
            self._record.stop('silent', holder.name if holder else '', now, time.time())
        elif self._driving.moving:
            self._zero_timer = self._loop.call_at(self._driving.zero_due_s, self._silence)

    def _zero(self, why: str, who: str, now: float, *, always: bool = False) -> None:
        """Stop now, and want neutral before anything else."""
        zero = self._driving.neutral_first(now)
        if zero is not None or always:
            self._ros.publish_velocity(NEUTRAL)
        if zero is not None:
            self._record.stop(why, who, now, time.time())

    # ------------------------------------------------------------------ the lease

    def joined(self, client: Client, now: float) -> None:
        """Give a session its lease back that a broken link took from it."""
        self._changed(self.lease.connected(client.holder, now), now)

    def left(self, client: Client, now: float, *, returns: bool) -> None:
        """Take the lease from a socket that is gone; who may not return loses it for good."""
        self._changed(self.lease.closed(client.number, now, returns=returns), now)

    def ended(self, now: float, *, session_id: str, user: str) -> None:
        """Take the lease from a session or user who will not be let in again."""
        holder = self.lease.holder
        if holder and (holder.session == session_id or (user and holder.name == user)):
            self._changed(self.lease.closed(holder.socket, now, returns=False), now)

    def heard(self, client: Client, now: float) -> None:
        """Note a frame of a client."""
        self._changed(self.lease.heard(client.number, now), now)

    def poll(self, now: float) -> None:
        """Note what time alone has changed."""
        self._changed(self.lease.poll(now), now)

    def take(self, client: Client, now: float) -> None:
        """Give the lease to a client who may have it, whoever had it."""
        why, reason = ROLE, policy.may_drive(client.identity.role)
        if reason is None:
            fresh = client.freshness.verdict(now)
            why, reason = fresh.value, SENTENCES[fresh]
        if reason:
            client.forget_drive()
            client.tell_drive(why, reason)
            client.tell_lease(self.lease)
        else:
            self._answer(client, self.lease.take(client.holder, now), now)

    def release(self, client: Client, now: float) -> None:
        """Let go of the lease."""
        self._answer(client, self.lease.release(client.number), now)

    def give(self, client: Client, op: LeaseGive, now: float) -> None:
        """Hand the lease to the newest socket of another session."""
        if not self.lease.is_held_by(client.number):
            client.tell('error', 'only the holder of the lease gives it away', op.id)
            return
        others = [c for c in self._clients.values()
                  if c.identity.session_id == op.to and c is not client and not c.closing]
        reason = ('nobody of that session is connected' if not others
                  else policy.may_drive(others[-1].identity.role))
        if reason:
            client.tell('error', f'lease not given: {reason}', op.id)
            return
        self._changed(self.lease.give(client.number, others[-1].holder, now), now)

    def stand(self, who: str, now: float) -> None:
        """Leave the robot standing, and nobody in control, because `who` ends all of it."""
        self._zero('robot_ends', who, now, always=True)
        holder = self.lease.holder
        if holder is not None:
            self._changed(self.lease.release(holder.socket)
                          or self.lease.closed(holder.socket, now, returns=False), now)

    def allow(self, client: Client, op: LeaseAllow, now: float) -> None:
        """Let `cmd_vel` drive beside the holder, or no longer."""
        if not self.lease.is_held_by(client.number):
            client.tell('error', 'only the holder of the lease allows cmd_vel', op.id)
            return
        self._answer(client, self.lease.allow(client.number, op.cmd_vel), now)

    def _answer(self, client: Client, change: lease.Change | None, now: float) -> None:
        if change is None:
            client.tell_lease(self.lease)
        else:
            self._changed(change, now)

    def _changed(self, change: lease.Change | None, now: float) -> None:
        if change is None:
            return
        event, before, after = change.event, change.before, change.after
        if event is not lease.Event.ALLOWED:
            # Whoever drives now: what was held before must be let go first.
            self._zero(f'lease_{event.value}', before.name if before else '', now)
            new = self._clients.get(after.socket) if after else None
            if new is not None:
                new.forget_drive()
                if event is not lease.Event.TAKEN:
                    # Its own "take" stands before its commands; of the rest it may not know yet.
                    new.freshness.barrier(now)
                    new.ping(now)
            if before is not None:
                self._record.end(event.value, now)
            if after is not None:
                self._record.begin(after.name, now, time.time())
            person = after or before
            self._news.say(f'{person.name if person else "the holder"} {_WHAT[event]}', now)
        self._on_change()
        if event is lease.Event.LOST and before is not None:
            self._give_back(before, now)

    def _give_back(self, before: lease.Holder, now: float) -> None:
        """Return the lease where the session is here on a newer socket already."""
        for client in reversed(list(self._clients.values())):
            if (client.identity.session_id == before.session and not client.closing
                    and client.connected_s > self.lease.last_heard_s):
                self.joined(client, now)
                return
