# SPDX-License-Identifier: Apache-2.0
"""Whatever fails on the way of the picture: it comes back, and the page is never loaded anew."""

import os
import signal

from playwright.sync_api import expect

from avatar_node.testing import wait_for
from tests.page.conftest import Desks
from tests.page.desk import Desk
from tests.page.test_emergency_stop import restart
from tests.picture.watching import never_reloaded, sees


def test_encoder_killed(desk: Desk) -> None:
    desk.expects_lost_link = True
    sees(desk, 'live')
    with never_reloaded(desk):
        encoder, = desk.stack.encoders()
        os.kill(encoder, signal.SIGKILL)
        wait_for(lambda: desk.stack.encoders() not in ([], [encoder]), 10.0, 'another one', 0.05)
        sees(desk, 'live')
        desk.drives()
        assert len(desk.stack.encoders()) == 1


def test_stream_node_killed(desk: Desk) -> None:
    desk.expects_lost_link = True
    sees(desk, 'live')
    with never_reloaded(desk):
        desk.stack.stream.kill()
        sees(desk, 'away')
        expect(desk.page.locator('#picture-note')).to_have_text(
            'No word from the camera program of the robot')
        desk.says('No picture: driving is off')
        desk.stack.stream.start()
        sees(desk, 'live')
        desk.drives()


def test_media_server_killed(desk: Desk) -> None:
    desk.expects_lost_link = True
    sees(desk, 'live')
    with never_reloaded(desk):
        desk.stack.mediamtx.kill()
        sees(desk, 'away')
        desk.stack.mediamtx.start()
        sees(desk, 'live')
        desk.drives()


def test_gateway_killed(desks: Desks) -> None:
    desk = desks.sit('Ana')
    desk.expects_lost_link = True
    sees(desk, 'live')
    port = desk.stack.port
    with never_reloaded(desk):
        desk.stack.gateway.kill()
        sees(desk, 'away')
        expect(desk.page.locator('#why')).to_contain_text('No link to the robot')
        for unknown in ('#chip-board', '#chip-flow', '#picture-note'):
            expect(desk.page.locator(unknown)).to_be_hidden()
        restart(desk, port)
        sees(desk, 'live')


def test_a_camera_that_is_gone_is_said_in_the_language_of_the_page(desks: Desks) -> None:
    desk = desks.make(locale='de')
    desk.expects_lost_link = True
    desk.open()
    sees(desk, 'live')
    with never_reloaded(desk):
        desk.stack.camera.kill()
        sees(desk, 'away')
        expect(desk.page.locator('#picture-note')).to_contain_text('Kamera des Roboters')
        desk.stack.camera.start()
        sees(desk, 'live')
