# SPDX-License-Identifier: Apache-2.0
"""Every way in which the page can lose its person: stop, and a held key does nothing after it."""

import time

from playwright.sync_api import expect

from tests.page.conftest import Desks
from tests.page.desk import Desk
from tests.page.test_emergency_stop import restart
from tests.proxy import Proxy


def driving(desk: Desk) -> None:
    desk.press('KeyW')


def stopped(desk: Desk, event: float) -> None:
    assert desk.stack.wheels.stop_time_s(event) < 0.5


def test_blur(desk: Desk) -> None:
    driving(desk)
    event = time.monotonic()
    desk.page.evaluate("window.dispatchEvent(new Event('blur'))")
    stopped(desk, event)
    desk.says('Click or tap this page to drive')
    desk.must_let_go()


def test_blur_ends_what_runs_by_itself(desk: Desk) -> None:
    desk.method('click')
    desk.start(desk.pad('forward').click, desk.page.locator('#trail').click)
    event = time.monotonic()
    desk.page.evaluate("window.dispatchEvent(new Event('blur'))")
    stopped(desk, event)
    desk.page.evaluate("window.dispatchEvent(new Event('focus'))")
    desk.stack.wheels.assert_still(0.5, 'back again')


def test_a_first_look_at_a_window_that_is_not_in_use_only_wakes_it(desk: Desk) -> None:
    desk.method('gaze')
    session = desk.context.new_cdp_session(desk.page)
    session.send('Emulation.setFocusEmulationEnabled', {'enabled': False})
    desk.page.evaluate("document.hasFocus = () => false; window.dispatchEvent(new Event('blur'))")
    desk.says('Click or tap this page to drive')
    desk.look_at(desk.pad('forward'))
    desk.stack.wheels.assert_still(2.5, 'another window was in use')
    desk.says('Ready to drive')
    desk.look_away()
    desk.start(lambda: desk.look_at(desk.pad('forward')), desk.look_away)
    desk.look_away()
    desk.stack.wheels.wait_neutral()


def test_another_tab(desk: Desk) -> None:
    """A real change of tabs, as far as a headless browser has it: the page is hidden."""
    driving(desk)
    session = desk.context.new_cdp_session(desk.page)
    session.send('Emulation.setFocusEmulationEnabled', {'enabled': False})
    event = time.monotonic()
    other = desk.context.new_page()
    other.bring_to_front()
    stopped(desk, event)
    desk.stack.wheels.assert_still(0.5, 'in another tab')
    other.close()
    desk.page.bring_to_front()
    session.send('Emulation.setFocusEmulationEnabled', {'enabled': True})
    desk.must_let_go()


def test_hidden(desk: Desk) -> None:
    driving(desk)
    event = time.monotonic()
    desk.page.evaluate("""() => {
      Object.defineProperty(document, 'hidden', {value: true, configurable: true});
      document.dispatchEvent(new Event('visibilitychange'));
    }""")
    stopped(desk, event)
    desk.page.evaluate("""() => {
      delete document.hidden;
      document.dispatchEvent(new Event('visibilitychange'));
    }""")
    desk.must_let_go()


def test_leaving_the_page_and_coming_back(desk: Desk) -> None:
    driving(desk)
    event = time.monotonic()
    desk.page.goto('about:blank')
    stopped(desk, event)
    desk.page.go_back()
    desk.wait_ready()
    desk.take_back()
    desk.stack.wheels.assert_still(0.4, 'back on the page')
    desk.page.keyboard.up('KeyW')
    with desk.holding('KeyW'):
        pass
    desk.stack.wheels.wait_neutral()


def test_finger_taken_by_the_browser(desk: Desk) -> None:
    desk.put_finger('forward')
    event = time.monotonic()
    desk.touch('touchCancel')
    stopped(desk, event)
    desk.put_finger('forward')
    desk.touch('touchEnd', thumb=desk.middle(desk.pad('forward')))
    desk.stack.wheels.wait_neutral()


def test_pointer_capture_lost_with_another_finger_down(desk: Desk) -> None:
    desk.put_finger('forward')
    desk.touch('touchStart', index=desk.middle(desk.pad('left')))
    x, y = desk.middle(desk.pad('forward'))
    desk.touch('touchMove', thumb=(x + 2, y))  # only now the browser really captures it
    event = time.monotonic()
    desk.page.evaluate("""() => {
      const board = document.querySelector('#board');
      const pointer = [...Array(99).keys()].find((id) => board.hasPointerCapture(id));
      board.releasePointerCapture(pointer);
    }""")
    desk.touch('touchMove', thumb=(x + 4, y))  # the browser tells with the next event
    stopped(desk, event)
    desk.says('Let go first')
    desk.touch('touchEnd', index=desk.middle(desk.pad('left')))
    desk.touch('touchEnd', thumb=desk.middle(desk.pad('forward')))
    desk.says('Ready to drive')


def test_socket_lost(desks: Desks) -> None:
    desk = desks.sit('Ana')  # an account outlives the gateway, the link of the demo does not
    desk.expects_lost_link = True
    desk.take()
    port = desk.stack.port
    driving(desk)
    event = desk.stack.gateway.kill()
    assert desk.stack.wheels.stop_time_s(event) < 0.6
    expect(desk.page.locator('#why')).to_contain_text('No link to the robot')
    restart(desk, port)
    desk.wait_ready()
    desk.page.locator('#lease-take').click()
    desk.must_let_go()


def test_session_gone_with_the_gateway(desk: Desk) -> None:
    desk.expects_lost_link = True
    port = desk.stack.port
    desk.stack.gateway.kill()
    restart(desk, port)
    expect(desk.page.locator('#login-note')).to_have_text(
        'Your session was ended. Sign in again.', timeout=20_000)


def test_control_lost_and_gained(desk: Desk, desks: Desks) -> None:
    maria = desks.sit('Maria')
    driving(desk)
    maria.page.locator('#lease-take').click()
    event = time.monotonic()
    maria.page.locator('#ask-yes').click()
    stopped(desk, event)
    maria.drives()
    desk.says('Maria drives')
    maria.give_up()
    desk.says('Take control to drive')
    desk.page.locator('#lease-take').click()
    desk.must_let_go()


def test_key_held_while_control_is_gained(desks: Desks) -> None:
    desk = desks.make()
    desk.open()
    desk.page.keyboard.down('KeyW')
    desk.stack.wheels.assert_still(0.3, 'without control')
    desk.gain_control()
    desk.must_let_go()


def test_page_that_hung(desk: Desk) -> None:
    driving(desk)
    desk.page.evaluate('const end = performance.now() + 1000; while (performance.now() < end);')
    desk.stack.wheels.wait_neutral()
    desk.must_let_go()


def test_link_too_slow(desk: Desk) -> None:
    with Proxy(desk.stack.port, 0.4) as proxy:
        desk.addresses.append(f'http://127.0.0.1:{proxy.port}')
        desk.page.goto(desk.stack.link.replace(str(desk.stack.port), str(proxy.port)))
        desk.wait_ready(40.0)  # a hundred files over six connections
        desk.page.locator('#lease-take').click()
        expect(desk.page.locator('#notice')).to_have_text('Link too slow to drive')
        desk.page.keyboard.down('KeyW')
        desk.stack.wheels.assert_still(0.8, 'a link that is too slow')
        desk.page.keyboard.up('KeyW')


def test_board_unplugged(desk: Desk) -> None:
    driving(desk)
    desk.stack.board_do('unplug', s=3)
    desk.says('Motor board not connected')
    expect(desk.page.locator('#chip-board')).to_have_text('Motors missing')
    desk.stack.wheels.wait_neutral(4.0)
    expect(desk.page.locator('#chip-board')).to_have_attribute(
        'data-level', 'good', timeout=20_000)
    desk.must_let_go()


def test_motor_node_silent(desk: Desk) -> None:
    desk.stack.motor.freeze()
    desk.says('The motors do not answer')
    desk.stack.motor.thaw()
    desk.says('Ready to drive')
