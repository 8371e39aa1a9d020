# SPDX-License-Identifier: Apache-2.0
"""The last changes, kept over restarts."""

import json
import os
from pathlib import Path

import pytest

from avatar_bringup.health import history
from avatar_bringup.health.history import LENGTH, SAVE_PERIOD_S, SEEN_PERIOD_S, History

WALL_S = 1_800_000_000.0


def change(number: int) -> dict[str, object]:
    return {'code': 'board_missing', 'part': 'motor', 'text': f'{number}', 'at': WALL_S + number}


def test_it_survives_a_restart_and_keeps_the_last(tmp_path: Path) -> None:
    kept = History(tmp_path)
    for number in range(LENGTH + 20):
        kept.add(change(number))
    kept.save(1.0, WALL_S + 500)
    assert len(History(tmp_path)) == LENGTH
    stored = history.read(tmp_path)
    assert [stored['changes'][i]['text'] for i in (0, -1)] == ['20', '119']
    assert History(tmp_path).latest_s == WALL_S + 500
    assert [path.name for path in (tmp_path / 'health').iterdir()] == ['history.json']


def test_it_is_saved_soon_but_not_often(tmp_path: Path) -> None:
    kept = History(tmp_path)
    kept.save(100.0, WALL_S)
    kept.add(change(1))
    assert not kept.is_due(100.0 + SAVE_PERIOD_S / 2)
    assert kept.is_due(100.0 + SAVE_PERIOD_S)
    kept.save(110.0, WALL_S)
    assert not kept.is_due(110.0 + SEEN_PERIOD_S / 2), 'nothing is new'
    assert kept.is_due(110.0 + SEEN_PERIOD_S), 'but the time goes on'


@pytest.mark.parametrize('garbage', [
    b'', b'{"changes": [{"a"', b'[]', b'{"changes": 3}', b'{"changes": [1, "x"]}', b'\x00\xff',
    b'{"changes": [], "seen": "never"}', b'[' * 100_000,
    b'{"changes": [{"at": "noon"}, {"at": null}]}'])
def test_a_file_that_cannot_be_read_is_none(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / 'health').mkdir()
    (tmp_path / 'health/history.json').write_bytes(garbage)
    kept = History(tmp_path)
    kept.add(change(1))
    kept.save(1.0, WALL_S)
    assert history.read(tmp_path)['changes'][-1]['text'] == '1'


def test_a_folder_that_cannot_be_written_is_said_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / 'health').write_text('in the way')
    kept = History(tmp_path)
    kept.add(change(1))
    kept.save(1.0, WALL_S)
    assert 'cannot be written' in kept.problem
    os.unlink(tmp_path / 'health')
    assert kept.is_due(1.0 + SAVE_PERIOD_S)
    kept.save(10.0, WALL_S)
    assert kept.problem == ''
    assert json.loads((tmp_path / 'health/history.json').read_text())['changes'] == [change(1)]


def test_a_clock_that_was_set_back_is_not_believed_after_the_next_start(tmp_path: Path) -> None:
    History(tmp_path).save(1.0, WALL_S)
    again = History(tmp_path)
    again.save(2.0, WALL_S - 365 * 86400)
    assert History(tmp_path).latest_s == WALL_S
