# SPDX-License-Identifier: Apache-2.0
"""What every avatar node shares, and nothing about any part of the robot."""
