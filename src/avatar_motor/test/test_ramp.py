# SPDX-License-Identifier: Apache-2.0
"""Growth is limited on average and in one step; everything towards standstill is not."""

from hypothesis import given
from hypothesis import strategies as st

from avatar_motor.ramp import STEP_S, Ramp

RATE = 2.0  # per second


def test_a_small_change_is_made_at_once():
    ramp = Ramp(0.0)
    assert ramp.towards(0.1, RATE, 0.001) == 0.1
    assert ramp.towards(0.2, RATE, 0.002) < 0.11
    assert ramp.towards(0.2, RATE, 0.06) == 0.2


def test_down_and_through_zero():
    ramp = Ramp(0.0)
    for i in range(40):
        ramp.towards(1.0, RATE, 0.05 * i)
    assert ramp.value == 1.0
    assert ramp.towards(0.3, RATE, 2.0) == 0.3
    assert ramp.towards(-1.0, RATE, 2.0001) == -RATE * STEP_S
    assert ramp.towards(0.0, RATE, 2.0002) == 0.0


@given(st.lists(st.tuples(st.floats(0, 0.2), st.floats(-3, 3)), max_size=60), st.floats(0.1, 50))
def test_no_step_and_no_stretch_grows_faster_than_the_rate(steps, rate):
    ramp, now_s = Ramp(0.0), 0.0
    from_s, least = 0.0, 0.0  # since when and from where it only grew
    for wait_s, target in steps:
        now_s += wait_s
        before = ramp.value
        value = ramp.towards(target, rate, now_s)
        assert abs(value) <= abs(target) and value * target >= 0
        if value * before < 0 or before == 0.0:
            from_s, least = now_s, 0.0
        elif abs(value) < abs(before):
            from_s, least = now_s, abs(value)
        assert abs(value) <= least + rate * (now_s - from_s + STEP_S) + 1e-9
