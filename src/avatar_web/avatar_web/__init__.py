# SPDX-License-Identifier: Apache-2.0
"""The one door of the robot: page, accounts, and who may drive."""
