# SPDX-License-Identifier: Apache-2.0
"""
The runaway matrix: every way in which an operator, a process or a wire can disappear.

Each row of ROWS makes a robot drive, lets one thing happen, and returns how long the wheels
turned on [s, measured at the board's outputs]; then it proves that nothing moves again, with the
key still held, before it was let go once. The limits are the contract's, from one table here.
"""

import contextlib
import itertools
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from avatar_motor import deadlines
from avatar_node.testing import wait_for
from tests.operator_client import Operator
from tests.proxy import Proxy
from tests.stack import Stack
from tests.websocket import MakeSocket

# docs: "What stops the robot, and how soon", at the board's wheel outputs.
LINE_S = 0.100
"""From the gateway to the wheels, worst: the board is deaf in its 50 ms blink."""
LINE_IDLE_S = 0.020
"""The same where the serial line is idle."""
CLOSED_S = 0.060
"""Until a closed connection is known."""
SILENT_S = deadlines.MOTOR_CMD_TIMEOUT_S
"""Until silence is noticed, by gateway or motor node."""
REPLY_LOST_S = 0.250
"""Instead of LINE_S when a reply of the board is lost."""
WATCHDOG_S = deadlines.BOARD_WATCHDOG_S + 0.1
"""Until the firmware stops by itself."""

LIMITS_S = {
    'release': LINE_S,
    'release, idle line': LINE_IDLE_S,
    'emergency stop': LINE_S,
    'tab closed': CLOSED_S + LINE_S,
    'browser killed': CLOSED_S + LINE_S,
    'socket closed': CLOSED_S + LINE_S,
    'socket aborted': CLOSED_S + LINE_S,
    'network cut': SILENT_S + LINE_S,
    'half-open socket': SILENT_S + LINE_S,
    'page frozen': SILENT_S + LINE_S,
    'burst after 3 s': SILENT_S + LINE_S,
    'burst after 0.8 s': SILENT_S + LINE_S,
    'gateway killed': SILENT_S + LINE_S,
    'gateway stopped': SILENT_S + LINE_S,
    'gateway stopped, continued': SILENT_S + LINE_S,
    'cmd_vel publisher killed': SILENT_S + LINE_S,
    'motor node killed, respawned': WATCHDOG_S,
    'motor node stopped, continued': WATCHDOG_S,
    'motor node stopped briefly': LINE_S,
    'reply of the board lost': REPLY_LOST_S,
    'board unplugged': WATCHDOG_S,
    'not a number': LINE_S,
    'release, slow link': LINE_S,
    'network cut by iptables': SILENT_S + LINE_S,
    'page frozen in the browser': SILENT_S + LINE_S,
    'page hangs': SILENT_S + LINE_S,
    'key released in the browser': LINE_S,
}

MOTIONS = {'forward': (0.3, 0.0), 'spin': (0.0, 1.0)}

# Longer than the silence that counts as neutral, so that a robot that takes a held key for a new
# one is caught.
STILL_S = 0.5


@dataclass
class Run:
    """One run of one row: a robot at rest, and a motion to give it."""

    stack: Stack
    motion: str
    chance: random.Random = field(default_factory=random.Random)
    number: int = 0
    cleanup: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def drive(
        self, *, url: str | None = None, make_socket: MakeSocket | None = None
    ) -> Operator:
        """Return an operator who has held the motion for a while, at no special moment."""
        operator = self.stack.operator(
            **{'url': url} if url else {}, make_socket=make_socket)
        assert operator.motor_state, 'subscribed, as the page is'
        operator.take()
        operator.drive_until_moving(self.stack.wheels, *MOTIONS[self.motion])
        time.sleep(self.chance.uniform(0.05, 0.55))  # the line repeats each 0.5 s
        return operator

    def proxy(self, delay_s: float = 0.0) -> Proxy:
        """Return a bad network to the gateway."""
        return self.cleanup.enter_context(Proxy(self.stack.port, delay_s))

    def stopped(self, event: float) -> float:
        """Return how long after the event the wheels stood."""
        return self.stack.wheels.stop_time_s(event)

    def nothing_moves(self, why: str, seconds: float = STILL_S) -> None:
        """Watch that the wheels stay where they are."""
        self.stack.wheels.assert_still(seconds, why)

    def held(self, operator: Operator) -> None:
        """Hold the key down, without having let it go."""
        operator.drive(*MOTIONS[self.motion])

    def moves_again(self, operator: Operator) -> None:
        """
        Let go once and drive: now the robot must obey, or the row showed a dead robot.

        Of many repeats one in five shows it; each begins with a robot that was made to drive.
        """
        if self.number % 10 > 1:  # two numbers in a row: some rows do another thing at each
            return
        operator.stop()
        time.sleep(0.15)
        operator.take()
        operator.drive_until_moving(self.stack.wheels, *MOTIONS[self.motion])
        operator.stop()
        self.stack.wheels.wait_neutral()

    def someone_new(self, held: bool = True) -> Operator:
        """Return an operator who connects, takes the lease, and holds the key from the start."""
        operator = self.stack.operator()
        if held:
            self.held(operator)
        operator.take()
        return operator


Row = Callable[[Run], float]
ROWS: dict[str, Row] = {}


def row(name: str) -> Callable[[Row], Row]:
    """Enter a function in the table under its name."""
    def enter(function: Row) -> Row:
        ROWS[name] = function
        return function
    return enter


@row('release')
def release(run: Run) -> float:
    """The key is let go: three zeros."""
    operator = run.drive()
    seconds = run.stopped(operator.stop())
    run.nothing_moves('released')
    run.moves_again(operator)
    return seconds


@row('release, idle line')
def release_idle(run: Run) -> float:
    """The key is let go while no line is on its way to the board and the board listens."""
    operator = run.drive()
    run.stack.lines.wait_idle(0.1, most_s=0.3)
    seconds = run.stopped(operator.stop())
    run.nothing_moves('released', 0.3)
    return seconds


@row('release, slow link')
def release_slow(run: Run) -> float:
    """The same over 80 ms each way, the link's own delay taken off."""
    proxy = run.proxy(delay_s=0.08)
    operator = run.drive(url=proxy.ws_url)
    seconds = run.stopped(operator.stop()) - proxy.delay_s
    run.nothing_moves('released')
    run.moves_again(operator)
    return seconds


@row('emergency stop')
def emergency_stop(run: Run) -> float:
    """Somebody else triggers it; the driver's key stays down."""
    operator = run.drive()
    event = run.stack.operator().e_stop()
    seconds = run.stopped(event)
    run.nothing_moves('emergency stop, key held', 1.2)
    state = operator.motor_state
    assert state['e_stop'] == 'true', f'the emergency stop is not latched: {state}'
    answer = operator.call('e_stop_reset', {'number': int(state['stop_number'])})
    assert not (answer['result'] and answer['values'].get('success')), (
        f'reset while the key is held: {answer}')
    operator.fall_silent()
    operator.clear_e_stop()
    run.nothing_moves('emergency stop reset')
    run.moves_again(operator)
    return seconds


@row('socket closed')
def socket_closed(run: Run) -> float:
    """The connection is closed in order, or by a FIN alone."""
    operator = run.drive()
    seconds = run.stopped(operator.close() if run.number % 2 else operator.drop())
    run.nothing_moves('socket closed')
    _new_hand(run)
    return seconds


@row('socket aborted')
def socket_aborted(run: Run) -> float:
    """The connection is reset (RST)."""
    operator = run.drive()
    seconds = run.stopped(operator.abort())
    run.nothing_moves('socket aborted')
    _new_hand(run)
    return seconds


def _new_hand(run: Run) -> None:
    """Someone connects with the key down: nothing; then lets go and drives."""
    operator = run.someone_new()
    run.nothing_moves('key held since before the lease was taken')
    run.moves_again(operator)


@row('network cut')
def network_cut(run: Run) -> float:
    """Nothing passes in either direction; then everything held comes in one burst."""
    proxy = run.proxy()
    operator = run.drive(url=proxy.ws_url)
    seconds = run.stopped(proxy.cut())
    run.nothing_moves('network cut', run.chance.uniform(1.2, 2.0))
    proxy.release()
    run.nothing_moves('the network is back, key held')
    run.moves_again(operator)
    return seconds


@row('half-open socket')
def half_open(run: Run) -> float:
    """The operator's end is gone, the gateway was never told."""
    proxy = run.proxy()
    run.drive(url=proxy.ws_url)
    seconds = run.stopped(proxy.half_open())
    run.nothing_moves('half-open socket', run.chance.choice((0.3, 1.5)))
    _new_hand(run)
    return seconds


@row('page frozen')
def page_frozen(run: Run) -> float:
    """The commands end without a zero; the browser's network process answers pings on."""
    operator = run.drive()
    seconds = run.stopped(operator.fall_silent())
    run.nothing_moves('page frozen')
    run.moves_again(operator)
    return seconds


@row('burst after 3 s')
def burst_3_s(run: Run) -> float:
    """Three seconds of held commands arrive at once, and the key is still down."""
    proxy = run.proxy()
    operator = run.drive(url=proxy.ws_url)
    event = proxy.hold_up()
    seconds = run.stopped(event)
    run.nothing_moves('commands held in the network', event + 3.0 - time.monotonic())
    assert proxy.held_bytes > 1000, f'only {proxy.held_bytes} bytes were held'
    proxy.release()
    run.nothing_moves('a burst of old commands')
    run.moves_again(operator)
    return seconds


@row('burst after 0.8 s')
def burst_short(run: Run) -> float:
    """A hold too short to lose the lease; the newest command in the burst is 0.4 s old."""
    proxy = run.proxy()
    operator = run.drive(url=proxy.ws_url)
    event = proxy.hold_up()
    seconds = run.stopped(event)
    time.sleep(max(0.0, event + 0.4 - time.monotonic()))
    operator.fall_silent()
    run.nothing_moves('commands held in the network', event + 0.8 - time.monotonic())
    assert proxy.held_bytes > 500, f'only {proxy.held_bytes} bytes were held'
    proxy.release()
    run.nothing_moves('a burst of old commands')
    run.moves_again(operator)
    return seconds


@row('gateway killed')
def gateway_killed(run: Run) -> float:
    """SIGKILL; then it is started again."""
    run.drive()
    seconds = run.stopped(run.stack.gateway.kill())
    run.nothing_moves('gateway killed', 0.3)
    run.stack.start_gateway()
    _new_hand(run)
    return seconds


@row('gateway stopped')
def gateway_stopped(run: Run) -> float:
    """SIGSTOP for good; a supervisor kills it and starts another."""
    run.drive()
    seconds = run.stopped(run.stack.gateway.freeze())
    run.nothing_moves('gateway stopped')
    run.stack.gateway.kill()
    run.stack.start_gateway()
    _new_hand(run)
    return seconds


@row('gateway stopped, continued')
def gateway_continued(run: Run) -> float:
    """SIGSTOP, and later SIGCONT, with everything that piled up meanwhile; the key is held."""
    operator = run.drive()
    event = run.stack.gateway.freeze()
    seconds = run.stopped(event)
    # Shorter than the lease is believed (0.5 s), or longer: other guards answer for it. Lateness
    # counts from the tick that was due, up to 0.1 s after the event; over 0.3 s neutral first.
    until = event + run.chance.uniform(*((0.42, 0.47) if run.number % 2 else (0.6, 2.3)))
    run.nothing_moves('gateway stopped', max(0.0, until - time.monotonic()))
    run.stack.gateway.thaw()
    run.nothing_moves('gateway continued, key held')
    run.moves_again(operator)
    return seconds


@row('motor node killed, respawned')
def motor_killed(run: Run) -> float:
    """SIGKILL and at once another; the key is held all the time."""
    operator = run.drive()
    event = run.stack.motor.kill()
    if run.number % 2:
        seconds = run.stopped(event)
        run.nothing_moves('motor node killed', 0.3)
        run.stack.motor.start()
    else:
        run.stack.motor.start()
        seconds = run.stopped(event)
    # No node starts in 0.3 s: what comes later is not from the dead one.
    operator.wait_motor(event + 0.3, connected='true')
    run.nothing_moves('motor node respawned, key held')
    run.moves_again(operator)
    return seconds


@row('motor node stopped, continued')
def motor_continued(run: Run) -> float:
    """SIGSTOP until the firmware's own watchdog, then SIGCONT; the key is held."""
    operator = run.drive()
    seconds = run.stopped(run.stack.motor.freeze())
    run.nothing_moves('motor node stopped', run.chance.uniform(0.0, 0.5))
    run.stack.motor.thaw()
    run.nothing_moves('motor node continued, key held', 1.0)
    run.moves_again(operator)
    return seconds


@row('motor node stopped briefly')
def motor_brief(run: Run) -> float:
    """SIGSTOP for less than the watchdog takes: what counts is the time from SIGCONT on."""
    operator = run.drive()
    run.stack.motor.freeze()
    time.sleep(run.chance.uniform(0.4, 1.6))
    seconds = run.stopped(run.stack.motor.thaw())
    run.nothing_moves('motor node continued, key held', 0.8)
    run.moves_again(operator)
    return seconds


@row('reply of the board lost')
def reply_lost(run: Run) -> float:
    """The key is let go while the answer to an earlier line will never come."""
    operator = run.drive()
    speed, turn = MOTIONS[run.motion]
    run.stack.lines.wait_idle(0.1)
    run.stack.board_do('drop_replies', n=run.chance.choice((1, 2)))
    sent = operator.drive(0.8 * speed, 0.8 * turn)
    wait_for(lambda: run.stack.lines.received(sent), 1.0, 'the line whose answer is lost', 0.001)
    time.sleep(run.chance.uniform(0.0, 0.1))
    seconds = run.stopped(operator.stop())
    run.nothing_moves('released after a lost reply')
    run.moves_again(operator)
    return seconds


@row('board unplugged')
def board_unplugged(run: Run) -> float:
    """The board loses its cable, and comes back under the same or another name; key held."""
    operator = run.drive()
    event = time.monotonic()
    run.stack.board_do('unplug', s=0.5, rename=bool(run.number % 2))
    seconds = run.stopped(event)
    operator.wait_motor(event, connected='false')
    operator.wait_motor(event, connected='true')
    run.nothing_moves('board is back, key held')
    run.moves_again(operator)
    return seconds


@row('cmd_vel publisher killed')
def publisher_killed(run: Run) -> float:
    """A script drives by `cmd_vel` while nobody holds the lease, and dies."""
    with run.stack.operator() as operator:
        # Else `cmd_vel` is refused for 10 s, in which a lost holder may come back.
        operator.take()
        time.sleep(0.5)
        operator.lease('release')
        wait_for(lambda: operator.latest['lease']['state'] == 'free', 3.0, 'a free lease')
    script = run.stack.python('script', 'tests.publisher', *map(str, MOTIONS[run.motion]))
    run.cleanup.callback(script.end)
    script.start()
    run.stack.wheels.wait_moving(15.0)
    time.sleep(run.chance.uniform(0.1, 0.7))
    seconds = run.stopped(script.kill())
    run.nothing_moves('cmd_vel publisher killed')
    return seconds


NOT_NUMBERS = itertools.cycle(('NaN', '1e999', 'null', '"fast"', '-Infinity', '[0.3]', '1e308'))


@row('not a number')
def not_a_number(run: Run) -> float:
    """The driver's commands become nonsense from one to the next."""
    operator = run.drive()
    operator.fall_silent()
    text = ('{"op":"publish","topic":"cmd_vel","msg":{"linear":{"x":'
            + next(NOT_NUMBERS) + '},"angular":{"z":0}}}')
    event = time.monotonic()
    operator.send_text(text)
    seconds = run.stopped(event)
    for _ in range(10):
        operator.send_text(text)
        run.nothing_moves('nonsense', 0.05)
    assert operator.connected, 'nonsense must not end the connection'
    run.moves_again(operator)
    return seconds


# --- figures

def percentile(values: list[float], percent: float) -> float:
    """Return the nearest-rank percentile."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]


def table(times_s: dict[tuple[str, str], list[float]]) -> list[dict[str, Any]]:
    """Return p50, p95, p99, max [ms] of each row and motion beside its limit [ms]."""
    return [
        {'row': name, 'motion': motion, 'n': len(values),
         'limit_ms': round(LIMITS_S[name] * 1e3),
         **{f'p{p}_ms': round(percentile(values, p) * 1e3, 1) for p in (50, 95, 99)},
         'max_ms': round(max(values) * 1e3, 1),
         'misses': sum(v > LIMITS_S[name] for v in values)}
        for (name, motion), values in times_s.items() if values]


def show(rows: list[dict[str, Any]]) -> str:
    """Return the table as text."""
    lines = [f'{"event":32}{"motion":9}{"n":>4}{"limit":>7}{"p50":>8}{"p99":>8}{"max":>8}  ms']
    lines += [
        f'{r["row"]:32}{r["motion"]:9}{r["n"]:4}{r["limit_ms"]:7}'
        f'{r["p50_ms"]:8.1f}{r["p99_ms"]:8.1f}{r["max_ms"]:8.1f}'
        + (f'  {r["misses"]} too late' if r['misses'] else '') for r in rows]
    return '\n'.join(lines)
