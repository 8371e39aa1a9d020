# SPDX-License-Identifier: Apache-2.0
"""
Who is in control: the holder of the lease, or `cmd_vel`, or nobody.

Everything is judged by the time of receipt. Whenever control changes, both inputs have to be
let go once before the robot moves again.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from avatar_motor.attention import Attention
from avatar_motor.deadlines import LEASE_COMMAND_S, LEASE_FRESH_S, LEASE_RETURN_S
from avatar_motor.inputs import Input
from avatar_motor.limits import NEUTRAL, Velocity
from avatar_motor.why import Why

SETTLE_S = 2.0
"""For this long after the start a publisher may be there that is not discovered yet."""

RECENT_S = 1.0
"""For this long a passing trouble (bad command, commands stopped) is told."""


class Source(str, Enum):
    """Where a movement comes from."""

    OPERATOR = 'operator'
    CMD_VEL = 'cmd_vel'
    SELF_TEST = 'self_test'
    NONE = 'none'


class LeaseState(str, Enum):
    """What the gateway says of the lease."""

    FREE = 'free'
    HELD = 'held'
    AWAY = 'away'


@dataclass(frozen=True)
class Lease:
    """One message of `operator/lease`."""

    state: LeaseState
    holder: str = ''
    allow_cmd_vel: bool = False


def lease_of(values: Mapping[str, str]) -> Lease:
    """Return the lease of a message; one that makes no sense keeps everybody from driving."""
    try:
        state = LeaseState(values['state'])
    except (KeyError, ValueError):
        return Lease(LeaseState.AWAY)
    allow = state is LeaseState.HELD and values.get('allow_cmd_vel') == 'true'
    return Lease(state, values.get('holder', ''), allow)


@dataclass(frozen=True)
class Decision:
    """Whose command counts now and what it asks for; why it is nothing, if it is nothing."""

    source: Source
    velocity: Velocity
    why: Why
    until_s: float = math.inf  # when the command is too old


class Arbitration:
    """The inputs, the lease, and the rules of who may drive."""

    def __init__(self, now_s: float) -> None:
        self.operator = Input(now_s + SETTLE_S)
        self.cmd_vel = Input(now_s + SETTLE_S)
        self.gate_reason = 'the motor node just started'
        self._attention = Attention()
        self._lease: Lease | None = None  # None: no gateway seen, or it is gone for good
        self._lease_s = 0.0
        self._lease_is_known = False
        self._settled_s = now_s + SETTLE_S
        self._refused_until_s = -math.inf  # cmd_vel, while the holder may come back
        self._publishers = 0
        self.owner = ''  # a name for whoever is in control, '' = nobody

    @property
    def lease(self) -> Lease | None:
        """Return the last lease, None if there is no gateway."""
        return self._lease

    def neutral_first(self, now_s: float, reason: str) -> None:
        """Let nothing move before the controls were let go after now_s."""
        self.gate_reason = reason
        self.operator.close(now_s)
        self.cmd_vel.close(now_s)

    def on_command(
        self, source: Source, velocity: Velocity | None, at_s: float, *, late: bool = False
    ) -> None:
        """Take a command (None: it was no velocity) received at at_s."""
        if source is Source.CMD_VEL:
            self.cmd_vel.receive(velocity, at_s, late=late)
            return
        if self._lease is not None and at_s - self._lease_s > LEASE_COMMAND_S:
            late = True
        self.operator.receive(velocity, at_s, late=late)
        if self._lease is not None and self._lease.allow_cmd_vel:
            # The holder takes over from a script by driving; the script begins anew after it.
            self.cmd_vel.close(at_s)

    def on_lease(self, lease: Lease, at_s: float) -> None:
        """Take what the gateway said at at_s."""
        before = self._lease
        if before is not None and at_s - self._lease_s > LEASE_FRESH_S:
            self._refuse_until(self._lease_s + LEASE_RETURN_S)
        if lease.state is LeaseState.HELD:
            self._refused_until_s = -math.inf
        elif lease.state is LeaseState.AWAY and not (before and before.state is lease.state):
            self._refuse_until(at_s + LEASE_RETURN_S)
        if before is not None and lease.allow_cmd_vel and not before.allow_cmd_vel:
            self.cmd_vel.close(at_s)
        self._lease, self._lease_s, self._lease_is_known = lease, at_s, True
        self._note_change(at_s)

    def on_attention(self, asked_s: float, at_s: float) -> None:
        """Take that the receiver, asked at asked_s, answered at at_s."""
        self._attention.answered(asked_s, at_s)
        for one in (self.operator, self.cmd_vel):
            one.listened(self._attention.since_s, asked_s)

    @property
    def waits_for_silence(self) -> bool:
        """Return whether it matters now that the receiver listens."""
        return not (self.operator.is_open and self.cmd_vel.is_open)

    def on_publishers(self, count: int, now_s: float) -> None:
        """Take how many live publishers there are of what only one gateway may publish."""
        self._publishers = count
        self._note_change(now_s)

    def on_sleep(self, late_s: float, now_s: float) -> None:
        """Trust nothing that was known before this process slept for late_s."""
        self.neutral_first(now_s, f'the motor node was held up for {late_s:.1f} s')
        # Whoever publishes may have to be discovered again.
        settled_s = now_s + min(late_s, SETTLE_S)
        for one in (self.operator, self.cmd_vel):
            one.distrust_silence(settled_s)
        if self._lease is None:
            self._settled_s = max(self._settled_s, settled_s)
        else:
            # That no lease arrived meanwhile says nothing about the gateway.
            self._lease_s, self._lease_is_known = now_s, False

    def decide(self, now_s: float, timeout_s: float) -> Decision:
        """Return whose command moves the robot now, or why nobody's does."""
        owner, why = self._note_change(now_s)
        if not owner:
            return Decision(Source.NONE, NEUTRAL, why)
        source, chosen = Source.CMD_VEL, self.cmd_vel
        if owner != Source.CMD_VEL.value:
            guest = self._lease is not None and self._lease.allow_cmd_vel
            if not guest or self.operator.is_fresh(now_s, timeout_s):
                source, chosen = Source.OPERATOR, self.operator
        if not chosen.is_open:
            return Decision(Source.NONE, NEUTRAL, Why.WAITING_NEUTRAL)
        if chosen.is_fresh(now_s, timeout_s):
            why = Why.BAD_COMMAND if chosen.bad_s == chosen.heard_s else Why.FREE
            return Decision(source, chosen.velocity, why, chosen.heard_s + timeout_s)
        return Decision(Source.NONE, NEUTRAL, self._why_idle(chosen, now_s))

    def _why_idle(self, chosen: Input, now_s: float) -> Why:
        if chosen.bad_s == chosen.heard_s and now_s - chosen.bad_s < RECENT_S:
            return Why.BAD_COMMAND
        if not chosen.velocity.is_zero and now_s - chosen.heard_s < RECENT_S:
            return Why.NO_COMMAND
        if chosen is self.operator and self.cmd_vel.is_held(now_s):
            return Why.SOMEONE_ELSE
        return Why.FREE

    def _refuse_until(self, until_s: float) -> None:
        self._refused_until_s = max(self._refused_until_s, until_s)

    def _note_change(self, now_s: float) -> tuple[str, Why]:
        """Return who is in control; a change of that is neutral first."""
        owner, why = self._who(now_s)
        if owner != self.owner:
            self.owner = owner
            self.neutral_first(now_s, 'control changed')
        return owner, why

    def _who(self, now_s: float) -> tuple[str, Why]:
        """Return the name of whoever is in control, or '' and why nobody is."""
        if self._publishers > 1:
            return '', Why.TWO_PUBLISHERS
        if self._lease is not None and now_s - self._lease_s > LEASE_FRESH_S:
            # The gateway is dead. Its holder may come back; after that it is as if never seen.
            self._refuse_until(self._lease_s + LEASE_RETURN_S)
            if now_s < self._refused_until_s:
                return '', Why.HOLDER_AWAY
            self._lease = None
        if self._lease is None:
            if now_s < self._settled_s:
                return '', Why.WAITING_NEUTRAL
            return Source.CMD_VEL.value, Why.FREE
        if not self._lease_is_known:
            return '', Why.LATE
        if self._lease.state is LeaseState.HELD:
            return f'operator {self._lease.holder}', Why.FREE
        if self._lease.state is LeaseState.AWAY or now_s < self._refused_until_s:
            return '', Why.HOLDER_AWAY
        return Source.CMD_VEL.value, Why.FREE
