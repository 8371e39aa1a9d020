# SPDX-License-Identifier: Apache-2.0
"""The set-up: what it says when a step cannot be done, and that it does nothing twice."""

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from avatar_bringup.sockets import command_line, pids
from avatar_node.testing import wait_for

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tools'))

import mediamtx  # noqa: E402
import ros  # noqa: E402
import steps  # noqa: E402


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What git would give: nothing is set up."""
    folder = tmp_path / 'fresh clone'
    folder.mkdir()
    for name in ('Makefile', 'tools', 'src', *(p.name for p in ROOT.glob('requirements*.txt'))):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(source, folder / name)
    return folder


def make(folder: Path, *words: str, **environ: str) -> tuple[int, str]:
    """Run make as from a plain shell; return exit code and output."""
    plain = {k: v for k, v in os.environ.items() if k in ('PATH', 'HOME', 'LANG', 'TMPDIR')}
    done = subprocess.run(['make', *words], cwd=folder, env={**plain, **environ}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout


def test_without_the_package_index_the_step_and_the_reason_are_named(clone: Path) -> None:
    # A port nobody listens on: refused at once, as without a network.
    code, output = make(clone, 'demo', PYTHON=sys.executable, PIP_RETRIES='1',
                        PIP_INDEX_URL='http://127.0.0.1:9/simple', PIP_CONFIG_FILE=os.devnull)
    assert code != 0
    assert 'installing Python packages failed: the package index cannot be reached' in output
    assert 'goes on where it stopped' in output
    assert str(clone / '.cache/setup/setup.log') in output
    # The environment made before is kept: the next call begins with the step that failed.
    code, output = make(clone, 'demo', PIP_RETRIES='1', PIP_INDEX_URL='http://127.0.0.1:9/simple',
                        PIP_CONFIG_FILE=os.devnull)
    assert 'Python environment' not in output
    assert re.match(r'\[1/\d\] Python packages', output)


def test_without_a_python_it_says_what_to_install(clone: Path, tmp_path: Path) -> None:
    tools = tmp_path / 'bin'
    tools.mkdir()
    for name in ('make', 'sh', 'dirname'):
        (tools / name).symlink_to(shutil.which(name) or name)
    code, output = make(clone, 'demo', PATH=str(tools))
    assert code != 0
    assert 'sudo apt install python3 python3-venv' in output


def test_a_python_that_does_not_suit_is_named(clone: Path) -> None:
    code, output = make(clone, 'demo', PYTHON='/bin/true-or-not')
    assert code != 0
    assert 'PYTHON=/bin/true-or-not is no Python 3.10 to 3.14' in output


def test_an_installed_ros_that_is_none_is_named(clone: Path) -> None:
    code, output = make(clone, 'demo', PYTHON=sys.executable, AVATAR_ROS_SETUP='/nowhere/setup.sh')
    assert code != 0
    assert 'AVATAR_ROS_SETUP=/nowhere/setup.sh: there is no such file' in output


def test_without_wheels_and_without_ros_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(platform, 'machine', lambda: 'aarch64')
    monkeypatch.setattr(ros, 'INSTALLED', tmp_path)
    with pytest.raises(ros.NoRos, match='install ROS 2 Jazzy or Humble') as problem:
        ros.installed({})
    assert '\n' not in str(problem.value)
    for name in ('rolling', 'humble'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'setup.sh').touch()
    assert ros.installed({}) == tmp_path / 'humble' / 'setup.sh'


def test_a_sourced_ros_does_not_mix_with_the_wheels() -> None:
    shell = {'PATH': '/bin', 'PYTHONPATH': '/opt/ros/humble', 'ROS_DISTRO': 'humble',
             'AMENT_PREFIX_PATH': '/opt/ros/humble', 'LD_LIBRARY_PATH': '/opt/ros/humble/lib',
             'ROS_DOMAIN_ID': '3'}
    assert ros.sourced(None, shell) == {'PATH': '/bin', 'ROS_DOMAIN_ID': '3'}


def test_an_installed_ros_is_sourced(tmp_path: Path) -> None:
    setup = tmp_path / 'with blank' / 'setup.sh'
    setup.parent.mkdir()
    setup.write_text('export ROS_DISTRO=humble\nexport PYTHONPATH=/x:$PYTHONPATH\n')
    result = ros.sourced(setup, {'PATH': os.environ['PATH'], 'PYTHONPATH': '/y', 'MULTI': 'a\nb'})
    assert result['ROS_DISTRO'] == 'humble'
    assert result['PYTHONPATH'] == '/x:/y'
    assert result['MULTI'] == 'a\nb'


def test_ctrl_c_ends_a_step_and_what_it_started(clone: Path) -> None:
    with subprocess.Popen(['make', 'build', f'PYTHON={sys.executable}'], cwd=clone, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as process:
        wait_for(lambda: (clone / '.venv/bin/python').exists(), 20, 'the step that makes .venv')
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert 'interrupted; run it again: it goes on where it stopped' in output
    assert process.returncode != 0
    # In its command line: what it starts works in this folder.
    assert [words for words in map(command_line, pids()) if str(clone) in words] == []


@pytest.mark.parametrize('output, told', [
    ('OSError: [Errno 28] No space left on device', 'disk is full'),
    ('Temporary failure in name resolution', 'cannot be reached'),
    ('ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED]', 'cannot be verified'),
    ('because ensurepip is not\navailable.', 'sudo apt install python3-venv'),
    ('ERROR: No matching distribution found for ros-jazzy-rclpy', 'no fitting package'),
    ('dial tcp: lookup proxy.golang.org: no such host', 'Go modules cannot be reached'),
    ('tls: failed to verify certificate: x509: certificate signed by unknown authority',
     'sudo apt install ca-certificates'),
    ('something nobody has seen before', ''),
])
def test_what_a_failure_means(output: str, told: str) -> None:
    assert told in steps.hint(output)
    assert bool(steps.hint(output)) == bool(told)


def test_missing_libraries_become_an_apt_line() -> None:
    assert ros.apt_line({'libstdc++.so.6', 'libssl.so.3', 'libcrypto.so.3'}) == (
        'sudo apt install libssl3 libstdc++6')
    assert '(the package of libodd.so.1)' in ros.apt_line({'libodd.so.1'})


def test_nothing_is_done_twice() -> None:
    subprocess.run(['make', 'build'], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    assert make(ROOT, 'build') == (0, '')


def test_what_the_robot_can_do_without_does_not_end_the_set_up(capsys) -> None:
    done = []

    def fail(_output) -> None:
        raise steps.Failed('building it failed: no network')

    run = [steps.Step('one', fail, without='no picture'), steps.Step('two', done.append)]
    steps.run_steps(run)
    assert len(done) == 1
    output = capsys.readouterr().out
    assert 'building it failed: no network' in output
    assert 'going on without it: no picture' in output
    with pytest.raises(steps.Failed):
        steps.run_steps([steps.Step('three', fail)])


def script(path: Path, words: str) -> Path:
    """Write a program that prints something."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho {words}\n')
    path.chmod(0o755)
    return path


def test_a_mediamtx_of_another_version_is_not_used(tmp_path: Path) -> None:
    environ = {'PATH': str(tmp_path)}
    assert mediamtx.program(tmp_path / 'cache', environ) is None
    script(tmp_path / 'mediamtx', 'v1.19.0')
    assert mediamtx.program(tmp_path / 'cache', environ) is None
    on_path = script(tmp_path / 'mediamtx', mediamtx.VERSION)
    assert mediamtx.program(tmp_path / 'cache', environ) == on_path
    own = script(mediamtx.built(tmp_path / 'cache'), mediamtx.VERSION)
    assert mediamtx.program(tmp_path / 'cache', environ) == own


@pytest.mark.parametrize('version, enough', [
    ('go1.25.9', False), ('go1.26.0', True), ('go1.27.3', True), ('go2.0', True), ('', False)])
def test_which_go_is_new_enough(tmp_path: Path, version: str, enough: bool) -> None:
    assert mediamtx.new_enough(str(script(tmp_path / 'go', version))) == enough


def test_a_build_that_fails_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    script(tmp_path / 'bin/go', 'go1.26.0')

    def run(words, what, environ, folder):
        raise steps.Failed(f'{what} failed: the package index cannot be reached')

    with pytest.raises(steps.Failed, match='fetching MediaMTX failed: .* cannot be reached'):
        mediamtx.build(tmp_path / 'cache', Path(sys.executable), {
            'PATH': f'{tmp_path / "bin"}:{os.environ["PATH"]}'}, run)
    assert list((tmp_path / 'cache').iterdir()) == []
