# SPDX-License-Identifier: Apache-2.0
"""Whether the robot works: from what its parts do, not from processes that are alive."""

from avatar_bringup.health.healthz import Health, probe

__all__ = ['Health', 'probe']
