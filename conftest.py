# SPDX-License-Identifier: Apache-2.0
"""
Which tests guard a promise, and which measure: the one place that says so.

A test that fails is run again (`--reruns`, and the report says so): real processes on a machine
that others use. Not so a SAFETY test: a stop that was missed once was missed; only one that failed
while the machine itself stood still has shown nothing, and is run again. A TIMED one judges how
soon something happens: tools/check.py runs these apart from the others and only few at once.
"""

import sys
import time
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

from tests.host_watch import HostWatch  # noqa: E402

# Patterns below the project's root: files, or single tests of one.
TIMED = (
    'src/avatar_camera/test/test_files.py::test_a_snapshot_while_the_picture_runs*',
    'src/avatar_camera/test/test_stream_faults.py::test_a_camera_of_two_sizes*',
    'src/avatar_motor/test/test_fake_board.py::*costs*',
    'src/avatar_motor/test/test_control.py',
    'src/avatar_motor/test/test_link.py',
    'src/avatar_motor/test/test_motor_node.py',
    'src/avatar_web/test/test_accounts.py::test_flood_of_logins*',
    'src/avatar_web/test/test_auth_http.py::test_loop_is_never_blocked*',
    'src/avatar_web/test/test_gateway_drive.py',
    'src/avatar_web/test/test_gateway_link.py',
    'src/avatar_web/test/test_gateway_node.py::*costs*',
    'tests/test_runaway*.py',
)
SAFETY = (
    'src/avatar_motor/test/*.py',
    'src/avatar_web/test/test_driving.py',
    'src/avatar_web/test/test_freshness.py',
    'src/avatar_web/test/test_gateway_drive.py',
    'src/avatar_web/test/test_gateway_link.py',
    'src/avatar_web/test/test_lease.py',
    'src/avatar_web/test/test_policy.py',
    'tests/page/test_emergency_stop.py',
    'tests/page/test_interlocks.py',
    'tests/test_faults.py',
    'tests/test_fuzz_gateway.py',
    'tests/test_runaway*.py',
    'tests/test_stop_command.py',
)


STOOD_STILL_S = 0.05
MATRIX = 'tests/test_runaway*.py'  # judges by itself which of its runs the machine has spoilt


class Spoilt:
    """True while the test that runs was held up by the machine; watches from the first one on."""

    def __init__(self) -> None:
        self._watch: HostWatch | None = None

    def begin(self) -> None:
        """Forget what was before this test."""
        self._watch = self._watch or HostWatch()
        self._watch.reset()

    def __bool__(self) -> bool:
        time.sleep(0.01)  # the watch itself may be the last to wake
        return self._watch is not None and self._watch.worst_s > STOOD_STILL_S


SPOILT = Spoilt()


def pytest_configure(config: pytest.Config) -> None:
    """Explain the marks, and refuse a pattern that names no file any more."""
    config.addinivalue_line('markers', 'safety: guards a promise: a failure is not run again')
    config.addinivalue_line('markers', 'timed: judges a time: few run at once')
    gone = [p for p in TIMED + SAFETY if not any(ROOT.glob(p.partition('::')[0]))]
    if gone:
        raise pytest.UsageError(f'conftest.py names tests that are no more: {", ".join(gone)}')


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the file it is in."""
    for item in items:
        name = f'{item.path.relative_to(ROOT)}::{item.name}'
        timed, safety = _is_in(name, TIMED), _is_in(name, SAFETY)
        if timed:
            item.add_marker('timed')
        if safety:
            item.add_marker('safety')
        if _is_in(name, (MATRIX,)):
            item.add_marker(pytest.mark.flaky(reruns=0))
        elif safety:
            item.add_marker(pytest.mark.flaky(reruns=2, condition=SPOILT))
        elif timed:
            item.add_marker(pytest.mark.flaky(reruns=2))


def _is_in(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, p if '::' in p else f'{p}::*') for p in patterns)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Watch the machine during each test whose failure may be the machine's."""
    if item.get_closest_marker('timed') or item.get_closest_marker('safety'):
        SPOILT.begin()
