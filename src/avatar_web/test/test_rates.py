# SPDX-License-Identifier: Apache-2.0
"""Token buckets."""

import pytest

from avatar_web.rates import Bucket


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
