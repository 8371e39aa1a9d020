# SPDX-License-Identifier: Apache-2.0
"""How the page comes: once, whole, and by itself again where it did not."""

import pytest
from playwright.sync_api import Route, expect

from tests.page.conftest import Desks

SENT = """() => performance.getEntriesByType('resource')
  .filter(({transferSize}) => transferSize > 0).map(({name}) => new URL(name).pathname)"""
"""What came over the network and not from the browser's cache."""


def test_a_second_visit_asks_for_none_of_the_files_again(desks: Desks) -> None:
    desk = desks.make()
    desk.open()
    assert sum(path.startswith('/v/') for path in desk.page.evaluate(SENT)) > 60
    desk.page.goto(desk.stack.url)
    desk.wait_ready()
    assert [path for path in desk.page.evaluate(SENT) if path.startswith('/v/')] == []


@pytest.mark.parametrize('module', ['main.js', 'picture/whep.js'])
@pytest.mark.parametrize('how', ['cut', 'another version'])
def test_a_page_that_came_in_part_is_loaded_again(desks: Desks, module: str, how: str) -> None:
    desk = desks.make()
    desk.expects_lost_link = True
    failed = []

    def once(route: Route) -> None:
        if failed:
            route.continue_()
        elif how == 'cut':
            failed.append(route.abort('connectionreset'))
        else:
            failed.append(route.fulfill(status=404))
    desk.page.route(f'**/{module}', once)
    desk.page.goto(desk.stack.link)
    desk.wait_ready()
    assert failed


def test_a_robot_out_of_reach_is_said_and_waited_for(desks: Desks) -> None:
    desk = desks.make(locale='de')
    desk.expects_lost_link = True
    desk.page.route('**/api/session', lambda route: route.abort('connectionrefused'))
    desk.page.goto(desk.stack.link)
    expect(desk.page.locator('#waiting-text')).to_have_text(
        'Der Roboter ist nicht erreichbar. Neuer Versuch …')
    desk.page.unroute('**/api/session')
    desk.wait_ready()
    expect(desk.page.locator('#waiting')).to_be_hidden()


def test_a_robot_that_does_not_answer_is_waited_for_in_words(desks: Desks) -> None:
    desk = desks.make()
    desk.page.route('**/api/session', lambda _: None)
    desk.page.goto(desk.stack.link)
    expect(desk.page.locator('#waiting-text')).to_have_text('Connecting to the robot …')
    desk.page.unroute('**/api/session')
    desk.wait_ready()


def test_what_the_door_says_follows_the_language(desks: Desks) -> None:
    desk = desks.make()
    page = desk.page
    page.goto(desk.stack.url + '/?ended')
    note = page.locator('#login-note')
    expect(note).to_have_text('Your session was ended. Sign in again.')
    page.locator('#login [data-language=de]').click()
    expect(note).to_have_text('Ihre Sitzung wurde beendet. Bitte neu anmelden.')
    page.locator('#login-form [name=name]').fill('Nobody')
    page.locator('#login-form [name=password]').fill('whatever it is')
    page.locator('#login-form [type=submit]').click()
    expect(note).to_have_text('Name oder Passwort stimmt nicht.')
    page.locator('#login [data-language=ro]').click()
    expect(note).to_have_text('Numele sau parola nu este corectă.')
