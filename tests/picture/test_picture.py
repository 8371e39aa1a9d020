# SPDX-License-Identifier: Apache-2.0
"""The picture on the page: there by itself, how old it is, what it costs, and what one chooses."""

import statistics
import time

import pytest
from playwright.sync_api import expect

from avatar_node.testing import wait_for
from tests.page.conftest import Desks
from tests.page.desk import Desk
from tests.page.test_page import SIZES, fits
from tests.picture.watching import age_ms, joins, never_reloaded, sees, size
from tests.stack import Stack


def test_it_joins_by_itself_and_says_how_old_it_is(desks: Desks) -> None:
    desk = desks.make()
    desk.open()
    sees(desk, 'live')
    ages = []
    for _ in range(10):
        ages.append(age_ms(desk))
        time.sleep(0.3)  # the page says a mean of half a second
    assert 0 < statistics.median(ages) < 300, ages
    expect(desk.page.locator('#chip-flow')).to_contain_text('kbit/s')
    expect(desk.page.locator('#chip-data')).to_contain_text('MB per hour')


def test_who_may_only_look_sees_it_and_has_no_buttons(desks: Desks) -> None:
    desk = desks.sit('Tom', 'viewer')
    sees(desk, 'live')
    for button in ('#snapshot', '#record'):
        expect(desk.page.locator(button)).to_be_hidden()
    desk.page.locator('#picture-open').click()
    expect(desk.page.locator('[data-choice=quality-320p]')).to_be_disabled()


def test_one_encoder_for_all_and_none_for_nobody(desks: Desks, stack: Stack) -> None:
    several = [desks.make() for _ in range(3)]
    for desk in several:
        desk.open()
    for desk in several:
        sees(desk, 'live')
    assert len(stack.encoders()) == 1
    assert stack.viewers() == 3
    for desk in several:
        desk.page.close()
    wait_for(lambda: stack.viewers() == 0, 20.0, 'no viewers', 0.1)
    wait_for(lambda: not stack.encoders(), 20.0, 'no encoder', 0.1)


def test_a_hidden_tab_ends_the_session_and_comes_back(desk: Desk) -> None:
    sees(desk, 'live')
    with never_reloaded(desk):
        desk.page.evaluate("""() => {
          Object.defineProperty(document, 'hidden', {value: true, configurable: true});
          document.dispatchEvent(new Event('visibilitychange'));
        }""")
        wait_for(lambda: desk.stack.viewers() == 0, 5.0, 'the session to end', 0.05)
        desk.page.evaluate("""() => {
          delete document.hidden;
          document.dispatchEvent(new Event('visibilitychange'));
        }""")
        sees(desk, 'live')


def test_another_profile_by_hand_keeps_the_connection(desk: Desk) -> None:
    sees(desk, 'live')
    with never_reloaded(desk):
        before = joins(desk)
        desk.page.locator('#picture-open').click()
        for profile, expected in (('320p', (640, 360)), ('480p', (854, 480))):
            desk.page.locator(f'[data-choice=quality-{profile}]').click()
            wait_for(lambda wanted=expected: size(desk) == wanted, 10.0, profile, 0.1)
            sees(desk, 'live')
        assert joins(desk) == before
        desk.page.locator('[data-setting=dataSaver] button').click()
        wait_for(lambda: size(desk) == (640, 360), 10.0, 'less data', 0.1)
        desk.page.locator('[data-setting=dataSaver] button').click()
        desk.page.locator('[data-choice=quality-auto]').click()
        assert joins(desk) == before


def test_choices_are_kept_on_this_device(desk: Desk) -> None:
    desk.page.locator('#picture-open').click()
    desk.page.locator('[data-choice=quality-480p]').click()
    desk.page.locator('[data-setting=shutter] button').click()
    desk.page.reload()
    desk.wait_ready()
    desk.page.locator('#picture-open').click()
    expect(desk.page.locator('[data-choice=quality-480p]')).to_have_attribute(
        'aria-pressed', 'true')
    expect(desk.page.locator('[data-setting=shutter] button')).to_have_text('on')


WITHOUT = {
    'no WebRTC': ('delete window.RTCPeerConnection', 'This browser has no WebRTC'),
    'no H.264': ('RTCRtpReceiver.getCapabilities = () => ({codecs: [{mimeType: "video/VP8"}]})',
                 'This browser cannot show H.264 video'),
    # Only by way of a relay, and there is none: as in a network that lets nothing through.
    'no way through': ("""
        const Peer = RTCPeerConnection;
        const only = (how) => ({...how, iceTransportPolicy: 'relay'});
        window.RTCPeerConnection = class extends Peer {
          constructor(how) { super(only(how)); }
          setConfiguration(how) { super.setConfiguration(only(how)); }
        };""", 'The picture does not get through this network'),
}


@pytest.mark.parametrize('what', WITHOUT)
def test_why_there_is_none_is_a_sentence(desks: Desks, what: str) -> None:
    script, sentence = WITHOUT[what]
    desk = desks.make()
    desk.page.add_init_script(script)
    desk.open()
    expect(desk.page.locator('#picture-note')).to_contain_text(sentence, timeout=20_000)


@SIZES
@pytest.mark.parametrize('language', ['en', 'ro', 'de'])
def test_everything_fits(desks: Desks, size: dict[str, int], language: str) -> None:
    desk = desks.make(viewport=size, locale=language)
    desk.open()
    sees(desk, 'live')
    desk.take()
    desk.page.locator('#snapshot').click()
    expect(desk.page.locator('#notice')).to_be_visible()
    for method in ('pads', 'gaze'):
        desk.method(method)
        fits(desk.page, f'{method}, live')
        desk.page.locator('#picture-open').click()
        fits(desk.page, f'{method}, about the picture')
        desk.page.locator('[data-tab=gallery]').click()
        desk.page.locator('.thumb').first.click()
        fits(desk.page, f'{method}, a snapshot')
        desk.page.locator('[data-gallery=back]').click()
        fits(desk.page, f'{method}, gallery')
        desk.page.locator('#sheet-close').click()
        desk.page.locator('#wide').click()
        fits(desk.page, f'{method}, full screen')
        desk.page.locator('#wide').click()


def test_it_fits_other_screens(desks: Desks) -> None:
    desk = desks.make(locale='de')
    desk.open()
    sees(desk, 'live')
    for width, height in ((844, 390), (1024, 600), (768, 1024), (360, 640), (1920, 1080)):
        desk.page.set_viewport_size({'width': width, 'height': height})
        fits(desk.page, f'{width}x{height}')


