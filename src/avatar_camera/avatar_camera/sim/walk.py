# SPDX-License-Identifier: Apache-2.0
"""Where the robot stands in the simulated room, from where it believes to be."""

import math
from dataclasses import dataclass

from avatar_camera.sim import room

# The robot's own size: it comes no nearer to a wall.
CLEAR_M = 0.2
# No robot of ours goes so far from one message to the next: odometry has begun anew.
JUMP_M = 0.5


@dataclass(frozen=True)
class Pose:
    """Position [m] and heading [rad] in one frame."""

    x: float = 0.0
    y: float = 0.0
    heading: float = 0.0


class Walk:
    """
    Follows odometry by its changes, and stops at walls, which odometry knows nothing of.

    The first pose, and one that cannot have been driven to, move nothing.
    """

    def __init__(self) -> None:
        self.pose = Pose()
        self._last: Pose | None = None

    def follow(self, odometry: Pose) -> None:
        """Take the newest pose of odometry."""
        last, self._last = self._last, odometry
        if not all(math.isfinite(v) for v in (odometry.x, odometry.y, odometry.heading)):
            self._last = last
            return
        if last is None:
            # It may have driven before we were started; its start is ours.
            last = Pose()
        moved_x, moved_y = odometry.x - last.x, odometry.y - last.y
        if math.hypot(moved_x, moved_y) > JUMP_M:
            return
        # The same way, seen from the robot, from where it stands in the room.
        turned = self.pose.heading - last.heading
        cos, sin = math.cos(turned), math.sin(turned)
        x, y = clear_of_walls(self.pose.x + cos * moved_x - sin * moved_y,
                              self.pose.y + sin * moved_x + cos * moved_y)
        heading = self.pose.heading + odometry.heading - last.heading
        self.pose = Pose(x, y, math.remainder(heading, math.tau))

    def ahead(self, speed_mps: float, turn_radps: float, seconds: float) -> Pose:
        """Return where it will be that much later if it goes on like this; changes nothing."""
        way, turned = speed_mps * seconds, turn_radps * seconds
        x, y = clear_of_walls(self.pose.x + way * math.cos(self.pose.heading + turned / 2),
                              self.pose.y + way * math.sin(self.pose.heading + turned / 2))
        return Pose(x, y, math.remainder(self.pose.heading + turned, math.tau))


def clear_of_walls(x: float, y: float) -> tuple[float, float]:
    """Return the nearest place where the robot can stand."""
    x = min(max(x, room.SOUTH_M + CLEAR_M), room.NORTH_M - CLEAR_M)
    y = min(max(y, room.EAST_M + CLEAR_M), room.WEST_M - CLEAR_M)
    reach = room.PILLAR_M / 2 + CLEAR_M
    for pillar_x, pillar_y, _ in room.PILLARS:
        off_x, off_y = x - pillar_x, y - pillar_y
        if max(abs(off_x), abs(off_y)) < reach:
            if abs(off_x) > abs(off_y):
                x = pillar_x + math.copysign(reach, off_x)
            else:
                y = pillar_y + math.copysign(reach, off_y)
    return x, y
