# SPDX-License-Identifier: Apache-2.0
"""
Which tests guard a promise, and which measure: the one place that says so.

A test that fails is run again (`--reruns`, and the report says so): real processes on a machine
that others use. Not so a SAFETY test: a stop that was missed once was missed. A TIMED one judges
how soon something happens: tools/check.py runs these apart from the others and only few at once,
and one that fails while the machine itself stood still has shown nothing, and is run again.
"""

import sys
import time
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

from tests.host_watch import HostWatch  # noqa: E402

# Files, as patterns below the project's root.
TIMED = (
    'src/avatar_motor/test/test_control.py',
    'src/avatar_motor/test/test_link.py',
    'src/avatar_motor/test/test_motor_node.py',
    'src/avatar_web/test/test_gateway_drive.py',
    'src/avatar_web/test/test_gateway_link.py',
    'tests/test_runaway*.py',
)
SAFETY = (
    *TIMED,
    'src/avatar_motor/test/*.py',
    'src/avatar_web/test/test_driving.py',
    'src/avatar_web/test/test_freshness.py',
    'src/avatar_web/test/test_lease.py',
    'src/avatar_web/test/test_policy.py',
    'tests/page/test_emergency_stop.py',
    'tests/page/test_interlocks.py',
    'tests/test_faults.py',
    'tests/test_fuzz_gateway.py',
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
    config.addinivalue_line('markers', 'safety: guards a promise: a failure is never run again')
    config.addinivalue_line('markers', 'timed: judges a time: few run at once')
    gone = [pattern for pattern in SAFETY if not any(ROOT.glob(pattern))]
    if gone:
        raise pytest.UsageError(f'conftest.py names tests that are no more: {", ".join(gone)}')


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the file it is in."""
    for item in items:
        file = str(item.path.relative_to(ROOT))
        timed = _is_in(file, TIMED)
        if timed:
            item.add_marker('timed')
        if _is_in(file, SAFETY):
            item.add_marker('safety')
            again = timed and not fnmatch(file, MATRIX)
            item.add_marker(pytest.mark.flaky(reruns=2, condition=SPOILT) if again
                            else pytest.mark.flaky(reruns=0))


def _is_in(file: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(file, pattern) for pattern in patterns)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Watch the machine during each test that judges a time."""
    if item.get_closest_marker('timed') and item.get_closest_marker('flaky'):
        SPOILT.begin()
