# SPDX-License-Identifier: Apache-2.0
"""What the parts wrote, of one part, since a time, and going on."""

import datetime
import os
import subprocess
import sys
from pathlib import Path

import pytest

from avatar_bringup.care import logs
from avatar_node.testing import Lines

NOON = datetime.datetime(2025, 10, 23, 12, 0).timestamp()


def line(seconds: float, text: str) -> str:
    return f'[INFO] [{NOON + seconds:.9f}] [motor]: {text}\n'


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    run = tmp_path / 'run'
    run.mkdir()
    (run / 'motor.log.1').write_text(line(-100, 'before') + 'Traceback\n')
    (run / 'motor.log').write_text(line(0, 'noon') + '  more of it\n' + line(60, 'later'))
    (run / 'gateway.log').write_text('Open the page\n')
    return tmp_path


def words(state_dir: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, '-m', 'avatar_bringup.cli', 'logs', *arguments], check=False,
        env={**os.environ, 'AVATAR_STATE_DIR': str(state_dir)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_of_one_part_the_older_file_comes_first(state_dir: Path) -> None:
    found = words(state_dir, 'motor')
    assert [found[0].rpartition(': ')[2], *found[1:2]] == ['before', 'Traceback']
    assert found[-1].endswith('later') and len(found) == 5


def test_of_all_parts_each_line_says_whose_it_is(state_dir: Path) -> None:
    found = words(state_dir)
    assert 'gateway: Open the page' in found
    assert any(text.startswith('motor: ') and text.endswith('noon') for text in found)


def test_since_a_time_what_has_none_belongs_to_the_line_before(state_dir: Path) -> None:
    found = words(state_dir, 'motor', '--since', '2025-10-23 12:00')
    assert [text.rpartition(': ')[2] for text in found] == ['noon', '  more of it', 'later']


@pytest.mark.parametrize(('text', 'seconds'), [
    ('10min', -600), ('2h', -7200), ('1d', -86400), ('90s', -90), ('5 min ago', -300),
    ('today', -12 * 3600), ('11:30', -1800), ('11:30:30', -1770), ('2025-10-23 11:00', -3600)])
def test_times(text: str, seconds: float) -> None:
    assert logs.moment(text, NOON) == NOON + seconds


@pytest.mark.parametrize('text', ['soon', '25:00', '', '10 weeks', '-5'])
def test_a_time_that_is_none_says_which_there_are(text: str) -> None:
    with pytest.raises(ValueError, match='10min'):
        logs.moment(text, NOON)


def test_a_part_that_is_none_is_told_which_there_are(state_dir: Path) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'avatar_bringup.cli', 'logs', 'engine'], check=False,
        env={**os.environ, 'AVATAR_STATE_DIR': str(state_dir)}, capture_output=True, text=True)
    assert done.returncode == 1 and 'gateway, motor' in done.stderr
    assert logs.log_files(state_dir, '../motor') == []


def test_it_goes_on_with_what_is_new_over_a_new_file(state_dir: Path) -> None:
    log = state_dir / 'run/motor.log'
    with subprocess.Popen(
            [sys.executable, '-m', 'avatar_bringup.cli', 'logs', 'motor', '-f'],
            env={**os.environ, 'AVATAR_STATE_DIR': str(state_dir), 'PYTHONUNBUFFERED': '1'},
            stdout=subprocess.PIPE, text=True) as process:
        lines = Lines(process.stdout)
        try:
            while not lines.next().endswith('later'):
                pass
            with log.open('a') as file:
                file.write('first new\nhalf')
            assert lines.next() == 'first new'
            log.rename(state_dir / 'run/motor.log.1')
            log.write_text('rotated\n')
            assert lines.next() == 'rotated'
        finally:
            process.kill()


def test_of_the_journal_only_the_lines_of_a_part() -> None:
    prefix = '2025-10-23T22:10:01+0300 robot avatar[812]: '
    assert logs.is_of('motor', f'{prefix}[motor-2] [INFO] [1.0] [motor]: connected')
    assert not logs.is_of('motor', f'{prefix}[gateway-3] motor: x')
    assert not logs.is_of('motor', f'{prefix}[INFO] [motor-2]: process started with pid [9]')
    assert logs.journal_command('avatar.service', NOON, True)[-2:] == [
        f'--since=@{NOON:.0f}', '-f']
