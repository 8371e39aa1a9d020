# SPDX-License-Identifier: Apache-2.0
"""What is known of the motors, as ROS messages."""

import math

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry as OdometryMessage
from sensor_msgs.msg import BatteryState, JointState

from avatar_motor.link_events import LinkState
from avatar_motor.odometry import Odometry
from avatar_motor.params import Params
from avatar_motor.report import Report
from avatar_motor.why import Why
from avatar_node import diagnostics

# Open loop: a metre and a radian are guesses (variances, m2 and rad2). What a tank on the floor
# cannot do at all (up, roll, pitch) has the usual "unknown".
GUESS = 1.0
UNKNOWN = 1e6
RATE_GUESS = 0.1

# Share of the battery's charge that is told as a warning, and as an error.
LOW = 0.2
EMPTY = 0.05

LEVELS = {
    Why.STATE_UNWRITABLE: diagnostics.ERROR,
    Why.E_STOP: diagnostics.WARN,
    Why.NOT_CONNECTED: diagnostics.ERROR,
    Why.NO_WATCHDOG: diagnostics.ERROR,
    Why.TWO_PUBLISHERS: diagnostics.ERROR,
    Why.LATE: diagnostics.WARN,
    Why.BAD_COMMAND: diagnostics.WARN,
}


def motor_state(report: Report, link: LinkState, loop_age_s: float) -> DiagnosticStatus:
    """Return `motor/state`: what is so, and the work by which others judge that it is."""
    work = {'reason_code': link.reason_code, 'reason': link.reason, 'replies': link.replies,
            'lost_replies': link.lost_replies, 'late_passes': report.late_passes,
            'loop_age_s': f'{loop_age_s:.1f}'}
    return diagnostics.status(
        'motor/state', LEVELS.get(report.why, diagnostics.OK), report.sentence(),
        report.values() | work, hardware_id=report.link.port)


class OdomMessage:
    """`odom`, built once: its covariances never change."""

    def __init__(self, params: Params) -> None:
        """Take the names of the frames."""
        self._message = OdometryMessage(child_frame_id=params.base_frame_id)
        self._message.header.frame_id = params.odom_frame_id
        self._message.pose.covariance = _diagonal(GUESS, GUESS, UNKNOWN, UNKNOWN, UNKNOWN, GUESS)
        self._message.twist.covariance = _diagonal(
            RATE_GUESS, RATE_GUESS, UNKNOWN, UNKNOWN, UNKNOWN, RATE_GUESS)

    def of(self, odometry: Odometry, stamp: Time) -> OdometryMessage:
        """Return the message of this moment."""
        message = self._message
        message.header.stamp = stamp
        pose, twist = message.pose.pose, message.twist.twist
        pose.position.x, pose.position.y = odometry.x_m, odometry.y_m
        pose.orientation.z = math.sin(odometry.heading_rad / 2)
        pose.orientation.w = math.cos(odometry.heading_rad / 2)
        twist.linear.x = odometry.velocity.speed_mps
        twist.angular.z = odometry.velocity.turn_radps
        return message


def _diagonal(*variances: float) -> list[float]:
    matrix = [0.0] * 36
    for i, variance in enumerate(variances):
        matrix[7 * i] = variance
    return matrix


def joint_states(odometry: Odometry, params: Params, stamp: Time) -> JointState:
    """Return how far and how fast the wheels of the tracks turned."""
    message = JointState(name=[params.left_joint, params.right_joint])
    message.header.stamp = stamp
    half_m = odometry.calibration.track_width_m / 2
    speed, turn = odometry.velocity.speed_mps, odometry.velocity.turn_radps
    radius_m = params.wheel_radius_m
    message.position = [odometry.left_m / radius_m, odometry.right_m / radius_m]
    message.velocity = [(speed - turn * half_m) / radius_m, (speed + turn * half_m) / radius_m]
    return message


def battery_state(voltage_v: float, params: Params, stamp: Time) -> BatteryState:
    """Return the battery; its charge is a straight line between two voltages."""
    message = BatteryState(
        voltage=voltage_v,
        percentage=_charge(voltage_v, params),
        current=math.nan, charge=math.nan, capacity=math.nan, design_capacity=math.nan,
        temperature=math.nan,
        power_supply_status=BatteryState.POWER_SUPPLY_STATUS_DISCHARGING,
        present=True,
    )
    message.header.stamp = stamp
    return message


def _charge(voltage_v: float, params: Params) -> float:
    span_v = params.battery_full_v - params.battery_empty_v
    return max(0.0, min(1.0, (voltage_v - params.battery_empty_v) / span_v))


def parts(report: Report, link: LinkState, params: Params) -> list[DiagnosticStatus]:
    """Return the parts of `/diagnostics`."""
    age_s = link.last_reply_age_s
    serial = diagnostics.status(
        'motor: serial', diagnostics.OK if link.connected else diagnostics.ERROR,
        f'{link.firmware} answers.' if link.connected else link.reason,
        {'port': link.port, 'dialect': link.dialect.value, 'firmware': link.firmware,
         'replies': link.replies, 'lost_replies': link.lost_replies,
         'last_reply_age_s': '' if age_s is None else f'{age_s:.2f}'},
        hardware_id=link.port)
    drive = diagnostics.status(
        'motor: drive', LEVELS.get(report.why, diagnostics.OK), report.sentence(),
        {'why': report.why.value, 'stop_number': report.stop_number,
         'reverse': report.reverse.value, 'bad_commands': report.bad_commands,
         'late_passes': report.late_passes, 'odometry': 'open loop'},
        hardware_id=link.port)
    if link.voltage_v is None:
        return [serial, drive]
    charge = _charge(link.voltage_v, params)
    level = (diagnostics.ERROR if charge <= EMPTY else
             diagnostics.WARN if charge <= LOW else diagnostics.OK)
    says = f'{link.voltage_v:.1f} V, about {charge:.0%}.'
    battery = diagnostics.status(
        'motor: battery', level, says if level == diagnostics.OK else f'{says} Charge it.',
        {'voltage_v': f'{link.voltage_v:.2f}', 'charge': f'{charge:.2f}'}, hardware_id=link.port)
    return [serial, drive, battery]
