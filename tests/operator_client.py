# SPDX-License-Identifier: Apache-2.0
"""
A scriptable operator: what the page does on the WebSocket, and every way to vanish.

Speaks as the page: a held command at 20 Hz, three zeros at its end, then silence; answers pings.
Every method that ends a drive returns the time of its event, CLOCK_MONOTONIC [s].
"""

import contextlib
import itertools
import json
import threading
import time
from collections import deque
from typing import Any

from avatar_motor.deadlines import PAGE_PERIOD_S
from avatar_node.testing import wait_for
from tests.websocket import CLOSE, PING, PONG, TEXT, MakeSocket, WebSocket

Message = dict[str, Any]

ZEROS_AT_THE_END = 3


class Operator:
    """One client of the gateway; `connect` first."""

    def __init__(
        self,
        url: str,
        *,
        token: str = '',
        cookie: str = '',
        origin: str = '',
        make_socket: MakeSocket | None = None,
    ) -> None:
        self.url, self._make_socket = url, make_socket
        self._headers = {
            **({'Authorization': f'Bearer {token}'} if token else {}),
            **({'Cookie': cookie} if cookie else {}),
            **({'Origin': origin} if origin else {})}
        self.ws: WebSocket | None = None
        self.messages: deque[tuple[float, Message]] = deque(maxlen=5000)
        self.latest: dict[str, Message] = {}
        self.topics: dict[str, Message] = {}
        self.topic_s: dict[str, float] = {}
        self.close_code: int | None = None
        self.ended: float | None = None
        self.answers_pings = True
        self._ids = itertools.count()
        self._answers: dict[str, Message] = {}
        self._command: Message | None = None
        self._zeros = 0
        self._wake = threading.Condition()
        self._threads: list[threading.Thread] = []
        self.sent: deque[tuple[float, Message]] = deque(maxlen=5000)

    # --- connection

    def connect(self, hello_timeout_s: float = 5.0) -> 'Operator':
        """Connect (again) and wait for the gateway's hello."""
        self.ws = WebSocket(self.url, self._headers, make_socket=self._make_socket)
        self.close_code = self.ended = None
        self.latest.clear()
        self.topics.clear()
        self._command, self._zeros = None, 0
        self._threads = [
            threading.Thread(target=work, args=(self.ws,), daemon=True)
            for work in (self._read, self._drive)]
        for thread in self._threads:
            thread.start()
        wait_for(lambda: 'hello' in self.latest, hello_timeout_s, 'hello of the gateway')
        return self

    @property
    def connected(self) -> bool:
        """Return whether the connection stands, as far as this end knows."""
        return self.ws is not None and self.ended is None

    def _read(self, ws: WebSocket) -> None:
        try:
            while True:
                opcode, payload = ws.receive()
                if opcode == PING and self.answers_pings:
                    ws.send(PONG, payload)
                elif opcode == CLOSE:
                    self.close_code = int.from_bytes(payload[:2], 'big') or None
                elif opcode == TEXT:
                    self._on_message(json.loads(payload))
        except OSError:
            pass
        finally:
            if ws is self.ws:
                self.ended = time.monotonic()
                with self._wake:
                    self._wake.notify_all()

    def _on_message(self, message: Message) -> None:
        self.messages.append((time.monotonic(), message))
        op = message.get('op', '')
        self.latest[op] = message
        if op == 'publish':
            name = message['topic'].lstrip('/')
            self.topics[name], self.topic_s[name] = message['msg'], time.monotonic()
        elif op == 'service_response':
            self._answers[message.get('id', '')] = message

    def send(self, message: Message) -> None:
        """Send one message."""
        self.send_text(json.dumps(message))

    def send_text(self, text: str) -> None:
        """Send one text frame, whatever is in it."""
        assert self.ws is not None, 'connect first'
        self.ws.send(TEXT, text.encode())

    # --- lease

    def lease(self, action: str, **more: Any) -> None:
        """Ask something of the lease."""
        self.send({'op': 'lease', 'action': action, **more})

    def take(self, timeout_s: float = 3.0) -> 'Operator':
        """Take the lease and wait until it is ours."""
        def mine() -> bool:
            self.lease('take')
            return self.latest.get('lease', {}).get('mine') is True
        # Before the first pong the gateway refuses; so ask until it agrees.
        wait_for(mine, timeout_s, 'the lease', 0.05)
        return self

    # --- driving

    def drive(self, speed_mps: float, turn_radps: float) -> float:
        """Hold a command: sent now and then at 20 Hz until something else is asked for."""
        return self._set(speed_mps, turn_radps, 0)

    def _set(self, speed_mps: float, turn_radps: float, zeros: int) -> float:
        command = {'op': 'publish', 'topic': 'cmd_vel', 'msg': {
            'linear': {'x': speed_mps, 'y': 0.0, 'z': 0.0},
            'angular': {'x': 0.0, 'y': 0.0, 'z': turn_radps}}}
        event = time.monotonic()
        with self._wake:
            self._command, self._zeros = command, zeros
            self._wake.notify_all()
        return event

    def stop(self) -> float:
        """Let go: three zeros, then silence."""
        return self._set(0.0, 0.0, ZEROS_AT_THE_END)

    def fall_silent(self) -> float:
        """Stop sending commands without a zero, as a frozen page does; pings are answered on."""
        with self._wake:
            event = time.monotonic()
            self._command, self._zeros = None, 0
        return event

    def _drive(self, ws: WebSocket) -> None:
        due = 0.0
        last: Message | None = None
        while ws is self.ws and self.ended is None:
            with self._wake:
                command, now = self._command, time.monotonic()
                if command is None:
                    self._wake.wait()
                    continue
                if command is last and now < due:
                    self._wake.wait(due - now)
                    continue
                # A new command goes out at once and starts the rhythm anew.
                late = command is not last or now - due > PAGE_PERIOD_S
                due = (now if late else due) + PAGE_PERIOD_S
                last = command
                if self._zeros:
                    self._zeros -= 1
                    if not self._zeros:
                        self._command = None
            try:
                self.send(command)
            except OSError:
                return
            self.sent.append((now, command))

    def drive_until_moving(
        self, wheels: Any, speed_mps: float, turn_radps: float, timeout_s: float = 8.0
    ) -> None:
        """Let go and press, as a person does, until the wheels turn; then hold on."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.stop()
            wait_for(lambda: self._command is None, 1.0, 'three zeros sent')
            self.drive(speed_mps, turn_radps)
            try:
                wheels.wait_moving(1.0)
                return
            except AssertionError as problem:
                if time.monotonic() > deadline:
                    said = self.latest.get('drive', {})
                    raise AssertionError(
                        f'{problem}; the gateway says {said}; motor/state says '
                        f'{self.motor_state}') from None

    # --- services and topics

    def call(self, service: str, args: Message | None = None, timeout_s: float = 8.0) -> Message:
        """Call a service; return the whole answer (`values`, `result`)."""
        number = self.ask(service, args)
        return wait_for(
            lambda: self._answers.get(number), timeout_s, f'answer of {service}', 0.005) or {}

    def ask(self, service: str, args: Message | None = None) -> str:
        """Call a service without waiting; return the id of the call."""
        number = f'call-{next(self._ids)}'
        self.send({'op': 'call_service', 'service': service, 'args': args or {}, 'id': number})
        return number

    def e_stop(self) -> float:
        """Trigger the emergency stop without waiting for the answer."""
        event = time.monotonic()
        self.ask('e_stop_trigger')
        return event

    def subscribe(self, topic: str, **options: Any) -> None:
        """Subscribe to a topic; its newest message is in `topics`."""
        self.send({'op': 'subscribe', 'topic': topic, 'id': f'sub-{topic}', **options})

    def wait_living_motor(self, timeout_s: float = 15.0) -> None:
        """Wait until a motor node that lives says that its board is connected."""
        # A subscriber gets the last word of a dead one first; only what follows is alive.
        self.subscribe('motor/state', id='living')
        start = time.monotonic()
        wait_for(lambda: 'motor/state' in self.topics, timeout_s, 'motor/state')
        self.wait_motor(max(start, self.topic_s['motor/state']), timeout_s, connected='true')

    @property
    def motor_state(self) -> dict[str, str]:
        """Return the values of the newest motor/state, subscribing first where needed."""
        if 'motor/state' not in self.topics:
            self.subscribe('motor/state')
            wait_for(lambda: 'motor/state' in self.topics, 5.0, 'motor/state')
        return {v['key']: v['value'] for v in self.topics['motor/state']['values']}

    def wait_motor(self, since: float, timeout_s: float = 15.0, **wanted: str) -> None:
        """Wait for a motor/state that came after `since` and has these values."""
        assert self.motor_state
        try:
            wait_for(lambda: self.topic_s['motor/state'] > since
                     and self.motor_state.items() >= wanted.items(), timeout_s,
                     f'a motor/state with {wanted}')
        except AssertionError as problem:
            age_s = time.monotonic() - self.topic_s['motor/state']
            raise AssertionError(f'{problem}; {age_s:.1f} s ago: {self.motor_state}') from None

    def clear_e_stop(self, timeout_s: float = 15.0) -> None:
        """Take the lease and reset the emergency stop, if there is one."""
        refused: list[Any] = []

        def cleared() -> bool:
            state = self.motor_state
            if state['e_stop'] == 'false':
                return True
            refused.append(self.call('e_stop_reset', {'number': int(state['stop_number'])}))
            return False
        if self.motor_state['e_stop'] == 'false':
            return
        self.take()
        try:
            wait_for(cleared, timeout_s, 'the emergency stop reset', 0.2)
        except AssertionError as problem:
            raise AssertionError(f'{problem}; the last answer: {refused[-1:]}') from None

    # --- the ways to vanish

    def close(self) -> float:
        """Close the socket in order; does nothing if it is closed."""
        event = time.monotonic()
        if self.connected:
            assert self.ws is not None
            self.ws.close()
        self._join()
        return event

    def drop(self) -> float:
        """Close the TCP connection without a close frame."""
        assert self.ws is not None
        event = time.monotonic()
        self.ws.drop()
        self._join()
        return event

    def abort(self) -> float:
        """Reset the TCP connection."""
        assert self.ws is not None
        event = time.monotonic()
        self.ws.abort()
        self.ended = event
        with self._wake:
            self._wake.notify_all()
        return event

    def _join(self) -> None:
        with self._wake:
            self._wake.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(2)

    def __enter__(self) -> 'Operator':
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.close()
