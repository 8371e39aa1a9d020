# SPDX-License-Identifier: Apache-2.0
"""
Where the time of a command goes, from the WebSocket to the serial line, stage by stage.

    make bench-hops        or: sh tools/setup.sh run python bench/hops.py [SECONDS]

Gateway and motor node run as always, but some of their functions note when they were called.
Prints a table and ends with one line of JSON. All times are of one clock, CLOCK_MONOTONIC.
"""

import atexit
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), *(str(p.parent) for p in sorted((ROOT / 'src').glob('*/setup.py')))]

from bench import drive  # noqa: E402
from tests.stack import Process, Stack  # noqa: E402

MARKS = 'AVATAR_BENCH_MARKS'
RATE_HZ = 8.0
STAGES = ('socket to gateway', 'decode and judge', 'publish', 'DDS and executor', 'to the loop',
          'decide', 'serial line')

Mark = tuple[str, float, float, str]


def marked_node(name: str) -> int:
    """Run a node in this process, with marks; its arguments are those of the command line."""
    marks: list[Mark] = []

    def mark(owner: type, function: str, key: Callable[..., object] = lambda *_: '') -> None:
        inner = getattr(owner, function)

        def outer(*args: Any) -> Any:
            began = time.monotonic()
            try:
                return inner(*args)
            finally:
                marks.append((function, began, time.monotonic(), str(key(*args))))
        setattr(owner, function, outer)

    def write() -> None:
        Path(os.environ[MARKS], name).write_text(json.dumps(marks))
    atexit.register(write)
    if name == 'gateway':
        from avatar_web.clients.client import Client
        from avatar_web.node import main
        from avatar_web.ros.node import Ros
        mark(Client, '_frame')
        mark(Ros, 'publish_velocity', lambda _, velocity: round(velocity.speed_mps, 3))
    else:
        from avatar_motor.control import Control
        from avatar_motor.link import Link
        from avatar_motor.node import main
        mark(Control, 'on_command', lambda _, _source, linear, *__: round(linear[0], 3))
        mark(Control, '_pass')
        mark(Link, '_write', lambda _, line: line.decode().strip())
    return main()


def mark_process(process: Process, folder: Path) -> None:
    """Have a process of the robot run by `marked_node`."""
    process.command = [sys.executable, __file__, '--node', process.name, *process.command[3:]]
    process.env[MARKS] = str(folder)


def stages_of(at: float, speed: float, marks: list[Mark], lines: list[Any]) -> list[float] | None:
    """Return the seconds of each stage of one command; None where it was overtaken."""
    key, line = str(round(speed, 3)), f'PWM {drive.duty_of(speed)} '

    def first(function: str, since: float, begin: str = '') -> Mark | None:
        return next((m for m in marks if m[0] == function and m[2] >= since
                     and m[3].startswith(begin)), None)
    frame, publish = first('_frame', at), first('publish_velocity', at, key)
    taken = first('on_command', at, key)
    written = first('_write', at, line)
    arrived = next((x.t for x in lines if x.t >= at and x.text.startswith(line)), None)
    if frame is None or publish is None or taken is None or written is None or arrived is None:
        return None
    decided = first('_pass', taken[2])
    if decided is None or arrived - at > 0.1:
        return None
    points = (at, frame[1], publish[1], publish[2], taken[1], decided[1], written[1], arrived)
    return [later - sooner for sooner, later in zip(points, points[1:], strict=False)]


def main() -> int:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    about = drive.machine()
    with tempfile.TemporaryDirectory(prefix='avatar-hops-') as name:
        folder = Path(name)
        stack = Stack(folder / 'robot')
        for process in (stack.gateway, stack.motor):
            mark_process(process, folder)
        sent = []
        with stack:
            operator = stack.operator()
            operator.take()
            for _ in range(math.ceil(seconds / drive.SEGMENT_S)):
                operator.drive_until_moving(stack.wheels, drive.SPEEDS[-1], 0.0)
                time.sleep(0.5)
                operator.fall_silent()
                assert operator.ws is not None
                sent += drive.send_rhythm(
                    drive.sender(operator.ws), RATE_HZ, drive.SEGMENT_S)[1:]
                operator.stop()
                stack.wheels.wait_neutral()
            lines = stack.lines.received()
        marks = sorted((tuple(m) for part in ('gateway', 'motor')
                        for m in json.loads((folder / part).read_text())), key=lambda m: m[1])
    commands = [s for s in (stages_of(at, speed, marks, lines) for at, speed in sent) if s]
    if not commands:
        raise SystemExit('no command could be followed: is this machine busy?')
    result = {stage: drive.figures([c[number] for c in commands])
              for number, stage in enumerate(STAGES)}
    result['all'] = drive.figures([sum(c) for c in commands])
    print(f'{about["cpu"]}, {about["cores"]} cores, load {about["load_1min"]}, {about["date"]}\n')
    print(f'{"stage":24}{"n":>5}{"p50":>8}{"p95":>8}{"p99":>8}{"max":>8}  ms')
    for stage, row in result.items():
        print(f'{stage:24}{row["n"]:5}' + ''.join(
            f'{row[key]:8.2f}' for key in ('p50_ms', 'p95_ms', 'p99_ms', 'max_ms')))
    print('\n' + json.dumps({'bench': 'hops', 'machine': about, 'stages': result}))
    return 0


if __name__ == '__main__':
    if sys.argv[1:2] == ['--node']:
        node_name = sys.argv[2]
        del sys.argv[1:3]
        sys.exit(marked_node(node_name))
    sys.exit(main())
