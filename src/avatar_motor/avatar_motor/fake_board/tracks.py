# SPDX-License-Identifier: Apache-2.0
"""Where two tracks take the robot: no slip, no inertia, speed in proportion to the pulse."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Tracks:
    """Pose in metres and radians (x forward, y left, counter-clockwise positive)."""

    full_speed_mps: float = 1.0  # at 1000 or 2000 us
    width_m: float = 0.25
    t: float = 0.0
    x_m: float = 0.0
    y_m: float = 0.0
    heading_rad: float = 0.0
    left_mps: float = 0.0
    right_mps: float = 0.0

    def set_pulses(self, t: float, left_us: int, right_us: int) -> None:
        self.advance(t)
        self.left_mps = (left_us - 1500) / 500 * self.full_speed_mps
        self.right_mps = (right_us - 1500) / 500 * self.full_speed_mps

    def advance(self, t: float) -> None:
        """Integrate up to t; exact, because the speeds are constant in between."""
        seconds, self.t = t - self.t, t
        speed = (self.left_mps + self.right_mps) / 2
        turn = (self.right_mps - self.left_mps) / self.width_m
        if seconds <= 0 or (speed == 0 and turn == 0):
            return
        old = self.heading_rad
        new = old + turn * seconds
        if abs(turn) < 1e-9:
            self.x_m += speed * seconds * math.cos(old)
            self.y_m += speed * seconds * math.sin(old)
        else:
            self.x_m += speed / turn * (math.sin(new) - math.sin(old))
            self.y_m -= speed / turn * (math.cos(new) - math.cos(old))
        self.heading_rad = math.atan2(math.sin(new), math.cos(new))
