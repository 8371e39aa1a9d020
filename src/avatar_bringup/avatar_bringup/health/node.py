# SPDX-License-Identifier: Apache-2.0
"""The health node: looks once a second, judges, tells: topic, log, systemd, history, alerts."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import BatteryState

from avatar_bringup.alerts.alerts import Alerts
from avatar_bringup.health import notify
from avatar_bringup.health.findings import State
from avatar_bringup.health.history import History
from avatar_bringup.health.holding import Holders, reload_unit, waiting
from avatar_bringup.health.judge import Change, Judge, Verdict
from avatar_bringup.health.params import Params, problem_of, state_dir_of, thresholds_of
from avatar_bringup.health.rules import HUNG_S
from avatar_bringup.health.seen import Said, Seen
from avatar_bringup.health.watch import (
    INSTALLED_S,
    Counters,
    GatewayWatch,
    PartsFile,
    Slowly,
)
from avatar_node import diagnostics
from avatar_node.hearing import DEAF_S, Hearing
from avatar_node.params import Parameters
from avatar_node.qos import STATE
from avatar_node.run import run

PERIOD_S = 1.0
HASTE_S = 0.25
"""At the start somebody waits for the word that the robot is there."""
PUBLISH_PERIOD_S = 2.0
SLEPT_S = 1.5
"""Who comes so much later than wanted was held up, and has heard nothing meanwhile."""
PATIENCE_S = 3.0

LEVELS = {State.READY: diagnostics.OK, State.DEGRADED: diagnostics.WARN,
          State.STOPPED: diagnostics.ERROR}


class Unwoken(CallbackGroup):
    """Of subscriptions that are looked at when we like: no message wakes the executor."""

    def can_execute(self, _entity: object) -> bool:
        """Return that it is not the executor's."""
        return False

    def beginning_execution(self, _entity: object) -> bool:
        """Return the same."""
        return False

    def ending_execution(self, _entity: object) -> None:
        """Never happens."""


class HealthNode(Node):
    """One thread looks and tells; the executor has nothing to do but the parameters."""

    def __init__(self, **options: Any) -> None:
        """Start to look."""
        super().__init__('health', **options)
        self.failed = False
        self._params = Parameters(self, Params, check=problem_of, changed=self._configure)
        params = self._params.value
        state_dir = state_dir_of(params)
        group = Unwoken()
        listen = self.create_subscription
        self._motor_topic = self.resolve_topic_name('motor/state')
        self._image_topic = self.resolve_topic_name('camera/image_raw')
        self._topics = [
            listen(DiagnosticStatus, 'motor/state', print, STATE, callback_group=group),
            listen(DiagnosticStatus, 'camera/stream_state', print, STATE, callback_group=group),
            listen(BatteryState, 'battery_state', print, STATE, callback_group=group),
        ]
        self._health = self.create_publisher(DiagnosticStatus, 'health', STATE)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._log: Any = self.get_logger()  # type: ignore[no-untyped-call]
        self._notifier = notify.of_this_process()
        self._history = History(state_dir)
        run_dir = Path(os.environ.get('AVATAR_RUN_DIR') or state_dir / 'run')
        # Without systemd there is nobody who could have root look.
        ask_root = reload_unit('avatar.service') if self._notifier.is_there else None
        self._slowly = Slowly(state_dir, self._history, Holders(run_dir, ask_root),
                              lambda text: self._log.warning(text))
        self._gateway = GatewayWatch(state_dir, params.gateway_port)
        self._parts = PartsFile(run_dir / 'parts.json', frozenset(params.essential.split()))
        self._judge = Judge(thresholds_of(params))
        self._counters, self._hearing = Counters(), Hearing()
        self._motor: Said | None = None
        self._stream: Said | None = None
        self._charge: float | None = None
        self._started_s = time.monotonic()
        self._blind_until_s = float('-inf')
        self._published_s = float('-inf')
        self._verdict: Verdict | None = None
        self._closing = threading.Event()
        self._alerts = Alerts(state_dir, lambda text: self._log.warning(text))
        self._slowly.start()
        self._thread = threading.Thread(target=self._run, name='health', daemon=True)
        self._thread.start()

    def destroy_node(self) -> None:
        """Save the history."""
        self._closing.set()
        self._thread.join(3.0)
        self._slowly.close()
        self._alerts.close()
        self._notifier.close()
        super().destroy_node()  # type: ignore[no-untyped-call]

    def _configure(self, params: Params) -> None:
        self._judge.limits = thresholds_of(params)

    # ---- the thread

    def _run(self) -> None:
        in_order = False
        try:
            while not self._closing.is_set():
                self._look()
                period_s = HASTE_S if self._is_starting() else PERIOD_S
                due_s = time.monotonic() + period_s
                self._closing.wait(period_s)
                if time.monotonic() - due_s > SLEPT_S:
                    self._blind_until_s = time.monotonic() + PATIENCE_S
            in_order = True
        except RuntimeError:  # RCLError is one
            # A signal ends the context under our hands; `destroy_node` follows.
            in_order = not self.context.ok()
            if not in_order:
                raise
        finally:
            if not in_order:
                self._end()

    def _is_starting(self) -> bool:
        return self._verdict is None or any(
            finding.code == 'starting' for finding in self._verdict.findings)

    def _end(self) -> None:
        """End the process: without its thread the node must not look alive."""
        self.failed = True
        os.kill(os.getpid(), signal.SIGTERM)

    def _look(self) -> None:
        self._gateway.ask_if_due(time.monotonic())
        # After what may take seconds: nobody else is late because the gateway is.
        self._listen()
        now_s = time.monotonic()
        if now_s < self._blind_until_s:
            return
        seen = self._seen(now_s)
        verdict, changes = self._judge.judge(seen)
        self._slowly.waiting = waiting(verdict.findings)
        self._tell(verdict, changes, now_s)
        self._notifier.tell(
            f'{verdict.state.value}: {verdict.sentence}', self._motor_works_s(), seen.gateway_s,
            now_s)

    # ---- what is seen

    def _listen(self) -> None:
        """Take what has come."""
        now_s = time.monotonic()
        motor, stream, battery = (self._newest(topic) for topic in self._topics)
        if motor is not None:
            self._motor = Said(now_s, diagnostics.values(motor), motor.message)
            self._counters.heard(self._motor)
            self._hearing.heard(now_s)
        elif self._motor is not None and now_s - self._motor.at_s > 2 * PERIOD_S:
            self._end_if_deaf(now_s)
        if stream is not None:
            self._stream = Said(now_s, diagnostics.values(stream), stream.message)
        if battery is not None:
            # Not a number where it is not known.
            share = float(battery.percentage)
            self._charge = share if 0.0 <= share <= 1.0 else None

    def _newest(self, topic: Any) -> Any:
        """Return the newest message that has come since the last time, or None."""
        newest = None
        with topic.handle:
            while True:
                taken = topic.handle.take_message(topic.msg_type, False)
                if taken is None:
                    return newest
                newest = taken[0]

    def _end_if_deaf(self, now_s: float) -> None:
        is_there = self.count_publishers(self._motor_topic) > 0
        if self._hearing.is_deaf(is_there, now_s) and not self.failed:
            self._log.error(f'the motor node is there and was not heard for {DEAF_S:g} s: health '
                            'is deaf and ends, to be started again')
            self._end()

    def _motor_works_s(self) -> float | None:
        """Return when the motor node last showed that its loop works."""
        if self._motor is None:
            return None
        try:
            age_s = float(self._motor.values.get('loop_age_s', ''))
        except ValueError:
            return None
        return self._motor.at_s if age_s <= HUNG_S else self._motor.at_s - age_s

    def _seen(self, now_s: float) -> Seen:
        return Seen(
            now_s=now_s, started_s=self._started_s, motor=self._motor,
            replied_s=self._counters.replied_s, gateway_s=self._gateway.answered_s,
            stream=self._stream, cameras=self.count_publishers(self._image_topic),
            charge=self._charge, late_times=self._counters.late_times(now_s),
            parts=self._parts.read(), held=self._slowly.held, machine=self._slowly.machine,
            earliest_s=max(self._history.latest_s, INSTALLED_S))

    # ---- what is told

    def _tell(self, verdict: Verdict, changes: list[Change], now_s: float) -> None:
        wall_offset_s = time.time() - time.monotonic()
        findings = [finding.as_json(wall_offset_s) for finding in verdict.findings]
        for change in changes:
            self._log_change(change)
            self._history.add({
                **change.finding.as_json(wall_offset_s), 'came': change.came,
                'now': change.state.value, 'at': round(time.time())})
        if changes:
            self._slowly.wake()
        if changes or self._verdict is None:
            self._alerts.on_change(verdict.state.value, findings)
        if changes or self._verdict is None or now_s - self._published_s >= PUBLISH_PERIOD_S:
            self._publish(verdict, findings)
            self._published_s = now_s
        self._verdict = verdict

    def _log_change(self, change: Change) -> None:
        text = f'{change.state.value}: {"" if change.came else "over: "}{change.finding.text}'
        if change.came:
            self._log.warning(text)
        else:
            self._log.info(text)

    def _publish(self, verdict: Verdict, findings: list[dict[str, Any]]) -> None:
        level = LEVELS[verdict.state]
        message = diagnostics.status('health', level, verdict.sentence, {
            'state': verdict.state.value,
            'findings': json.dumps(findings, separators=(',', ':')),
            'machine': json.dumps(self._slowly.machine.as_json(), separators=(',', ':'))})
        self._health.publish(message)
        self._diagnostics.publish(diagnostics.array(
            self.get_clock().now().to_msg(),
            [diagnostics.status('health: robot', level, verdict.sentence,
                                {'state': verdict.state.value, 'findings': len(findings)})]))


def main(args: list[str] | None = None) -> int:
    """Run the health node; the exit code is not 0 if its thread failed."""
    return run(HealthNode, args)


if __name__ == '__main__':
    sys.exit(main())
