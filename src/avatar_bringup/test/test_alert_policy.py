# SPDX-License-Identifier: Apache-2.0
"""What is told and when: nothing is lost, nothing is told twice, whatever happens in between."""

import re
from collections import Counter
from importlib.resources import files

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avatar_bringup.alerts import texts
from avatar_bringup.alerts.conditions import (
    AT_ONCE,
    NOT_TOLD,
    OFFLINE,
    STOPPED,
    STOPPED_AFTER_S,
    Condition,
    Told,
    conditions,
)
from avatar_bringup.alerts.policy import (
    GAP_S,
    HOUR_S,
    MOST_PER_HOUR,
    RETURN_S,
    URGENT_GAP_S,
    URGENT_MORE,
    Memory,
    News,
    Policy,
)
from avatar_bringup.alerts.quiet import is_quiet
from avatar_bringup.alerts.sentences import SENTENCES
from avatar_bringup.health.findings import KINDS

# A busy machine is no fault of what is tested.
UNHURRIED = settings(max_examples=300, deadline=None,
                     suppress_health_check=[HealthCheck.too_slow])
WALL_S = 1_800_000_000.0


def condition(key: str, after_s: float = 0.0, urgent: bool = False) -> Condition:
    return Condition(key, Told(key, '', {}, f'{key} is so'), after_s, urgent)


class Robot:
    """A policy with a clock, restarts and quiet hours; counts what it tells."""

    def __init__(self) -> None:
        self.now_s, self.boots = 1000.0, 0
        self.quiet = False
        self.told: list[tuple[float, bool, tuple[News, ...]]] = []
        self.policy = Policy(Memory.empty(), self.now_s, self.wall_s)
        self.now: tuple[Condition, ...] = ()

    @property
    def wall_s(self) -> float:
        return WALL_S + self.now_s

    def look(self, *now: Condition) -> None:
        self.now = now
        self.policy.observe(now, self.now_s, self.wall_s)
        self.ask()

    def ask(self) -> tuple[News, ...]:
        self.policy.observe(self.now, self.now_s, self.wall_s)
        news = self.policy.message(self.now_s, self.quiet, urgent_too=True)
        if news:
            self.told.append((self.now_s, self.quiet, news))
        return news

    def wait(self, seconds: float, step_s: float = 2.0) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s = min(end_s, self.now_s + step_s)
            self.ask()

    def restart(self) -> None:
        """Store, lose everything else, and see nothing for a moment."""
        memory = self.policy.memory(self.now_s, self.wall_s).as_json()
        self.policy = Policy(Memory.from_json(memory), self.now_s, self.wall_s)
        self.now = ()

    def lines(self) -> list[str]:
        return [f'{one.key} {one.times} {"over" if one.over else "on"}'
                for _, _, news in self.told for one in news]


def test_one_message_when_it_begins_and_one_when_it_is_over() -> None:
    robot = Robot()
    robot.look(condition('hot'))
    robot.wait(300)
    robot.look()
    robot.wait(300)
    assert robot.lines() == ['hot 1 on', 'hot 0 over']


def test_what_does_not_last_is_no_news() -> None:
    robot = Robot()
    for _ in range(5):
        robot.look(condition('camera_silent', after_s=60.0))
        robot.wait(59)
        robot.look()
        robot.wait(10)
    assert robot.told == []
    robot.look(condition('camera_silent', after_s=60.0))
    robot.wait(60)
    assert robot.lines() == ['camera_silent 1 on']


def test_what_lasted_long_enough_between_two_looks_is_news() -> None:
    robot = Robot()
    robot.look(condition('camera_silent', after_s=60.0))
    robot.now_s += 61
    robot.look()
    assert robot.lines() == ['camera_silent 1 over']


def test_a_night_of_flickering_is_few_messages_and_every_time_is_counted() -> None:
    robot = Robot()
    for _ in range(2000):
        robot.look(condition('hot'))
        robot.wait(2)
        robot.look()
        robot.wait(2)
    robot.wait(2 * HOUR_S)
    hours = robot.now_s / HOUR_S
    assert len(robot.told) <= MOST_PER_HOUR * (hours + 1)
    assert sum(one.times for _, _, news in robot.told for one in news) == 2000


def test_quiet_hours_hold_back_all_but_what_is_urgent_and_tell_it_afterwards_once() -> None:
    robot = Robot()
    robot.quiet = True
    robot.look(condition('disk_low'), condition(STOPPED, urgent=True))
    robot.wait(600)
    assert robot.lines() == ['stopped 1 on']
    robot.look(condition('disk_low'))
    robot.wait(600)
    assert robot.lines() == ['stopped 1 on']
    robot.quiet = False
    robot.wait(600)
    assert robot.lines() == ['stopped 1 on', 'disk_low 1 on', 'stopped 0 over']
    assert len(robot.told) == 2


def test_what_was_told_is_not_told_again_after_a_restart() -> None:
    robot = Robot()
    robot.look(condition('camera_missing'))
    robot.wait(100)
    for _ in range(5):
        robot.restart()
        robot.wait(10)
        robot.look(condition('camera_missing'))
        robot.wait(100)
    assert robot.lines() == ['camera_missing 1 on']
    robot.restart()
    robot.wait(RETURN_S + 2)
    assert robot.lines() == ['camera_missing 1 on', 'camera_missing 0 over']


def test_a_clock_that_was_set_back_does_not_silence() -> None:
    robot = Robot()
    robot.look(condition('hot'))
    memory = robot.policy.memory(robot.now_s, robot.wall_s)
    policy = Policy(memory, robot.now_s, robot.wall_s - 365 * 86400)
    policy.observe([condition('hot'), condition('disk_low')], robot.now_s + GAP_S, WALL_S)
    assert [one.key for one in policy.message(robot.now_s + GAP_S, False, True)] == ['disk_low']


KEYS = ('hot', 'disk_low', 'part_given_up/stream', STOPPED)
STEP = st.one_of(
    st.tuples(st.just('look'), st.sets(st.sampled_from(KEYS))),
    st.tuples(st.just('wait'), st.floats(0.5, 400.0)),
    st.tuples(st.just('quiet'), st.booleans()),
    st.tuples(st.just('restart'), st.none()),
    st.tuples(st.just('happened'), st.none()),
)


class Truth:
    """What began, counted apart from the policy: by what was seen, and what may still return."""

    def __init__(self) -> None:
        self.began: Counter[str] = Counter()
        self.now: set[str] = set()
        self._known: set[str] = set()
        self._returning: set[str] = set()
        self._until_s = float('-inf')

    def see(self, now: set[str], at_s: float) -> None:
        for seen in (self.now, now):
            if at_s >= self._until_s:
                self._returning = set()
            self.began.update(seen - self._known)
            self._returning -= seen
            self._known = seen | self._returning
        self.now = now

    def restart(self, at_s: float) -> None:
        self.now, self._returning, self._until_s = set(), set(self._known), at_s + RETURN_S


@UNHURRIED
@given(st.lists(STEP, max_size=60))
def test_no_event_is_lost_and_none_told_twice(steps: list[tuple[str, object]]) -> None:
    robot, truth = Robot(), Truth()
    for what, value in steps:
        if what == 'look':
            assert isinstance(value, set)
            truth.see(value, robot.now_s)
            robot.look(*(condition(key, urgent=key == STOPPED) for key in sorted(value)))
        elif what == 'wait':
            assert isinstance(value, float)
            robot.wait(value, step_s=7.0)
            truth.see(truth.now, robot.now_s)
        elif what == 'quiet':
            robot.quiet = bool(value)
        elif what == 'restart':
            robot.restart()
            truth.restart(robot.now_s)
        else:
            robot.policy.happened(Told('crash'), robot.wall_s)
            truth.began['crash/'] += 1
    robot.quiet = False
    robot.wait(2 * HOUR_S, step_s=30.0)

    counts: Counter[str] = Counter()
    on: dict[str, bool] = {}
    for _, _, news in robot.told:
        assert len({one.key for one in news}) == len(news)
        for one in news:
            counts[one.key] += one.times
            assert one.times or on.get(one.key), 'over twice, or never begun'
            on[one.key] = not one.over
    assert counts == +truth.began
    assert {key for key, is_on in on.items() if is_on} == truth.now
    for _, quiet, news in robot.told:
        assert not quiet or all(one.urgent for one in news)
    times = [at for at, _, _ in robot.told]
    assert all(b - a >= URGENT_GAP_S for a, b in zip(times, times[1:], strict=False))
    for at in times:
        assert sum(at - HOUR_S < one <= at for one in times) <= MOST_PER_HOUR + URGENT_MORE


# What of the health is told.


def finding(code: str, state: str = 'DEGRADED', part: str = '') -> dict[str, object]:
    return {'code': code, 'part': part, 'state': state, 'values': {'percent': 7}, 'text': code}


def test_stopped_is_one_thing_with_every_reason() -> None:
    stopped, = conditions('STOPPED', [
        finding('board_missing', 'STOPPED'), finding('starting', 'STOPPED')], 60)
    assert (stopped.key, stopped.after_s, stopped.urgent) == (STOPPED, STOPPED_AFTER_S, True)
    assert [told.code for told in stopped.why] == ['board_missing']


def test_starting_is_not_told() -> None:
    assert conditions('STOPPED', [finding('starting', 'STOPPED')], 60) == ()


def test_devices_and_machine_are_told_at_once_and_the_rest_when_it_lasts() -> None:
    found = conditions('DEGRADED', [
        finding('disk_full'), finding('camera_silent'), finding('part_held', part='stream')], 60)
    assert {one.key: one.after_s for one in found} == {
        'disk_full/': 0.0, 'camera_silent/': 60, 'part_held/stream': 0.0}
    # While nothing moves they are among the reasons, and news only when it moves again.
    found = conditions('STOPPED', [
        finding('board_missing', 'STOPPED'), finding('camera_silent')], 60)
    assert {one.key: one.after_s for one in found} == {
        STOPPED: STOPPED_AFTER_S, 'camera_silent/': float('inf')}


@pytest.mark.parametrize('value', [None, [], 'x', {'a': 1}])
def test_a_finding_of_any_shape_is_taken(value: object) -> None:
    one, = conditions('DEGRADED', [{'code': 'x', 'values': value}], 60)
    assert one.told.code == 'x'


@pytest.mark.parametrize(('minute', 'begin', 'end', 'quiet'), [
    (0, '', '', False), (0, '22:00', '', False), (1380, '22:00', '07:00', True),
    (419, '22:00', '07:00', True), (420, '22:00', '07:00', False), (1319, '22:00', '07:00', False),
    (780, '13:00', '14:00', True), (840, '13:00', '14:00', False), (5, '07:00', '07:00', False)])
def test_quiet_hours(minute: int, begin: str, end: str, quiet: bool) -> None:
    assert is_quiet(minute, begin, end) is quiet


# How it is said.


@pytest.mark.parametrize('language', ['ro', 'de'])
def test_alerts_say_of_every_finding_what_the_page_says(language: str) -> None:
    page = files('avatar_web') / 'static' / 'texts' / f'{language}.js'
    said = dict(re.findall(r"^  'health\.(\w+)': '(.*)',$", page.read_text(), re.MULTILINE))
    assert SENTENCES[language] == {code: said.get(code) for code in KINDS}


def test_what_is_told_at_once_is_something_that_can_be_found() -> None:
    assert {*AT_ONCE, *NOT_TOLD, *OFFLINE} <= KINDS.keys()


@pytest.mark.parametrize('language', texts.LANGUAGES)
def test_every_language_says_everything(language: str) -> None:
    assert texts.FRAMES[language].keys() == texts.FRAMES['en'].keys()
    news = [
        News(STOPPED, Told(STOPPED), 1, False, WALL_S, WALL_S, True, (Told('x', text='Why.'),)),
        News('hot/', Told('hot', '', {'celsius': '83'}, 'Hot.'), 3, True, WALL_S, WALL_S + 60),
        News('disk/', Told('disk', '', {}, 'Disk.'), 0, True, WALL_S, WALL_S + 60),
        News('crash/', Told('crash', '', {'result': 'signal', 'count': '2'}), 1, True, 0, 0)]
    text = texts.message(language, 'Rosa', news, WALL_S + 90)
    assert text.title.startswith('Rosa: ' + texts.FRAMES[language]['stopped'])
    assert text.bad and '- Why.' in text.body and 'signal' in text.body and '3' in text.body
    assert '{' not in text.title + text.body and '?' not in text.body
    calm = texts.message(language, 'Rosa', [
        News(STOPPED, Told(STOPPED), 0, True, WALL_S, WALL_S)], WALL_S)
    assert not calm.bad and texts.FRAMES[language]['stopped_over'] in calm.title
