# SPDX-License-Identifier: Apache-2.0
"""What runs is read from the lock, parts.json and /proc."""

import json
import os
import subprocess
import sys
from pathlib import Path

from avatar_bringup.care import running
from avatar_bringup.care.running import Run, below, part_of, parts
from avatar_bringup.lock import Lock
from avatar_bringup.processes import Place, table
from avatar_node.testing import wait_for

ROWS = list(table(Place(Path('/x'), sim=True, ros=True)))


def test_whose_command_line_it_is() -> None:
    python = ['/usr/bin/python3']
    assert part_of([*python, '/opt/a b/lib/avatar_motor/motor', '--ros-args'], ROWS) == 'motor'
    assert part_of([*python, '-m', 'avatar_web.node', '-r', '__node:=gateway'], ROWS) == 'gateway'
    assert part_of(['/x/lib/avatar_bringup/media_server', '--rtsp', '1'], ROWS) == 'mediamtx'
    assert part_of(['/opt/bin/mediamtx', '/x/mediamtx.yml'], ROWS) == 'mediamtx'
    assert part_of(['ffmpeg', '-i', 'motor'], ROWS) == ''
    assert part_of([], ROWS) == ''


def test_what_a_process_has_started_and_they_in_turn() -> None:
    tree = {1: 0, 2: 1, 3: 2, 4: 3, 5: 1, 6: 0}
    assert below(2, tree) == [3, 4]
    assert set(below(1, tree)) == {2, 3, 4, 5}
    assert below(9, tree) == []
    # A pid may be used again while we read.
    assert set(below(1, {1: 2, 2: 1})) == {2}


def test_nobody_runs_where_nobody_holds_the_lock(tmp_path: Path) -> None:
    assert running.look(tmp_path, {'AVATAR_PORT': '9000'}) == Run(tmp_path, port=9000)
    (tmp_path / 'gateway.port').write_text('9010')
    assert running.look(tmp_path, {}).port == 9010
    assert running.look(tmp_path / 'nowhere', {}).pid == 0


def test_who_holds_the_lock_is_named(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    lock.take()
    assert running.look(tmp_path, {}).pid == os.getpid()
    lock.release()


def test_a_part_has_what_its_children_use(tmp_path: Path) -> None:
    """Here this test is the supervisor, and a shell with a child is the motor node."""
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/parts.json').write_text(json.dumps({
        'motor': {'state': 'running', 'deaths': 2, 'since': 1.0, 'words': 'ok'},
        'stream': {'state': 'given_up', 'deaths': 5, 'since': 1.0, 'words': 'no ffmpeg'}}))
    program = tmp_path / 'lib/avatar_motor/motor'
    program.parent.mkdir(parents=True)
    program.write_text('import subprocess, sys\n'
                       'subprocess.run([sys.executable, "-c", "while True: pass"])\n')
    part = subprocess.Popen([sys.executable, str(program)])
    try:
        wait_for(lambda: below(part.pid, running.parents()), 10, 'its child')
        found = {p.name: p for p in parts(Run(tmp_path, os.getpid()), over_s=0.3)}
        assert found['motor'].pid == part.pid and found['motor'].deaths == 2
        assert (found['motor'].cpu_percent or 0) > 5
        assert (found['motor'].memory_mb or 0) > 5
        assert (found['stream'].state, found['stream'].pid) == ('given_up', 0)
        assert found['stream'].words == 'no ffmpeg'
    finally:
        for pid in below(part.pid, running.parents()):
            os.kill(pid, 9)
        part.wait()
