# SPDX-License-Identifier: Apache-2.0
"""The simulated camera: a simple room, seen from the robot's odometry."""
