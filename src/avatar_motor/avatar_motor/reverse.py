# SPDX-License-Identifier: Apache-2.0
"""How this board reads reverse, as far as anybody knows, and the answer a person gave."""

from pathlib import Path

from avatar_motor.kinematics import FULL, Efforts
from avatar_motor.protocol import Reverse, wire_duty
from avatar_node import store

MIDDLE = 128
"""The one reverse effort that is alike in both readings."""


def possible(asked: Efforts, reverse: Reverse, max_duty: int) -> Efforts:
    """Return the efforts that can be had: unconfirmed, a reversing track gets MIDDLE only."""
    if reverse is not Reverse.UNCONFIRMED:
        return asked
    backward = -MIDDLE if max_duty >= MIDDLE else 0
    return Efforts(
        backward if asked.left < 0 else asked.left,
        backward if asked.right < 0 else asked.right,
    )


def to_wire(asked: Efforts, reverse: Reverse) -> tuple[int, int]:
    """Return the duties to send for these efforts."""
    return wire_duty(asked.left, reverse), wire_duty(asked.right, reverse)


def from_wire(left: int, right: int, reverse: Reverse) -> Efforts:
    """Return the efforts that these duties of the board mean."""
    return Efforts(_effort(left, reverse), _effort(right, reverse))


def _effort(duty: int, reverse: Reverse) -> int:
    if duty >= 0 or reverse is Reverse.STRAIGHT:
        return duty
    if reverse is Reverse.UNCONFIRMED:
        return -MIDDLE
    return -(FULL + 1 + duty)


def load_answer(folder: Path) -> Reverse:
    """Return what a person found with the self-test; UNCONFIRMED if nobody looked yet."""
    try:
        return Reverse(store.read(_file(folder)).get('reverse'))
    except (OSError, ValueError):
        return Reverse.UNCONFIRMED


def save_answer(folder: Path, answer: Reverse) -> None:
    """Keep what a person found; OSError if that cannot be stored."""
    store.write(_file(folder), {'reverse': answer.value})


def _file(folder: Path) -> Path:
    return folder / 'reverse.json'
