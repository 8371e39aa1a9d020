# SPDX-License-Identifier: Apache-2.0
"""
What is wrong at one moment: from a look at everything to the codes that are true. Pure.

Each rule yields Evidence. `Thresholds` come from the parameters; where a number may waver, the
rule asks by `active` whether it was found before, and then wants more of it to let it go.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from avatar_bringup.health.findings import Evidence
from avatar_bringup.health.seen import Said, Seen

Active = Callable[[str], bool]

STARTING_S = 20.0
"""So long after its start nobody is missed."""
MOTOR_SILENT_S = 3.0
"""motor/state comes each second."""
HUNG_S = 2.0
"""The motor loop passes ten times a second and oftener; a slow disk may hold it for a moment."""
REPLIES_S = 4.0
"""A board that is connected answers each second and oftener."""
GATEWAY_SILENT_S = 5.0
"""It is asked every two seconds, and once more when it did not answer."""
STREAM_SILENT_S = 5.0
LATE_TIMES = 3
WRONG_CLOCK_S = 3600.0

UNDERVOLTAGE, FREQUENCY_CAPPED, THROTTLED = 1 << 0, 1 << 1, 1 << 2

# Reason codes of the motor node's link; any other means that it is not there.
BOARD = {
    'port_held': 'board_held', 'port_denied': 'board_denied', 'no_answer': 'board_no_answer',
    'several_ports': 'board_unclear', 'other_port': 'board_unclear',
}
# Reasons of camera/stream_state.
PICTURE = {
    'no_camera': 'camera_missing', 'no_frames': 'camera_silent', 'bad_frames': 'camera_unusable',
    'device_busy': 'camera_held', 'no_ffmpeg': 'ffmpeg_missing',
    'encoder_failed': 'encoder_failed', 'server_down': 'media_server_silent',
    'refused': 'media_server_refuses',
}
# What of these is found out only while somebody watches.
SEEN_BY_LOOKING = ('camera_silent', 'camera_unusable', 'camera_held', 'ffmpeg_missing',
                   'encoder_failed')


@dataclass(frozen=True)
class Thresholds:
    """What is too little or too much."""

    camera: bool = True
    is_robot: bool = True
    """Whether clock, network and temperature of this computer are the robot's."""
    disk_low_mb: int = 500
    disk_full_mb: int = 50
    memory_low_mb: int = 100
    hot_c: float = 80.0
    battery_low: float = 0.2
    battery_empty: float = 0.05
    mended: float = 1.2
    """A value must be this much better than its threshold to be let go."""
    cooled_c: float = 5.0


def evidence(seen: Seen, limits: Thresholds, active: Active) -> Iterator[Evidence]:
    """Yield what is true now."""
    motor_lives = _is_fresh(seen.motor, MOTOR_SILENT_S, seen.now_s)
    gateway_lives = (seen.gateway_s is not None
                     and seen.now_s - seen.gateway_s <= GATEWAY_SILENT_S)
    starting = seen.now_s - seen.started_s < STARTING_S
    if starting and ((seen.motor is None) or (seen.gateway_s is None)):
        yield Evidence('starting', 'robot')
    else:
        if not gateway_lives:
            yield Evidence('gateway_silent', 'gateway')
        if not motor_lives:
            yield Evidence('motor_silent', 'motor')
    if motor_lives:
        assert seen.motor is not None
        yield from _motor(seen, seen.motor)
    yield from _parts(seen)
    if limits.camera:
        yield from _picture(seen, starting, active)
    yield from _machine(seen, limits, active)


def _is_fresh(said: Said | None, within_s: float, now_s: float) -> bool:
    return said is not None and now_s - said.at_s <= within_s


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _motor(seen: Seen, motor: Said) -> Iterator[Evidence]:
    values = motor.values
    loop_age_s = _number(values.get('loop_age_s', ''))
    if loop_age_s is not None and loop_age_s > HUNG_S:
        # What else it says is of before.
        yield Evidence('motor_hung', 'motor', {'seconds': round(loop_age_s)})
        return
    # By what is so, not by `why`: an emergency stop says nothing of the board, and hides it.
    if values.get('connected') == 'true':
        if seen.replied_s is not None and seen.now_s - seen.replied_s > REPLIES_S:
            yield Evidence('board_no_answer', 'motor', {
                'reason': f'no reply for {seen.now_s - seen.replied_s:.0f} s'})
    else:
        code = BOARD.get(values.get('reason_code', ''), 'board_missing')
        yield Evidence(code, 'motor', {'reason': values.get('reason', '') or 'looked for'})
    simple = {'state_unwritable': 'state_unwritable', 'no_watchdog': 'board_unsafe',
              'two_publishers': 'two_gateways'}
    if values.get('why', '') in simple:
        yield Evidence(simple[values['why']], 'motor')
    if seen.late_times >= LATE_TIMES:
        yield Evidence('overloaded', 'motor', {'times': seen.late_times})


def _parts(seen: Seen) -> Iterator[Evidence]:
    for name, part in seen.parts.items():
        if part.state == 'given_up':
            yield Evidence('part_lost' if part.essential else 'part_given_up', name, {
                'words': part.words})
        elif part.state == 'restarting' and part.deaths:
            yield Evidence('part_restarting', name, {'words': part.words})
    for held in seen.held:
        if held.part == 'motor':
            yield Evidence('board_held', 'motor', {
                'reason': f'{held.resource} is held by {held.holder}; {held.next_step}'})
        else:
            yield Evidence('part_held', held.part, {
                'resource': held.resource, 'holder': held.holder, 'next_step': held.next_step})


def _picture(seen: Seen, starting: bool, active: Active) -> Iterator[Evidence]:
    stream = seen.stream
    if stream is None or not _is_fresh(stream, STREAM_SILENT_S, seen.now_s):
        if not starting:
            yield Evidence('stream_silent', 'stream')
        return
    state, reason = stream.values.get('state', ''), stream.values.get('reason', '')
    why = {'reason': stream.values.get('detail', '') or stream.message}
    if reason in PICTURE and (state == 'stalled' or reason != 'no_frames'):
        yield Evidence(PICTURE[reason], _part_of(PICTURE[reason]), why)
    elif state == 'off' and seen.cameras == 0:
        # Nobody looks; but who publishes pictures can be counted.
        if not starting:
            yield Evidence('camera_missing', 'camera')
    elif state == 'off':
        # For the rest nobody knows better than who looked last.
        for code in SEEN_BY_LOOKING:
            if active(code):
                yield Evidence(code, _part_of(code))


def _part_of(code: str) -> str:
    if code.startswith('camera'):
        return 'camera'
    return 'mediamtx' if code.startswith('media_server') else 'stream'


def _machine(seen: Seen, limits: Thresholds, active: Active) -> Iterator[Evidence]:
    machine = seen.machine

    def is_less(value: float, least: float, code: str) -> bool:
        return value < least * (limits.mended if active(code) else 1.0)

    if machine.disk_free_mb is not None:
        free = {'free_mb': machine.disk_free_mb}
        if is_less(machine.disk_free_mb, limits.disk_full_mb, 'disk_full'):
            yield Evidence('disk_full', 'disk', free)
        elif is_less(machine.disk_free_mb, limits.disk_low_mb, 'disk_low'):
            yield Evidence('disk_low', 'disk', free)
    if machine.memory_free_mb is not None and is_less(
            machine.memory_free_mb, limits.memory_low_mb, 'memory_low'):
        yield Evidence('memory_low', 'memory', {'free_mb': machine.memory_free_mb})
    if seen.charge is not None:
        percent = {'percent': round(100 * seen.charge)}
        if is_less(seen.charge, limits.battery_empty, 'battery_empty'):
            yield Evidence('battery_empty', 'battery', percent)
        elif is_less(seen.charge, limits.battery_low, 'battery_low'):
            yield Evidence('battery_low', 'battery', percent)
    if limits.is_robot:
        yield from _robot(seen, limits, active)


def _robot(seen: Seen, limits: Thresholds, active: Active) -> Iterator[Evidence]:
    """Judge what is of no concern where avatar runs on somebody's desk."""
    machine = seen.machine
    if machine.celsius is not None and machine.celsius >= limits.hot_c - (
            limits.cooled_c if active('hot') else 0.0):
        yield Evidence('hot', 'temperature', {'celsius': round(machine.celsius)})
    if machine.throttled is not None:
        if machine.throttled & UNDERVOLTAGE:
            yield Evidence('undervoltage', 'power')
        if machine.throttled & (FREQUENCY_CAPPED | THROTTLED):
            yield Evidence('throttled', 'temperature')
    if machine.wall_s and machine.wall_s < seen.earliest_s - WRONG_CLOCK_S:
        date = time.strftime('%Y-%m-%d', time.gmtime(machine.wall_s))
        yield Evidence('clock_wrong', 'clock', {'date': date})
    elif machine.clock_is_set is False:
        yield Evidence('clock_unsynchronised', 'clock')
    if machine.networks is not None:
        if not any(network.has_default_route for network in machine.networks):
            yield Evidence('link_down', 'link')
        for network in machine.networks:
            if network.is_modem and not network.up:
                yield Evidence('modem_down', 'link', {'name': network.name})
