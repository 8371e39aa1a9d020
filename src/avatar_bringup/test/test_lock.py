# SPDX-License-Identifier: Apache-2.0
"""The lock of the state folder and the check of the port: who holds them is named."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from avatar_bringup.lock import Lock, Taken, holder
from avatar_bringup.preflight.leftovers import leftovers, run_folder
from avatar_bringup.preflight.second import check_port
from avatar_node.testing import Lines

HOLD = """
import sys
from pathlib import Path
from avatar_bringup.lock import Lock
lock = Lock(Path(sys.argv[1]))
lock.take()
print('held', flush=True)
sys.stdin.read()
"""


def test_a_second_copy_names_the_first(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, '-c', HOLD, str(tmp_path)], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert Lines(first.stdout).next() == 'held'
        with pytest.raises(Taken, match=f'pid {first.pid} .*{sys.executable}'):
            Lock(tmp_path).take()
        first.kill()
        first.wait()
        # The kernel let go of it: nothing is left to clean up.
        Lock(tmp_path).take()


def test_nobody_holds_a_free_lock(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    assert holder(lock.path) == 0
    lock.take()
    assert holder(lock.path) == os.getpid()
    lock.release()
    assert holder(lock.path) == 0


def test_the_program_it_becomes_goes_on_holding_it(tmp_path: Path) -> None:
    become = ('import os, sys; from pathlib import Path; from avatar_bringup.lock import Lock; '
              'lock = Lock(Path(sys.argv[1])); lock.take(os.environ); lock.hand_on(os.environ); '
              'os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], *sys.argv[1:]])')
    adopt = ('import os, subprocess, sys; from pathlib import Path; '
             'from avatar_bringup.lock import Lock; lock = Lock(Path(sys.argv[1])); '
             'lock.take(os.environ); print("AVATAR_LOCK_FD" in os.environ, flush=True); '
             'child = subprocess.Popen(["sleep", "60"], close_fds=False); '
             'print(child.pid, flush=True); sys.stdin.read()')
    with subprocess.Popen([sys.executable, '-c', become, str(tmp_path), adopt], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        lines = Lines(first.stdout)
        assert lines.next() == 'False'
        child = int(lines.next())
        with pytest.raises(Taken, match=f'pid {first.pid} '):
            Lock(tmp_path).take()
        first.kill()
        first.wait()
        try:
            Lock(tmp_path).take()  # its own children do not hold it
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize('given', ['0', '999', 'x', ''])
def test_a_descriptor_that_is_not_the_lock_is_none(given: str, tmp_path: Path) -> None:
    environ = {'AVATAR_LOCK_FD': given}
    Lock(tmp_path).take(environ)
    assert holder(tmp_path / 'lock') == os.getpid()


def test_the_lock_is_not_inherited(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    lock.take()
    child = subprocess.Popen(['sleep', '60'], close_fds=False)
    try:
        lock.release()
        Lock(tmp_path).take()
    finally:
        child.kill()
        child.wait()


def test_a_taken_port_names_its_holder() -> None:
    with socket.socket() as foreign:
        foreign.bind(('127.0.0.1', 0))
        foreign.listen()
        port = foreign.getsockname()[1]
        with pytest.raises(Taken, match=f'port {port} is taken by pid {os.getpid()} '):
            check_port(None, port)
    check_port(None, port)


def test_a_port_that_may_not_be_had_is_said() -> None:
    with pytest.raises(Taken, match='cannot listen on 192.0.2.77 port 9999'):
        check_port('192.0.2.77', 9999)


def test_the_run_folder_moves_where_the_state_folder_is_no_folder(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / 'run').write_text('in the way')
    folder = run_folder(tmp_path, said.append)
    assert folder.is_dir()
    assert folder != tmp_path / 'run'
    assert 'cannot be written' in said[0]
    folder.rmdir()
    (tmp_path / 'other').mkdir()
    assert run_folder(tmp_path / 'other', said.append) == tmp_path / 'other' / 'run'
    assert len(said) == 1


def test_the_processes_of_a_run_are_found_by_their_mark() -> None:
    child = subprocess.Popen(['sleep', '60'], env={**os.environ, 'AVATAR_RUN': 'a-test'})
    try:
        assert leftovers('a-test') == [child.pid]
        assert leftovers('another') == []
    finally:
        child.kill()
        child.wait()
