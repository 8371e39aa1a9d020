# SPDX-License-Identifier: Apache-2.0
"""The doctor's single looks, on state folders with something wrong; it changes nothing."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import folders
import pytest

from avatar_bringup.care import checks, doctor
from avatar_bringup.care.checks import Check, Level, Patient

CONFIG = Path(__file__).parents[2] / 'config'


def looked(look: Callable[[Patient], Iterator[Check]], state_dir: Path) -> list[Check]:
    return list(look(Patient(state_dir, os.environ)))


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return folders.make(tmp_path / 'state', 'ana')


def test_a_good_folder_is_good_and_stays_as_it_is(state_dir: Path) -> None:
    before = folders.contents(state_dir)
    for look in (checks.state_folder, checks.emergency_stop, checks.accounts):
        assert [one.level for one in looked(look, state_dir)] == [Level.GOOD], look.__name__
    assert folders.contents(state_dir) == before


def test_a_latched_stop_is_said_with_the_way_out(state_dir: Path) -> None:
    (state_dir / 'motor/permit.json').unlink()
    one, = looked(checks.emergency_stop, state_dir)
    assert one.level is Level.LOOK and 'latched' in one.text and 'page' in one.do


def test_a_new_machine_is_no_reason_to_worry(tmp_path: Path) -> None:
    assert looked(checks.state_folder, tmp_path / 'x')[0].level is Level.GOOD
    assert looked(checks.emergency_stop, tmp_path / 'x')[0].level is Level.GOOD
    assert 'users add' in looked(checks.accounts, tmp_path / 'x')[0].do


def test_an_open_folder_and_broken_files_are_said(state_dir: Path) -> None:
    state_dir.chmod(0o755)
    (state_dir / 'avatar.db.damaged-20251023-220000').write_text('x')
    (state_dir / 'settings.json.broken-20251023-220000').write_text('x')
    text = ' '.join(one.text for one in looked(checks.state_folder, state_dir))
    assert 'mode 755' in text and 'avatar.db.damaged' in text and 'settings.json.broken' in text


def test_an_interrupted_restore_is_said(state_dir: Path) -> None:
    (state_dir / 'restore').mkdir()
    (state_dir / 'restore/plan.json').write_text('{}')
    assert 'interrupted' in ' '.join(o.text for o in looked(checks.state_folder, state_dir))


def test_damaged_accounts_are_bad(state_dir: Path) -> None:
    (state_dir / 'avatar.db').write_bytes(b'SQLite format 3\0' + b'x' * 4096)
    one, = looked(checks.accounts, state_dir)
    assert one.level is Level.BAD and 'restore a backup' in one.do


@pytest.mark.parametrize(('text', 'problem'), [
    ('/**:\n  ros__parameters:\n    max_speed_mps: 0.1\n    use_sim_time: false\n', ''),
    ('/**:\n  ros__parameters:\n    max_sped_mps: 0.1\n', 'there is no parameter max_sped_mps'),
    ('motor:\n  max_speed_mps: 0.1\n', 'does not begin with'),
    ('a: [', 'cannot be read'),
    ('', 'does not begin with'),
    ('/**: 3\n', 'does not begin with'),
])
def test_a_parameter_file_is_judged_as_its_node_would(
    text: str, problem: str, tmp_path: Path
) -> None:
    (tmp_path / 'motor.yaml').write_text(text)
    found = checks.problem_of(tmp_path / 'motor.yaml', CONFIG / 'motor.yaml')
    assert problem in found and bool(found) == bool(problem)


def test_a_look_that_fails_is_a_finding_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(_: Patient) -> Iterator[Check]:
        raise ZeroDivisionError('oh')
        yield

    monkeypatch.setattr(checks, 'LOOKS', (fails, checks.emergency_stop))
    found = doctor.examine(tmp_path, os.environ)
    assert [one.level for one in found] == [Level.LOOK, Level.GOOD]
    assert 'ZeroDivisionError: oh' in doctor.screen(found)


def test_the_exit_code_is_that_of_the_worst() -> None:
    good, look, bad = (Check(level, 'x', 'y', 'z') for level in Level)
    assert [doctor.EXIT_CODES[doctor.worst(found)] for found in (
        [], [good], [good, look], [bad, good, look])] == [0, 0, 1, 2]
    assert '-> z' in doctor.screen([bad]) and '1 bad' in doctor.screen([bad])
    assert doctor.screen([good]).endswith('All 1 checks are well.')
