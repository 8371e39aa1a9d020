# SPDX-License-Identifier: Apache-2.0
"""Velocity to efforts and back: the curve is kept, nothing exceeds 255, zero is zero."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_motor.kinematics import (
    FULL,
    STANDSTILL,
    Calibration,
    Efforts,
    efforts,
    track_speed_mps,
    velocity,
)
from avatar_motor.limits import NEUTRAL, Velocity

PLAIN = Calibration(track_width_m=0.5, full_speed_mps=1.0)


def test_straight_spin_and_curve():
    assert efforts(NEUTRAL, PLAIN) == STANDSTILL
    assert efforts(Velocity(1.0, 0.0), PLAIN) == Efforts(255, 255)
    assert efforts(Velocity(-0.2, 0.0), PLAIN) == Efforts(-51, -51)
    # Counter-clockwise: the right track goes forward.
    assert efforts(Velocity(0.0, 2.0), PLAIN) == Efforts(-128, 128)
    assert efforts(Velocity(0.4, 0.8), PLAIN) == Efforts(51, 153)


def test_saturation_keeps_the_curve():
    asked = Velocity(1.0, 2.0)  # tracks 0.5 and 1.5 m/s
    got = efforts(asked, PLAIN)
    assert got == Efforts(85, 255)
    moved = velocity(got, PLAIN)
    assert moved.turn_radps / moved.speed_mps == pytest.approx(2.0, rel=0.01)


def test_a_low_ceiling_keeps_the_curve_too():
    got = efforts(Velocity(1.0, 2.0), PLAIN, max_duty=90)
    assert got == Efforts(30, 90)
    assert efforts(Velocity(1.0, 0.0), PLAIN, max_duty=0) == STANDSTILL


def test_the_smallest_duty_that_moves_is_jumped_over():
    calibration = Calibration(full_speed_mps=1.0, min_duty=55)
    assert efforts(Velocity(0.01, 0.0), calibration) == Efforts(57, 57)
    assert efforts(Velocity(1e-6, 0.0), calibration) == STANDSTILL
    assert efforts(Velocity(-1.0, 0.0), calibration) == Efforts(-255, -255)
    # A ceiling below what moves means standing, not crawling at min_duty.
    assert efforts(Velocity(1.0, 0.0), calibration, max_duty=50) == STANDSTILL


def test_trims_slow_the_faster_track():
    calibration = Calibration(full_speed_mps=1.0, trim_left=0.9)
    assert efforts(Velocity(0.5, 0.0), calibration) == Efforts(115, 128)
    assert velocity(Efforts(115, 128), calibration).turn_radps == pytest.approx(0.0, abs=0.02)


speeds = st.floats(-4, 4)
turns = st.floats(-12, 12)
calibrations = st.builds(
    Calibration,
    track_width_m=st.floats(0.05, 1.0), full_speed_mps=st.floats(0.1, 3.0),
    min_duty=st.integers(0, 150),
    trim_left=st.floats(0.5, 1.0), trim_right=st.floats(0.5, 1.0),
)


@given(speeds, turns, calibrations, st.integers(0, FULL))
def test_never_beyond_the_ceiling_and_mirrored(speed, turn, calibration, ceiling):
    forth = efforts(Velocity(speed, turn), calibration, ceiling)
    back = efforts(Velocity(-speed, -turn), calibration, ceiling)
    assert max(abs(forth.left), abs(forth.right)) <= ceiling
    assert (back.left, back.right) == (-forth.left, -forth.right)


@given(st.integers(-FULL, FULL), st.integers(-FULL, FULL), calibrations)
def test_there_and_back(left, right, calibration):
    """Every effort beyond min_duty comes back, unless a trim says no speed needs that much."""
    def plausible(effort: int, trim: float) -> bool:
        steps = (FULL - calibration.min_duty) * trim
        return effort == 0 or calibration.min_duty < abs(effort) <= calibration.min_duty + steps

    if not plausible(left, calibration.trim_left):
        left = 0
    if not plausible(right, calibration.trim_right):
        right = 0
    asked = Efforts(left, right)
    assert efforts(velocity(asked, calibration), calibration) == asked


def test_track_speed_has_the_sign_of_the_effort():
    assert track_speed_mps(255, 1.0, PLAIN) == 1.0
    assert track_speed_mps(-255, 1.0, PLAIN) == -1.0
    assert track_speed_mps(0, 1.0, PLAIN) == 0.0
