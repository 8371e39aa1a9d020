# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the page's tests: one Chromium, and desks to sit down at."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip('playwright')

from playwright.sync_api import Browser, Playwright, expect

from tests.browser import chromium
from tests.page.desk import DESKTOP, Desk, add_user
from tests.stack import Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if chromium() is None:
        for item in items:
            if 'tests/page/' in str(item.path):
                item.add_marker(pytest.mark.skip(reason='no Chromium: apt install chromium'))


@pytest.fixture(scope='package')
def browser(playwright: Playwright) -> Iterator[Browser]:
    expect.set_options(timeout=10_000)
    browser = playwright.chromium.launch(
        executable_path=chromium(), args=['--no-sandbox'] if os.geteuid() == 0 else [])
    yield browser
    browser.close()


class Desks:
    """Makes desks; each is a browser profile of its own."""

    def __init__(self, stack: Stack, browser: Browser) -> None:
        self._stack, self._browser = stack, browser
        self.all: list[Desk] = []

    def make(self, **options: Any) -> Desk:
        """Return a desk with an empty page."""
        options = {'viewport': DESKTOP, 'locale': 'en-GB', **options}
        desk = Desk(self._stack, self._browser.new_context(**options))
        self.all.append(desk)
        return desk

    def sit(self, name: str, role: str = 'driver', **options: Any) -> Desk:
        """Return a desk where somebody is logged in and sees the robot."""
        add_user(self._stack, name, role)
        desk = self.make(**options)
        desk.log_in(name)
        return desk


@pytest.fixture
def desks(stack: Stack, browser: Browser) -> Iterator[Desks]:
    desks = Desks(stack, browser)
    yield desks
    for desk in desks.all:
        desk.context.close()
    for desk in desks.all:
        assert desk.problems == []
        assert all(url.startswith(tuple(desk.addresses)) for url in desk.requests)


@pytest.fixture
def desk(desks: Desks) -> Desk:
    """The admin in front of the page, in control."""
    desk = desks.make()
    desk.open()
    desk.take()
    return desk
