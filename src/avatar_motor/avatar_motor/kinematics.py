# SPDX-License-Identifier: Apache-2.0
"""
A velocity of the robot to the efforts of its two tracks, and back.

An effort is a whole number -255..255, positive forward, before the board's own reading of
reverse (protocol.wire_duty).
"""

from dataclasses import dataclass

from avatar_motor.limits import Velocity

FULL = 255
"""The largest effort."""


@dataclass(frozen=True)
class Calibration:
    """What is measured once per robot."""

    track_width_m: float = 0.25  # between the middles of the tracks
    full_speed_mps: float = 1.0  # of a track at effort 255
    min_duty: int = 0  # the largest effort at which a track still stands
    trim_left: float = 1.0  # below 1: this track is the faster one and gets less
    trim_right: float = 1.0


@dataclass(frozen=True)
class Efforts:
    """What the two tracks are asked for, -255..255, positive forward."""

    left: int = 0
    right: int = 0

    @property
    def is_zero(self) -> bool:
        """Return whether both tracks stand."""
        return self.left == 0 and self.right == 0


STANDSTILL = Efforts()


def efforts(velocity: Velocity, calibration: Calibration, max_duty: int = FULL) -> Efforts:
    """
    Return the efforts for a velocity.

    Where a track would need more than max_duty both are slowed alike, so that the robot goes
    slower along the same curve instead of along a wider one.
    """
    if velocity.is_zero:
        return STANDSTILL
    half_m = calibration.track_width_m / 2
    shares = [
        track_mps / calibration.full_speed_mps * trim
        for track_mps, trim in (
            (velocity.speed_mps - velocity.turn_radps * half_m, calibration.trim_left),
            (velocity.speed_mps + velocity.turn_radps * half_m, calibration.trim_right),
        )
    ]
    # The share of full speed that max_duty gives, and how far the faster track exceeds it.
    most = max(0.0, (max_duty - calibration.min_duty) / (FULL - calibration.min_duty))
    largest = max(abs(share) for share in shares)
    if largest > most:
        shares = [share * most / largest for share in shares]
    left, right = (_effort(share, calibration.min_duty) for share in shares)
    return Efforts(left, right)


def _effort(share: float, min_duty: int) -> int:
    """Return the effort for a share -1..1 of full speed; less than half a step is standstill."""
    steps = round(abs(share) * (FULL - min_duty))
    if steps == 0:
        return 0
    return min_duty + steps if share > 0 else -(min_duty + steps)


def velocity(asked: Efforts, calibration: Calibration) -> Velocity:
    """Return the velocity at which these efforts move the robot, as far as calibration goes."""
    left_mps = track_speed_mps(asked.left, calibration.trim_left, calibration)
    right_mps = track_speed_mps(asked.right, calibration.trim_right, calibration)
    return Velocity(
        (left_mps + right_mps) / 2, (right_mps - left_mps) / calibration.track_width_m
    )


def track_speed_mps(effort: int, trim: float, calibration: Calibration) -> float:
    """Return the speed of one track."""
    steps = max(0, abs(effort) - calibration.min_duty)
    share = steps / (FULL - calibration.min_duty) / trim
    return (share if effort > 0 else -share) * calibration.full_speed_mps
