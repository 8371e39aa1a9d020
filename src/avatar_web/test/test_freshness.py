# SPDX-License-Identifier: Apache-2.0
"""What the pings of a client prove about the age of its commands."""

import random

import pytest

from avatar_motor import deadlines
from avatar_web.driving.freshness import Freshness, Why


class Link:
    """A client behind a link: pings at 10 Hz, answered after a round trip."""

    def __init__(self):
        self.fresh, self.now = Freshness(), 0.0

    def run(self, seconds, round_trip_s):
        answers = []
        end = self.now + seconds
        while self.now < end:
            answers.append((self.now + round_trip_s, self.fresh.ping(self.now)))
            next_ping = self.now + deadlines.PING_PERIOD_S
            while answers and answers[0][0] <= next_ping:
                self.now, payload = answers.pop(0)
                self.fresh.pong(payload, self.now)
            self.now = next_ping
        for self.now, payload in answers:
            self.fresh.pong(payload, self.now)
        return self


def test_nothing_is_fresh_before_the_first_answer():
    fresh = Freshness()
    assert fresh.verdict(0.0) is Why.NO_ANSWER_YET
    payload = fresh.ping(0.0)
    assert fresh.verdict(0.1) is Why.NO_ANSWER_YET
    assert fresh.pong(payload, 0.02)
    assert fresh.verdict(0.03) is Why.FRESH
    assert fresh.round_trip_s == pytest.approx(0.02)


def test_a_command_is_no_older_than_the_newest_answered_ping():
    fresh = Freshness()
    fresh.pong(fresh.ping(0.0), 0.05)
    assert fresh.bound_s(0.2) == pytest.approx(0.2)
    # 50 ms of link and 250 ms beyond it.
    assert fresh.verdict(0.299) is Why.FRESH
    assert fresh.verdict(0.301) is Why.LATE


def test_a_burst_after_a_hold_is_refused_until_a_new_ping_is_answered():
    link = Link().run(5, 0.04)
    held = [link.fresh.ping(link.now + 0.1 * i) for i in range(30)]
    link.now += 3.0
    # The answers come in order, between the commands that were held with them.
    for i, payload in enumerate(held[:27]):
        assert link.fresh.verdict(link.now) is not Why.FRESH, i
        link.fresh.pong(payload, link.now)
    assert link.fresh.verdict(link.now) is not Why.FRESH
    link.run(0.2, 0.04)
    assert link.fresh.verdict(link.now) is Why.FRESH


def test_an_even_delay_is_the_links_own_and_drives():
    link = Link().run(12, 0.5)
    assert link.fresh.verdict(link.now) is Why.FRESH
    assert link.fresh.smallest_round_trip_s(link.now) == pytest.approx(0.5)


def test_a_link_beyond_the_limit_is_too_slow():
    link = Link().run(12, 0.65)
    assert link.fresh.verdict(link.now) is Why.LINK_SLOW
    link.run(12, 0.1)
    assert link.fresh.verdict(link.now) is Why.FRESH


def test_the_smallest_round_trip_is_of_the_last_ten_seconds():
    link = Link().run(3, 0.02)
    link.run(9, 0.3)
    assert link.fresh.smallest_round_trip_s(link.now) == pytest.approx(0.02)
    link.run(2, 0.3)
    assert link.fresh.smallest_round_trip_s(link.now) == pytest.approx(0.3)


def test_the_smallest_round_trip_is_right_for_any_history():
    rng = random.Random(3)
    fresh, history, now = Freshness(), [], 0.0
    for _ in range(5000):
        now += rng.uniform(0.0, 0.4)
        round_trip_s = rng.choice([0.01, 0.05, 0.2, rng.uniform(0.0, 1.0)])
        fresh.pong(fresh.ping(now - round_trip_s), now)
        history.append((now, round_trip_s))
        window = [r for t, r in history if t >= now - 10.0]
        assert fresh.smallest_round_trip_s(now) == pytest.approx(min(window))


def test_answers_nobody_asked_for_prove_nothing():
    fresh = Freshness()
    first, second = fresh.ping(0.0), fresh.ping(0.1)
    for payload in (b'', b'x' * 8, (99).to_bytes(8, 'big'), b'\0' * 8, b'\0' * 125):
        assert not fresh.pong(payload, 0.2)
    assert fresh.verdict(0.2) is Why.NO_ANSWER_YET
    # Only the newest may be answered; an older answer that follows moves nothing back.
    assert fresh.pong(second, 0.2)
    assert not fresh.pong(first, 0.25)
    assert not fresh.pong(second, 0.25)
    assert fresh.bound_s(0.25) == pytest.approx(0.15)


def test_a_barrier_waits_for_a_ping_that_was_sent_after_it():
    link = Link().run(1, 0.02)
    sent_before = link.fresh.ping(link.now)
    link.fresh.barrier(link.now + 0.01)
    link.fresh.pong(sent_before, link.now + 0.02)
    assert link.fresh.verdict(link.now + 0.02) is Why.LATE
    link.fresh.pong(link.fresh.ping(link.now + 0.03), link.now + 0.05)
    assert link.fresh.verdict(link.now + 0.05) is Why.FRESH


def test_memory_is_bounded_without_any_answer():
    fresh = Freshness()
    for i in range(100_000):
        fresh.ping(0.1 * i)
    assert len(fresh._unanswered) <= 128
    assert fresh.verdict(10_000.0) is Why.NO_ANSWER_YET


class StallingLink:
    """Both directions keep their order, have a delay, and stand still during stalls."""

    def __init__(self, delay_s, stalls):
        self._delay_s, self._stalls = delay_s, stalls
        self._last = {'down': 0.0, 'up': 0.0}

    def arrival(self, direction, sent_s):
        at = sent_s + self._delay_s
        for begin, end in self._stalls:
            if begin <= at < end:
                at = end
        self._last[direction] = max(self._last[direction], at)
        return self._last[direction]


@pytest.mark.parametrize('seed', range(30))
def test_no_command_is_executed_that_is_older_than_promised(seed):
    """Compare each verdict with the command's true age, on links that stall and burst."""
    rng = random.Random(seed)
    delay_s = rng.choice([0.002, 0.03, 0.1, 0.2])
    stalls, at = [], 1.0
    while at < 30:
        at += rng.expovariate(0.5)
        stalls.append((at, at + rng.uniform(0.05, 2.5)))
    link = StallingLink(delay_s, stalls)
    # What the client does: it answers each ping when it arrives, and sends each 50 ms.
    client = [(link.arrival('down', k / 10), 'pong', k) for k in range(300)]
    client += [(0.05 * i + 0.01, 'command', i) for i in range(600)]
    robot = [(link.arrival('up', sent_s), 1, what, number, sent_s)
             for sent_s, what, number in sorted(client)]
    robot += [(k / 10, 0, 'ping', k, 0.0) for k in range(300)]
    fresh, payloads, seen = Freshness(), {}, {'fresh': 0, 'old': 0}
    for now, _, what, number, sent_s in sorted(robot, key=lambda e: e[:2]):
        if what == 'ping':
            payloads[number] = fresh.ping(now)
        elif what == 'pong':
            fresh.pong(payloads[number], now)
        else:
            is_fresh = fresh.verdict(now) is Why.FRESH
            seen['fresh' if is_fresh else 'old'] += 1
            if is_fresh:
                assert now - sent_s <= deadlines.MAX_DELAY_S + 2 * delay_s + 1e-9
    assert seen['fresh'] > 50
    assert seen['old'] > 20
