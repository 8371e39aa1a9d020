# SPDX-License-Identifier: Apache-2.0
"""The page for who can only look: rest always within reach, large targets, nothing to scroll."""

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from avatar_node.testing import wait_for
from tests.page.conftest import Desks
from tests.page.desk import DESKTOP, PHONE, Desk, add_user

SIZES = pytest.mark.parametrize('size', [DESKTOP, PHONE], ids=['desktop', 'phone'])

WITHIN_REACH = """() => {
  const rest = document.querySelector('#rest');
  const box = rest.getBoundingClientRect();
  const inside = box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight
      && box.right <= innerWidth;
  const free = [[.1, .1], [.9, .1], [.5, .5], [.1, .9], [.9, .9]].every(([x, y]) =>
    document.elementFromPoint(box.left + x * box.width, box.top + y * box.height)
      ?.closest('#rest') === rest);
  return inside && free && box.width >= 63.5 && box.height >= 63.5;
}"""
"""Is the whole of Rest on the screen, under nothing, and large?"""

SMALL = """() => [...document.querySelectorAll('button, a[href], [data-dwell]')]
  .filter((element) => element.checkVisibility({visibilityProperty: true}))
  .filter((element) => {
    const {width, height} = element.getBoundingClientRect();
    return width < 63.5 || height < 63.5;
  }).map((element) => `${element.tagName} ${element.id} ${element.textContent}`)"""
"""Targets of looking that are smaller than 64 px (so that two middles may be closer than that)."""

SCROLLS = """() => {
  const body = document.querySelector('#sheet-body');
  return body.scrollHeight > body.clientHeight + 1;
}"""

SCROLLED = "document.querySelector('#sheet-body').scrollTop"


def fit_for_looking(page: Page, where: str) -> None:
    assert page.evaluate(WITHIN_REACH), f'{where}: rest is not within reach'
    assert page.evaluate(SMALL) == [], where


@SIZES
@pytest.mark.parametrize('language', ['en', 'ro', 'de'])
def test_large_targets_and_rest_always_within_reach(
    desks: Desks, size: ViewportSize, language: str
) -> None:
    desks.sit('Maria')  # somebody to hand control over to
    desk = desks.make(viewport=size, locale=language)
    desk.open()
    page = desk.page
    desk.method('gaze')
    fit_for_looking(page, 'nobody drives')
    desk.take()
    fit_for_looking(page, 'driving')
    page.locator('#menu').click()
    for tab in page.locator('#sheet-tabs button').all():
        tab.click()
        where = f'sheet, {tab.inner_text()}'
        page.wait_for_timeout(150)  # some ask the robot first
        fit_for_looking(page, where)
        if tab.get_attribute('data-tab') in ('prefs', 'looking'):
            assert not page.evaluate(SCROLLS), where
        elif page.evaluate(SCROLLS):
            expect(page.locator('#page-down')).to_be_enabled()
    page.locator('#sheet-close').click()
    page.locator('#wide').click()
    expect(page.locator('#wide')).to_have_attribute('aria-pressed', 'true')
    fit_for_looking(page, 'full screen')
    page.locator('#wide').click()
    page.locator('#lease-release').click()
    fit_for_looking(page, 'question')
    page.locator('#ask-no').click()
    page.locator('#stop').click()
    expect(page.locator('#stop')).to_have_attribute('data-state', 'latched')
    fit_for_looking(page, 'stopped')
    page.locator('#lease-release').click()
    page.locator('#ask-yes').click()
    page.locator('#wide').evaluate('button => button.click()')  # the page's dialog lies over it
    page.locator('#lease-take').click()  # full screen it does not lie over who drives
    expect(page.locator('#lease')).to_have_attribute('data-whose', 'mine')


def test_a_long_page_is_scrolled_by_looking(desks: Desks) -> None:
    desk = desks.make(viewport=PHONE, reduced_motion='reduce')  # one step of scrolling, at once
    for number in range(6):
        add_user(desk.stack, f'Guest {number}', 'viewer')
    desk.open()
    page = desk.page
    expect(page.locator('#pager')).to_be_hidden()
    desk.method('gaze')
    page.locator('#menu').click()
    page.locator('[data-tab=users]').click()
    up, down = page.locator('#page-up'), page.locator('#page-down')
    expect(down).to_be_enabled()
    expect(up).to_be_disabled()
    add = page.locator('#new-user [type=submit]')
    expect(add).not_to_be_in_viewport(ratio=1)
    for _ in range(9):
        before = page.evaluate(SCROLLED)
        desk.look_at(down)
        wait_for(lambda seen=before: page.evaluate(SCROLLED) > seen, 4.0, 'the next part')
        page.mouse.move(300, 36)  # beside every button
        if down.is_disabled():
            break
    expect(add).to_be_in_viewport(ratio=1)
    desk.look_at(up)
    expect(down).to_be_enabled()
    page.locator('[data-tab=prefs]').click()
    expect(page.locator('#pager')).to_be_hidden()


def test_resting_says_so_and_hands_still_drive(desk: Desk) -> None:
    desk.method('gaze')
    desk.says('Ready to drive')
    desk.look_at(desk.page.locator('#rest'))
    desk.says('Resting: looking presses nothing')
    with desk.holding('KeyW'):
        desk.says('Driving')
    desk.stack.wheels.wait_neutral()
    desk.look_away()
    desk.look_at(desk.page.locator('#rest'))
    desk.says('Ready to drive')


def test_rest_is_pressed_over_the_open_sheet(desks: Desks) -> None:
    desk = desks.make(viewport=PHONE)
    desk.open()
    desk.method('gaze')
    desk.page.locator('#menu').click()
    rest = desk.page.locator('#rest')
    desk.look_at(rest)
    expect(rest).to_have_attribute('aria-pressed', 'true')
    expect(desk.page.locator('#sheet')).to_be_visible()
