# SPDX-License-Identifier: Apache-2.0
"""Alerts on the page: an admin says who is told, and when it is to be quiet."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from avatar_bringup.alerts.sending import is_installed
from avatar_bringup.testing import SECRET, Receiver
from tests.page.conftest import Desks
from tests.page.desk import DESKTOP, PHONE, Desk, api
from tests.page.test_emergency_stop import in_sight

pytestmark = pytest.mark.skipif(not is_installed(), reason='apprise is not installed')


@pytest.fixture
def service() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def open_tab(page: Page) -> None:
    page.locator('#menu').click()
    page.locator('[data-tab=alerts]').click()
    expect(page.locator('#alert-settings')).to_be_visible()


def test_an_admin_adds_tests_and_removes_a_service(
    desk: Desk, service: Receiver
) -> None:
    got = service.got
    page = desk.page
    open_tab(page)
    expect(page.get_by_text('Nobody is told anything yet.')).to_be_visible()
    note = page.locator('#sheet-body .form-note')
    form = page.locator('#new-service')
    form.locator('[name=url]').fill('nothing://here')
    form.locator('[type=submit]').click()
    expect(note).to_have_text('This is no address of a known service.', timeout=30_000)
    form.locator('[name=name]').fill("Ana's phone")
    form.locator('[name=url]').fill(service.url)
    form.locator('[type=submit]').click()
    row = page.locator('#sheet-body .rows li').filter(has_text="Ana's phone")
    expect(row).to_contain_text('json://...127.0.0.1/...', timeout=30_000)
    assert len(got) == 1 and 'test' in got[0]['title']
    assert SECRET not in page.content()
    row.get_by_role('button', name='Test').click()
    expect(note).to_contain_text('A test was sent', timeout=30_000)
    assert len(got) == 2
    row.get_by_role('button', name='Remove').click()
    page.locator('#ask-yes').click()
    expect(row).to_have_count(0)
    assert api(desk.stack, 'GET', 'alerts')['services'] == []


def test_what_a_test_does_not_reach_can_be_added_without_one(desk: Desk) -> None:
    page = desk.page
    open_tab(page)
    form = page.locator('#new-service')
    form.locator('[name=url]').fill(f'json://127.0.0.1:1/{SECRET}')
    form.locator('[type=submit]').click()
    expect(page.locator('#sheet-body .form-note')).to_have_text(
        'The service cannot be reached. Is there a network?', timeout=30_000)
    page.get_by_role('button', name='Add it without a test').click()
    row = page.locator('#sheet-body .rows li')
    expect(row).to_have_count(1)
    row.get_by_role('button', name='Remove').click()
    page.locator('#ask-yes').click()
    expect(row).to_have_count(0)


def test_quiet_hours_and_language_are_kept(desk: Desk) -> None:
    page = desk.page
    open_tab(page)
    form = page.locator('#alert-settings')
    form.locator('[name=quiet_from]').fill('22:30')
    form.locator('[name=quiet_to]').fill('07:00')
    form.locator('[name=alerts_language]').select_option('ro')
    form.locator('[name=alerts_name]').fill('Țuțu')
    form.locator('[name=quiet_except_stopped]').uncheck()
    form.locator('[type=submit]').click()
    expect(page.locator('#sheet-body .form-note')).to_have_text('This holds from now on.')
    settings = api(desk.stack, 'GET', 'settings')['settings']
    assert settings | {'quiet_from': '22:30', 'quiet_to': '07:00', 'alerts_language': 'ro',
                       'alerts_name': 'Țuțu', 'quiet_except_stopped': False} == settings
    page.reload()
    open_tab(page)
    expect(page.locator('[name=quiet_from]')).to_have_value('22:30')
    api(desk.stack, 'POST', 'settings', dict.fromkeys(settings))


@pytest.mark.parametrize('size', [DESKTOP, PHONE], ids=['desktop', 'phone'])
@pytest.mark.parametrize('language', ['en', 'ro', 'de'])
def test_everything_has_its_place(size: Any, language: str, desks: Desks) -> None:
    desk = desks.make(viewport=size, locale=language)
    desk.open()
    page = desk.page
    open_tab(page)
    body = page.locator('#sheet-body')
    assert body.evaluate('e => e.scrollWidth <= e.clientWidth'), 'it scrolls sideways'
    for field in page.locator('#sheet-body :is(button, input, select):visible').all():
        field.scroll_into_view_if_needed()
        assert (field.bounding_box() or {}).get('height', 0) >= 24
    assert in_sight(page)
