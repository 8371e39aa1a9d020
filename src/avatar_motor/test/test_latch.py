# SPDX-License-Identifier: Apache-2.0
"""The stop and its number on the disk: at once, whole, and not more often than needed."""

import pytest

from avatar_motor.deadlines import RESET_GUARD_S
from avatar_motor.latch import STORE_PERIOD_S, Latch
from avatar_motor.permit import Permit
from avatar_node import store


@pytest.fixture
def latch(tmp_path):
    latch = Latch(Permit(tmp_path))
    assert not latch.stop.latched
    return latch


@pytest.fixture
def writes(monkeypatch):
    """Record what is written, and write it."""
    done, write = [], store.write

    def note(path, value):
        done.append(value)
        write(path, value)
    monkeypatch.setattr(store, 'write', note)
    return done


def trigger(latch, now_s):
    latch.stop.trigger(now_s)
    latch.trigger_was_taken(now_s)
    latch.tend(now_s)


def test_a_flood_of_stops_is_written_some_times_and_the_last_number_soon(
        latch, writes, tmp_path):
    trigger(latch, 10.0)
    assert writes == [{'number': 1}] and not Permit(tmp_path).is_there()
    now_s = 10.0
    for _ in range(1000):
        now_s += 0.002
        trigger(latch, now_s)
    assert len(writes) <= 2 + (now_s - 10.0) / STORE_PERIOD_S
    # No dialog of before lifts it, and what is known of the last one is on the disk before a
    # reset could be.
    while latch.stop.needs_storing:
        now_s += 0.01
        latch.tend(now_s)
    assert now_s < 12.0 + RESET_GUARD_S
    assert latch.stop.number > 2 and writes[-1] == {'number': latch.stop.number}
    after = Latch(Permit(tmp_path))
    assert after.stop.latched and after.stop.number > latch.stop.number


def test_the_first_stop_after_a_reset_takes_the_permit_at_once(latch, writes, tmp_path):
    for now_s in (10.0, 10.05, 12.0):
        trigger(latch, now_s)
    while latch.stop.needs_storing:
        now_s += 0.1
        latch.tend(now_s)
    assert latch.grant() == '' and Permit(tmp_path).is_there()
    latch.stop.reset()
    trigger(latch, now_s + 0.001)
    assert not Permit(tmp_path).is_there() and latch.stop.latched
    assert not latch.stop.needs_storing
