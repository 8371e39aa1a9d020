# SPDX-License-Identifier: Apache-2.0
"""Each way of driving, from the hand (or eye) to the board's outputs and back to neutral."""

import time

import pytest
from playwright.sync_api import expect

from avatar_node.testing import wait_for
from tests.page.desk import LOCK_AND_DWELL_S, Desk

STOP_S = 0.5
"""Chromium, gateway, board on a machine that is busy with other tests; the wheels' own times are
measured by tests/test_runaway_browser.py."""


def stops(desk: Desk, event: float) -> None:
    assert desk.stack.wheels.stop_time_s(event) < STOP_S


def test_keys(desk: Desk) -> None:
    for code, left, right in (
            ('KeyW', 1, 1), ('KeyS', -1, -1), ('KeyA', -1, 1), ('KeyD', 1, -1), ('ArrowUp', 1, 1),
            ('ArrowDown', -1, -1), ('ArrowLeft', -1, 1), ('ArrowRight', 1, -1)):
        desk.press(code)
        desk.wait_tracks(left, right)
        event = time.monotonic()
        desk.page.keyboard.up(code)
        stops(desk, event)


def test_keys_together(desk: Desk) -> None:
    keyboard = desk.page.keyboard
    desk.press('KeyW')
    desk.wait_tracks(1, 1)
    keyboard.down('KeyA')
    wait_for(lambda: 0 < desk.tracks()[0] < desk.tracks()[1], 3.0, 'forward, to the left')
    keyboard.up('KeyW')
    desk.wait_tracks(-1, 1)
    keyboard.down('KeyD')  # the newer of two opposite keys
    desk.wait_tracks(1, -1)
    keyboard.up('KeyD')
    desk.wait_tracks(-1, 1)
    event = time.monotonic()
    keyboard.up('KeyA')
    stops(desk, event)


def test_typing_never_drives_and_a_key_up_is_always_heard(desk: Desk) -> None:
    desk.page.locator('#menu').click()
    desk.page.locator('[data-tab=users]').click()
    field = desk.page.locator('#new-user [name=name]')
    field.click()
    desk.page.keyboard.type('wasd W')
    desk.stack.wheels.assert_still(0.4, 'typing')
    expect(field).to_have_value('wasd W')
    expect(desk.page.locator('#stop')).to_have_attribute('data-state', 'clear')
    field.blur()
    desk.press('KeyW')
    field.focus()
    event = time.monotonic()
    desk.page.keyboard.up('KeyW')
    stops(desk, event)


def test_combinations_never_drive(desk: Desk) -> None:
    for combination in ('Control+KeyS', 'Alt+KeyD', 'Meta+KeyA'):
        desk.page.keyboard.press(combination, delay=150)
    desk.stack.wheels.assert_still(0.3, 'a combination')
    desk.press('KeyW')
    event = time.monotonic()
    desk.page.keyboard.down('Meta')
    stops(desk, event)
    desk.page.keyboard.up('Meta')
    desk.must_let_go()


def test_slider_keeps_its_arrows(desk: Desk) -> None:
    slider = desk.page.locator('#speed-range')
    slider.focus()
    desk.page.keyboard.press('ArrowUp', delay=150)
    desk.stack.wheels.assert_still(0.2, 'an arrow on the slider')
    expect(slider).to_have_value('55')


def test_pads_by_mouse(desk: Desk) -> None:
    for pad, left, right in (
            ('forward', 1, 1), ('back', -1, -1), ('left', -1, 1), ('right', 1, -1),
            ('forward_left', 1, 1), ('back_right', -1, -1)):
        desk.page.mouse.move(*desk.middle(desk.pad(pad)))
        desk.start(desk.page.mouse.down, desk.page.mouse.up)
        desk.wait_tracks(left, right)
        event = time.monotonic()
        desk.page.mouse.up()
        stops(desk, event)


def test_pad_slid_off_and_on(desk: Desk) -> None:
    mouse = desk.page.mouse
    mouse.move(*desk.middle(desk.pad('forward')))
    desk.start(mouse.down, mouse.up)
    desk.wait_tracks(1, 1)
    mouse.move(*desk.middle(desk.pad('right')))
    desk.wait_tracks(1, -1)
    event = time.monotonic()
    mouse.move(*desk.middle(desk.page.locator('#trail')))
    stops(desk, event)
    mouse.up()
    desk.page.mouse.move(*desk.middle(desk.pad('forward')))
    desk.stack.wheels.assert_still(0.3, 'no button is down')


def test_pads_by_several_fingers(desk: Desk) -> None:
    forward, left = desk.middle(desk.pad('forward')), desk.middle(desk.pad('left'))
    desk.put_finger('forward')
    desk.wait_tracks(1, 1)
    desk.touch('touchStart', index=left)
    wait_for(lambda: 0 < desk.tracks()[0] < desk.tracks()[1], 3.0, 'forward, to the left')
    desk.touch('touchEnd', index=left)
    wait_for(lambda: desk.tracks()[0] == desk.tracks()[1] > 0, 3.0, 'straight on')
    event = time.monotonic()
    desk.touch('touchEnd', thumb=forward)
    stops(desk, event)


def test_pad_by_enter(desk: Desk) -> None:
    desk.pad('forward').focus()
    desk.press('Enter')
    desk.wait_tracks(1, 1)
    event = time.monotonic()
    desk.page.keyboard.up('Enter')
    stops(desk, event)


def test_stick(desk: Desk) -> None:
    desk.method('stick')
    x, y = desk.middle(desk.page.locator('#stick'))
    mouse = desk.page.mouse
    mouse.move(x, y)
    mouse.down()
    desk.stack.wheels.assert_still(0.2, 'the middle of the stick')
    mouse.move(x, y - 60)
    half = desk.wait_tracks(1, 1)
    mouse.move(x, y - 200)  # beyond its rim
    wait_for(lambda: desk.tracks()[0] > half[0], 3.0, 'farther is faster')
    mouse.move(x + 100, y)
    desk.wait_tracks(1, -1)
    event = time.monotonic()
    mouse.up()
    stops(desk, event)


def test_stick_by_a_finger_and_taken_by_the_browser(desk: Desk) -> None:
    desk.method('stick')
    x, y = desk.middle(desk.page.locator('#stick'))
    for end in ('touchEnd', 'touchCancel'):
        desk.touch('touchStart', thumb=(x, y))
        desk.touch('touchMove', thumb=(x, y + 80))
        desk.wait_tracks(-1, -1)
        event = time.monotonic()
        desk.touch(end)
        stops(desk, event)
        desk.says('Ready to drive')


GAMEPAD = """
  window.pad = {index: 0, connected: true, axes: [0, 0],
                buttons: Array.from({length: 17}, () => ({pressed: false}))};
  navigator.getGamepads = () => [window.pad.connected ? window.pad : null];
  window.plug = (kind) => {
    const event = new Event(kind);
    event.gamepad = window.pad;
    window.dispatchEvent(event);
  };
"""


def test_gamepad(desk: Desk) -> None:
    page = desk.page
    page.evaluate(GAMEPAD)
    page.evaluate("pad.axes = [0, -1]; plug('gamepadconnected')")
    desk.stack.wheels.assert_still(0.3, 'plugged in with its stick held over')
    desk.says('Let go first')
    page.evaluate('pad.axes = [0.1, 0.1]')
    desk.says('Ready to drive')
    page.evaluate('pad.axes = [0, -1]')
    desk.wait_tracks(1, 1)
    page.evaluate('pad.axes = [0, 0]; pad.buttons[14].pressed = true')
    desk.wait_tracks(-1, 1)
    event = time.monotonic()
    page.evaluate("pad.connected = false; plug('gamepaddisconnected')")
    stops(desk, event)
    page.evaluate("pad.connected = true; plug('gamepadconnected')")
    desk.stack.wheels.assert_still(0.3, 'back, with the cross still held')
    page.evaluate('pad.buttons[14].pressed = false')
    desk.says('Ready to drive')
    page.evaluate('pad.buttons[1].pressed = true')
    expect(page.locator('#stop')).to_have_attribute('data-state', 'latched')


def test_gaze(desk: Desk) -> None:
    desk.method('gaze')
    forward = desk.pad('forward')
    event = desk.look_at(forward)
    expect(forward).to_have_class('pad dwell-run')
    assert desk.stack.wheels.now.neutral
    desk.stack.wheels.wait_moving()
    assert desk.stack.wheels.now.t - event > LOCK_AND_DWELL_S - 0.05
    slow = desk.wait_tracks(1, 1)
    event = desk.look_away()
    stops(desk, event)
    expect(forward).to_have_class('pad')
    with desk.holding('KeyW'):
        wait_for(lambda: desk.tracks()[0] > slow[0], 3.0, 'keys are faster than looking')
    desk.stack.wheels.wait_neutral()


def test_gaze_glance_does_nothing(desk: Desk) -> None:
    desk.method('gaze')
    for _ in range(4):
        desk.look_at(desk.pad('forward'))
        desk.stack.wheels.assert_still(0.5, 'a glance')
        desk.look_at(desk.pad('left'))
        desk.stack.wheels.assert_still(0.5, 'a glance')
    desk.look_away()


def test_gaze_stops_when_the_pointer_stands_still(desk: Desk) -> None:
    desk.setting('gazeStillS', 2)
    desk.method('gaze')
    desk.take_back()
    desk.look_at(desk.pad('forward'))
    desk.stack.wheels.wait_moving()
    desk.stack.wheels.wait_neutral(4.0)
    desk.says('The pointer did not move: look away, then back')
    desk.stack.wheels.assert_still(1.5, 'still looking')
    desk.look_away()
    desk.look_at(desk.pad('forward'))
    desk.stack.wheels.wait_moving()
    desk.look_away()
    desk.stack.wheels.wait_neutral()


@pytest.mark.parametrize('by', ['click', 'dwell'])
def test_nudge_ends_itself(desk: Desk, by: str) -> None:
    if by == 'dwell':
        desk.setting('dwell', True)
        desk.take_back()
    desk.method('nudge')
    for pad, left, right in (('forward', 1, 1), ('right', 1, -1)):
        if by == 'click':
            desk.pad(pad).click()
        else:
            desk.look_at(desk.pad(pad))
        desk.wait_tracks(left, right)
        start = time.monotonic()
        desk.stack.wheels.wait_neutral(3.0)
        assert time.monotonic() - start < 1.5
        desk.stack.wheels.assert_still(1.3, 'one press is one step')
    expect(desk.pad('forward_left')).to_be_hidden()


def test_click_click(desk: Desk) -> None:
    desk.method('click')
    desk.start(desk.pad('forward').click, desk.page.locator('#trail').click)
    desk.wait_tracks(1, 1)
    lights = desk.page.locator('#light-front')
    desk.page.mouse.move(*desk.middle(lights))
    event = time.monotonic()
    desk.page.mouse.down()
    stops(desk, event)  # on the press already
    desk.page.mouse.up()
    expect(lights).to_have_attribute('aria-pressed', 'false')  # that click only stopped
    desk.pad('left').click()
    desk.wait_tracks(-1, 1)
    event = time.monotonic()
    desk.pad('left').click()
    stops(desk, event)
    desk.stack.wheels.assert_still(0.4, 'the stopping click starts nothing')
    desk.pad('forward').click()
    desk.wait_tracks(1, 1)
    event = time.monotonic()
    desk.page.keyboard.press('KeyX')
    stops(desk, event)


def test_click_click_ends_by_time(desk: Desk) -> None:
    desk.setting('clickS', 1)
    desk.take_back()
    desk.method('click')
    desk.pad('back').click()
    desk.wait_tracks(-1, -1)
    start = time.monotonic()
    desk.stack.wheels.wait_neutral(3.0)
    assert time.monotonic() - start < 1.6


def test_rest_leaves_only_itself_and_the_emergency_stop(desk: Desk) -> None:
    desk.method('gaze')
    rest = desk.page.locator('#rest')
    desk.look_at(rest)
    expect(rest).to_have_attribute('aria-pressed', 'true')
    desk.look_at(desk.pad('forward'))
    desk.stack.wheels.assert_still(1.5, 'resting')
    desk.look_at(desk.page.locator('[data-method=pads]'))
    time.sleep(1.2)  # a fixed time on purpose: that nothing is pressed cannot be waited for
    expect(desk.page.locator('[data-method=gaze]')).to_have_attribute('aria-pressed', 'true')
    desk.look_at(rest)
    expect(rest).to_have_attribute('aria-pressed', 'false')
    desk.look_at(rest.locator('xpath=..'))
    desk.look_at(rest)
    expect(rest).to_have_attribute('aria-pressed', 'true')
    event = desk.look_at(desk.page.locator('#stop'))
    expect(desk.page.locator('#stop')).to_have_attribute('data-state', 'latched')
    assert time.monotonic() - event < 0.9


def test_looking_presses_buttons_only_when_asked_to(desk: Desk) -> None:
    desk.look_at(desk.page.locator('#stop'))
    time.sleep(0.8)  # a fixed time on purpose
    expect(desk.page.locator('#stop')).to_have_attribute('data-state', 'clear')
    desk.setting('dwell', True)
    desk.take_back()
    desk.look_at(desk.page.locator('#light-front'))
    expect(desk.page.locator('#light-front')).to_have_attribute('aria-pressed', 'true')


def test_emergency_stop_by_looking_takes_half_a_second(desk: Desk) -> None:
    desk.method('gaze')
    desk.look_at(desk.pad('forward'))
    desk.stack.wheels.wait_moving()
    desk.page.evaluate("""() => {
      const stop = document.querySelector('#stop');
      stop.addEventListener('pointerenter', () => { window.enteredAt = performance.now(); });
      new MutationObserver(() => { window.pressedAt ??= performance.now(); })
        .observe(stop, {attributeFilter: ['data-state']});
    }""")
    desk.look_at(desk.page.locator('#stop'))
    expect(desk.page.locator('#stop')).to_have_attribute('data-state', 'latched')
    took_ms = desk.page.evaluate('pressedAt - enteredAt')
    assert took_ms <= 550, f'{took_ms} ms'  # the half second, and a frame until it is drawn
