# SPDX-License-Identifier: Apache-2.0
"""
The rows of the runaway matrix that need a browser: real Chromium, the real page, a key held.

The other rows, what is measured and where the figures go: `tests/test_runaway.py`.
"""

import contextlib
import random
import time
from collections.abc import Iterator

import pytest

pytest.importorskip('playwright')

from playwright.sync_api import Page, Playwright, sync_playwright

from avatar_node.testing import wait_for
from tests.browser import RealBrowser, chromium
from tests.matrix import REPEATS, Times
from tests.runaway import MOTIONS, STILL_S
from tests.stack import Stack

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason='no Chromium: apt install chromium'),
    pytest.mark.parametrize('motion', MOTIONS)]

KEYS = {'forward': 'w', 'spin': 'a'}


@pytest.fixture(scope='module')
def times() -> Iterator[Times]:
    with Times() as times:
        yield times


@pytest.fixture(scope='module')
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


class Desk:
    """Someone in front of a browser, who drives by keyboard."""

    def __init__(self, stack: Stack, playwright: Playwright, motion: str) -> None:
        self.stack, self.playwright, self.key = stack, playwright, KEYS[motion]
        self.browser: RealBrowser | None = None

    def page(self) -> Page:
        """Return the page in a new tab, with the lease."""
        if self.browser is None:
            self.browser = RealBrowser(self.playwright)
        page = self.browser.open(self.stack.link)
        page.bring_to_front()
        page.locator('#lease-take').click(timeout=10_000)
        page.locator('#lease-release').wait_for(state='visible', timeout=10_000)
        return page

    def drive(self, page: Page) -> None:
        """Hold the key until the wheels turn, and for a moment longer."""
        page.keyboard.down(self.key)
        self.stack.wheels.wait_moving()
        time.sleep(random.uniform(0.2, 0.7))

    def still(self, why: str, seconds: float = STILL_S) -> None:
        self.stack.wheels.assert_still(seconds, why)

    def drives_again(self, page: Page) -> None:
        """Let go, press again: now it must drive."""
        page.keyboard.up(self.key)
        time.sleep(0.15)
        page.keyboard.down(self.key)
        self.stack.wheels.wait_moving()
        page.keyboard.up(self.key)
        self.stack.wheels.wait_neutral()

    def leave(self) -> None:
        """End the browser."""
        if self.browser is not None:
            self.browser.close()
        self.browser = None


@pytest.fixture
def desk(stack: Stack, playwright: Playwright, motion: str) -> Iterator[Desk]:
    desk = Desk(stack, playwright, motion)
    yield desk
    desk.leave()


def test_key_released(desk: Desk, motion: str, times: Times) -> None:
    page = desk.page()
    for _ in range(REPEATS):
        desk.drive(page)
        event = time.monotonic()
        page.keyboard.up(desk.key)
        times.add('key released in the browser', motion, desk.stack.wheels.stop_time_s(event))
        desk.still('key released', 0.4)
    times.judge('key released in the browser', motion)


def test_tab_closed(desk: Desk, motion: str, times: Times) -> None:
    desk.page()
    for _ in range(REPEATS):
        page = desk.page()
        desk.drive(page)
        event = time.monotonic()
        page.close(run_before_unload=False)
        times.add('tab closed', motion, desk.stack.wheels.stop_time_s(event))
        desk.still('tab closed')
    times.judge('tab closed', motion)
    desk.drives_again(desk.page())


def test_browser_killed(desk: Desk, motion: str, times: Times) -> None:
    for _ in range(REPEATS):
        desk.drive(desk.page())
        assert desk.browser is not None
        event = desk.browser.kill()
        times.add('browser killed', motion, desk.stack.wheels.stop_time_s(event))
        desk.still('browser killed')
        desk.leave()
    times.judge('browser killed', motion)
    desk.drives_again(desk.page())


def test_page_frozen(desk: Desk, motion: str, times: Times) -> None:
    """Its process stopped; then it goes on with the key still down. Pings are answered on."""
    page = desk.page()
    assert desk.browser is not None
    for _ in range(REPEATS):
        desk.drive(page)
        event = desk.browser.freeze()
        times.add('page frozen in the browser', motion, desk.stack.wheels.stop_time_s(event))
        desk.still('page frozen', random.uniform(0.2, 2.0))
        desk.browser.thaw()
        desk.still('page goes on, key held')
        page.keyboard.up(desk.key)
        time.sleep(0.2)
    times.judge('page frozen in the browser', motion)
    desk.drives_again(page)


def test_page_busy(desk: Desk, motion: str, times: Times) -> None:
    """A script that hangs for 1.5 s: nothing runs in the page, not even its timers."""
    page = desk.page()
    for _ in range(REPEATS):
        desk.drive(page)
        page.evaluate(
            'setTimeout(() => { const end = performance.now() + 1500;'
            ' window.hungAt = performance.timeOrigin + performance.now();'
            ' while (performance.now() < end); }, 0)')
        # The calendar is the one clock both sides have.
        offset_s = time.time() - time.monotonic()
        desk.stack.wheels.wait_neutral()
        desk.still('page hangs', 0.5)
        hung_s = wait_for(lambda: page.evaluate('window.hungAt'), 5.0, 'the end') / 1e3
        event = hung_s - offset_s
        times.add('page hangs', motion, desk.stack.wheels.stop_time_s(event))
        desk.still('page goes on, key held')
        page.keyboard.up(desk.key)
        time.sleep(0.2)
        with contextlib.suppress(AssertionError):
            page.evaluate('window.hungAt = 0')
    times.judge('page hangs', motion)
    desk.drives_again(page)
