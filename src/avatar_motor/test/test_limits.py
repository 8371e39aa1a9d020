# SPDX-License-Identifier: Apache-2.0
"""The one function that judges a velocity, in the gateway and in the motor node."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_motor.limits import NEUTRAL, BadCommand, Limits, Velocity, judge

LIMITS = Limits(max_speed_mps=0.5, max_turn_radps=1.5)


def twist(x: float = 0.0, z: float = 0.0) -> Velocity:
    return judge((x, 0.0, 0.0), (0.0, 0.0, z), LIMITS)


def test_within_the_limits_nothing_changes():
    assert twist(0.3, -1.0) == Velocity(0.3, -1.0)
    assert twist() == NEUTRAL and twist(-0.0, -0.0).is_zero


def test_up_to_four_times_is_clamped_beyond_is_an_error():
    assert twist(2.0, -6.0) == Velocity(0.5, -1.5)
    with pytest.raises(BadCommand, match=r'linear.x = 2.01 m/s is more than 4 times'):
        twist(2.01)
    with pytest.raises(BadCommand, match=r'angular.z'):
        twist(0.1, -6.1)


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('place', range(6))
def test_not_finite_anywhere(bad, place):
    values = [0.0] * 6
    values[place] = bad
    with pytest.raises(BadCommand, match='not a finite number'):
        judge(values[:3], values[3:], LIMITS)


@given(st.floats(), st.floats())
def test_never_beyond_the_limits(x, z):
    try:
        velocity = twist(x, z)
    except BadCommand:
        return
    assert abs(velocity.speed_mps) <= LIMITS.max_speed_mps
    assert abs(velocity.turn_radps) <= LIMITS.max_turn_radps
