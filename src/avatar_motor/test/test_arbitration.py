# SPDX-License-Identifier: Apache-2.0
"""Who is in control, and when control is refused: each sentence of the first promise."""

import pytest

from avatar_motor.arbitration import (
    SETTLE_S,
    Arbitration,
    Lease,
    LeaseState,
    Source,
    lease_of,
)
from avatar_motor.deadlines import LEASE_COMMAND_S, LEASE_FRESH_S, LEASE_RETURN_S
from avatar_motor.inputs import NEUTRAL_S
from avatar_motor.limits import NEUTRAL, Velocity
from avatar_motor.why import Why

GO = Velocity(0.3, 0.0)
TIMEOUT_S = 0.3
FREE = Lease(LeaseState.FREE)
ANA = Lease(LeaseState.HELD, 'ana')
ANA_ALLOWS = Lease(LeaseState.HELD, 'ana', True)
BOB = Lease(LeaseState.HELD, 'bob')
AWAY = Lease(LeaseState.AWAY, 'ana')


class Bench:
    """An arbitration with a clock; the lease is repeated while time passes, as in life."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.core = Arbitration(self.now_s)
        self.gateway: Lease | None = None
        self.decide()

    def decide(self):
        return self.core.decide(self.now_s, TIMEOUT_S)

    def pass_time(self, seconds: float, **held: Velocity) -> None:
        """Let time pass in steps of 50 ms; held: source=velocity, sent in each."""
        for _ in range(round(seconds / 0.05)):
            self.now_s += 0.05
            if self.gateway is not None:
                self.core.on_lease(self.gateway, self.now_s)
            for name, velocity in held.items():
                self.core.on_command(Source(name), velocity, self.now_s)
            self.core.on_attention(self.now_s, self.now_s)
            self.decide()

    def lease(self, lease: Lease | None) -> None:
        """Let the gateway say this from now on; None kills it."""
        self.gateway = lease
        if lease is not None:
            self.core.on_lease(lease, self.now_s)
        self.decide()

    def push(self, source: str, velocity: Velocity = GO) -> Source:
        """Send one command and return who moves the robot then."""
        self.core.on_command(Source(source), velocity, self.now_s)
        return self.source()

    def source(self) -> Source:
        decision = self.decide()
        return decision.source if not decision.velocity.is_zero else Source.NONE


@pytest.fixture
def bench():
    bench = Bench()
    bench.pass_time(SETTLE_S + NEUTRAL_S + 0.1)
    return bench


def test_without_a_gateway_scripts_drive_and_the_operator_topic_does_not(bench):
    assert bench.push('cmd_vel') is Source.CMD_VEL
    assert bench.push('operator') is Source.CMD_VEL
    bench.pass_time(0.35)
    assert bench.source() is Source.NONE


def test_before_discovery_is_over_nobody_drives():
    bench = Bench()
    bench.pass_time(SETTLE_S - 0.2, cmd_vel=NEUTRAL)
    assert bench.push('cmd_vel') is Source.NONE
    assert bench.decide().why is Why.WAITING_NEUTRAL
    # A command held over the start is not obeyed when discovery is over either.
    bench.pass_time(5.0, cmd_vel=GO)
    assert bench.push('cmd_vel') is Source.NONE
    bench.push('cmd_vel', NEUTRAL)
    assert bench.push('cmd_vel') is Source.CMD_VEL


def test_a_holder_discovered_late_is_not_obeyed_either():
    """A respawned motor node hears of the lease first, of the held key a second later."""
    bench = Bench()
    bench.lease(ANA)
    bench.pass_time(1.0)
    bench.pass_time(3.0, operator=GO)
    assert bench.source() is Source.NONE
    assert bench.decide().why is Why.WAITING_NEUTRAL
    bench.push('operator', NEUTRAL)
    assert bench.push('operator') is Source.OPERATOR


def test_while_a_lease_is_held_only_its_holder_drives(bench):
    bench.lease(ANA)
    bench.pass_time(0.4)
    assert bench.push('cmd_vel') is Source.NONE
    assert bench.decide().why is Why.SOMEONE_ELSE
    assert bench.push('operator') is Source.OPERATOR
    assert bench.push('cmd_vel', Velocity(-0.5, 0.0)) is Source.OPERATOR
    assert bench.decide().velocity == GO


def test_a_free_lease_means_scripts(bench):
    bench.lease(FREE)
    bench.pass_time(0.4)
    assert bench.push('operator') is Source.NONE
    assert bench.push('cmd_vel') is Source.CMD_VEL


def test_allowed_scripts_yield_to_the_holder_and_begin_anew(bench):
    bench.lease(ANA_ALLOWS)
    bench.pass_time(0.4)
    assert bench.push('cmd_vel') is Source.CMD_VEL
    assert bench.push('operator') is Source.OPERATOR
    # A zero of the holder is control too: the script does not go on through it.
    bench.push('operator', NEUTRAL)
    assert bench.push('cmd_vel') is Source.NONE
    # A script that was driving all the time has to let go once.
    bench.pass_time(2.0, cmd_vel=GO)
    assert bench.source() is Source.NONE
    assert bench.decide().why is Why.WAITING_NEUTRAL
    bench.pass_time(0.35)
    assert bench.push('cmd_vel') is Source.CMD_VEL


def test_allowing_and_forbidding_scripts(bench):
    bench.lease(ANA)
    bench.pass_time(1.0)  # the script is silent at first
    bench.pass_time(1.0, cmd_vel=GO)
    bench.lease(ANA_ALLOWS)
    bench.pass_time(1.0, cmd_vel=GO)
    assert bench.source() is Source.NONE
    bench.pass_time(0.35)
    assert bench.push('cmd_vel') is Source.CMD_VEL
    bench.lease(ANA)
    assert bench.source() is Source.NONE


@pytest.mark.parametrize('other', [BOB, FREE, ANA_ALLOWS, AWAY])
def test_every_change_of_control_is_neutral_first(bench, other):
    bench.lease(ANA)
    bench.pass_time(1.0)
    bench.pass_time(0.5, operator=GO)
    assert bench.source() is Source.OPERATOR
    bench.lease(other)
    if other is not ANA_ALLOWS:  # ana stays in control there
        assert bench.source() is Source.NONE
    bench.pass_time(1.0, operator=GO, cmd_vel=GO)
    assert bench.source() is (Source.OPERATOR if other is ANA_ALLOWS else Source.NONE)


def test_a_holder_who_takes_over_lets_go_first(bench):
    bench.lease(FREE)
    bench.pass_time(0.4)
    bench.lease(ANA)
    bench.pass_time(1.0, operator=GO)
    assert bench.source() is Source.NONE
    bench.push('operator', NEUTRAL)
    assert bench.push('operator') is Source.OPERATOR


def test_while_the_holder_is_away_nobody_drives_for_ten_seconds(bench):
    bench.lease(ANA_ALLOWS)
    bench.pass_time(1.0)
    bench.lease(AWAY)
    lost_s = bench.now_s
    while bench.now_s < lost_s + LEASE_RETURN_S - 0.2:
        bench.pass_time(0.05, cmd_vel=GO)
        assert bench.source() is Source.NONE
        assert bench.decide().why is Why.HOLDER_AWAY
    bench.lease(FREE)
    bench.pass_time(1.0, cmd_vel=GO)
    assert bench.decide().why is Why.WAITING_NEUTRAL
    bench.pass_time(0.35)
    assert bench.push('cmd_vel') is Source.CMD_VEL


def test_a_gateway_that_calls_the_lease_free_too_early_is_not_believed(bench):
    bench.lease(ANA)
    bench.pass_time(1.0)
    bench.lease(AWAY)
    bench.pass_time(3.0)
    bench.lease(FREE)
    bench.pass_time(1.0)
    assert bench.push('cmd_vel') is Source.NONE
    assert bench.decide().why is Why.HOLDER_AWAY
    bench.pass_time(LEASE_RETURN_S - 4.0 + 0.4)
    assert bench.push('cmd_vel') is Source.CMD_VEL


def test_a_holder_who_comes_back_ends_the_refusal(bench):
    bench.lease(ANA)
    bench.pass_time(1.0)
    bench.lease(AWAY)
    bench.pass_time(3.0)
    bench.lease(ANA)
    bench.pass_time(0.35)
    assert bench.push('operator') is Source.OPERATOR
    bench.lease(FREE)  # and releases in order
    bench.pass_time(0.35)
    assert bench.push('cmd_vel') is Source.CMD_VEL


@pytest.mark.parametrize('last', [FREE, ANA, ANA_ALLOWS])
def test_after_the_gateway_died_scripts_wait_ten_seconds_and_are_neutral_first(bench, last):
    bench.lease(last)
    bench.pass_time(1.0)
    bench.lease(None)
    died_s = bench.now_s
    bench.pass_time(LEASE_FRESH_S + 0.1, cmd_vel=GO)
    while bench.now_s < died_s + LEASE_RETURN_S - 0.1:
        bench.pass_time(0.05, cmd_vel=GO, operator=GO)
        assert bench.source() is Source.NONE
    bench.pass_time(2.0, cmd_vel=GO, operator=GO)
    assert bench.source() is Source.NONE
    bench.pass_time(0.35)
    assert bench.push('cmd_vel') is Source.CMD_VEL


def test_a_stale_lease_is_no_lease(bench):
    bench.lease(ANA)
    bench.pass_time(1.0, operator=NEUTRAL)
    assert bench.push('operator') is Source.OPERATOR
    bench.lease(None)
    bench.pass_time(LEASE_FRESH_S - 0.05, operator=GO)
    assert bench.source() is Source.OPERATOR
    bench.pass_time(0.1, operator=GO)
    assert bench.source() is Source.NONE


def test_a_gateway_that_comes_back_free_does_not_end_the_refusal(bench):
    bench.lease(ANA)
    bench.pass_time(1.0)
    bench.lease(None)
    bench.pass_time(2.0)
    bench.lease(FREE)
    bench.pass_time(1.0)
    assert bench.push('cmd_vel') is Source.NONE
    assert bench.decide().why is Why.HOLDER_AWAY
    bench.lease(ANA)
    bench.pass_time(0.35)
    assert bench.push('operator') is Source.OPERATOR


def test_a_short_gap_without_a_pass_in_it_is_seen_too(bench):
    bench.lease(ANA)
    bench.pass_time(1.0)
    bench.now_s += LEASE_FRESH_S + 0.1
    bench.core.on_lease(FREE, bench.now_s)
    bench.gateway = FREE
    bench.pass_time(1.0)
    assert bench.push('cmd_vel') is Source.NONE


def test_a_command_that_was_on_its_way_while_its_gateway_was_held_up_moves_nothing(bench):
    """Stopped in the middle of publishing, the gateway goes on with that when it continues."""
    bench.lease(ANA)
    bench.pass_time(1.0)
    assert bench.push('operator') is Source.OPERATOR
    bench.now_s += LEASE_COMMAND_S - 0.01
    assert bench.push('operator') is Source.OPERATOR
    bench.now_s += 0.02
    bench.core.on_command(Source.OPERATOR, NEUTRAL, bench.now_s)
    assert bench.push('operator') is Source.NONE
    bench.lease(ANA)
    assert bench.source() is Source.NONE  # not by what came before the gateway was back either
    assert bench.push('operator') is Source.OPERATOR


def test_two_gateways_stop_everybody(bench):
    bench.lease(ANA)
    bench.pass_time(1.0)
    bench.push('operator')
    bench.core.on_publishers(2, bench.now_s)
    assert bench.source() is Source.NONE
    assert bench.decide().why is Why.TWO_PUBLISHERS
    bench.pass_time(1.0, operator=GO, cmd_vel=GO)
    bench.core.on_publishers(1, bench.now_s)
    assert bench.push('operator') is Source.NONE
    bench.push('operator', NEUTRAL)
    assert bench.push('operator') is Source.OPERATOR


def test_after_a_sleep_the_lease_is_asked_anew_but_the_gateway_is_not_dead(bench):
    bench.lease(FREE)
    bench.pass_time(1.0)
    bench.now_s += 5.0
    bench.core.on_sleep(5.0, bench.now_s)
    assert bench.decide().why is Why.LATE
    bench.pass_time(0.05)  # the gateway's next message
    bench.push('cmd_vel', NEUTRAL)
    assert bench.push('cmd_vel') is Source.CMD_VEL


def test_after_a_sleep_without_gateway_discovery_gets_its_time(bench):
    bench.now_s += 5.0
    bench.core.on_sleep(5.0, bench.now_s)
    bench.push('cmd_vel', NEUTRAL)
    assert bench.push('cmd_vel') is Source.NONE
    bench.pass_time(SETTLE_S + 0.1)
    bench.pass_time(0.35)
    assert bench.push('cmd_vel') is Source.CMD_VEL


@pytest.mark.parametrize('slept_s', [0.4, 1.5, 5.0])
def test_after_a_sleep_a_publisher_that_is_not_heard_yet_has_not_let_go(bench, slept_s):
    """DDS may have forgotten it, and finds it again later than the gateway."""
    bench.lease(FREE)
    bench.pass_time(1.0)
    bench.push('cmd_vel')
    bench.now_s += slept_s
    bench.core.on_sleep(slept_s, bench.now_s)
    bench.pass_time(min(slept_s, SETTLE_S) + NEUTRAL_S - 0.1)
    assert bench.push('cmd_vel') is Source.NONE
    bench.pass_time(NEUTRAL_S + 0.1)
    assert bench.push('cmd_vel') is Source.CMD_VEL


def test_a_bad_command_is_told_and_moves_nothing(bench):
    bench.push('cmd_vel')
    bench.core.on_command(Source.CMD_VEL, None, bench.now_s)
    assert bench.source() is Source.NONE and bench.decide().why is Why.BAD_COMMAND
    bench.pass_time(0.5)
    assert bench.decide().why is Why.BAD_COMMAND
    assert bench.push('cmd_vel') is Source.CMD_VEL


def test_commands_that_stop_coming_are_told_for_a_second(bench):
    bench.push('cmd_vel')
    bench.pass_time(0.35)
    assert bench.decide().why is Why.NO_COMMAND
    bench.pass_time(1.0)
    assert bench.decide().why is Why.FREE


@pytest.mark.parametrize(('values', 'lease'), [
    ({'state': 'free', 'holder': '', 'allow_cmd_vel': 'false'}, FREE),
    ({'state': 'held', 'holder': 'ana', 'allow_cmd_vel': 'true'}, ANA_ALLOWS),
    ({'state': 'held', 'holder': 'ana', 'allow_cmd_vel': 'yes'}, ANA),
    ({'state': 'free', 'holder': '', 'allow_cmd_vel': 'true'}, FREE),
    ({'state': 'Held'}, Lease(LeaseState.AWAY)),
    ({}, Lease(LeaseState.AWAY)),
])
def test_reading_the_lease(values, lease):
    assert lease_of(values) == lease
