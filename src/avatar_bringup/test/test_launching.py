# SPDX-License-Identifier: Apache-2.0
"""When a part is given up, and what is written about it."""

import json
from pathlib import Path

import pytest

from avatar_bringup.launching import DEATHS, WINDOW_S, Deaths, words_of
from avatar_bringup.parts import GIVEN_UP, LONGEST_WORDS, RESTARTING, RUNNING, Parts, read
from avatar_bringup.supervisord import RETRIES, START_S, how_it_ended


def test_five_deaths_within_a_minute_are_too_many() -> None:
    deaths = Deaths()
    assert [deaths.add(t) for t in (0.0, 15.0, 30.0, 45.0, 60.0)] == [False] * 4 + [True]
    assert deaths.count == DEATHS


def test_a_part_that_dies_now_and_then_is_always_started_again() -> None:
    deaths = Deaths()
    assert not any(deaths.add(15.1 * n) for n in range(1000))
    assert deaths.count == 1000


def test_supervisord_counts_the_same() -> None:
    assert RETRIES + 1 == DEATHS
    assert START_S * DEATHS == WINDOW_S


@pytest.mark.parametrize('line, last, words', [
    ('exited: motor (terminated by SIGKILL; not expected)', 'all is well',
     'killed by SIGKILL; before that: all is well'),
    ('exited: motor (terminated by SIGSEGV (core dumped); not expected)', '',
     'killed by SIGSEGV'),
    ('exited: motor (exit status 1; not expected)', 'no board', 'no board'),
    ('exited: motor (exit status 3; not expected)', '', 'exit code 3, and it wrote nothing')])
def test_what_is_said_of_a_death(line: str, last: str, words: str) -> None:
    assert words_of(how_it_ended(line), last) == words


def test_the_record_tells_what_became_of_each_part(tmp_path: Path) -> None:
    now = iter(range(100, 200))
    parts = Parts(tmp_path, ('motor', 'stream'), lambda: float(next(now)))
    assert {n: p.state for n, p in read(tmp_path).items()} == {
        'motor': RESTARTING, 'stream': RESTARTING}
    parts.started('motor', 17)
    assert (read(tmp_path)['motor'].state, read(tmp_path)['motor'].pid) == (RUNNING, 17)
    parts.died('motor', 'no board\n' + 'x' * 1000)
    died = read(tmp_path)['motor']
    assert (died.state, died.deaths, died.pid) == (RESTARTING, 1, 0)
    assert died.words.startswith('no board') and len(died.words) == LONGEST_WORDS
    parts.died('motor', 'again')
    assert read(tmp_path)['motor'].since == died.since, 'since when it does not run'
    parts.given_up('motor', 'five times')
    assert read(tmp_path)['motor'].state == GIVEN_UP
    assert read(tmp_path)['stream'].deaths == 0
    assert set(json.loads((tmp_path / 'parts.json').read_text())['motor']) >= {
        'state', 'deaths', 'since', 'words'}


@pytest.mark.parametrize('text', ['', '{', '[]', '{"motor": 1}', '{"motor": {"x": 1}}'])
def test_a_record_that_is_none_reads_as_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / 'parts.json').write_text(text)
    assert read(tmp_path) == {}


def test_a_record_that_cannot_be_written_ends_nobody(tmp_path: Path) -> None:
    parts = Parts(tmp_path / 'not there', ('motor',))
    parts.died('motor', 'x')
    assert parts.parts['motor'].deaths == 1
