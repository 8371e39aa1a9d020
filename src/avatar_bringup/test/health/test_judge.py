# SPDX-License-Identifier: Apache-2.0
"""From what is seen to what is said of the robot."""

from dataclasses import replace

import pytest

from avatar_bringup.health.findings import KINDS, Finding, State
from avatar_bringup.health.judge import Change, Judge, Verdict
from avatar_bringup.health.rules import BOARD, PICTURE, STARTING_S, Thresholds
from avatar_bringup.health.seen import Held, Machine, Network, Part, Said, Seen, parts_of

WALL_S = 1_800_000_000.0
T0 = 1000.0
MOTOR = {'connected': 'true', 'why': '', 'loop_age_s': '0.1', 'reason_code': '', 'reason': ''}
STREAM = {'state': 'live', 'reason': '', 'detail': ''}
ETHERNET = Network('eth0', up=True, has_default_route=True)
MACHINE = Machine(
    disk_free_mb=10_000, memory_free_mb=1000, celsius=50.0, throttled=0, clock_is_set=True,
    wall_s=WALL_S, networks=(ETHERNET,))


class Robot:
    """A robot that works, a second at a time; `parts` of it can be made to fail."""

    def __init__(self, **limits: object) -> None:
        self.judge = Judge(Thresholds(**limits))
        self.now_s = T0 + 100
        self.motor: dict[str, str] | None = dict(MOTOR)
        self.stream: dict[str, str] | None = dict(STREAM)
        self.heard_s = self.now_s
        self.gateway_answers = True
        self.gateway_s = self.now_s
        self.replies = True
        self.replied_s = self.now_s
        self.more: dict[str, object] = {'cameras': 1}
        self.machine = MACHINE
        self.changes: list[Change] = []
        self.verdict = Verdict(())

    def seen(self) -> Seen:
        if self.gateway_answers:
            self.gateway_s = self.now_s
        if self.replies:
            self.replied_s = self.now_s
        said = [Said(self.now_s, values) if values is not None else Said(self.heard_s, last)
                for values, last in ((self.motor, MOTOR), (self.stream, STREAM))]
        return Seen(now_s=self.now_s, started_s=T0, motor=said[0], stream=said[1],
                    gateway_s=self.gateway_s, replied_s=self.replied_s, machine=self.machine,
                    earliest_s=WALL_S - 100, **self.more)  # type: ignore[arg-type]

    def go_on(self, seconds: float = 1.0) -> list[str]:
        """Let time pass; return what was found then."""
        for _ in range(round(seconds)):
            self.now_s += 1.0
            self.verdict, changes = self.judge.judge(self.seen())
            self.changes += changes
        return [finding.code for finding in self.verdict.findings]


def test_a_robot_that_works_is_ready() -> None:
    robot = Robot()
    assert robot.go_on(5) == []
    assert robot.verdict.state is State.READY
    assert robot.verdict.sentence == 'Everything works.'
    assert robot.changes == []


@pytest.mark.parametrize('reason, code', [
    *BOARD.items(), ('no_port', 'board_missing'), ('unplugged', 'board_missing'),
    ('new', 'board_missing')])
def test_without_its_board_it_is_stopped_and_says_why(reason: str, code: str) -> None:
    robot = Robot()
    robot.motor = {**MOTOR, 'connected': 'false', 'reason_code': reason, 'reason': 'look there',
                   'why': 'not_connected'}
    assert robot.go_on() == [code]
    assert robot.verdict.state is State.STOPPED
    assert 'look there' in robot.verdict.sentence
    robot.motor = dict(MOTOR)
    assert robot.go_on(1) == [code], 'gone at the first good moment'
    assert robot.go_on(2) == []
    assert [change.came for change in robot.changes] == [True, False]
    assert robot.changes[-1].state is State.READY


def test_an_emergency_stop_is_no_fault_and_hides_none() -> None:
    robot = Robot()
    robot.motor = {**MOTOR, 'why': 'e_stop'}
    assert robot.go_on(5) == []
    robot.motor = {**MOTOR, 'why': 'e_stop', 'connected': 'false', 'reason_code': 'unplugged'}
    assert robot.go_on() == ['board_missing']


def test_a_board_that_does_not_reply_any_more() -> None:
    robot = Robot()
    robot.go_on(3)
    robot.replies = False
    assert robot.go_on(4) == []
    assert robot.go_on(2) == ['board_no_answer']
    assert 'no reply for' in robot.verdict.sentence


def test_a_motor_loop_that_hangs_in_a_node_that_lives() -> None:
    robot = Robot()
    robot.motor = {**MOTOR, 'loop_age_s': '1.9'}
    assert robot.go_on(3) == []
    robot.motor = {**MOTOR, 'loop_age_s': '2.4'}
    assert robot.go_on() == ['motor_hung']
    assert robot.verdict.state is State.STOPPED


def test_a_motor_node_that_says_nothing() -> None:
    robot = Robot()
    robot.go_on()
    robot.heard_s, robot.motor = robot.now_s, None
    assert robot.go_on(3) == []
    assert robot.go_on() == ['motor_silent']
    robot.motor = dict(MOTOR)
    assert robot.go_on(3) == []


def test_a_gateway_that_does_not_answer() -> None:
    robot = Robot()
    robot.go_on()
    robot.gateway_answers = False
    assert robot.go_on(5) == []
    assert robot.go_on() == ['gateway_silent']


@pytest.mark.parametrize('why, code', [('state_unwritable', 'state_unwritable'),
                                       ('no_watchdog', 'board_unsafe'),
                                       ('two_publishers', 'two_gateways')])
def test_what_the_motor_node_stands_for(why: str, code: str) -> None:
    robot = Robot()
    robot.motor = {**MOTOR, 'why': why}
    assert robot.go_on(3) == [code]
    assert robot.verdict.state is State.STOPPED


def test_at_its_start_nobody_is_missed() -> None:
    robot = Robot()
    robot.now_s = T0
    robot.more = {'cameras': 0}

    def nothing() -> Seen:
        return replace(Seen(now_s=robot.now_s, started_s=T0), machine=MACHINE)

    robot.seen = nothing  # type: ignore[method-assign]
    assert robot.go_on(STARTING_S - 1) == ['starting']
    assert robot.verdict.state is State.STOPPED
    assert robot.go_on(2) == ['gateway_silent', 'motor_silent', 'stream_silent']


def test_a_start_that_succeeds_is_ready_at_once() -> None:
    robot = Robot()
    robot.now_s = T0
    assert robot.go_on() == []


@pytest.mark.parametrize('reason, code', PICTURE.items())
def test_without_a_picture_it_is_degraded(reason: str, code: str) -> None:
    robot = Robot()
    robot.stream = {'state': 'stalled', 'reason': reason, 'detail': 'so it is'}
    assert robot.go_on(9) == [code]
    assert robot.verdict.state is State.DEGRADED
    robot.stream = dict(STREAM)
    assert robot.go_on(3) == []


def test_an_encoder_that_starts_is_no_fault() -> None:
    robot = Robot()
    robot.stream = {'state': 'starting', 'reason': '', 'detail': ''}
    assert robot.go_on(9) == []


def test_while_nobody_looks_it_is_known_what_was_seen_last() -> None:
    robot = Robot()
    robot.stream = {'state': 'stalled', 'reason': 'no_frames', 'detail': ''}
    assert robot.go_on(5) == ['camera_silent']
    robot.stream = {'state': 'off', 'reason': '', 'detail': ''}
    assert robot.go_on(60) == ['camera_silent']
    robot.stream = dict(STREAM)
    assert robot.go_on(3) == []
    robot.stream = {'state': 'off', 'reason': '', 'detail': ''}
    assert robot.go_on(60) == []


def test_a_media_server_that_is_back_is_known_without_looking() -> None:
    robot = Robot()
    robot.stream = {'state': 'stalled', 'reason': 'server_down', 'detail': 'refused'}
    assert robot.go_on(8) == ['media_server_silent']
    robot.stream = {'state': 'off', 'reason': '', 'detail': ''}
    assert robot.go_on(3) == []


def test_a_camera_that_nobody_publishes_is_missed_without_looking() -> None:
    robot = Robot()
    robot.stream = {'state': 'off', 'reason': '', 'detail': ''}
    robot.more = {'cameras': 0}
    assert robot.go_on(5) == ['camera_missing']
    robot.more = {'cameras': 1}
    assert robot.go_on(3) == []


def test_a_robot_that_is_meant_to_have_no_camera() -> None:
    robot = Robot(camera=False)
    robot.more = {'cameras': 0}
    robot.stream = None
    assert robot.go_on(30) == []


def test_a_stream_node_that_says_nothing() -> None:
    robot = Robot()
    robot.go_on()
    robot.heard_s, robot.stream = robot.now_s, None
    assert robot.go_on(8) == ['stream_silent']


def test_parts_that_die_and_are_given_up() -> None:
    robot = Robot()
    robot.more = {'parts': {'stream': Part('restarting', deaths=2, words='no such file')},
                  'cameras': 1}
    assert robot.go_on(2) == [], 'it may be back at once'
    assert robot.go_on(4) == ['part_restarting']
    assert robot.verdict.sentence == 'stream ended and is being started again: no such file'
    robot.more = {'parts': {'stream': Part('given_up', deaths=5, words='no such file')},
                  'cameras': 1}
    assert 'part_given_up' in robot.go_on()
    assert robot.verdict.state is State.DEGRADED
    robot.more = {'parts': {'motor': Part('given_up', essential=True)}, 'cameras': 1}
    assert robot.go_on(6) == ['part_lost']
    assert robot.verdict.state is State.STOPPED


def test_a_part_that_was_not_started_yet_did_not_die() -> None:
    robot = Robot()
    robot.more = {'parts': {'stream': Part('restarting')}, 'cameras': 1}
    assert robot.go_on(10) == []


def test_who_holds_what_a_part_needs() -> None:
    robot = Robot()
    robot.more = {'held': (Held('tcp port 8554', 'mediamtx', 'pid 12 (mediamtx)'),), 'cameras': 1}
    assert robot.go_on(4) == ['part_held']
    assert robot.verdict.sentence == 'mediamtx waits: tcp port 8554 is held by pid 12 (mediamtx).'


@pytest.mark.parametrize('bad, code, still_bad, good', [
    ({'disk_free_mb': 499}, 'disk_low', {'disk_free_mb': 590}, {'disk_free_mb': 610}),
    ({'disk_free_mb': 49}, 'disk_full', {'disk_free_mb': 59}, {'disk_free_mb': 610}),
    ({'memory_free_mb': 99}, 'memory_low', {'memory_free_mb': 119}, {'memory_free_mb': 121}),
    ({'celsius': 80.0}, 'hot', {'celsius': 75.5}, {'celsius': 74.0}),
])
def test_a_value_near_its_threshold_does_not_flicker(
    bad: dict[str, float], code: str, still_bad: dict[str, float], good: dict[str, float]
) -> None:
    robot = Robot()
    robot.machine = replace(MACHINE, **bad)  # type: ignore[arg-type]
    assert robot.go_on(8) == [code]
    assert robot.verdict.state is State.DEGRADED
    robot.machine = replace(MACHINE, **still_bad)  # type: ignore[arg-type]
    assert robot.go_on(60) == [code]
    robot.machine = replace(MACHINE, **good)  # type: ignore[arg-type]
    assert robot.go_on(60) == []


@pytest.mark.parametrize('so, code', [
    ({'throttled': 1}, 'undervoltage'),
    ({'throttled': 4}, 'throttled'),
    ({'clock_is_set': False}, 'clock_unsynchronised'),
    ({'wall_s': WALL_S - 365 * 86400}, 'clock_wrong'),
    ({'networks': (Network('eth0', up=False),)}, 'link_down'),
    ({'networks': ()}, 'link_down'),
    ({'networks': (ETHERNET, Network('wwan0', up=False, is_modem=True))}, 'modem_down'),
])
def test_the_computer_of_a_robot_and_of_somebody_else(so: dict[str, object], code: str) -> None:
    for is_robot, wanted in ((True, [code]), (False, [])):
        robot = Robot(is_robot=is_robot)
        robot.machine = replace(MACHINE, **so)  # type: ignore[arg-type]
        assert robot.go_on(130) == wanted


def test_an_undervoltage_was_there_before_and_is_over() -> None:
    robot = Robot()
    robot.machine = replace(MACHINE, throttled=0x50000)  # since the boot
    assert robot.go_on(5) == []


def test_what_a_computer_does_not_tell_is_no_fault() -> None:
    robot = Robot()
    robot.machine = Machine()
    assert robot.go_on(130) == []


def test_a_battery() -> None:
    robot = Robot()
    for charge, wanted in ((0.5, []), (0.19, ['battery_low']), (0.21, ['battery_low']),
                           (0.04, ['battery_empty']), (0.5, [])):
        robot.more = {'charge': charge, 'cameras': 1}
        assert robot.go_on(45) == wanted, charge


def test_a_machine_that_holds_the_motor_node_up() -> None:
    robot = Robot()
    robot.more = {'late_times': 3, 'cameras': 1}
    assert robot.go_on() == ['overloaded']


def test_the_worst_comes_first_and_the_rest_is_counted() -> None:
    robot = Robot()
    robot.machine = replace(MACHINE, disk_free_mb=10)
    robot.more = {'cameras': 1, 'late_times': 9}
    robot.motor = {**MOTOR, 'connected': 'false', 'reason': 'plug it in'}
    assert robot.go_on(5) == ['board_missing', 'disk_full', 'overloaded']
    assert robot.verdict.sentence == 'The motor board is not connected: plug it in (2 more)'
    assert robot.verdict.state is State.STOPPED


def test_flapping_makes_no_flood_of_changes() -> None:
    robot = Robot()
    for _ in range(30):
        robot.motor = {**MOTOR, 'connected': 'false'}
        robot.go_on()
        robot.motor = dict(MOTOR)
        robot.go_on()
    assert len(robot.changes) == 1


def test_a_finding_is_dated_by_its_beginning_also_where_it_must_last() -> None:
    robot = Robot()
    began_s = robot.now_s + 1.0
    robot.machine = replace(MACHINE, memory_free_mb=5)
    robot.go_on(30)
    (finding,) = robot.verdict.findings
    assert finding.since_s == began_s
    assert finding.as_json(WALL_S - began_s) == {
        'code': 'memory_low', 'part': 'memory', 'state': 'DEGRADED',
        'text': 'Little memory is left: 5 MB.', 'values': {'free_mb': 5}, 'since': WALL_S}


def test_every_sentence_can_be_said_without_its_values() -> None:
    for code in KINDS:
        assert '{' not in Finding(code, 'part', {}, 0.0).text


@pytest.mark.parametrize('text', ['', 'x', '[]', '{"a": 1}', '{"a": {}}', '3',
                                  '{"a": {"state": 1, "deaths": "x"}}'])
def test_a_parts_file_that_says_nothing(text: str) -> None:
    assert parts_of(text, frozenset()) == {}


def test_a_parts_file() -> None:
    assert parts_of('{"motor": {"state": "given_up", "deaths": 5, "since": 1.5, "words": "no",'
                    ' "pid": 3}}', frozenset({'motor'})) == {
        'motor': Part('given_up', essential=True, deaths=5, words='no')}
