# SPDX-License-Identifier: Apache-2.0
"""What a velocity command may ask for; the one function of gateway and motor node."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

ABSURD = 4.0
"""A command beyond this many times a limit is an error of the sender, not a wish for speed."""


@dataclass(frozen=True)
class Limits:
    """Largest forward speed [m/s] and turn rate [rad/s], both directions."""

    max_speed_mps: float = 0.5
    max_turn_radps: float = 1.5


@dataclass(frozen=True)
class Velocity:
    """Forward speed [m/s] and turn rate, positive to the left [rad/s]."""

    speed_mps: float = 0.0
    turn_radps: float = 0.0

    @property
    def is_zero(self) -> bool:
        """Return whether this asks for standstill."""
        return self.speed_mps == 0.0 and self.turn_radps == 0.0


NEUTRAL = Velocity()


class BadCommand(ValueError):
    """A command that is no velocity; it means neutral, and the text says why."""


def judge(linear: Sequence[float], angular: Sequence[float], limits: Limits) -> Velocity:
    """
    Return the velocity of a Twist (x, y, z of both vectors), clamped to the limits.

    Raises BadCommand if any component is not finite, or if forward speed or turn rate are more
    than ABSURD times their limit. A tank cannot move along y and z: those are ignored.
    """
    for name, vector in (('linear', linear), ('angular', angular)):
        for axis, value in zip('xyz', vector, strict=True):
            if not math.isfinite(value):
                raise BadCommand(f'{name}.{axis} = {value} is not a finite number')
    speed = _clamp('linear.x', linear[0], limits.max_speed_mps, 'm/s')
    turn = _clamp('angular.z', angular[2], limits.max_turn_radps, 'rad/s')
    return Velocity(speed, turn)


def _clamp(name: str, value: float, limit: float, unit: str) -> float:
    if abs(value) > ABSURD * limit:
        raise BadCommand(f'{name} = {value:g} {unit} is more than {ABSURD:g} times '
                         f'the limit of {limit:g} {unit}')
    # "+ 0.0" turns -0.0 into 0.0.
    return max(-limit, min(limit, value)) + 0.0
