# SPDX-License-Identifier: Apache-2.0
"""The tabs System, WiFi and Accounts: by hand and by looking, in front of a stand-in nmcli."""

import shlex
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from avatar_node.testing import wait_for
from tests.conftest import MakeStack
from tests.page.conftest import Desks
from tests.page.desk import PHONE, Desk, add_user
from tests.page.test_looking import SCROLLED
from tests.wifi_air import PASSWORD, Air, network


class Machine(Air):
    """The WiFi's world, and a command that notes that it would have ended the machine."""

    @property
    def note(self):
        return self.folder / 'ended'

    @property
    def command(self) -> str:
        return shlex.join([sys.executable, '-ISc',
                           f'import pathlib; pathlib.Path({str(self.note)!r}).touch()'])


@pytest.fixture
def machine(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    (tmp_path / 'machine').mkdir()
    return Machine(tmp_path / 'machine', monkeypatch)


@pytest.fixture
def desks(machine: Machine, make_stack: MakeStack, browser: Browser) -> Iterator[Desks]:
    """Desks at a robot that may change its machine: the stand-in's."""
    stack = make_stack(gateway={
        'manages_machine': True, 'reboot_command': machine.command,
        'poweroff_command': machine.command})
    desks = Desks(stack, browser)
    yield desks
    for desk in desks.all:
        desk.context.close()
    for desk in desks.all:
        assert desk.problems == []


def open_tab(page: Page, tab: str) -> None:
    page.locator('#menu').click()
    page.locator(f'[data-tab={tab}]').click()


def row(page: Page, name: str):
    return page.locator('#wifi-networks > li').filter(has=page.get_by_text(name, exact=True))


def test_a_network_is_joined_by_its_password(desks: Desks, machine: Machine) -> None:
    desk = desks.make()
    desk.open()
    page = desk.page
    open_tab(page, 'wifi')
    expect(row(page, 'home')).to_contain_text('in use')
    row(page, 'new').get_by_role('button', name='Connect').click()
    row(page, 'new').locator('input').fill('wrong password')
    row(page, 'new').locator('[type=submit]').click()
    page.locator('#ask-yes').click()
    state = page.locator('#sheet-body > .state')
    expect(state).to_have_text('“new” did not come up. The password is not right. The robot is in '
                               '“home” again.')
    row(page, 'new').get_by_role('button', name='Connect').click()
    field = row(page, 'new').locator('input')
    row(page, 'new').get_by_role('button', name='Show').click()
    expect(field).to_have_attribute('type', 'text')
    field.fill(PASSWORD)
    row(page, 'new').locator('[type=submit]').click()
    page.locator('#ask-yes').click()
    expect(state).to_have_text('Connected to “new”.')
    expect(row(page, 'new')).to_contain_text('in use')
    known = page.locator('#wifi-known > li')
    known.filter(has_text='café').get_by_role('button', name='Prefer').click()
    expect(known.first).to_contain_text('café')
    known.filter(has_text='home').get_by_role('button', name='Forget').click()
    page.locator('#ask-yes').click()
    expect(known).to_have_count(2)
    assert PASSWORD not in desk.stack.gateway.log


def test_what_a_network_is_called_is_text_and_nothing_else(desks: Desks, machine: Machine) -> None:
    evil = '<img src=x onerror=alert(1)>'
    machine.set(networks=[network(evil), network('office', security='WPA2 802.1X')])
    desk = desks.make()
    desk.open()
    open_tab(desk.page, 'wifi')
    expect(row(desk.page, evil)).to_be_visible()
    expect(desk.page.locator('#sheet-body img')).to_have_count(0)
    office = row(desk.page, 'office')
    expect(office).to_contain_text('company sign-in: not joined from here')
    expect(office.locator('button')).to_have_count(0)


def test_a_restart_is_asked_for_and_the_driver_is_named(desks: Desks, machine: Machine) -> None:
    driver = desks.sit('Ana')
    driver.take()
    admin = desks.make()
    admin.open()
    page = admin.page
    open_tab(page, 'system')
    facts = page.locator('#sheet-body .facts').first
    expect(facts).to_contain_text('Memory')
    page.get_by_role('button', name='Switch off …').click()
    expect(page.locator('#ask-text')).to_contain_text('Ana is driving.')
    expect(page.locator('#ask-text')).to_contain_text('has to switch it on again')
    page.locator('#ask-no').click()
    assert not machine.note.exists()
    with driver.holding('KeyW'):
        page.get_by_role('button', name='Restart …').click()
        page.locator('#ask-yes').click()
        wait_for(machine.note.exists, 10, 'the restart')
        driver.stack.wheels.wait_neutral()
        expect(driver.page.locator('#lease')).not_to_have_attribute('data-whose', 'mine')
    expect(page.locator('#power-text')).to_contain_text('restarting')


def test_by_looking_alone(desks: Desks, machine: Machine) -> None:
    desk = desks.make(viewport=PHONE, reduced_motion='reduce')
    desk.open()
    page = desk.page
    desk.method('gaze')
    desk.look_at(page.locator('#menu'))
    expect(page.locator('#sheet')).to_be_visible()
    desk.look_at(page.locator('[data-tab=system]'))
    restart, down = page.get_by_role('button', name='Restart …'), page.locator('#page-down')
    expect(restart).to_have_count(1)
    for _ in range(9):
        if down.is_hidden() or down.is_disabled():
            break
        before = page.evaluate(SCROLLED)
        desk.look_at(down)
        wait_for(lambda seen=before: page.evaluate(SCROLLED) > seen, 4.0, 'the next part')
        page.mouse.move(300, 36)  # beside every button
    expect(restart).to_be_in_viewport(ratio=1)
    desk.look_at(restart)
    expect(page.locator('#ask')).to_be_visible()
    desk.look_at(page.locator('#ask-yes'))
    wait_for(machine.note.exists, 10, 'the restart')


def test_a_simulated_robot_says_that_it_leaves_the_machine_alone(desk_of_demo: Desk) -> None:
    page = desk_of_demo.page
    open_tab(page, 'wifi')
    expect(page.locator('#sheet-body')).to_contain_text('only simulated')
    page.locator('[data-tab=system]').click()
    expect(page.locator('#sheet-body')).to_contain_text('only simulated')
    expect(page.get_by_role('button', name='Restart …')).to_have_count(0)


@pytest.fixture
def desk_of_demo(make_stack: MakeStack, browser: Browser) -> Iterator[Desk]:
    desks = Desks(make_stack(), browser)
    desk = desks.make()
    desk.open()
    yield desk
    desk.context.close()
    assert desk.problems == []


def test_tabs_of_admins_are_for_admins(desks: Desks) -> None:
    desk = desks.sit('Ana', 'driver')
    desk.page.locator('#menu').click()
    for tab in ('system', 'wifi', 'users', 'selftest'):
        expect(desk.page.locator(f'[data-tab={tab}]')).to_have_count(0)


def test_accounts_show_where_they_are_signed_in_and_the_last_admin_stays(desks: Desks) -> None:
    guest = desks.sit('Gast', 'viewer')
    add_user(guest.stack, 'Root', 'admin')
    desk = desks.make()
    desk.open()
    page = desk.page
    open_tab(page, 'users')
    line = page.locator('#sheet-body .rows > li').filter(has_text='Gast').first
    line.get_by_role('button', name='Devices').click()
    guest.expects_lost_link = True
    line.get_by_role('button', name='Sign out this device').click()
    expect(guest.page.locator('#login')).to_be_visible()
    expect(line).to_contain_text('Signed in nowhere.')
    line.get_by_role('button', name='Devices').click()
    expect(line.locator('.inline')).to_have_count(0)
    root = page.locator('#sheet-body .rows > li').filter(has_text='Root').first
    root.get_by_role('button', name='Role').click()
    root.get_by_role('button', name='Viewer').click()
    expect(page.locator('#sheet-body .form-note').first).to_have_text(
        'The last administrator cannot be removed.')
    root.get_by_role('button', name='Remove').click()
    page.locator('#ask-yes').click()
    expect(page.locator('#sheet-body .form-note').first).to_have_text(
        'The last administrator cannot be removed.')
    expect(root).to_be_visible()
