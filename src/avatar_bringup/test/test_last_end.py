# SPDX-License-Identifier: Apache-2.0
"""How the last run ended is known to the next one."""

import json
from pathlib import Path

import pytest

from avatar_bringup import last_end


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / 'boot_id'
    file.write_text('first\n')
    monkeypatch.setattr(last_end, 'BOOT_ID', file)
    return file


@pytest.fixture
def state(tmp_path: Path, boot: Path) -> Path:
    folder = tmp_path / 'state'
    folder.mkdir()
    return folder


def test_the_first_start_and_a_start_after_a_clean_end_say_nothing(state: Path) -> None:
    assert last_end.begin(state) is None
    last_end.mark(state, last_end.SUCCESS, 0)
    assert last_end.begin(state) is None
    assert last_end.of_this_start(state) is None


def test_a_run_that_was_killed_is_known_and_how_often(state: Path) -> None:
    last_end.begin(state, 1.0)
    for count in (1, 2, 3):
        bad = last_end.begin(state, 10.0 + count)
        assert bad == last_end.BadEnd('running', False, count, 10.0 + count)
        assert last_end.of_this_start(state) == bad
    last_end.mark(state, last_end.SUCCESS, 0)
    assert last_end.begin(state) is None
    last_end.mark(state, last_end.GIVEN_UP, 1)
    assert last_end.begin(state, 20.0) == last_end.BadEnd('given-up', False, 1, 20.0)


def test_a_power_cut_is_known_by_the_boot(state: Path, boot: Path) -> None:
    last_end.begin(state)
    boot.write_text('second\n')
    bad = last_end.begin(state, 5.0)
    assert bad == last_end.BadEnd('running', True, 1, 5.0)


@pytest.mark.parametrize('word', ['success', 'watchdog', 'oom-kill', 'exit-code'])
def test_what_the_unit_writes_counts(word: str, state: Path) -> None:
    last_end.begin(state)
    (state / 'run' / 'ended.json').write_text(
        f'{{"result": "{word}", "code": "killed", "status": "ABRT", "at": 1764136800}}\n')
    bad = last_end.begin(state)
    assert (bad.result if bad else 'success') == word
    assert bad is None or not bad.cut_off


@pytest.mark.parametrize('text', ['', '{', '[]', '{"result": [1]}', '{"bad": 3}',
                                  '{"bad": {"result": "x"}}'])
def test_a_damaged_record_is_no_reason_not_to_start(text: str, state: Path) -> None:
    (state / 'run').mkdir()
    for name in ('ended.json', 'start.json'):
        (state / 'run' / name).write_text(text)
    assert last_end.of_this_start(state) is None
    last_end.begin(state)
    assert json.loads((state / 'run' / 'ended.json').read_text())['result'] == last_end.RUNNING


def test_a_folder_that_cannot_be_written_is_no_reason_not_to_start(tmp_path: Path) -> None:
    (tmp_path / 'run').write_text('a file')
    assert last_end.begin(tmp_path) is None
    last_end.mark(tmp_path, last_end.SUCCESS, 0)
