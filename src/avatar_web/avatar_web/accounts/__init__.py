# SPDX-License-Identifier: Apache-2.0
"""Who there is and who gets in: users, sessions, passwords, the database. No HTTP, no ROS."""
