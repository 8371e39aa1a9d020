# SPDX-License-Identifier: Apache-2.0
"""
Which tests guard a promise, and which measure: the one place that says so.

A test that fails is run again (`--reruns`, and the report says so): real processes on a machine
that others use. Not so a SAFETY test: a stop that was missed once was missed. A TIMED one judges
how soon something happens: tools/check.py runs these apart from the others and only few at once.
"""

from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent

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
        if any(fnmatch(file, pattern) for pattern in TIMED):
            item.add_marker('timed')
        if any(fnmatch(file, pattern) for pattern in SAFETY):
            item.add_marker('safety')
            item.add_marker(pytest.mark.flaky(reruns=0))
