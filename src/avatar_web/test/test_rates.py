# SPDX-License-Identifier: Apache-2.0
"""Token buckets."""

import pytest

from avatar_web.accounts.identity import Identity, Role
from avatar_web.clients.allowance import DRIVER, VIEWER, Budgets
from avatar_web.rates import Bucket, Log


def test_a_burst_then_the_rate():
    bucket = Bucket(rate=10, burst=3, now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(0.09)
    assert bucket.take(0.2)


def test_the_long_run_is_the_rate():
    bucket = Bucket(rate=50, burst=10, now=0.0)
    taken = sum(bucket.take(i / 1000) for i in range(10_000))
    assert taken == pytest.approx(510, abs=2)


def test_a_clock_that_stands_still_gives_nothing():
    bucket = Bucket(rate=10, burst=1, now=5.0)
    assert bucket.take(5.0)
    assert not bucket.take(5.0)
    assert not bucket.take(4.0)


def test_amounts():
    bucket = Bucket(rate=100, burst=100, now=0.0)
    assert not bucket.take(0.0, 101)
    assert bucket.take(0.0, 100)
    assert not bucket.take(0.5, 51)
    assert bucket.take(0.5, 50)


def test_a_log_that_nobody_can_fill_says_what_it_left_out():
    said = []
    log = Log(said.append, 1.0, 2, 0.0)
    for _ in range(100):
        log.say('taken', 0.0)
    assert said == ['taken', 'taken']
    log.say('taken', 1.0)
    assert said[2:] == ['taken (98 more before this)']
    log.say('taken', 2.0)
    assert said[3:] == ['taken']


def test_a_user_has_one_budget_for_all_sessions():
    budgets = Budgets(200.0, capacity=2)
    vic = budgets.of(Identity('vic', Role.VIEWER, 's1'), 0.0)
    assert budgets.of(Identity('vic', Role.VIEWER, 's2'), 0.0) is vic
    assert vic.allowed is VIEWER and budgets.of(Identity('ann', Role.DRIVER, 's'), 0.0) is not vic
    spent = 0
    while vic.spend(16 * 1024, 0.0):
        spent += 16 * 1024
    assert spent == 2 * VIEWER.bytes_per_s
    assert not vic.spend(16 * 1024, 0.2) and vic.spend(16 * 1024, 0.5)
    # A change of role is another budget, and those of nobody are forgotten.
    assert budgets.of(Identity('vic', Role.ADMIN, 's1'), 1.0).allowed is DRIVER
    assert budgets.of(Identity('vic', Role.VIEWER, 's1'), 1.0) is not vic


def test_a_viewer_sends_no_more_small_messages_than_twice_what_is_answered():
    vic = Budgets(200.0).of(Identity('vic', Role.VIEWER, 's'), 0.0)
    assert sum(vic.spend(2, 0.0) for _ in range(1000)) == 400
