# SPDX-License-Identifier: Apache-2.0
"""What `avatar status` makes of what it found; the finding itself is in tests/test_care.py."""

from typing import Any

from avatar_bringup.care import status


def found(**changes: Any) -> dict[str, Any]:
    result: dict[str, Any] = {
        'state_dir': '/s', 'version': '1', 'runs': True, 'pid': 7, 'command': 'avatar up',
        'unit': 'avatar.service', 'port': 8080, 'answers': True, 'drivable': True, 'permit': True,
        'health': None, 'motor': None, 'lease': None, 'camera': None, 'battery': None,
        'restore_pending': False, 'disk': None, 'parts': [], 'ports': [], 'graph_problem': ''}
    return result | changes


def test_a_robot_that_says_nothing_is_shown_by_what_is_seen() -> None:
    text = status.screen(found())
    assert 'unit avatar.service, pid 7' in text and 'a person can drive' in text
    assert 'says nothing' in text
    assert 'latched' not in text.lower()


def test_without_a_permit_and_without_a_motor_node_it_is_latched() -> None:
    assert 'LATCHED' in status.screen(found(permit=False))
    # What the motor node says counts: it may not have written yet.
    motor = {'sentence': 'Emergency stop 3', 'e_stop': 'true'}
    assert 'LATCHED' in status.screen(found(motor=motor))


def test_health_comes_in_sentences() -> None:
    health = {'state': 'DEGRADED', 'sentence': 'There is no camera. (1 more)', 'findings': [
        {'code': 'camera_missing', 'text': 'There is no camera.'}, {'code': 'disk_low'}]}
    lines = status.screen(found(health=health)).splitlines()
    assert lines[1:4] == ['DEGRADED: There is no camera. (1 more)', '  - There is no camera.',
                          '  - disk_low']


def test_findings_that_are_no_list_are_none() -> None:
    for text in ('', '{', '3', '{"a": 1}', None, '[1, "x"]'):
        assert status.findings(text) == []
    assert status.findings('[{"code": "x"}]') == [{'code': 'x'}]


def test_who_has_a_port_is_told_apart() -> None:
    def port(**about: Any) -> dict[str, Any]:
        return {'name': 'rtsp', 'protocol': 'tcp', 'port': 8554, 'pid': None, 'part': '',
                'command': '', **about}
    text = status.screen(found(ports=[
        port(), port(pid=3, part='mediamtx'), port(pid=0), port(pid=4, command='vlc')]))
    for word in ('nobody listens', 'mediamtx', 'sudo avatar status', 'NOT OURS: pid 4 (vlc)'):
        assert word in text


def test_a_part_that_is_given_up_says_its_last_words() -> None:
    text = status.screen(found(parts=[{
        'name': 'stream', 'state': 'given_up', 'pid': 0, 'deaths': 5, 'words': 'no ffmpeg',
        'cpu_percent': None, 'memory_mb': None}]))
    assert 'its last words: no ffmpeg' in text
