# SPDX-License-Identifier: Apache-2.0
"""The stream node as a real process: real DDS, ffmpeg, media server and viewers."""

from __future__ import annotations

import time
from typing import Any

from avatar_node.testing import wait_for

GREEN, BLUE = (30, 200, 30), (30, 30, 200)


def test_it_encodes_while_somebody_watches_and_at_no_other_time(robot: Any) -> None:
    robot.start()
    robot.camera()
    robot.wait_state('off')
    assert robot.encoders() == []
    viewers = [robot.viewer() for _ in range(3)]
    robot.wait_state('live')
    wait_for(lambda: all(v.sees(GREEN) for v in viewers), 10, 'a green picture')
    assert len(robot.encoders()) == 1
    wait_for(lambda: robot.state['viewers'] == '3', 5, 'three viewers')
    assert (robot.state['width'], robot.state['height']) == ('640', '360')
    for viewer in viewers:
        viewer.close()
    gone_s = time.monotonic()
    wait_for(lambda: not robot.encoders(), 10, 'no encoder')
    assert time.monotonic() - gone_s > 4
    robot.wait_state('off')


def test_viewers_stay_while_the_profile_changes(robot: Any) -> None:
    robot.start(profile='320p', fps=20)
    camera = robot.camera()
    camera.show(GREEN, 1280, 720)
    viewer = robot.viewer()
    robot.wait_state('live')
    wait_for(lambda: viewer.sees(GREEN), 5, 'a picture')
    assert robot.state['width'] == '640'
    camera.show(BLUE, 1280, 720)
    robot.set(profile='480p', fps=10)
    wait_for(lambda: robot.state['width'] == '854', 5, 'another size')
    robot.wait_state('live')
    wait_for(lambda: viewer.sees(BLUE), 5, 'the picture after the change')
    assert viewer.connected
    assert len(robot.encoders()) == 1
