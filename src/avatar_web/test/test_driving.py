# SPDX-License-Identifier: Apache-2.0
"""From commands to what is published: the holder's, fresh, after neutral; else zero or nothing."""

import math

import pytest

from avatar_motor import deadlines
from avatar_motor.limits import NEUTRAL, Limits, Velocity
from avatar_web.driving.driving import Driving
from avatar_web.driving.freshness import Why


def forward(driving, now, x=0.3, *, holds=True, fresh=Why.FRESH, within=True):
    return driving.command((x, 0.0, 0.0), (0.0, 0.0, 0.0), holds, fresh, now, within=within)


@pytest.fixture
def driving():
    """Return one that has just let go."""
    driving = Driving(Limits())
    forward(driving, 1.0, 0.0)
    return driving


def test_a_fresh_command_of_the_holder_passes(driving):
    assert forward(driving, 1.1).publish == Velocity(0.3, 0.0)
    assert driving.moving


def test_nobody_else_moves_or_stops_it(driving):
    forward(driving, 1.1)
    for x in (0.3, 0.0, math.nan):
        answer = forward(driving, 1.15, x, holds=False)
        assert (answer.publish, answer.why) == (None, 'no_lease')
    assert driving.moving


@pytest.mark.parametrize('fresh', [Why.LATE, Why.LINK_SLOW, Why.NO_ANSWER_YET])
def test_what_is_not_fresh_is_refused_but_never_a_zero(driving, fresh):
    assert forward(driving, 1.1, fresh=fresh).why == fresh.value
    forward(driving, 1.2)
    assert forward(driving, 1.3, 0.0, fresh=fresh).publish == NEUTRAL
    assert not driving.moving


def test_too_many_messages_refuse_commands_but_never_a_zero(driving):
    forward(driving, 1.1)
    assert forward(driving, 1.15, within=False).why == 'limits'
    assert forward(driving, 1.2, 0.0, within=False).publish == NEUTRAL


@pytest.mark.parametrize('x', [math.nan, math.inf, -math.inf, 1e308, 2.01, -2.01])
def test_a_bad_command_is_neutral_at_once_and_said(driving, x):
    forward(driving, 1.1)
    answer = forward(driving, 1.15, x)
    assert (answer.publish, answer.why) == (NEUTRAL, 'bad_command')
    assert 'linear.x' in answer.sentence
    # Once neutral, a zero more says nothing new.
    assert forward(driving, 1.2, x).publish is None


def test_neutral_first_wants_a_zero(driving):
    forward(driving, 1.1)
    assert driving.neutral_first(1.2) == NEUTRAL
    assert forward(driving, 1.25).why == 'waiting_neutral'
    forward(driving, 1.3, 0.0)
    assert forward(driving, 1.35).publish is not None


def test_neutral_first_wants_a_silence_measured_from_the_last_command(driving):
    driving.neutral_first(2.0)
    now = 2.0
    for _ in range(40):
        now += 0.05
        assert forward(driving, now).why == 'waiting_neutral'
    assert forward(driving, now + deadlines.MOTOR_CMD_TIMEOUT_S - 0.01).why == 'waiting_neutral'
    now += 2 * deadlines.MOTOR_CMD_TIMEOUT_S
    assert forward(driving, now).publish is not None


def test_a_silence_of_the_link_is_not_the_drivers(driving):
    driving.neutral_first(2.0)
    # Nothing for a second, then what was held up arrives: the key was down all the time.
    assert forward(driving, 3.0, fresh=Why.LATE).why == 'late'
    assert forward(driving, 3.05).why == 'waiting_neutral'


@pytest.mark.parametrize('refused', [{'x': math.nan}, {'within': False}])
def test_a_refused_command_is_no_silence(driving, refused):
    driving.neutral_first(2.0)
    forward(driving, 2.5, **refused)
    assert forward(driving, 2.55).why == 'waiting_neutral'


def test_a_delayed_zero_is_no_letting_go(driving):
    driving.neutral_first(2.0)
    forward(driving, 2.1, 0.0, fresh=Why.LATE)
    assert forward(driving, 2.15).why == 'waiting_neutral'


def test_a_new_stream_begins_with_neutral():
    assert forward(Driving(Limits()), 0.1).why == 'waiting_neutral'


def test_silence_is_ended_by_one_zero(driving):
    forward(driving, 1.1)
    assert driving.zero_due_s == pytest.approx(1.1 + deadlines.GATEWAY_CMD_TIMEOUT_S)
    assert driving.poll(1.3) is None
    assert driving.poll(1.36) == NEUTRAL
    assert driving.poll(1.4) is None
    assert driving.poll(9.0) is None


def test_a_refused_command_does_not_prolong_the_last(driving):
    forward(driving, 1.1)
    forward(driving, 1.3, fresh=Why.LATE)
    assert driving.poll(1.36) == NEUTRAL


def test_limits_are_clamped(driving):
    answer = driving.command((1.9, 0, 0), (0, 0, -5.9), True, Why.FRESH, 1.1)
    assert answer.publish == Velocity(0.5, -1.5)


@pytest.mark.parametrize('fresh', Why)
def test_a_key_is_held_whether_it_is_obeyed_or_not(driving, fresh):
    assert not driving.is_held(1.05)
    driving.neutral_first(1.1)
    forward(driving, 1.2, fresh=fresh)
    assert driving.is_held(1.4)
    assert not driving.is_held(1.6)


def test_letting_go_ends_a_held_key_and_a_delayed_zero_does_not(driving):
    forward(driving, 1.1)
    forward(driving, 1.2, 0.0, fresh=Why.LATE)
    assert driving.is_held(1.25)
    forward(driving, 1.3, 0.0)
    assert not driving.is_held(1.3)


def test_nonsense_is_a_held_key_and_a_stranger_is_none(driving):
    forward(driving, 1.1, holds=False)
    assert not driving.is_held(1.1)
    forward(driving, 1.2, math.nan)
    assert driving.is_held(1.3)
