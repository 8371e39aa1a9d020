# SPDX-License-Identifier: Apache-2.0
"""The avatar command's words, and what the environment makes of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from avatar_bringup.cli import main, parser
from avatar_bringup.paths import NotInstalled, program, state_dir
from avatar_bringup.processes import Place
from avatar_bringup.session import domain_of, environment, place_of


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(['--help'])
    text = capsys.readouterr().out
    for word in ('demo', 'up', 'run', 'look', 'status', 'users', 'tls', 'AVATAR_PORT',
                 'AVATAR_STATE_DIR'):
        assert word in text


def test_the_demo_loads_no_library_of_the_accounts() -> None:
    code = ('import sys; from avatar_bringup.cli import parser; parser("demo"); '
            'sys.exit("cryptography" in sys.modules)')
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0


def test_the_environment_makes_the_place(tmp_path: Path) -> None:
    environ = {'AVATAR_STATE_DIR': str(tmp_path), 'AVATAR_PORT': '9000'}
    assert place_of(environ, sim=True) == Place(tmp_path, sim=True, port=9000)
    assert place_of(environ, sim=False, host='::1', port=1) == Place(
        tmp_path, sim=False, host='::1', port=1)
    assert state_dir({}) == Path.home() / '.local/state/avatar'


@pytest.mark.parametrize('port', ['80a', '-1', '63618', '8080 '])
def test_a_port_that_is_none_is_refused_by_value(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('AVATAR_PORT', port)
    assert main(['demo']) == 1
    assert f'AVATAR_PORT={port!r}' in capsys.readouterr().err


def test_the_domain_moves_with_the_port() -> None:
    assert domain_of(8080, {}) == 0
    assert domain_of(8090, {}) == 10
    assert domain_of(8080, {'ROS_DOMAIN_ID': '7'}) == 7
    assert 0 <= domain_of(0, {}) <= 101
    assert all(0 <= domain_of(port, {}) <= 101 for port in range(1, 63618, 97))


def test_the_parts_get_dds_on_loopback(tmp_path: Path) -> None:
    result = environment(tmp_path, 8080, 'run', {'ROS_LOCALHOST_ONLY': '1', 'PATH': '/bin'})
    assert Path(result['FASTRTPS_DEFAULT_PROFILES_FILE']).name == 'dds_loopback.xml'
    assert 'ROS_LOCALHOST_ONLY' not in result
    assert result['PATH'] == '/bin'


def test_a_missing_program_says_what_to_do() -> None:
    with pytest.raises(NotInstalled, match='make build'):
        program('avatar_motor', 'motor', {'AMENT_PREFIX_PATH': '/nowhere'})


def test_another_shell_gets_domain_and_profile(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('AVATAR_PORT', '8085')
    monkeypatch.delenv('ROS_DOMAIN_ID', raising=False)
    assert main(['env']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 'export ROS_DOMAIN_ID=5' in lines
    assert any(line.startswith('unset ') and ' ROS_LOCALHOST_ONLY' in line for line in lines)
    assert any(line.startswith('export FASTRTPS_DEFAULT_PROFILES_FILE=/') for line in lines)
