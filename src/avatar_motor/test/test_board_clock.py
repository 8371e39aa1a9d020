# SPDX-License-Identifier: Apache-2.0
"""Old replies and resets, told from the board's uptime."""

from __future__ import annotations

import random

import pytest

from avatar_motor.board_clock import BoardClock

DAY_MS = 24 * 3600 * 1000
SPAN = 1 << 32


@pytest.mark.parametrize('drift', [0.0, 50e-6, -50e-6])
def test_a_true_answer_is_never_called_old(drift):
    """Whatever the delays of the link, for hours, on a crystal that is a little off."""
    dice = random.Random(1)
    clock = BoardClock()
    start, now = 1000.0, 1000.0
    for _ in range(20_000):
        now += dice.choice([0.06, 0.5, 5.0])
        sent_at = now
        handled_at = sent_at + dice.uniform(0.001, 0.06)
        now = handled_at + dice.choice([0.005, 0.01, 0.3])
        uptime_ms = int((handled_at - start) * (1 + drift) * 1000)
        assert not clock.observe(uptime_ms, now)
        assert not clock.is_older(uptime_ms, sent_at)


def test_an_answer_to_an_earlier_line_is_old():
    clock = BoardClock()
    clock.observe(5000, 105.01)  # the board started at 100.0
    clock.observe(6000, 106.2)
    assert clock.is_older(6000, sent_at=106.1)
    assert not clock.is_older(6000, sent_at=106.0)


def test_before_the_first_reply_nothing_is_known():
    assert not BoardClock().is_older(7, sent_at=1e9)


@pytest.mark.parametrize('uptime_ms', [3_200, 20_000, 25 * DAY_MS, 40 * DAY_MS, SPAN - 60_000])
def test_a_reset_is_seen_however_long_it_ran(uptime_ms):
    clock = BoardClock()
    assert not clock.observe(uptime_ms, 100.0)
    assert clock.observe(3_190, 104.0)
    assert not clock.observe(3_690, 104.5)
    assert clock.is_older(3_690, sent_at=104.6)


def test_49_days_are_no_reset():
    clock = BoardClock()
    clock.observe(SPAN - 500, 100.0)
    assert not clock.observe(500, 101.0)
    assert not clock.observe(1_500, 102.0)
    assert clock.is_older(1_500, sent_at=102.1)


def test_a_damaged_uptime_is_taken_for_a_reset_and_survived():
    clock = BoardClock()
    clock.observe(10_000, 100.0)
    assert clock.observe(99_010_500, 100.5)  # a bit fell over
    assert clock.observe(11_000, 101.0)
    assert not clock.observe(11_500, 101.5)
    assert not clock.is_older(11_500, sent_at=101.49)
