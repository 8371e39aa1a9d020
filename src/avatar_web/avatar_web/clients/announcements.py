# SPDX-License-Identifier: Apache-2.0
"""Our own messages to clients, as text: who you are, who drives, who is there."""

from collections.abc import Iterable

from avatar_motor import deadlines
from avatar_motor.limits import Limits
from avatar_web.accounts.identity import Identity
from avatar_web.driving.lease import Lease
from avatar_web.rosbridge.protocol import encode


def hello(
    identity: Identity, robot: str, version: str, limits: Limits, max_round_trip_s: float
) -> str:
    """Return the first message to a client; the deadlines are told, no message changes them."""
    return encode({
        'op': 'hello', 'name': identity.name, 'role': identity.role.word,
        'session': identity.session_id, 'robot': robot, 'version': version,
        'max_speed_mps': limits.max_speed_mps, 'max_turn_radps': limits.max_turn_radps,
        'deadlines': {
            'page_period_s': deadlines.PAGE_PERIOD_S,
            'gateway_cmd_timeout_s': deadlines.GATEWAY_CMD_TIMEOUT_S,
            'motor_cmd_timeout_s': deadlines.MOTOR_CMD_TIMEOUT_S,
            'max_delay_s': deadlines.MAX_DELAY_S,
            'max_round_trip_s': max_round_trip_s,
            'ghost_s': deadlines.GHOST_S,
            'lease_return_s': deadlines.LEASE_RETURN_S,
        }})


def lease_for(lease: Lease, socket: int) -> str:
    """Return who holds the lease, as the client of this socket sees it."""
    holder = lease.holder
    return encode({
        'op': 'lease', 'holder': holder.name if holder else None,
        'session': holder.session if holder else None, 'mine': lease.is_held_by(socket),
        'state': lease.state.value, 'allow_cmd_vel': lease.allow_cmd_vel})


def people(identities: Iterable[Identity]) -> str:
    """Return who is connected, each session once."""
    sessions = {identity.session_id: identity for identity in identities}
    return encode({'op': 'people', 'list': [
        {'name': p.name, 'role': p.role.word, 'session': p.session_id}
        for p in sessions.values()]})


def two_gateways(count: int) -> str:
    """Return the sentence for more than one publisher of operator/cmd_vel."""
    return (f'{count} gateways are running on this robot: it stands still until all but one '
            'have ended')
