# SPDX-License-Identifier: Apache-2.0
"""
How fast a command reaches the wheels, and how fast everything stops them.

    make bench-drive            or    python bench/drive.py [--seconds 20] [--repeats 10]

Latency: from the moment a client hands a message to its WebSocket to the moment its bytes were
read at the other end of the serial line (a pty; the fake board notes CLOCK_MONOTONIC), through
the real gateway, DDS and motor node. Stop times: from the event to neutral at both outputs of
the fake board, by the rows of the runaway matrix. Ends with one line of JSON.
"""

import argparse
import contextlib
import json
import math
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), *(str(p.parent) for p in sorted((ROOT / 'src').glob('*/setup.py')))]

from avatar_motor.kinematics import Calibration, efforts  # noqa: E402
from avatar_motor.limits import Velocity  # noqa: E402
from tests import runaway  # noqa: E402
from tests.stack import Stack  # noqa: E402
from tests.websocket import PING, PONG, TEXT, WebSocket  # noqa: E402
from tests.wheels import Line, NothingMeasured  # noqa: E402

# Each a little faster than the one before, so that the ramp lets it through at once (slowing
# down is not limited), and each another duty, so that its line is recognised.
SPEEDS = [0.30 + 0.01 * n for n in range(16)]

SEGMENT_S = 4.0
"""So long a drive is one piece; between two the key is let go."""

MATRIX = ROOT / '.cache/figures/runaway.json'
Drive = Callable[[float], float]


def duty_of(speed_mps: float) -> int:
    """Return the duty that a forward speed becomes with the default calibration."""
    return efforts(Velocity(speed_mps, 0.0), Calibration()).left


def send_rhythm(drive: Drive, rate_hz: float, seconds: float) -> list[tuple[float, float]]:
    """Send another speed at each tick; return when [s] and which [m/s]."""
    sent = []
    start = time.monotonic()
    for number in range(int(rate_hz * seconds)):
        time.sleep(max(0.0, start + number / rate_hz - time.monotonic()))
        speed = SPEEDS[number % len(SPEEDS)]
        sent.append((drive(speed), speed))
    return sent


def latencies(
    sent: list[tuple[float, float]], lines: list[Line]
) -> tuple[list[float], int]:
    """Return the delay [s] of each command whose line was found, and how many were not."""
    return matched(sent, [(line.t, int(line.text.split()[1])) for line in lines
                          if line.text.startswith('PWM ')])


def matched(
    sent: list[tuple[float, float]], arrived: list[tuple[float, int]], window_s: float = 0.6
) -> tuple[list[float], int]:
    """Return the delay [s] of each speed whose duty arrived, and how many did not."""
    found, lost = [], 0
    for number, (at, speed) in enumerate(sent):
        # The same duty comes again after all the others.
        duty, until = duty_of(speed), at + window_s
        if number + 1 < len(sent):
            until = min(until, sent[number + 1][0] + 0.2)
        first = next((t for t, value in arrived if at <= t < until and value == duty), None)
        if first is None:
            lost += 1
        else:
            found.append(first - at)
    return found, lost


def figures(values_s: list[float]) -> dict[str, float]:
    """Return p50, p95, p99, max in ms."""
    return {'n': len(values_s),
            **{f'p{p}_ms': round(1e3 * runaway.percentile(values_s, p), 2) for p in (50, 95, 99)},
            'max_ms': round(1e3 * max(values_s), 2)}


def drive_message(speed_mps: float) -> bytes:
    return json.dumps({'op': 'publish', 'topic': 'cmd_vel', 'msg': {
        'linear': {'x': speed_mps, 'y': 0.0, 'z': 0.0},
        'angular': {'x': 0.0, 'y': 0.0, 'z': 0.0}}}).encode()


def sender(ws: WebSocket) -> Drive:
    """Return how to send a speed through a WebSocket and learn when."""
    def drive(speed_mps: float) -> float:
        data = drive_message(speed_mps)
        at = time.monotonic()
        ws.send(TEXT, data)
        return at
    return drive


def measure(folder: Path, rate_hz: float, seconds: float, *board: str) -> dict[str, Any]:
    """Drive through the gateway at a rate with ever-changing speeds."""
    found: list[float] = []
    lost = interrupted = 0
    with Stack(folder, board_args=board) as stack:
        operator = stack.operator()
        operator.take()
        for _ in range(math.ceil(seconds / SEGMENT_S)):
            operator.drive_until_moving(stack.wheels, SPEEDS[-1], 0.0)
            time.sleep(0.5)
            operator.fall_silent()
            assert operator.ws is not None
            start = time.monotonic()
            sent = send_rhythm(sender(operator.ws), rate_hz, SEGMENT_S)
            end = time.monotonic()
            operator.stop()
            stack.wheels.wait_neutral()
            if any(o.neutral for o in stack.wheels.outputs if start < o.t < end):
                # A busy machine made somebody late, who stopped the robot: no latency to see.
                interrupted += 1
                continue
            some, missing = latencies(sent[1:], stack.lines.received(start))
            found += some
            lost += missing
    if not found:
        raise SystemExit(f'no latency could be measured: the robot was stopped in each of '
                         f'{interrupted} drives; is this machine busy? '
                         f'load {os.getloadavg()[0]:.1f}')
    return {**figures(found), 'overtaken': lost, 'interrupted': interrupted}


def measure_rosbridge(folder: Path, rate_hz: float, seconds: float) -> dict[str, Any] | str:
    """Measure the same through rosbridge_suite instead of the gateway, where it is installed."""
    if shutil.which('ros2') is None:
        return 'rosbridge_suite was not found (no ros2 command)'
    prefix = subprocess.run(['ros2', 'pkg', 'prefix', 'rosbridge_server'],
                            capture_output=True, check=False)
    if prefix.returncode:
        return 'rosbridge_suite was not found (ros2 knows no package rosbridge_server)'
    with socket.create_server(('127.0.0.1', 0)) as probe:
        port = probe.getsockname()[1]
    stack = Stack(folder, board_args=['--no-blink'])
    bridge = None
    try:
        stack.board.start()
        stack.motor.start()
        bridge = subprocess.Popen(
            ['ros2', 'run', 'rosbridge_server', 'rosbridge_websocket', '--ros-args',
             '-p', f'port:={port}', '-p', 'address:=127.0.0.1'],
            env={**os.environ, 'ROS_DOMAIN_ID': stack.env['ROS_DOMAIN_ID']},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        ws = _connect(f'ws://127.0.0.1:{port}/', 20.0)
        ws.send(TEXT, b'{"op":"advertise","topic":"/cmd_vel","type":"geometry_msgs/Twist"}')
        drive = sender(ws)
        deadline = time.monotonic() + 20.0
        # The motor node wants silence first, and waits for a gateway that is not there.
        while stack.wheels.now.neutral and time.monotonic() < deadline:
            drive(SPEEDS[0])
            time.sleep(0.4)
        start = time.monotonic()
        sent = send_rhythm(drive, rate_hz, seconds)
        found, lost = latencies(sent[1:], stack.lines.received(start))
        return {**figures(found), 'overtaken': lost}
    finally:
        if bridge is not None:
            os.killpg(bridge.pid, signal.SIGKILL)
            bridge.wait()
        stack.close()


def _connect(url: str, timeout_s: float) -> WebSocket:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            ws = WebSocket(url, {})
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)

    def answer() -> None:
        try:
            while True:
                opcode, payload = ws.receive()
                if opcode == PING:
                    ws.send(PONG, payload)
        except OSError:
            pass
    threading.Thread(target=answer, daemon=True).start()
    return ws


def stop_times(folder: Path, repeats: int) -> list[dict[str, Any]]:
    """Run every row of the matrix that needs no browser and no root."""
    times: dict[tuple[str, str], list[float]] = {}
    with Stack(folder) as stack:
        for name, row in runaway.ROWS.items():
            for motion in runaway.MOTIONS:
                print(f'  {name}, {motion} ...', file=sys.stderr)
                for number in range(repeats):
                    stack.rest()
                    run = runaway.Run(stack, motion, number=number)
                    with run.cleanup, contextlib.suppress(NothingMeasured):
                        times.setdefault((name, motion), []).append(row(run))
                    stack.close_operators()
    return runaway.table(times)


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    model = next((line.split(':', 1)[1].strip() for line in
                  Path('/proc/cpuinfo').read_text().splitlines()
                  if line.startswith('model name')), platform.machine())
    return {'cpu': model, 'cores': os.cpu_count(), 'kernel': platform.release(),
            'python': platform.python_version(), 'load_1min': round(os.getloadavg()[0], 2),
            'date': time.strftime('%Y-%m-%d %H:%M %Z')}


# The motor node waits 62 ms after each reply, whatever the board does: at 20 Hz, and every command
# another one, it is the line that is waited for.
CASES = {
    'line idle, 8 changes a second': (8.0, ()),
    'line idle, 8 changes, board without blink': (8.0, ('--no-blink',)),
    'blinking board, 20 changes a second (reported)': (20.0, ()),
}


def main() -> int:
    """Measure, print a table and one line of JSON; 1 if a figure misses its goal."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().splitlines()[0])
    parser.add_argument('--seconds', type=float, default=20.0, help='of each latency measurement')
    parser.add_argument('--repeats', type=int, default=5, help='of each row of stop times; 0 = '
                        'show the last run of the matrix (make matrix) instead')
    options = parser.parse_args()
    about = machine()
    print(f'{about["cpu"]}, {about["cores"]} cores, Linux {about["kernel"]}, Python '
          f'{about["python"]}, load {about["load_1min"]}, {about["date"]}\n')

    latency: dict[str, Any] = {}
    print(f'{"WebSocket message -> bytes on the serial line":48}{"n":>5}{"p50":>8}{"p95":>8}'
          f'{"p99":>8}{"max":>8}  ms')
    with tempfile.TemporaryDirectory(prefix='avatar-bench-') as name:
        folder = Path(name)
        for number, (case, (rate_hz, board)) in enumerate(CASES.items()):
            latency[case] = measure(folder / str(number), rate_hz, options.seconds, *board)
            _print_row(case, latency[case])
        bridge = measure_rosbridge(folder / 'rosbridge', 20.0, options.seconds)
        latency['rosbridge_suite, without blink, 20 Hz'] = bridge
        _print_row('rosbridge_suite, without blink, 20 Hz', bridge)

        print('\nStop times at the wheel outputs')
        if options.repeats:
            stops = stop_times(folder / 'stops', options.repeats)
        else:
            saved = json.loads(MATRIX.read_text()) if MATRIX.exists() else {'rows': []}
            print(f'(from {MATRIX.relative_to(ROOT)}, {saved.get("date", "not run yet")})')
            stops = saved['rows']
        print(runaway.show(stops))
    result = {'bench': 'drive', 'machine': about, 'latency': latency, 'stops': stops}
    goals_met = all(latency[case]['p50_ms'] <= 2 and latency[case]['p99_ms'] <= 5
                    for case in list(CASES)[:2])
    result['within_limits'] = goals_met and not any(r['misses'] for r in stops)
    print('\n' + json.dumps(result))
    return 0 if result['within_limits'] else 1


def _print_row(case: str, row: dict[str, Any] | str) -> None:
    if isinstance(row, str):
        print(f'{case:48}  {row}')
        return
    print(f'{case:48}{row["n"]:5}{row["p50_ms"]:8.2f}{row["p95_ms"]:8.2f}{row["p99_ms"]:8.2f}'
          f'{row["max_ms"]:8.2f}'
          + ''.join(f'  {row[key]} {key}' for key in ('overtaken', 'interrupted')
                    if row.get(key)))


if __name__ == '__main__':
    sys.exit(main())
