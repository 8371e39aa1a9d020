# SPDX-License-Identifier: Apache-2.0
"""The gateway's side of ROS: its node, and the topics that clients share."""
