# SPDX-License-Identifier: Apache-2.0
"""
100 000 frames of nonsense at the gateway, from the lease holder and from another driver: the
wheels never turn, the gateway does not crash, keeps its memory, and can be driven through right
after.
"""

import contextlib
import itertools
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from avatar_node.testing import TIMEOUT_SCALE, wait_for
from tests.fuzz import Frame, nonsense
from tests.operator_client import Operator
from tests.runaway import MOTIONS
from tests.stack import Stack
from tests.websocket import BINARY, CONTINUATION, TEXT, frame, login

MakeStack = Callable[..., Stack]

FRAMES = 100_000
BATCH = 250
SECONDS = 60.0
GROWTH_MB = 5.0
SEED = 5
HUGE = 10 * 1024 * 1024


def memory_mb(pid: int, kind: str = 'Pss') -> float:
    """Return the memory of a process, shared pages counted in part."""
    rollup = Path(f'/proc/{pid}/smaps_rollup').read_text()
    found = re.search(rf'^{kind}: +(\d+) kB', rollup, re.MULTILINE)
    assert found
    return int(found[1]) / 1024


class Hand:
    """Someone who sends nonsense, and comes back when the gateway shows them the door."""

    def __init__(self, stack: Stack, cookie: str, drives: bool) -> None:
        self.stack, self.drives = stack, drives
        self.operator: Operator = stack.operator(token='', cookie=cookie)
        self.closed = 0
        self._numbers = itertools.count(1)
        self._settle()

    def _settle(self) -> None:
        if self.drives:
            self.operator.take()

    def throw(self, frames: list[Frame]) -> None:
        """Send frames; return when the gateway has read them."""
        rest = iter(frames)
        while True:
            ended = False
            try:
                for opcode, payload in rest:
                    assert self.operator.ws is not None
                    self.operator.ws.send(opcode, payload)
                number = -next(self._numbers)
                self.operator.send({'op': 'ping', 't': number})
                wait_for(
                    lambda number=number: not self.operator.connected
                    or self.operator.latest.get('pong', {}).get('t') == number,
                    10.0, 'the gateway to read what was sent', 0.001)
                ended = not self.operator.connected
            except OSError:
                ended = True
            if not ended:
                break
            # Whatever was sent behind the frame that closed the socket was not read.
            self.closed += 1
            self.operator.close()
            self.operator.connect()
            self._settle()
        if self.drives:
            self.operator.lease('take')


@pytest.fixture
def robot(make_stack: MakeStack) -> Stack:
    """A robot whose gateway reads every message instead of only refusing the flood."""
    stack = make_stack(gateway={'messages_per_s': 5000.0})
    # A viewer may send too little to be of use here: src/avatar_web/test has one.
    stack.make_user('other', 'driver')
    stack.make_user('driver', 'driver')
    return stack


def hands(stack: Stack) -> tuple[Hand, Hand]:
    return (Hand(stack, login(stack.url, 'driver', stack.password), drives=True),
            Hand(stack, login(stack.url, 'other', stack.password), drives=False))


def obeys(stack: Stack, operator: Operator) -> None:
    """Prove that the robot could have moved all the time."""
    operator.take()
    operator.drive_until_moving(stack.wheels, *MOTIONS['forward'])
    operator.stop()
    stack.wheels.wait_neutral()


def test_nonsense_moves_nothing(robot: Stack) -> None:
    driver, other = hands(robot)
    chance = random.Random(SEED)
    frames = nonsense(chance)
    for hand in (driver, other):  # warm: imports, caches, first subscriptions
        hand.throw(list(itertools.islice(frames, 2000)))
    obeys(robot, driver.operator)
    pid, before_mb = robot.gateway.pid, memory_mb(robot.gateway.pid)

    start = time.monotonic()
    outputs = len(robot.wheels.outputs)
    for sent in range(0, FRAMES, 2 * BATCH):
        for hand in (driver, other):
            hand.throw(list(itertools.islice(frames, BATCH)))
        assert robot.gateway.alive, f'the gateway crashed within {BATCH} frames of {sent}'
        moves = robot.wheels.outputs[outputs:]
        assert not moves, f'the wheels turned within {BATCH} frames of {sent}: {moves}'
    seconds = time.monotonic() - start
    state = driver.operator.motor_state
    assert state['connected'] == 'true' and state['e_stop'] == 'false', state

    growth_mb = memory_mb(pid) - before_mb
    print(f'\n{FRAMES} frames in {seconds:.1f} s, {driver.closed + other.closed} times shown the '
          f'door, memory {before_mb:.1f} MB {growth_mb:+.1f} MB')
    robot.wheels.assert_still(0.5, 'after the nonsense')
    obeys(robot, driver.operator)
    assert growth_mb < GROWTH_MB
    assert seconds < SECONDS * TIMEOUT_SCALE


def test_huge_messages_are_refused_and_cost_nothing(robot: Stack) -> None:
    """10 MB in one frame and in a thousand fragments; and a length that is a lie."""
    driver, other = hands(robot)
    obeys(robot, driver.operator)
    huge = b'{"op":"publish","topic":"cmd_vel","msg":{"linear":{"x":' + b'3' * HUGE + b'}}}'
    attacks = [
        frame(TEXT, huge), frame(BINARY, huge),
        frame(TEXT, huge[:10_000], final=False) + b''.join(
            frame(CONTINUATION, huge[i:i + 10_000], final=False)
            for i in range(10_000, HUGE, 10_000)),
        bytes([0x81, 0xFF]) + (1 << 62).to_bytes(8, 'big') + b'\0\0\0\0abc',
        bytes([0x81, 0xFF]) + b'\xff' * 8 + b'\0\0\0\0abc']
    outputs = len(robot.wheels.outputs)
    before_mb = memory_mb(robot.gateway.pid)
    for hand in (driver, other):
        for number, attack in enumerate(attacks):
            operator = hand.operator
            assert operator.ws is not None
            with contextlib.suppress(OSError):  # closed before we were through
                operator.ws.send_bytes(attack)
            wait_for(lambda o=operator: not o.connected, 8.0, f'attack {number} shown the door')
            operator.close()
            operator.connect()
            hand._settle()
    growth_mb = memory_mb(robot.gateway.pid) - before_mb
    assert not robot.wheels.outputs[outputs:]
    assert growth_mb < GROWTH_MB
    obeys(robot, driver.operator)


def test_broken_frames_end_the_connection_and_nothing_else(robot: Stack) -> None:
    """Unmasked, reserved bits, unknown opcodes, long control frames, invalid UTF-8."""
    driver, _ = hands(robot)
    outputs = len(robot.wheels.outputs)
    chance = random.Random(SEED)
    broken = [
        frame(TEXT, b'{}', masked=False), b'\xf1\x80\0\0\0\0', b'\x83\x80\0\0\0\0',
        frame(TEXT, b'{"op":"\xff\xfe"}'), frame(TEXT, b'\xed\xa0\x80'),
        frame(0x9, b'x' * 200), frame(0x8, b'\x00'), frame(CONTINUATION, b'no start'),
        *(chance.randbytes(chance.randint(1, 400)) for _ in range(50))]
    for data in broken:
        assert driver.operator.ws is not None
        try:
            driver.operator.ws.send_bytes(data)
            # An unfinished frame waits for its rest; the end of the stream settles it.
            driver.operator.close()
        except OSError:
            pass
        driver.operator.connect()
    assert robot.gateway.alive
    assert not robot.wheels.outputs[outputs:]
    obeys(robot, driver.operator)


def test_a_flood_is_shown_the_door_and_the_driver_is_not(make_stack: MakeStack) -> None:
    """At the ordinary rate limit: who floods is closed; who drives meanwhile still stops."""
    stack = make_stack()
    stack.make_user('viewer', 'viewer')
    operator = stack.operator()
    operator.take()
    operator.drive_until_moving(stack.wheels, *MOTIONS['spin'])
    flood = stack.operator(token='', cookie=login(stack.url, 'viewer', stack.password))
    assert flood.ws is not None
    data = frame(TEXT, b'{"op":"ping","t":1}') * 100
    end = time.monotonic() + 5.0
    with contextlib.suppress(OSError):  # closed while we send
        while flood.connected and time.monotonic() < end:
            flood.ws.send_bytes(data)
    wait_for(lambda: not flood.connected, 5.0, 'the flood shown the door')
    assert operator.connected
    assert stack.wheels.stop_time_s(operator.stop()) < 0.25
