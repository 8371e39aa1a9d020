# SPDX-License-Identifier: Apache-2.0
"""Where the robot should be if its tracks did what they were told: open loop, no encoders."""

import math
from dataclasses import dataclass, field

from avatar_motor.kinematics import STANDSTILL, Calibration, Efforts, track_speed_mps, velocity
from avatar_motor.limits import NEUTRAL, Velocity


@dataclass
class Odometry:
    """
    Pose of the robot (x forward, y left [m], heading counter-clockwise [rad]).

    The efforts count from the time at which the board confirmed them.
    """

    calibration: Calibration = field(default_factory=Calibration)
    x_m: float = 0.0
    y_m: float = 0.0
    heading_rad: float = 0.0
    left_m: float = 0.0  # way of each track
    right_m: float = 0.0
    velocity: Velocity = NEUTRAL
    _efforts: Efforts = STANDSTILL
    _at_s: float | None = None

    def set_efforts(self, efforts: Efforts, now_s: float) -> None:
        """Let the tracks run with these efforts from now on."""
        self.advance(now_s)
        self._efforts = efforts
        self.velocity = velocity(efforts, self.calibration)

    def calibrate(self, calibration: Calibration, now_s: float) -> None:
        """Use another calibration from now on."""
        self.advance(now_s)
        self.calibration = calibration
        self.velocity = velocity(self._efforts, calibration)

    def advance(self, now_s: float) -> None:
        """Integrate up to now_s; exact, because speed and turn are constant in between."""
        seconds = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        if self._efforts.is_zero or seconds == 0.0:
            return
        cal = self.calibration
        self.left_m += track_speed_mps(self._efforts.left, cal.trim_left, cal) * seconds
        self.right_m += track_speed_mps(self._efforts.right, cal.trim_right, cal) * seconds
        turned = self.velocity.turn_radps * seconds
        way = self.velocity.speed_mps * seconds
        # The chord of the arc, along the mean heading.
        half = turned / 2
        chord = way * (math.sin(half) / half if abs(half) > 1e-9 else 1.0)
        self.x_m += chord * math.cos(self.heading_rad + half)
        self.y_m += chord * math.sin(self.heading_rad + half)
        heading = self.heading_rad + turned
        self.heading_rad = math.atan2(math.sin(heading), math.cos(heading))

    def is_moving(self) -> bool:
        """Return whether a track turns."""
        return not self._efforts.is_zero
