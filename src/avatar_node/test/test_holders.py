# SPDX-License-Identifier: Apache-2.0
"""Who holds a device: real processes, real pseudo terminals, a real container's."""

import itertools
import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from avatar_node import root_look
from avatar_node.holders import LONGEST_COMMAND, holders
from avatar_node.testing import Lines

HOLD = 'import sys; held = open(sys.argv[1], "rb"); print(flush=True); sys.stdin.read()'


@contextmanager
def holding(path: str) -> Iterator[int]:
    """Have another process hold `path`; yields its pid."""
    with subprocess.Popen([sys.executable, '-c', HOLD, path],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            Lines(process.stdout).next()
            yield process.pid
        finally:
            process.kill()


@pytest.fixture
def terminal() -> Iterator[str]:
    master, slave = pty.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_the_holder_is_named_and_we_do_not_count(terminal: str) -> None:
    assert holders(terminal) == []
    with holding(terminal) as pid:
        (holder,) = holders(terminal)
        assert str(holder).startswith(f'pid {pid} ({sys.executable} -c import'[:40])
        assert len(holder.command) <= LONGEST_COMMAND
    assert holders(terminal) == []


def test_a_device_is_known_by_its_number(tmp_path) -> None:
    with holding('/dev/zero') as pid:
        link = tmp_path / 'link'
        link.symlink_to('/dev/zero')
        assert pid in [h.pid for h in holders(str(link))]
        assert pid not in [h.pid for h in holders('/dev/full')]
    assert holders(str(tmp_path / 'nothing')) == []


def test_a_terminal_of_a_container_with_the_same_name_is_another_one() -> None:
    if os.geteuid() != 0 or not shutil.which('unshare'):
        pytest.skip('only root can make a container')
    code = 'import os, pty, sys; print(os.ttyname(pty.openpty()[1]), flush=True); sys.stdin.read()'
    mount = 'mount -t devpts -o newinstance none /dev/pts && exec "$@"'
    ours = []
    with subprocess.Popen(['unshare', '--mount', 'sh', '-c', mount, 'sh', sys.executable, '-c',
                           code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as container:
        try:
            name = Lines(container.stdout).next()
            while not os.path.exists(name):  # its numbers begin anew
                ours.append(pty.openpty())
            links = [os.readlink(f) for f in Path(f'/proc/{container.pid}/fd').iterdir()]
            assert name in links, 'by its name alone it would be the same'
            assert container.pid not in [holder.pid for holder in holders(name)]
        finally:
            container.kill()
    for end in itertools.chain(*ours):
        os.close(end)


def as_nobody(question: Callable[[], str]) -> str:
    """Return the answer of another user of this machine."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os.write(writing, question().encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can be another user')
def test_what_root_saw_counts_for_who_may_not_look(terminal: str) -> None:
    file = Path(tempfile.mkdtemp(dir='/tmp')) / 'holders.json'
    file.parent.chmod(0o755)
    try:
        with holding(terminal) as pid:
            seen = root_look.Held(terminal, pid, 'python3 main.py', 'avatar-tank.service', False,
                                  root_look.born(pid))
            file.write_text(json.dumps([asdict(seen)]))

            def ask() -> str:
                return ', '.join(map(str, holders(terminal, by_root=file)))
            assert as_nobody(lambda: ', '.join(map(str, holders(terminal)))) == ''
            assert as_nobody(ask) == f'pid {pid} (python3 main.py, unit avatar-tank.service)'
            # Who may look sees what is so now, whatever was written.
            file.write_text(json.dumps([asdict(replace(seen, what='/dev/full'))]))
            assert holders('/dev/full', by_root=file) == []
            file.write_text(json.dumps([asdict(seen)]))
        assert as_nobody(ask) == '', 'it has ended since'
    finally:
        shutil.rmtree(file.parent)
