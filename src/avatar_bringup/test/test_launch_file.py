# SPDX-License-Identifier: Apache-2.0
"""The launch file against the table, wherever `launch` can be imported."""

import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from avatar_bringup.launching import DEATHS
from avatar_bringup.parts import GIVEN_UP, RESTARTING, RUNNING, read
from avatar_bringup.processes import Place, table
from avatar_bringup.session import SWITCHES, place_from_arguments

FILE = Path(__file__).resolve().parents[1] / 'launch/avatar.launch.py'
CONFIG = Path(__file__).resolve().parents[1] / 'config'

DEFAULTS = {'sim': 'false', 'namespace': '', 'host': '', 'port': '8080', 'source': 'auto',
            'rosbridge': 'true', 'use_camera': 'true', 'use_picture': 'true',
            'use_description': 'true', 'use_odom_tf': 'true'}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which every program of the table is installed, as a script."""
    share = tmp_path / 'share/avatar_bringup'
    share.mkdir(parents=True)
    (share / 'config').symlink_to(CONFIG)
    for row in (*table(Place(tmp_path, sim=True, ros=True)),
                *table(Place(tmp_path, sim=False, ros=True))):
        program = tmp_path / 'lib' / row.package / row.executable
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text('#!/bin/sh\nexit 3\n')
        program.chmod(0o755)
    return {'AMENT_PREFIX_PATH': str(tmp_path), 'AVATAR_STATE_DIR': str(tmp_path / 'state'),
            'PATH': os.environ['PATH']}


def test_the_arguments_make_the_place(environ: dict[str, str], tmp_path: Path) -> None:
    state = tmp_path / 'state'
    assert place_from_arguments(DEFAULTS, environ) == Place(state, sim=False, ros=True)
    changed = {**DEFAULTS, 'sim': 'true', 'namespace': '/robot', 'host': '::1', 'port': '9000',
               'source': 'device', 'rosbridge': 'false', 'use_odom_tf': 'false'}
    assert place_from_arguments(changed, environ) == Place(
        state, sim=True, host='::1', port=9000, ros=True, namespace='robot', source='device',
        without=('rosbridge', 'rosapi', 'odom_tf'))
    with pytest.raises(ValueError, match="'80x'"):
        place_from_arguments({**DEFAULTS, 'port': '80x'}, environ)


def test_where_the_picture_comes_from_is_what_the_stream_node_is_told(
    environ: dict[str, str], tmp_path: Path
) -> None:
    own = tmp_path / 'state/config/stream.yaml'
    own.parent.mkdir(parents=True)
    own.write_text('/**:\n  ros__parameters:\n    source: "device"\n')
    assert place_from_arguments(DEFAULTS, environ).source == 'device'
    assert place_from_arguments({**DEFAULTS, 'source': 'topic'}, environ).source == 'topic'


def test_every_switch_leaves_out_rows_that_exist() -> None:
    names = {row.name for sim in (True, False)
             for row in table(Place(Path('/s'), sim=sim, ros=True))}
    assert {row for rows in SWITCHES.values() for row in rows} <= names
    assert not {'motor', 'gateway'} & {row for rows in SWITCHES.values() for row in rows}


class Launched:
    """The launch file as a module, and what `start` returned."""

    def __init__(self, environ: dict[str, str], **arguments: str) -> None:
        from launch import LaunchContext
        spec = importlib.util.spec_from_file_location('avatar_launch', FILE)
        assert spec is not None and spec.loader is not None
        self.module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.description = self.module.generate_launch_description()
        self.context = LaunchContext()
        self.context.launch_configurations.update({**DEFAULTS, 'port': '0', **arguments})
        before = dict(os.environ)
        os.environ.update(environ)
        try:
            self.entities = self.module.start(self.context)
        finally:
            os.environ.clear()
            os.environ.update(before)
        self.supervision = self.entities[0].event_handler._OnActionEventBase__on_event.__self__

    def died(self, name: str, code: int = 1) -> Any:
        """Tell the handlers that a part ended."""
        from launch.events.process import ProcessExited
        action = self.supervision.actions[name]
        event = ProcessExited(action=action, name=name, cmd=[], cwd=None, env={}, pid=1,
                              returncode=code)
        return self.supervision.on_exit(event, self.context)


@pytest.fixture
def launched(environ: dict[str, str]) -> Iterator[Launched]:
    pytest.importorskip('launch', reason='launch comes with a ROS installation only')
    launched = Launched(environ)
    yield launched
    launched.supervision.session.close()


def test_the_arguments_are_described(launched: Launched) -> None:
    arguments = {a.name: a for a in launched.description.get_launch_arguments()}
    assert arguments.keys() == DEFAULTS.keys()
    for name, argument in arguments.items():
        assert len(argument.description) > 10, name
    assert {n for n, a in arguments.items() if a.choices} == DEFAULTS.keys() - {
        'namespace', 'host', 'port'}


def test_every_row_of_the_table_is_launched_as_the_demo_starts_it(launched: Launched) -> None:
    from launch.actions import ExecuteProcess
    session = launched.supervision.session
    actions = [e for e in launched.entities if isinstance(e, ExecuteProcess)]
    expected = table(replace(session.place))
    assert list(launched.supervision.actions) == [row.name for row in expected]
    for action, program in zip(actions, session.programs, strict=True):
        action.prepare(launched.context)
        assert action.process_details['cmd'] == program.command
        env = action.process_details['env']
        assert env['AVATAR_RUN'] == session.run
        assert bool(env['AVATAR_MEDIA_SECRET']) == (program.name in ('gateway', 'stream'))


def test_nothing_orders_the_start() -> None:
    text = FILE.read_text()
    assert not re.search(r'TimerAction|sleep\(', text)


def test_a_part_that_keeps_dying_is_given_up_and_the_rest_goes_on(launched: Launched) -> None:
    from launch.actions import EmitEvent
    folder = launched.supervision.session.folder
    for number in range(1, DEATHS):
        assert launched.died('stream') is None, number
        assert read(folder)['stream'].state == RESTARTING
    assert isinstance(launched.died('stream'), EmitEvent)
    assert read(folder)['stream'].state == GIVEN_UP
    assert read(folder)['stream'].deaths == DEATHS
    assert not launched.supervision.failed


@pytest.mark.parametrize('name', ['motor', 'gateway'])
def test_without_motor_or_gateway_everything_ends(name: str, launched: Launched) -> None:
    for _ in range(DEATHS - 1):
        assert launched.died(name) is None
    with pytest.raises(launched.module.GivenUp, match=name):
        launched.died(name)
    assert launched.supervision.failed


def test_a_part_that_ends_because_everything_ends_has_not_died(launched: Launched) -> None:
    launched.context._set_is_shutdown(True)
    for _ in range(2 * DEATHS):
        assert launched.died('motor') is None
    assert read(launched.supervision.session.folder)['motor'].deaths == 0


def test_the_record_has_the_pid_and_the_last_words(launched: Launched) -> None:
    from launch.events.process import ProcessStarted, ProcessStderr
    action = launched.supervision.actions['motor']
    about: dict[str, Any] = {'action': action, 'name': 'motor', 'cmd': [], 'cwd': None, 'env': {},
                             'pid': 4711}
    launched.supervision.on_start(ProcessStarted(**about), launched.context)
    folder = launched.supervision.session.folder
    assert (read(folder)['motor'].state, read(folder)['motor'].pid) == (RUNNING, 4711)
    launched.supervision.on_output(ProcessStderr(text=b'one\nno board\n\n', **about))
    launched.died('motor')
    assert read(folder)['motor'].words == 'no board'
    launched.died('motor', -9)
    assert read(folder)['motor'].words == 'killed by SIGKILL'


def test_a_second_copy_ends_with_78(
    launched: Launched, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        Launched(environ)
    assert ended.value.code == 78
    assert f'pid {os.getpid()} (' in capsys.readouterr().err
