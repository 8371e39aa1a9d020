# SPDX-License-Identifier: Apache-2.0
"""What supervisord is told, read back by supervisord's own parser, and what it says."""

import os
import shlex
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from avatar_bringup.session import Program
from avatar_bringup.supervisord import configuration, event_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / 'my robot #1 ;50% "x"'
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def parsed(programs: list[Program]) -> ServerOptions:
    """Return the options supervisord makes of our configuration in this folder."""
    Path('supervisord.conf').write_text(configuration(programs, 'control', os.geteuid() == 0))
    options = ServerOptions()
    options.realize(['-c', 'supervisord.conf'], doc='supervisord')
    return options


@pytest.mark.parametrize('word', ['plain', 'with space', "it's", '"', '50%', '%(here)s', 'a;b',
                                  'a,b', 'ä', 'a\\b', '#x', 'a ;b', 'a #b'])
def test_words_reach_the_command_unchanged(word: str, folder: Path) -> None:
    program = Program('motor', ['/bin/echo', word])
    group, = parsed([program]).process_group_configs
    config, = group.process_configs
    assert shlex.split(config.command) == ['/bin/echo', word]


def test_a_secret_of_another_part_is_hidden(folder: Path) -> None:
    program = Program('motor', ['/bin/true'], hidden=('TOKEN', 'OTHER'))
    group, = parsed([program]).process_group_configs
    assert group.process_configs[0].environment == {'TOKEN': '', 'OTHER': ''}


def test_all_parts_are_one_group_and_end_together(folder: Path) -> None:
    programs = [Program(name, ['/bin/true']) for name in ('board', 'motor', 'gateway')]
    groups = parsed(programs).process_group_configs
    assert [[c.name for c in g.process_configs] for g in groups] == [['board', 'motor', 'gateway']]


def test_logs_are_bounded_and_restarts_too(folder: Path) -> None:
    group, = parsed([Program('motor', ['/bin/true'])]).process_group_configs
    config, = group.process_configs
    assert config.stdout_logfile == 'motor.log'
    assert config.stdout_logfile_maxbytes * (1 + config.stdout_logfile_backups) <= 5_000_000
    assert config.redirect_stderr
    assert 0 < config.startretries < 10
    assert config.stopwaitsecs <= 2


@pytest.mark.parametrize('line, event', [
    ("2026 INFO spawned: 'motor' with pid 1234", ('spawned', 'motor', 1234)),
    ('2026 WARN exited: motor (exit status 1; not expected)', ('exited', 'motor')),
    ('2026 WARN exited: motor (terminated by SIGKILL; not expected)', ('exited', 'motor')),
    ('2026 INFO success: motor entered RUNNING state, process has stayed up for > than 10 seconds',
     ('steady', 'motor')),
    ('2026 INFO gave up: motor entered FATAL state, too many start retries too quickly',
     ('given up', 'motor')),
    ("2026 WARN killing 'motor' (1234) with SIGKILL", ('killed', 'motor')),
    ('2026 INFO supervisord started with pid 1', None),
])
def test_what_supervisord_says(line: str, event: tuple[str, ...] | None) -> None:
    found = event_of(line)
    assert (found and (found.what, found.name, *([found.pid] if found.pid else []))) == event
