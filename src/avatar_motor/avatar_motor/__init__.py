# SPDX-License-Identifier: Apache-2.0
"""The tracks and lamps of the robot: serial line, drive control, fake board."""
