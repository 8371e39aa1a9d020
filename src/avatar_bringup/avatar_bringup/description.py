# SPDX-License-Identifier: Apache-2.0
"""The robot's description (URDF) for robot_state_publisher and rviz."""

from pathlib import Path

URDF = Path(__file__).with_name('avatar.urdf')


def urdf() -> str:
    """Return the text of the description."""
    return URDF.read_text()
