# SPDX-License-Identifier: Apache-2.0
"""
The rows of the runaway matrix that need a browser: real Chromium, the real page, a key held.

The other rows, what is measured and where the figures go: `tests/test_runaway.py`.
"""

import random
import time
from collections.abc import Iterator

import pytest

pytest.importorskip('playwright')

from playwright.sync_api import Page, Playwright, expect

from avatar_node.testing import wait_for
from tests.browser import RealBrowser, chromium, take_lease
from tests.matrix import Times
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
        take_lease(page)
        return page

    def drive(self, page: Page) -> None:
        """Press the key anew, hold it until the wheels turn and for a moment longer."""
        page.keyboard.up(self.key)
        time.sleep(0.2)
        page.keyboard.down(self.key)
        self.stack.wheels.wait_moving()
        time.sleep(random.uniform(0.2, 0.7))

    def stopped(self, event: float) -> float:
        return self.stack.wheels.stop_time_s(event)

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

    def once(_: int) -> float:
        desk.drive(page)
        event = time.monotonic()
        page.keyboard.up(desk.key)
        seconds = desk.stopped(event)
        desk.still('key released', 0.4)
        return seconds
    times.repeat('key released in the browser', motion, once)


def test_tab_closed(desk: Desk, motion: str, times: Times) -> None:
    desk.page()

    def once(_: int) -> float:
        page = desk.page()
        desk.drive(page)
        event = time.monotonic()
        page.close(run_before_unload=False)
        seconds = desk.stopped(event)
        desk.still('tab closed')
        return seconds
    times.repeat('tab closed', motion, once)
    desk.drives_again(desk.page())


def test_browser_killed(desk: Desk, motion: str, times: Times) -> None:
    def once(_: int) -> float:
        desk.drive(desk.page())
        assert desk.browser is not None
        try:
            seconds = desk.stopped(desk.browser.kill())
            desk.still('browser killed')
        finally:
            desk.leave()
        return seconds
    times.repeat('browser killed', motion, once)
    desk.drives_again(desk.page())


def test_page_frozen(desk: Desk, motion: str, times: Times) -> None:
    """Its process stopped; then it goes on with the key still down. Pings are answered on."""
    page = desk.page()
    browser = desk.browser
    assert browser is not None

    def once(_: int) -> float:
        desk.drive(page)
        event = browser.freeze()
        try:
            seconds = desk.stopped(event)
            desk.still('page frozen', random.uniform(0.2, 2.0))
        finally:
            browser.thaw()
        desk.still('page goes on, key held')
        return seconds
    times.repeat('page frozen in the browser', motion, once)
    desk.drives_again(page)


def test_page_busy(desk: Desk, motion: str, times: Times) -> None:
    """A script that hangs for 1.5 s: nothing runs in the page, not even its timers."""
    page = desk.page()

    def once(_: int) -> float:
        desk.drive(page)
        page.evaluate(
            'window.hungAt = 0; setTimeout(() => {'
            ' window.hungAt = performance.timeOrigin + performance.now();'
            ' const end = performance.now() + 1500; while (performance.now() < end); }, 0)')
        # The calendar is the one clock both sides have.
        offset_s = time.time() - time.monotonic()
        desk.stack.wheels.wait_neutral()
        desk.still('page hangs', 0.5)
        hung_s: float = wait_for(lambda: page.evaluate('window.hungAt'), 5.0, 'the page') / 1e3
        seconds = desk.stopped(hung_s - offset_s)
        desk.still('page goes on, key held')
        return seconds
    times.repeat('page hangs', motion, once)
    desk.drives_again(page)


def test_a_robot_that_waits_for_the_hand_is_said(desk: Desk, motion: str) -> None:
    """The motor node was held up: the page stops sending, says why, and drives after a release."""
    page = desk.page()
    desk.drive(page)
    desk.stack.motor.freeze()
    time.sleep(0.5)
    desk.stack.motor.thaw()
    desk.stack.wheels.wait_neutral()
    expect(page.locator('#why')).to_have_text('Let go first', timeout=3_000)
    desk.still('motor node continued, key held', 1.0)
    expect(page.locator('#why')).to_have_text('Let go first')
    desk.drives_again(page)
