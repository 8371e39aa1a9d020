# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the system tests; `tests/stack.py` says how to use them."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC = Path(os.environ.get('AVATAR_SRC', ROOT / 'src'))
# From source, also where a build is installed: what is tested is what was edited.
sys.path[:0] = [str(ROOT), *(str(p.parent) for p in sorted(SRC.glob('*/setup.py')))]

from tests import matrix  # noqa: E402
from tests.stack import Stack  # noqa: E402

MakeStack = Callable[..., Stack]


@pytest.fixture(scope='module')
def _module_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp('robot')) as stack:
        yield stack


@pytest.fixture
def stack(_module_stack: Stack) -> Iterator[Stack]:
    """One robot for all tests of a file, at rest."""
    _module_stack.rest()
    yield _module_stack
    _module_stack.close_operators()


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[MakeStack]:
    """Make robots with options of their own; all end with the test."""
    made: list[Stack] = []

    def make(*, start: bool = True, **options: Any) -> Stack:
        made.append(Stack(tmp_path / f'robot{len(made)}', **options))
        return made[-1].start() if start else made[-1]

    make.made = made  # type: ignore[attr-defined]
    yield make
    for stack in made:
        stack.close()


@pytest.fixture
def fresh_stack(make_stack: MakeStack) -> Stack:
    """A robot for this test alone."""
    return make_stack()


@pytest.fixture(scope='session')
def playwright() -> Iterator[Any]:
    """The one Playwright of all tests: a thread can have only one."""
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        yield playwright


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show the logs of every robot of a failed test."""
    outcome: Any = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for name, value in getattr(item, 'funcargs', {}).items():
        stacks = [value] if isinstance(value, Stack) else getattr(value, 'made', [])
        for stack in stacks:
            report.sections.append((f'robot of {name}', stack.logs()))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a worker measured to whoever started it."""
    if hasattr(session.config, 'workeroutput'):
        session.config.workeroutput['stop_times'] = matrix.parts()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker measured."""
    for part in getattr(node, 'workeroutput', {}).get('stop_times', []):
        matrix.add(part)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End with the stop times, if some were measured."""
    text = '' if hasattr(config, 'workeroutput') else matrix.finish()
    if text:
        config.get_terminal_writer().line(f'\nStop times at the wheel outputs\n{text}')
