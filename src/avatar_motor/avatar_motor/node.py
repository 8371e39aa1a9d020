# SPDX-License-Identifier: Apache-2.0
"""The motor node: ROS on one side, the motor loop and the serial link on the other."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Twist
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from avatar_motor.arbitration import Source, lease_of
from avatar_motor.control import Answer, Control
from avatar_motor.deadlines import LATE_DISCARD_S
from avatar_motor.link import Link, LinkConfig
from avatar_motor.link_events import LinkEvent
from avatar_motor.params import Params, problem_of, settings_of, state_dir_of
from avatar_motor.permit import Permit
from avatar_motor.reporter import LogHandler, Reporter
from avatar_node import diagnostics
from avatar_node.hearing import DEAF_S, Hearing
from avatar_node.params import Parameters
from avatar_node.qos import COMMAND, STATE
from avatar_node.run import run

ANSWER_S = 2.0
"""A service waits this long for the loop; a disk may be slow."""
STEP_ASIDE_S = 0.0003
"""So long the executor leaves the interpreter to the loop when a command has come."""


class MotorNode(Node):
    """Callbacks only hand over; the loop in `control.py` decides."""

    def __init__(self, **options: Any) -> None:
        """Start the loop, the link, then listen."""
        super().__init__('motor', **options)
        self.failed = False
        self._hearing = Hearing()
        self._gateways = 0
        self._params = Parameters(self, Params, check=problem_of, changed=self._configure)
        params = self._params.value
        self._subscribe()
        self._reporter = Reporter(
            self, params, lambda: self._link.state, lambda: self._control.loop_age_s(),
            self._look_at_gateways, self._on_end)
        self._log_handler = LogHandler(self._reporter)
        self._python_log = logging.getLogger('avatar_motor')
        self._python_log.setLevel(logging.INFO)
        self._python_log.addHandler(self._log_handler)
        self._link = Link(
            LinkConfig(port=params.port, by_id_dir=params.by_id_dir), self._on_link)
        attention = self.create_guard_condition(
            lambda: self._control.on_attention(time.monotonic()))
        self._control = Control(
            self._link, Permit(state_dir_of(params)), settings_of(params), self._reporter.tell,
            attention.trigger, self._on_end)
        self._serve()
        self._control.start()
        self._link.start()
        self._reporter.start()

    def destroy_node(self) -> None:
        """Stop the tracks and give the port back."""
        self._control.close()
        self._link.close()
        self._reporter.close()
        self._python_log.removeHandler(self._log_handler)
        super().destroy_node()  # type: ignore[no-untyped-call]

    # ---- topics

    def _subscribe(self) -> None:
        listen = self.create_subscription
        self._gateway_topics = [
            listen(Twist, 'operator/cmd_vel', self._taker(Source.OPERATOR), COMMAND),
            listen(DiagnosticStatus, 'operator/lease', self._on_lease, STATE),
        ]
        listen(Twist, 'cmd_vel', self._taker(Source.CMD_VEL), COMMAND)

    def _taker(self, source: Source) -> Callable[[Twist], None]:
        def take(message: Twist) -> None:
            now_s = time.monotonic()
            linear, angular = message.linear, message.angular
            self._control.on_command(
                source, (linear.x, linear.y, linear.z), (angular.x, angular.y, angular.z), now_s)
            # The loop now has the interpreter to itself. Otherwise it would wait for what the
            # executor does after a callback, which takes longer than the whole way to the wire.
            time.sleep(STEP_ASIDE_S)
        return take

    def _on_lease(self, message: DiagnosticStatus) -> None:
        now_s = time.monotonic()
        self._hearing.heard(now_s)
        self._control.on_lease(lease_of(diagnostics.values(message)), now_s)

    def _look_at_gateways(self) -> None:
        """Count them, and find out whether this node still hears what the graph shows."""
        counts = [self.count_publishers(topic.topic_name) for topic in self._gateway_topics]
        if max(counts) != self._gateways:
            self._gateways = max(counts)
            self._control.on_publishers(self._gateways)
        if self._hearing.is_deaf(counts[-1] > 0, time.monotonic()) and not self.failed:
            self._reporter.log(
                logging.ERROR, f'the gateway is there and was not heard for {DEAF_S:g} s: this '
                'node is deaf and ends, to be started again')
            self._on_end()

    # ---- services

    def _serve(self) -> None:
        control = self._control
        offer = self.create_service
        offer(Trigger, 'e_stop_trigger', self._asker(lambda _: control.trigger()))
        offer(Trigger, 'e_stop_reset', self._asker(lambda _: control.reset()))
        offer(Trigger, 'motor/self_test', self._asker(lambda _: control.self_test()))
        offer(Trigger, 'motor/reconnect', self._reconnect)
        offer(SetBool, 'motor/confirm_reverse',
              self._asker(lambda request: control.confirm_reverse(request.data)))
        for which in ('front', 'back'):
            offer(SetBool, f'lights/{which}', self._switch(which))

    def _asker(self, ask: Callable[[Any], 'Future[Answer]']) -> Callable[[Any, Any], Any]:
        def serve(request: Any, response: Any) -> Any:
            began_s = time.monotonic()
            try:
                answer = ask(request).result(ANSWER_S)
            except FutureTimeout:
                answer = Answer(False, f'no answer from the motor loop within {ANSWER_S:g} s')
            response.success, response.message = answer.success, answer.message
            late_s = time.monotonic() - began_s
            if late_s > LATE_DISCARD_S:
                # Nothing was received meanwhile; what comes now waited in DDS.
                self._control.on_held_up(late_s)
            return response
        return serve

    def _switch(self, which: str) -> Callable[[Any, Any], Any]:
        def serve(request: Any, response: Any) -> Any:
            state = self._link.state
            if not state.connected:
                response.message = f'no lights: {state.reason}'
            elif not state.dialect.has_lights:
                response.message = f'{state.firmware} has no lights'
            else:
                self._link.lights(which, request.data)
                response.success = True
                response.message = f'{which} lights {"on" if request.data else "off"}'
            return response
        return serve

    def _reconnect(self, _request: Any, response: Any) -> Any:
        self._link.reconnect()
        response.success, response.message = True, 'connecting again'
        return response

    # ---- from other threads, and to them

    def _configure(self, params: Params) -> None:
        self._control.configure(settings_of(params))
        self._reporter.configure(params)

    def _on_link(self, event: LinkEvent) -> None:
        self._control.on_link(event)

    def _on_end(self) -> None:
        """End the process: without its loop the node must not look alive."""
        self.failed = True
        os.kill(os.getpid(), signal.SIGTERM)


def main(args: list[str] | None = None) -> int:
    """Run the motor node; the exit code is not 0 if its loop failed."""
    return run(MotorNode, args)


if __name__ == '__main__':
    sys.exit(main())
