# SPDX-License-Identifier: Apache-2.0
"""`avatar run`: refused, waiting, or becoming `ros2 launch` (a stand-in that tells of itself)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from avatar_bringup.ends import since_boot
from avatar_bringup.ports import Ports
from avatar_bringup.run import Wish, has_ros, launch_command, log_folder, prune
from avatar_node.testing import TIMEOUT_SCALE, Lines

ROS2 = r"""
import json, os, signal, sys
print(json.dumps({
    'words': sys.argv[1:], 'pid': os.getpid(),
    'env': {k: v for k, v in os.environ.items() if k.startswith(('AVATAR_', 'ROS_LOG'))},
    'interrupts': str(signal.getsignal(signal.SIGINT)),
}), flush=True)
sys.stdin.read()
"""

Run = Callable[..., 'subprocess.Popen[str]']


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment with a stand-in for a ROS installation."""
    program = tmp_path / 'bin/ros2'
    program.parent.mkdir()
    program.write_text(f'#!{sys.executable}\n{ROS2}')
    program.chmod(0o755)
    (tmp_path / 'share/ros2launch').mkdir(parents=True)
    return {**os.environ, 'PATH': f'{program.parent}:{os.environ["PATH"]}',
            'AMENT_PREFIX_PATH': str(tmp_path), 'AVATAR_STATE_DIR': str(tmp_path / 'state'),
            'AVATAR_PORT': str(Ports.free().rtsp), 'PYTHONUNBUFFERED': '1'}


@pytest.fixture
def run(environ: dict[str, str]) -> Iterator[Run]:
    """Start `avatar run` with words; all end with the test."""
    started = []

    def run(*words: str, **options: Any) -> 'subprocess.Popen[str]':
        started.append(subprocess.Popen(
            [sys.executable, '-m', 'avatar_bringup.cli', 'run', *words], env=environ, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_it_becomes_launch_and_goes_on_holding_the_lock(
    run: Run, environ: dict[str, str], tmp_path: Path
) -> None:
    process = run('--sim', 'rosbridge:=false')
    seen = json.loads(Lines(process.stdout).next())
    assert seen['pid'] == process.pid, 'the unit watches this one'
    assert seen['words'] == [
        'launch', '--noninteractive', 'avatar_bringup', 'avatar.launch.py', 'sim:=true',
        f'port:={environ["AVATAR_PORT"]}', 'rosbridge:=false']
    assert seen['env']['AVATAR_COUNTED'] == '1'
    assert os.path.samefile(f'/proc/{process.pid}/fd/{seen["env"]["AVATAR_LOCK_FD"]}',
                            tmp_path / 'state/lock')
    began = time.monotonic()
    second = run()
    assert second.wait(10) == 78
    assert time.monotonic() - began < 2.0 * TIMEOUT_SCALE
    assert second.stderr is not None
    words = second.stderr.read().splitlines()
    assert len(words) == 1
    assert f'pid {process.pid} (' in words[0]
    assert f'to end it: kill -INT {process.pid} ' in words[0]
    assert process.poll() is None


def test_an_interrupt_that_a_shell_had_ignored_reaches_launch(run: Run) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    process = run(preexec_fn=ignore)
    assert 'default_int_handler' in json.loads(Lines(process.stdout).next())['interrupts']


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_after_bad_ends_it_waits_but_not_for_whom_it_shall_end(
    number: int, run: Run, environ: dict[str, str], tmp_path: Path
) -> None:
    for _ in range(3):
        process = run()
        Lines(process.stdout).next()
        process.kill()
        process.communicate()
    starts = tmp_path / 'state/run/starts.json'
    assert len(json.loads(starts.read_text())['starts']) == 3
    process = run()
    assert 'the last 3 runs ended badly: starting in 5 s' in Lines(process.stdout).next()
    second = run()
    assert second.wait(10) == 78, 'it holds the lock meanwhile'
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(5) == 0
    assert time.monotonic() - began < 1.0 * TIMEOUT_SCALE
    assert len(json.loads(starts.read_text())['starts']) == 3
    # The times are those since the boot: this is 11 minutes ago.
    record = json.loads(starts.read_text())
    starts.write_text(json.dumps({**record, 'starts': [since_boot() - 660] * 9}))
    assert Lines(run().stdout).next().startswith('{')


def test_the_words_of_the_launch_file() -> None:
    assert launch_command(Wish(host='0.0.0.0', launch=('a:=b',)), 8080)[-4:] == [
        'sim:=false', 'port:=8080', 'host:=0.0.0.0', 'a:=b']


def test_a_ros_installation_is_known_by_its_launch(environ: dict[str, str]) -> None:
    assert has_ros(environ)
    assert not has_ros({**environ, 'PATH': '/nowhere'})
    assert not has_ros({**environ, 'AMENT_PREFIX_PATH': '/nowhere'})


def test_the_log_folders_of_launch_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f'{number}').mkdir()
        os.utime(tmp_path / f'{number}', (number, number))
    (tmp_path / 'file').touch()
    prune(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['4', '5', '6', '7', '8', 'file']
    prune(tmp_path / 'not there')


def test_launch_gets_a_folder_it_can_write(tmp_path: Path) -> None:
    assert log_folder(tmp_path) == tmp_path / 'run/ros'
    (tmp_path / 'file').touch()
    elsewhere = log_folder(tmp_path / 'file')
    assert elsewhere.is_dir()
    elsewhere.rmdir()
