# SPDX-License-Identifier: Apache-2.0
"""The machine under the robot, as an admin sees it: WiFi, power, state, volume of data."""
