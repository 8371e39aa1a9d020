# SPDX-License-Identifier: Apache-2.0
"""The parameters of the health node."""

import os
from dataclasses import dataclass
from pathlib import Path

from avatar_bringup.health.rules import Thresholds
from avatar_node.params import param


@dataclass(frozen=True)
class Params:
    """See config/health.yaml."""

    state_dir: str = param(
        '', 'state folder; empty = AVATAR_STATE_DIR, then ~/.local/state/avatar', read_only=True)
    gateway_port: int = param(
        0, 'where the gateway listens; 0 = as it writes into the state folder',
        range=(0, 65535), read_only=True)
    essential: str = param(
        'motor gateway', 'parts without which the robot cannot be driven, separated by blanks',
        read_only=True)
    camera: bool = param(True, 'a robot without a camera is DEGRADED')
    is_robot: bool = param(
        True, "whether clock, network, power and temperature of this computer are the robot's")
    disk_low_mb: int = param(
        500, 'less room than this is DEGRADED', range=(0, 1_000_000), unit='MB')
    disk_full_mb: int = param(50, 'less room than this is full', range=(0, 100_000), unit='MB')
    memory_low_mb: int = param(
        100, 'less memory than this is DEGRADED', range=(0, 100_000), unit='MB')
    hot_c: float = param(
        80.0, 'from this temperature on it is hot; 85 is where a Raspberry Pi slows down',
        range=(30.0, 110.0), unit='degrees C')
    battery_low: float = param(0.2, 'a charge below this is low', range=(0.0, 1.0))
    battery_empty: float = param(0.05, 'a charge below this is empty', range=(0.0, 1.0))


def problem_of(params: Params) -> str | None:
    """Return why a combination is refused, or None."""
    if params.disk_full_mb > params.disk_low_mb:
        return f'disk_full_mb = {params.disk_full_mb}: must not be above disk_low_mb'
    if params.battery_empty > params.battery_low:
        return f'battery_empty = {params.battery_empty}: must not be above battery_low'
    return None


def thresholds_of(params: Params) -> Thresholds:
    """Return what is too little or too much."""
    return Thresholds(
        camera=params.camera, is_robot=params.is_robot, disk_low_mb=params.disk_low_mb,
        disk_full_mb=params.disk_full_mb, memory_low_mb=params.memory_low_mb, hot_c=params.hot_c,
        battery_low=params.battery_low, battery_empty=params.battery_empty)


def state_dir_of(params: Params) -> Path:
    """Return the state folder."""
    return Path(params.state_dir or os.environ.get('AVATAR_STATE_DIR')
                or '~/.local/state/avatar').expanduser()
