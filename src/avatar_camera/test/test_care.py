# SPDX-License-Identifier: Apache-2.0
"""When the driver of a camera is started and ended."""

import pytest

from avatar_camera.driver.care import KILL_S, LOOK_AGAIN_S, PATIENCE_S, Action, Care
from avatar_camera.stream.supervision import LONGEST_PAUSE_S

SILENT_S = 5.0


@pytest.fixture
def care() -> Care:
    return Care(SILENT_S)


def test_a_driver_that_sends_pictures_is_left_alone(care: Care) -> None:
    assert care.step(0.0, False, None) is Action.START
    care.started(0.0)
    for tick in range(1, 4000):
        now = tick / 4
        assert care.step(now, True, now - 0.05) is Action.NOTHING
    assert care.live


def test_a_driver_that_falls_silent_is_ended_then_killed_then_started_again(care: Care) -> None:
    care.step(0.0, False, None)
    care.started(0.0)
    assert care.step(3.0, True, 2.9) is Action.NOTHING
    assert care.step(2.9 + SILENT_S, True, 2.9) is Action.NOTHING
    assert care.step(3.0 + SILENT_S, True, 2.9) is Action.END
    assert not care.live
    assert care.step(3.0 + SILENT_S + KILL_S, True, 2.9) is Action.NOTHING
    assert care.step(3.1 + SILENT_S + KILL_S, True, 2.9) is Action.KILL
    ended = 3.2 + SILENT_S + KILL_S
    assert care.step(ended, False, 2.9) is Action.NOTHING
    assert care.step(ended + 0.5, False, 2.9) is Action.START


def test_the_first_picture_may_take_longer_and_an_old_one_does_not_count(care: Care) -> None:
    care.step(100.0, False, 50.0)
    care.started(100.0)
    assert care.step(100.0 + PATIENCE_S, True, 99.9) is Action.NOTHING
    assert not care.live
    assert care.step(100.1 + PATIENCE_S, True, 99.9) is Action.END


def test_a_camera_that_is_not_there_is_looked_for_every_second(care: Care) -> None:
    starts = 0
    for tick in range(400):
        if care.step(tick / 4, False, None) is Action.START:
            starts += 1
            care.failed(tick / 4)
    assert starts == pytest.approx(100 / LOOK_AGAIN_S, abs=1)


def test_a_driver_that_dies_at_once_is_tried_more_and_more_seldom(care: Care) -> None:
    times, now = [], 0.0
    while now < 120.0:
        if care.step(now, False, None) is Action.START:
            times.append(now)
            care.started(now)
        now += 0.25
    gaps = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert gaps[0] <= 1.0
    assert gaps == sorted(gaps)
    assert LONGEST_PAUSE_S <= gaps[-1] <= LONGEST_PAUSE_S + 0.5


def test_after_a_sound_run_the_first_pause_is_short_again(care: Care) -> None:
    now = 0.0
    for _ in range(8):
        while care.step(now, False, None) is not Action.START:
            now += 0.25
        care.started(now)
        now += 0.25
    care.step(now, True, now)
    now += 60.0
    care.step(now, False, now)
    assert care.step(now + 0.5, False, now) is Action.START
