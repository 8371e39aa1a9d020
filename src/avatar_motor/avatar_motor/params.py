# SPDX-License-Identifier: Apache-2.0
"""The parameters of the motor node; docs/ros_api.md lists the same."""

import os
from dataclasses import dataclass
from pathlib import Path

from avatar_motor.deadlines import MOTOR_CMD_TIMEOUT_S, order_problem
from avatar_motor.drive import Settings
from avatar_motor.kinematics import FULL, Calibration
from avatar_motor.limits import Limits
from avatar_motor.ports import BY_ID_DIR
from avatar_motor.protocol import Reverse
from avatar_node.params import param


@dataclass(frozen=True)
class Params:
    """Everything that can be set; what is not read-only may be changed while it runs."""

    port: str = param('', 'serial port, or its name in by_id_dir; empty = the only known '
                          'USB bridge', read_only=True)
    by_id_dir: str = param(BY_ID_DIR, 'folder of the links that name serial adapters',
                           read_only=True)
    state_dir: str = param('', 'state folder; empty = AVATAR_STATE_DIR, then '
                               '~/.local/state/avatar', read_only=True)
    max_speed_mps: float = param(0.5, 'largest forward and backward speed', unit='m/s',
                                 range=(0.01, 2.0))
    max_turn_radps: float = param(1.5, 'largest turn rate', unit='rad/s', range=(0.01, 10.0))
    max_accel_mps2: float = param(2.0, 'acceleration; slowing down is never limited',
                                  unit='m/s2', range=(0.05, 50.0))
    max_turn_accel_radps2: float = param(10.0, 'acceleration of the turn rate; slowing down is '
                                               'never limited', unit='rad/s2',
                                         range=(0.1, 500.0))
    cmd_timeout_s: float = param(MOTOR_CMD_TIMEOUT_S, 'a command moves the wheels for this long '
                                 'after its receipt; above 0.25, at most 0.3', unit='s',
                                 range=(0.05, 2.0))
    track_width_m: float = param(0.25, 'distance of the middles of the tracks', unit='m',
                                 range=(0.05, 2.0))
    full_speed_mps: float = param(1.0, 'speed of a track at duty 255', unit='m/s',
                                  range=(0.05, 5.0))
    wheel_radius_m: float = param(0.03, 'radius of the wheels that drive the tracks', unit='m',
                                  range=(0.005, 0.5))
    min_duty: int = param(0, 'largest duty at which a track still stands', range=(0, 200))
    trim_left: float = param(1.0, 'below 1: the left track is the faster one and gets less',
                             range=(0.5, 1.0))
    trim_right: float = param(1.0, 'below 1: the right track is the faster one and gets less',
                              range=(0.5, 1.0))
    reverse_inverted: bool = param(True, 'the board reads -1 as full reverse, as firmware 2.0 '
                                         'does; counts once reverse_confirmed is set')
    reverse_confirmed: bool = param(False, 'somebody saw on this board that reverse_inverted is '
                                           'right; until then, or until the self-test was '
                                           'answered, a reversing track gets half power only')
    allow_no_watchdog: bool = param(False, 'drive boards that do not stop by themselves when '
                                           'this computer dies')
    no_watchdog_max_duty: int = param(80, 'largest duty for such boards', range=(0, 127))
    publish_odom: bool = param(True, 'publish odom and joint_states (open loop)')
    odom_rate_hz: float = param(20.0, 'rate of odom and joint_states while it moves', unit='Hz',
                                range=(1.0, 50.0))
    odom_frame_id: str = param('odom', 'frame of odom', read_only=True)
    base_frame_id: str = param('base_link', 'child frame of odom', read_only=True)
    left_joint: str = param('left_track_joint', 'name in joint_states', read_only=True)
    right_joint: str = param('right_track_joint', 'name in joint_states', read_only=True)
    battery_empty_v: float = param(10.0, 'battery voltage that counts as 0 %', unit='V',
                                   range=(1.0, 60.0))
    battery_full_v: float = param(12.6, 'battery voltage that counts as 100 %', unit='V',
                                  range=(1.0, 60.0))


def problem_of(params: Params) -> str | None:
    """Return why these values do not go together, or None."""
    order = order_problem(motor_cmd_timeout_s=params.cmd_timeout_s)
    if order:
        return f'cmd_timeout_s = {params.cmd_timeout_s:g}: {order}'
    if params.battery_empty_v >= params.battery_full_v:
        return (f'battery_empty_v = {params.battery_empty_v:g} must be below '
                f'battery_full_v = {params.battery_full_v:g}')
    return None


def settings_of(params: Params) -> Settings:
    """Return what the core of the node needs."""
    reverse = Reverse.INVERTED if params.reverse_inverted else Reverse.STRAIGHT
    return Settings(
        limits=Limits(params.max_speed_mps, params.max_turn_radps),
        max_accel_mps2=params.max_accel_mps2,
        max_turn_accel_radps2=params.max_turn_accel_radps2,
        cmd_timeout_s=params.cmd_timeout_s,
        calibration=calibration_of(params),
        reverse=reverse if params.reverse_confirmed else Reverse.UNCONFIRMED,
        allow_no_watchdog=params.allow_no_watchdog,
        no_watchdog_max_duty=params.no_watchdog_max_duty,
    )


def calibration_of(params: Params) -> Calibration:
    """Return what is measured once per robot."""
    return Calibration(
        track_width_m=params.track_width_m, full_speed_mps=params.full_speed_mps,
        min_duty=min(params.min_duty, FULL - 1),
        trim_left=params.trim_left, trim_right=params.trim_right,
    )


def state_dir_of(params: Params) -> Path:
    """Return the state folder."""
    named = params.state_dir or os.environ.get('AVATAR_STATE_DIR') or '~/.local/state/avatar'
    return Path(named).expanduser()
