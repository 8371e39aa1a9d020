# SPDX-License-Identifier: Apache-2.0
"""
The thread that publishes and logs, so that neither can ever hold up the motor loop.

It wakes for news, and otherwise for its periods; rclpy timers would cost ten times as much.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry as OdometryMessage
from rclpy.node import Node
from sensor_msgs.msg import BatteryState, JointState
from std_msgs.msg import Bool

from avatar_motor import messages, reverse
from avatar_motor.link_events import LinkState
from avatar_motor.odometry import Odometry
from avatar_motor.params import Params, calibration_of
from avatar_motor.report import Report
from avatar_motor.why import Why
from avatar_node import diagnostics
from avatar_node.qos import STATE

STATE_PERIOD_S = 1.0
IDLE_ODOM_PERIOD_S = 1.0
GATEWAYS_PERIOD_S = 0.25
PAUSE_S = 0.02
"""The least time between two rounds, whatever happens how often."""

# What passes by itself is logged only when it does not.
LOG_AFTER_S = {
    Why.NOT_CONNECTED: 1.0, Why.TWO_PUBLISHERS: 2.0, Why.WAITING_NEUTRAL: 5.0,
    Why.HOLDER_AWAY: 1.0,
}
NOT_LOGGED = (Why.FREE, Why.NO_COMMAND, Why.LATE)
SAME_AGAIN_S = 10.0


class Reporter:
    """Publishes what the loop reports; `tell` and `log` may be called from any thread."""

    def __init__(
        self,
        node: Node,
        params: Params,
        link: Callable[[], LinkState],
        loop_age_s: Callable[[], float],
        look_at_gateways: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        """Make the publishers; `start` starts the thread. on_end: it ended by an error."""
        self._on_end = on_end
        self._node, self._link, self._loop_age_s = node, link, loop_age_s
        self._look_at_gateways = look_at_gateways
        self._params = params
        self._odometry = Odometry(calibration_of(params))
        self._odom_message = messages.OdomMessage(params)
        self._e_stop = node.create_publisher(Bool, 'e_stop', STATE)
        self._state = node.create_publisher(DiagnosticStatus, 'motor/state', STATE)
        self._odom = node.create_publisher(OdometryMessage, 'odom', 10)
        self._joints = node.create_publisher(JointState, 'joint_states', 10)
        self._battery = node.create_publisher(BatteryState, 'battery_state', STATE)
        self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._reports: deque[tuple[float, Report]] = deque()
        self._lines: deque[tuple[int, str]] = deque(maxlen=1000)
        self._woken = threading.Event()
        self._closing = False
        self._report = Report()
        self._next_s: dict[str, float] = {}
        self._shown: tuple[bool, int] | None = None
        self._why_s = time.monotonic()
        self._logged: dict[str, float] = {}
        self._last_logged = ''
        self._thread = threading.Thread(target=self._run, name='motor reporter', daemon=True)

    def start(self) -> None:
        """Start publishing."""
        self._thread.start()

    def close(self) -> None:
        """Publish and log what is left."""
        self._closing = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def tell(self, report: Report) -> None:
        """Take what the loop reports."""
        self._reports.append((time.monotonic(), report))
        self._woken.set()

    def log(self, level: int, text: str) -> None:
        """Take a line for the log."""
        self._lines.append((level, text))
        self._woken.set()

    def configure(self, params: Params) -> None:
        """Take new parameters."""
        self._params = params

    # ---- the thread

    def _run(self) -> None:
        in_order = False
        try:
            while not self._closing:
                now_s = time.monotonic()
                self._round(now_s)
                self._woken.wait(max(0.0, min(self._next_s.values()) - time.monotonic()))
                if self._woken.is_set() and time.monotonic() - now_s < PAUSE_S:
                    # News goes out at once; more of it waits a moment.
                    time.sleep(PAUSE_S - (time.monotonic() - now_s))
            self._take_news()
            in_order = True
        except RuntimeError:  # RCLError is one
            # A signal ends the context under our hands; `close` follows.
            in_order = not self._node.context.ok()
            if not in_order:
                raise
        finally:
            try:
                self._write_log()  # what it ends for, too
            finally:
                if not in_order:
                    self._on_end()

    def _round(self, now_s: float) -> None:
        self._woken.clear()
        changed = self._take_news()
        report = self._report
        if self._shown != (report.e_stop, report.stop_number):
            self._shown = (report.e_stop, report.stop_number)
            self._e_stop.publish(Bool(data=report.e_stop))
        if self._is_due('state', STATE_PERIOD_S, now_s) or changed:
            self._state.publish(messages.motor_state(report, self._link(), self._loop_age_s()))
        self._log_why(now_s)
        self._write_log()
        if self._is_due('odom', self._odom_period_s(), now_s) and self._params.publish_odom:
            self._publish_odom(now_s)
        if self._is_due('gateways', GATEWAYS_PERIOD_S, now_s):
            self._look_at_gateways()
        if self._is_due('diagnostics', STATE_PERIOD_S, now_s):
            self._publish_diagnostics()

    def _is_due(self, what: str, period_s: float, now_s: float) -> bool:
        next_s = self._next_s.get(what, now_s)
        if now_s < next_s:
            return False
        self._next_s[what] = max(next_s + period_s, now_s)
        return True

    def _take_news(self) -> bool:
        """Take all reports; return whether the newest says something new."""
        before, moved = self._report, self._odometry.is_moving()
        while self._reports:
            at_s, report = self._reports.popleft()
            self._odometry.set_efforts(
                reverse.from_wire(report.link.left, report.link.right, report.reverse), at_s)
            if report.why is not self._report.why:
                self._why_s = at_s
            self._report = report
        if self._odometry.is_moving() is not moved:
            # Who looks at odom sees the robot start and stop at once.
            self._next_s.pop('odom', None)
        report = self._report
        return report is not before and (
            report.values() != before.values() or report.sentence() != before.sentence())

    def _odom_period_s(self) -> float:
        return 1 / self._params.odom_rate_hz if self._odometry.is_moving() else IDLE_ODOM_PERIOD_S

    def _publish_odom(self, now_s: float) -> None:
        self._odometry.calibrate(calibration_of(self._params), now_s)
        stamp = self._node.get_clock().now().to_msg()
        self._odom.publish(self._odom_message.of(self._odometry, stamp))
        self._joints.publish(messages.joint_states(self._odometry, self._params, stamp))

    def _publish_diagnostics(self) -> None:
        stamp = self._node.get_clock().now().to_msg()
        link = self._link()
        self._diagnostics.publish(
            diagnostics.array(stamp, messages.parts(self._report, link, self._params)))
        if link.voltage_v is not None:
            self._battery.publish(messages.battery_state(link.voltage_v, self._params, stamp))

    # ---- the log

    def _log_why(self, now_s: float) -> None:
        """Log why it stands: once, and only what lasts."""
        report = self._report
        why = report.why
        # Without a board it matters why.
        key = why.value + (report.link.reason_code if why is Why.NOT_CONNECTED else '')
        if why in NOT_LOGGED:
            if why is Why.FREE and self._last_logged:
                self._last_logged = ''
                self.log(logging.INFO, report.sentence())
            return
        lasts = now_s - self._why_s >= LOG_AFTER_S.get(why, 0.0)
        if key == self._last_logged or not lasts:
            return
        if now_s - self._logged.get(key, -SAME_AGAIN_S) < SAME_AGAIN_S:
            return
        self._last_logged, self._logged[key] = key, now_s
        level = messages.LEVELS.get(why, diagnostics.OK)
        self.log(logging.INFO if level == diagnostics.OK else logging.WARNING, report.sentence())

    def _write_log(self) -> None:
        logger: Any = self._node.get_logger()  # type: ignore[no-untyped-call]
        while self._lines:
            level, text = self._lines.popleft()
            if level >= logging.ERROR:
                logger.error(text)
            elif level >= logging.WARNING:
                logger.warning(text)
            else:
                logger.info(text)


class LogHandler(logging.Handler):
    """Hands what the ROS-free modules log to the reporter."""

    def __init__(self, reporter: Reporter) -> None:
        """Take everything from INFO on."""
        super().__init__(logging.INFO)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over one line."""
        self._reporter.log(record.levelno, self.format(record))
