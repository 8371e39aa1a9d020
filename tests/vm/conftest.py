# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the virtual robot; a machine that cannot run one skips these tests and says why."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vm.camera_rig import CameraRig
from tests.vm.machine import Unavailable, kernel_folder
from tests.vm.rig import Rig

# In `make test-vm` only: each of these takes a minute of an emulated machine.
leisurely = pytest.mark.skipif(
    not os.environ.get('AVATAR_VM'), reason='takes a minute: make test-vm'
)


@pytest.fixture(scope='session')
def kernel() -> Path:
    """Return the folder of the unpacked kernel. With AVATAR_VM=all nothing is skipped."""
    try:
        return kernel_folder()
    except Unavailable as reason:
        if os.environ.get('AVATAR_VM'):
            pytest.fail(f'no virtual robot: {reason}')
        pytest.skip(f'no virtual robot: {reason}')


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show what everybody in the robot said, below a failed test."""
    outcome: Any = yield
    report = outcome.get_result()
    rig = getattr(item, 'funcargs', {}).get('rig')
    if report.failed and isinstance(rig, (Rig, CameraRig)):
        report.sections.append(('virtual robot', rig.logs()))
