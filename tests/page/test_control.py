# SPDX-License-Identifier: Apache-2.0
"""Who drives: taken, taken over, handed over, let go; in two real browsers."""

import time

from playwright.sync_api import expect

from avatar_node.testing import wait_for
from tests.page.conftest import Desks
from tests.page.desk import Desk


def whose(desk: Desk, text: str) -> None:
    expect(desk.page.locator('#lease-who')).to_have_text(text)


def test_a_question_follows_the_language(desk: Desk) -> None:
    desk.page.locator('#lease-release').click()
    asked, yes = desk.page.locator('#ask-text'), desk.page.locator('#ask-yes')
    expect(asked).to_have_text('Give up control? Anyone can take it then.')
    desk.page.locator('.bar [data-language=de]').click()
    expect(asked).to_contain_text('Die Steuerung freigeben?')
    expect(yes).to_have_text('Steuerung freigeben')
    desk.page.locator('#ask-no').click()
    expect(asked).to_be_hidden()


def test_take_over_asks_and_tells_the_loser(desks: Desks) -> None:
    ana, maria = desks.sit('Ana'), desks.sit('Maria')
    whose(maria, 'Nobody drives')
    ana.take()
    whose(maria, 'Ana drives')
    maria.says('Ana drives')
    maria.page.keyboard.down('KeyW')
    maria.stack.wheels.assert_still(0.4, 'somebody else drives')
    maria.page.keyboard.up('KeyW')

    maria.page.locator('#lease-take').click()
    expect(maria.page.locator('#ask-text')).to_have_text(
        'Ana is driving. Take control away from Ana?')
    maria.page.locator('#ask-no').click()
    whose(ana, 'You drive')

    ana.press('KeyW')
    event = time.monotonic()
    maria.take_over()
    assert ana.stack.wheels.stop_time_s(event) < 1.0
    ana.page.keyboard.up('KeyW')
    whose(maria, 'You drive')
    whose(ana, 'Maria drives')
    expect(ana.page.locator('#notice')).to_have_text('Maria has control now.')
    with maria.holding('KeyA'):
        ana.page.keyboard.press('KeyD', delay=300)
        assert maria.tracks()[0] < 0 < maria.tracks()[1]
    maria.stack.wheels.wait_neutral()


def test_two_browsers_with_the_link_of_the_demo_are_told_apart(desks: Desks) -> None:
    one, two = desks.make(), desks.make()
    one.open()
    two.open()
    two.take()
    name = two.page.evaluate("fetch('api/session').then((answer) => answer.json())")['name']
    whose(one, f'{name} drives')
    one.page.locator('#menu').click()
    one.page.locator('[data-tab=people]').click()
    names = one.page.locator('#sheet-body .rows strong').all_inner_texts()
    assert len(names) == len(set(names)) >= 2
    assert name in names
    assert all(each.startswith('demo') for each in names)


def test_hand_over_to_a_named_person(desks: Desks) -> None:
    ana, maria, tom = desks.sit('Ana'), desks.sit('Maria'), desks.sit('Tom', 'viewer')
    ana.take()
    ana.page.locator('#lease-give').click()
    rows = ana.page.locator('#sheet-body .rows li')
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text='Ana (you)').get_by_role('button')).to_have_count(0)
    expect(rows.filter(has_text='Tom').get_by_role('button')).to_have_count(0)  # only watches
    rows.filter(has_text='Maria').get_by_role('button').click()
    expect(ana.page.locator('#ask-text')).to_have_text('Give control to Maria?')
    ana.page.locator('#ask-yes').click()
    maria.drives()
    whose(ana, 'Maria drives')
    whose(tom, 'Maria drives')
    expect(ana.page.locator('#lease-give')).to_be_hidden()
    with maria.holding('KeyW'):
        pass
    maria.stack.wheels.wait_neutral()
    maria.page.locator('#lease-release').click()
    expect(maria.page.locator('#ask-text')).to_have_text(
        'Give up control? Anyone can take it then.')
    maria.page.locator('#ask-no').click()
    whose(ana, 'Maria drives')
    maria.give_up()
    for desk in (ana, maria, tom):
        whose(desk, 'Nobody drives')


def test_programs_drive_beside_only_when_allowed(desks: Desks) -> None:
    ana = desks.sit('Ana')
    ana.take()
    ana.page.locator('#menu').click()
    ana.page.locator('[data-tab=people]').click()
    body = ana.page.locator('#sheet-body')
    expect(body).to_contain_text('commands of programs are ignored')
    body.get_by_role('button', name='Let programs drive too').click()
    expect(body).to_contain_text('Programs may drive beside you.')
    expect(body.get_by_role('button', name='Only I drive')).to_be_focused()
    ana.page.keyboard.press('Enter')
    expect(body).to_contain_text('commands of programs are ignored')


def test_lights_and_link_are_shown_to_all(desks: Desks) -> None:
    ana, maria = desks.sit('Ana'), desks.sit('Maria')
    for lamp in ('front', 'back'):
        for lit in ('true', 'false'):
            ana.page.locator(f'#light-{lamp}').click()
            for desk in (ana, maria):
                expect(desk.page.locator(f'#light-{lamp}')).to_have_attribute('aria-pressed', lit)
    expect(ana.page.locator('#chip-link')).to_have_attribute('data-level', 'good')
    wait_for(lambda: ana.page.locator('#chip-link').inner_text().startswith('Link '), 5.0,
             'the round trip')
    expect(ana.page.locator('#chip-battery')).to_be_hidden()  # firmware 2.0 reports none
