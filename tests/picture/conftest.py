# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the picture's tests: the desks of the page's tests, at a robot with a camera."""

import importlib.util
import os
import shutil
from collections.abc import Iterator

import pytest

pytest.importorskip('playwright')

from tests.browser import chromium
from tests.page.conftest import browser, desk, desks  # noqa: F401 - fixtures, used by their names
from tests.stack import Stack

NEEDED = {
    'no Chromium: apt install chromium': chromium(),
    'no ffmpeg: apt install ffmpeg': shutil.which('ffmpeg'),
    'no simulated camera': importlib.util.find_spec('avatar_camera.sim.node'),
    'no MediaMTX: make build builds it': os.environ.get('AVATAR_MEDIAMTX')
    or shutil.which('mediamtx'),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [what for what, found in NEEDED.items() if not found]
    for item in items:
        if 'tests/picture/' in str(item.path) and missing:
            item.add_marker(pytest.mark.skip(reason=missing[0]))


@pytest.fixture(scope='module')
def _module_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp('robot'), camera=True) as stack:
        yield stack
