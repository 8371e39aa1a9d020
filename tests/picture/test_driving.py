# SPDX-License-Identifier: Apache-2.0
"""Driving by the picture: none on an old one, unless somebody wants to drive blind."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Desks
from tests.page.desk import PHONE, Desk, api
from tests.picture.watching import crowded, sees

GREY_S = 1.0
"""A picture that stands still is shown as one within this time."""
OLDEST_S = 1.0
JUDGED_S = 0.3
"""How late the page may notice, on a busy machine."""

REASONS_OUTSIDE = """async () => {
  const list = document.querySelector('link[href$="/texts/%s.js"]');
  const texts = (await import(list.href)).default;
  const [why, stage] = ['#why', '#stage'].map((id) => document.querySelector(id));
  return Object.keys(texts).filter((key) => key.startsWith('why.') && key !== 'why.other')
    .filter((key) => {
      why.textContent = texts[key].replace('{name}', 'Maximiliane Popescu')
        .replace(/{[a-z]+}/, '1000');
      const [box, room] = [why, stage].map((element) => element.getBoundingClientRect());
      return box.top < room.top + 60 || box.bottom > room.bottom || box.right > room.right;
    });
}"""
"""Why the robot stands, sentence by sentence: which is cut off, or over what the robot reports?"""


def locked(desk: Desk) -> None:
    """Wait until the page says that there is no driving by this picture, or by none."""
    expect(desk.page.locator('#why')).to_have_attribute('data-level', 'stop')
    expect(desk.page.locator('#blind')).to_be_visible()


@contextmanager
def frozen(desk: Desk) -> Iterator[float]:
    """Stop the camera in the middle of a picture; yields when."""
    event = desk.stack.camera.freeze()
    try:
        yield event
    finally:
        desk.stack.camera.thaw()


def test_a_frozen_picture_greys_and_stops_the_robot(desk: Desk) -> None:
    sees(desk, 'live')
    desk.press('KeyW')
    with frozen(desk) as event:
        sees(desk, 'old')
        assert time.monotonic() - event < GREY_S + JUDGED_S
        expect(desk.page.locator('#picture-note')).to_contain_text('This picture is')
        assert desk.stack.wheels.stop_time_s(event) < OLDEST_S + JUDGED_S
        desk.says('The picture is too old to drive by')
        desk.repeat('KeyW')
        desk.stack.wheels.assert_still(0.3, 'no picture to drive by')
        desk.page.locator('#light-front').click()
        expect(desk.page.locator('#light-front')).to_have_attribute('aria-pressed', 'true')
        desk.page.locator('#light-front').click()
    sees(desk, 'live')
    desk.must_let_go()


def test_stopping_works_without_a_picture(desk: Desk) -> None:
    sees(desk, 'live')
    with frozen(desk):
        locked(desk)
        desk.page.keyboard.press('Space')
        expect(desk.page.locator('#stop')).to_have_attribute('data-state', 'latched')
    sees(desk, 'live')
    time.sleep(1.0)  # no stop can be released within a second
    desk.page.locator('#reset').click()
    desk.page.locator('#ask-yes').click()
    desk.drives()


def test_driving_blind_is_asked_said_reported_and_ends_with_the_lease(desk: Desk) -> None:
    blind, toggle = desk.page.locator('#blind'), desk.page.locator('#blind-toggle')
    sees(desk, 'live')
    expect(blind).to_be_hidden()
    with frozen(desk):
        locked(desk)
        toggle.click()
        desk.page.locator('#ask-no').click()
        locked(desk)
        toggle.click()
        desk.page.locator('#ask-yes').click()
        desk.says('Ready to drive')
        with desk.holding('KeyW'):
            expect(desk.page.locator('#blind-text')).to_have_text(
                'Driving blind: the picture is not checked')
            time.sleep(1.2)  # reported each second
        desk.page.locator('#lease-release').click()
        if desk.page.locator('#ask-yes').is_visible():
            desk.page.locator('#ask-yes').click()
        expect(blind).to_be_hidden()
        desk.page.locator('#lease-take').click()
        locked(desk)
    sees(desk, 'live')
    drives = api(desk.stack, 'GET', 'report')['drives']
    assert max(drive['blind_s'] for drive in drives) > 1.0, drives


@pytest.mark.parametrize('method', ['pads', 'gaze'])
@pytest.mark.parametrize('language', ['en', 'ro', 'de'])
def test_what_is_said_of_an_old_picture_is_whole_on_a_phone(
    desks: Desks, language: str, method: str
) -> None:
    desk = desks.make(viewport=PHONE, locale=language)
    desk.open()
    desk.take()
    desk.method(method)
    sees(desk, 'live')
    for wide in ('false', 'true'):
        if wide == 'true':
            desk.page.locator('#wide').click()
            desk.page.mouse.move(2, 2)
        with frozen(desk):
            locked(desk)
            assert crowded(desk) == [], f'{wide}, asked whether to drive blind'
            desk.page.locator('#blind-toggle').click()
            desk.page.locator('#ask-yes').click()
            desk.page.mouse.move(2, 2)  # looking at no button
            expect(desk.page.locator('#blind')).to_have_attribute('data-on', 'true')
            assert crowded(desk) == [], f'{wide}, driving blind'
            desk.page.locator('#blind-toggle').click()
            expect(desk.page.locator('#blind')).to_have_attribute('data-on', 'false')
            desk.page.mouse.move(2, 2)
        sees(desk, 'live')


@pytest.mark.parametrize('language', ['en', 'ro', 'de'])
def test_every_reason_is_whole_on_the_phone_of_who_looks(desks: Desks, language: str) -> None:
    desk = desks.make(viewport=PHONE, locale=language)
    desk.open()
    desk.take()
    desk.method('gaze')
    sees(desk, 'live')
    assert desk.page.evaluate(REASONS_OUTSIDE % language) == []


def test_who_watches_is_not_asked_about_driving_blind(desks: Desks) -> None:
    desk = desks.sit('Tom', 'viewer')
    sees(desk, 'live')
    with frozen(desk):
        sees(desk, 'old')
        expect(desk.page.locator('#blind')).to_be_hidden()
