# SPDX-License-Identifier: Apache-2.0
"""Open-loop odometry against geometry, and against the fake board's own model."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_motor.fake_board.tracks import Tracks
from avatar_motor.kinematics import Calibration, Efforts
from avatar_motor.odometry import Odometry

CALIBRATION = Calibration(track_width_m=0.25, full_speed_mps=1.0)


def test_straight_and_back():
    odometry = Odometry(CALIBRATION)
    odometry.set_efforts(Efforts(255, 255), 10.0)
    odometry.set_efforts(Efforts(-51, -51), 12.0)
    assert odometry.x_m == pytest.approx(2.0) and odometry.is_moving()
    odometry.set_efforts(Efforts(), 17.0)
    assert (odometry.x_m, odometry.y_m) == pytest.approx((1.0, 0.0))
    assert odometry.left_m == pytest.approx(1.0)
    odometry.advance(100.0)
    assert odometry.x_m == pytest.approx(1.0) and not odometry.is_moving()


def test_a_quarter_circle_to_the_left():
    odometry = Odometry(CALIBRATION)
    odometry.set_efforts(Efforts(102, 153), 0.0)
    turn = odometry.velocity.turn_radps
    assert turn > 0
    odometry.advance(math.pi / 2 / turn)
    radius_m = odometry.velocity.speed_mps / turn
    assert (odometry.x_m, odometry.y_m) == pytest.approx((radius_m, radius_m))
    assert odometry.heading_rad == pytest.approx(math.pi / 2)


def test_a_new_calibration_counts_from_now_on():
    odometry = Odometry(CALIBRATION)
    odometry.set_efforts(Efforts(255, 255), 0.0)
    odometry.calibrate(Calibration(full_speed_mps=2.0), 1.0)
    odometry.advance(2.0)
    assert odometry.x_m == pytest.approx(3.0)


duty = st.integers(-255, 255)


@given(st.lists(st.tuples(duty, duty, st.floats(0.01, 3.0)), max_size=20))
def test_the_same_way_as_the_fake_board(runs):
    odometry, tracks, now_s = Odometry(CALIBRATION), Tracks(), 0.0
    for left, right, seconds in runs:
        odometry.set_efforts(Efforts(left, right), now_s)
        tracks.set_pulses(now_s, 1500 + 500 * left / 255, 1500 + 500 * right / 255)
        now_s += seconds
    odometry.advance(now_s)
    tracks.advance(now_s)
    assert (odometry.x_m, odometry.y_m) == pytest.approx((tracks.x_m, tracks.y_m), abs=1e-6)
    assert math.cos(odometry.heading_rad - tracks.heading_rad) == pytest.approx(1.0)
