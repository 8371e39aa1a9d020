# SPDX-License-Identifier: Apache-2.0
"""settings.json: one writer, whole or as before, and a broken one is no reason to stay down."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avatar_bringup.cli import main
from avatar_bringup.settings import FIELDS, SettingProblem, Settings, SettingsFile, parse, plain

# A busy machine is no fault of what is tested.
UNHURRIED = settings(max_examples=300, deadline=None,
                     suppress_health_check=[HealthCheck.too_slow])


def file(folder: Path, said: list[str] | None = None) -> SettingsFile:
    return SettingsFile(folder, (said if said is not None else []).append)


def test_without_a_file_there_are_the_defaults(tmp_path: Path) -> None:
    said: list[str] = []
    assert file(tmp_path, said).load() == Settings()
    assert said == [] and list(tmp_path.iterdir()) == []


def test_what_is_set_stays_and_only_that_is_written(tmp_path: Path) -> None:
    file(tmp_path).change({'alerts_language': 'ro', 'quiet_from': '22:30'})
    assert file(tmp_path).load() == Settings(alerts_language='ro', quiet_from='22:30')
    assert json.loads((tmp_path / 'settings.json').read_text()) == {
        'alerts_language': 'ro', 'quiet_from': '22:30'}
    assert (tmp_path / 'settings.json').stat().st_mode & 0o777 == 0o600
    file(tmp_path).change({'quiet_from': None})
    assert file(tmp_path).load() == Settings(alerts_language='ro')


@pytest.mark.parametrize(('changes', 'words'), [
    ({'no_such': 1}, "no setting 'no_such'; there are: alerts_name, "),
    ({'alerts_language': 'fr'}, 'one of en, ro, de'),
    ({'alerts_language': 3}, 'of type str'),
    ({'degraded_after_s': 5}, 'between 10 and 3600 s'),
    ({'degraded_after_s': True}, 'of type int'),
    ({'degraded_after_s': 60.5}, 'of type int'),
    ({'quiet_from': '24:00'}, 'a time like 22:30'),
    ({'quiet_from': '7:00'}, 'a time like 22:30'),
    ({'quiet_from': '07:00\n'}, 'a time like 22:30'),
    ({'alerts_name': 'x' * 41}, 'at most 40 characters'),
    ({'alerts_name': 'two\nlines'}, 'one line'),
    ({'quiet_except_stopped': 'on'}, 'of type bool')])
def test_what_cannot_be_set_is_refused_with_a_sentence_and_nothing_changes(
    changes: dict[str, object], words: str, tmp_path: Path
) -> None:
    file(tmp_path).change({'alerts_name': 'Rosa'})
    with pytest.raises(SettingProblem, match=words):
        file(tmp_path).change({'alerts_language': 'de', **changes})
    assert file(tmp_path).load() == Settings(alerts_name='Rosa')


def test_there_is_a_history_of_one(tmp_path: Path) -> None:
    with pytest.raises(SettingProblem, match='no change'):
        file(tmp_path).undo()
    file(tmp_path).change({'alerts_language': 'ro'})
    file(tmp_path).change({'alerts_language': 'de'})
    assert file(tmp_path).undo().alerts_language == 'ro'
    assert file(tmp_path).load().alerts_language == 'ro'
    assert file(tmp_path).undo().alerts_language == 'de'


@pytest.mark.parametrize('text', ['', '{', '[]', 'null', '"x"', '{"a": ' + '[' * 5000, '\0' * 40])
def test_a_broken_file_is_said_once_and_set_aside_by_the_writer(text: str, tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / 'settings.json').write_text(text)
    reader = file(tmp_path, said)
    assert reader.load() == reader.load() == Settings()
    assert len(said) == 1 and 'broken' in said[0]
    assert [path.name for path in tmp_path.iterdir()] == ['settings.json']
    file(tmp_path).change({'alerts_language': 'ro'})
    assert file(tmp_path).load().alerts_language == 'ro'
    aside, = tmp_path.glob('settings.json.broken-*')
    assert aside.read_text() == text


def test_of_a_file_with_one_bad_value_the_rest_is_used(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / 'settings.json').write_text('{"alerts_language": "ro", "quiet_to": 7, "new": 1}')
    assert file(tmp_path, said).load() == Settings(alerts_language='ro')
    assert len(said) == 2 and 'quiet_to' in said[0] and "'new'" in said[1]


def test_a_file_that_cannot_be_read_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / 'settings.json').mkdir()
    said: list[str] = []
    assert file(tmp_path, said).load(repair=True) == Settings()
    assert 'cannot be read' in said[0]


@UNHURRIED
@given(st.dictionaries(st.sampled_from([*FIELDS, 'x']), st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5000), st.floats(), st.text(max_size=50))))
def test_whatever_is_asked_for_the_settings_are_valid(changes: dict[str, object]) -> None:
    for name, value in changes.items():
        try:
            assert plain(name, value) == value
        except SettingProblem as problem:
            assert str(problem)


def test_a_kill_in_the_middle_of_a_change_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """A process that writes without end is killed at any moment; what is there is whole."""
    code = ('import sys\n'
            'from pathlib import Path\n'
            'from avatar_bringup.settings import SettingsFile\n'
            'file = SettingsFile(Path(sys.argv[1]), print)\n'
            'print("on", flush=True)\n'
            'n = 10\n'
            'while True:\n'
            '    n = 10 + (n + 1) % 3000\n'
            '    file.change({"degraded_after_s": n, "alerts_name": str(n)})\n')
    for _ in range(5):
        process = subprocess.Popen([sys.executable, '-c', code, str(tmp_path)],
                                   stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        said: list[str] = []
        now = file(tmp_path, said).load()
        assert said == []
        assert now.alerts_name in ('', str(now.degraded_after_s))


@pytest.mark.parametrize(('name', 'text', 'value'), [
    ('quiet_except_stopped', 'off', False), ('quiet_except_stopped', 'Yes', True),
    ('degraded_after_s', '90', 90), ('alerts_name', '', ''), ('quiet_to', '07:00', '07:00')])
def test_what_a_person_types(name: str, text: str, value: object) -> None:
    assert parse(name, text) == value


@pytest.mark.parametrize(('name', 'text'), [
    ('quiet_except_stopped', 'maybe'), ('degraded_after_s', 'x'), ('nothing', 'x')])
def test_what_a_person_types_wrong(name: str, text: str) -> None:
    with pytest.raises(SettingProblem):
        parse(name, text)


def test_the_command_sets_shows_resets_and_takes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('AVATAR_STATE_DIR', str(tmp_path))
    assert main(['settings', 'set', 'alerts_language=de', 'quiet_except_stopped=off']) == 0
    assert main(['settings']) == 0
    out = capsys.readouterr().out
    assert 'alerts_language = de (default: en)' in out
    assert 'quiet_except_stopped = off (default: on)' in out
    assert main(['settings', 'reset', 'alerts_language']) == 0
    assert main(['settings', 'undo']) == 0
    assert file(tmp_path).load() == Settings(alerts_language='de', quiet_except_stopped=False)
    for words in (['set', 'x=1'], ['set', 'alerts_language'], ['set', 'degraded_after_s=1'],
                  ['reset', 'x']):
        assert main(['settings', *words]) == 1
    err = capsys.readouterr().err
    assert 'write NAME=VALUE' in err and 'between 10 and 3600' in err


def test_the_command_does_not_write_while_avatar_runs_without_a_gateway_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from avatar_bringup.lock import Lock
    from avatar_web.accounts import console
    monkeypatch.setattr(console, 'PATIENCE_S', 0.3)
    monkeypatch.setenv('AVATAR_STATE_DIR', str(tmp_path))
    lock = Lock(tmp_path)
    lock.take()
    try:
        assert main(['settings', 'set', 'alerts_language=de']) == 1
    finally:
        lock.release()
    assert f'pid {os.getpid()}' in capsys.readouterr().err
    assert not (tmp_path / 'settings.json').exists()


def test_every_setting_is_in_the_operations_guide() -> None:
    guide = Path(__file__).parents[3] / 'docs' / 'operations.md'
    text = guide.read_text()
    assert [name for name in FIELDS if f'`{name}`' not in text] == []
