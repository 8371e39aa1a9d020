# SPDX-License-Identifier: Apache-2.0
"""
What can be found: a table of codes, each with how bad it is and a sentence. Pure.

The page says the same in its own languages, by the code: `health.CODE` and, what to do next,
`mend.CODE` of its texts; docs/operations.md has a row for each. Tests compare the three.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Value = str | int | float


class State(str, enum.Enum):
    """How the robot is: it can be driven; so too, but something is missing; it cannot."""

    READY = 'READY'
    DEGRADED = 'DEGRADED'
    STOPPED = 'STOPPED'


RANK = {State.READY: 0, State.DEGRADED: 1, State.STOPPED: 2}
READY_SENTENCE = 'Everything works.'


@dataclass(frozen=True)
class Kind:
    """One code: what it makes of the robot, its sentence, and how long it must last [s]."""

    state: State
    sentence: str
    on_after_s: float = 0.0
    off_after_s: float = 2.0


def _stopped(sentence: str, on_after_s: float = 0.0) -> Kind:
    return Kind(State.STOPPED, sentence, on_after_s)


def _degraded(sentence: str, on_after_s: float = 2.0, off_after_s: float = 2.0) -> Kind:
    return Kind(State.DEGRADED, sentence, on_after_s, off_after_s)


# The worst first: the first one that is found is the sentence of the whole.
KINDS: Mapping[str, Kind] = {
    'starting': Kind(State.STOPPED, 'The robot is starting.', off_after_s=0.0),
    'gateway_silent': _stopped('The gateway does not answer: nobody can reach the robot.'),
    'motor_silent': _stopped('The motor node says nothing: the robot stands.'),
    'motor_hung': _stopped('The motor node hangs: its loop has made no pass for {seconds} s.'),
    'part_lost': _stopped('{part} does not start and was given up: {words}'),
    'state_unwritable': _stopped(
        'The state folder cannot be written, so an emergency stop could be forgotten: no '
        'driving.'),
    'two_gateways': _stopped('Two programs want to drive at once: end one of them.', 1.0),
    'board_held': _stopped('Another program holds the motor board: {reason}'),
    'board_denied': _stopped('The port of the motor board may not be opened: {reason}'),
    'board_unclear': _stopped('It is not clear which board is meant: {reason}'),
    'board_no_answer': _stopped('The motor board does not answer: {reason}'),
    'board_missing': _stopped('The motor board is not connected: {reason}'),
    'board_unsafe': _stopped('The firmware of the motor board has no working watchdog.'),
    'part_given_up': _degraded('{part} does not start and was given up: {words}', 0.0),
    'part_restarting': _degraded('{part} ended and is being started again: {words}', 4.0, 4.0),
    'part_held': _degraded('{part} waits: {resource} is held by {holder}.', 2.0, 2.0),
    'camera_missing': _degraded('There is no camera.', 3.0),
    'camera_held': _degraded('Another program holds the camera: {reason}'),
    'camera_silent': _degraded('The camera sends no pictures.'),
    'camera_unusable': _degraded('The camera sends pictures that cannot be used: {reason}'),
    'ffmpeg_missing': _degraded('ffmpeg, which encodes the picture, cannot be used: {reason}'),
    'encoder_failed': _degraded('The encoder puts out no pictures: {reason}', 5.0),
    'media_server_silent': _degraded('The media server does not answer: {reason}', 5.0),
    'media_server_refuses': _degraded('The media server refuses the picture: {reason}', 5.0),
    'stream_silent': _degraded('The stream node says nothing: there is no picture.', 1.0),
    'battery_empty': _degraded('The battery is almost empty: {percent} %.', 10.0, 30.0),
    'battery_low': _degraded('The battery is low: {percent} %.', 10.0, 30.0),
    'disk_full': _degraded('The disk is full: {free_mb} MB free.', 2.0, 5.0),
    'disk_low': _degraded('Little room on the disk: {free_mb} MB free.', 2.0, 5.0),
    'memory_low': _degraded('Little memory is left: {free_mb} MB.', 5.0, 15.0),
    'undervoltage': _degraded('The power supply of the computer is too weak.', 0.0, 60.0),
    'hot': _degraded('The computer is hot: {celsius} degrees.', 5.0, 15.0),
    'throttled': _degraded('The computer slows itself down to stay cool enough.', 5.0, 60.0),
    'overloaded': _degraded('The motor node was held up {times} times within a minute.', 0.0, 5.0),
    'link_down': _degraded('The robot has no way to the internet.', 10.0, 5.0),
    'modem_down': _degraded('The mobile modem {name} is not connected.', 10.0, 5.0),
    'clock_wrong': _degraded('The clock is wrong: it shows {date}.', 5.0, 5.0),
    'clock_unsynchronised': _degraded('The clock was not set by the network yet.', 120.0, 5.0),
}
ORDER = {code: place for place, code in enumerate(KINDS)}


@dataclass(frozen=True)
class Evidence:
    """That a code is true now, of which part, with the values of its sentence."""

    code: str
    part: str
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Return what makes two of them the same finding."""
        return self.code, self.part


@dataclass(frozen=True)
class Finding:
    """Something that is wrong; since when [s, CLOCK_MONOTONIC]."""

    code: str
    part: str
    values: Mapping[str, Value]
    since_s: float

    @property
    def state(self) -> State:
        """Return what it makes of the robot."""
        return KINDS[self.code].state

    @property
    def text(self) -> str:
        """Return the sentence in English."""
        return KINDS[self.code].sentence.format_map(_Known(self.values, part=self.part))

    def as_json(self, wall_offset_s: float) -> dict[str, Any]:
        """Return it as programs get it; `wall_offset_s` is unix time less monotonic time."""
        return {'code': self.code, 'part': self.part, 'state': self.state.value,
                'text': self.text, 'values': dict(self.values),
                'since': round(self.since_s + wall_offset_s)}


class _Known(dict[str, Value]):
    """A value nobody gave is no reason not to say the rest."""

    def __init__(self, values: Mapping[str, Value], part: str) -> None:
        super().__init__({'part': part, **values})

    def __missing__(self, _key: str) -> str:
        return '?'
