# SPDX-License-Identifier: Apache-2.0
"""
Fixtures of the machine with a systemd; where none can be booted its tests are skipped, saying why.

With AVATAR_SYSTEMD=required nothing is skipped.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.systemd.machine import Machine, Unavailable
from tests.systemd.robot import Robot

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def boot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Boot machines; all end with the tests."""
    if not os.environ.get('AMENT_PREFIX_PATH'):
        pytest.skip('needs the built packages: make systemd')
    made: list[Machine] = []

    def boot() -> Machine:
        try:
            made.append(Machine(tmp_path_factory.mktemp('machine'), ROOT))
        except Unavailable as reason:
            if os.environ.get('AVATAR_SYSTEMD') == 'required':
                pytest.fail(f'no machine with a systemd: {reason}')
            pytest.skip(f'no machine with a systemd: {reason}')
        return made[-1]

    yield boot
    for machine in made:
        machine.close()


@pytest.fixture(scope='session')
def installed(boot: Any) -> Robot:
    """One machine on which avatar is the service; shared by the tests."""
    robot = Robot(boot())
    robot.install()
    return robot


@pytest.fixture
def robot(installed: Robot) -> Robot:
    """The service, running and drivable."""
    installed.rest()
    return installed


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show what the service said below a failed test."""
    outcome: Any = yield
    report = outcome.get_result()
    funcargs = getattr(item, 'funcargs', {})
    robot = funcargs.get('robot') or funcargs.get('installed')
    if report.failed and isinstance(robot, Robot):
        report.sections.append(('service', robot.logs()))
