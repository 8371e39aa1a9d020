# SPDX-License-Identifier: Apache-2.0
"""
Processor time and memory of every process of the demo while nobody uses it.

    make bench-idle        or: sh tools/setup.sh run python bench/idle.py [SECONDS]

Prints a table and ends with one JSON line. Processor time in percent of one core, over SECONDS
(60) after 10 s of rest; memory as PSS (shared pages divided among those who share them).
"""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from avatar_bringup.preflight.leftovers import processes_marked
from avatar_node.testing import free_port

SETTLE_S = 10.0
TICK_S = 1 / os.sysconf('SC_CLK_TCK')
# The goals; see docs/performance.md. What drives has its own, and what films another.
DRIVES = ('avatar', 'supervisord', 'fake_board', 'motor', 'gateway')
GOAL_DRIVES_PERCENT, GOAL_STREAM_PERCENT = 5.0, 1.0
GOAL_PSS_MB = 120.0


def cpu_s(pid: int) -> float:
    """Return the processor time a process has used."""
    # The name in parentheses may contain blanks.
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def pss_mb(pid: int) -> float:
    """Return the proportional set size of a process."""
    found = re.search(r'^Pss:\s+(\d+) kB', Path(f'/proc/{pid}/smaps_rollup').read_text(), re.M)
    return int(found[1]) / 1024 if found else 0.0


def name_of(pid: int) -> str:
    """Return what a process of the demo is called in the table."""
    words = Path(f'/proc/{pid}/cmdline').read_bytes().decode(errors='replace').split('\0')
    if 'supervisor.supervisord' in words:
        return 'supervisord'
    if 'avatar_bringup.cli' in words:
        return 'avatar'
    return next((Path(w).name for w in words if '/lib/avatar_' in w), Path(words[0]).name)


def measure(state_dir: str, seconds: float) -> dict[str, dict[str, float]]:
    """Return percent and MB of each process of the demo on a state folder."""
    pids = processes_marked(f'AVATAR_STATE_DIR={state_dir}')
    names = {pid: name_of(pid) for pid in pids}
    before = {pid: cpu_s(pid) for pid in pids}
    began = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - began
    return {names[pid]: {'cpu_percent': (cpu_s(pid) - before[pid]) / elapsed * 100,
                         'pss_mb': pss_mb(pid)} for pid in pids}


def main() -> int:
    """Run the demo, measure it, print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory(prefix='avatar-idle-') as state_dir:
        env = {**os.environ, 'AVATAR_STATE_DIR': state_dir, 'AVATAR_PORT': str(free_port())}
        demo = subprocess.Popen([sys.executable, '-m', 'avatar_bringup.cli', 'demo'], env=env,
                                stdout=subprocess.PIPE, text=True)
        try:
            assert demo.stdout is not None
            if not any(line.startswith('Open ') for line in demo.stdout):
                print('the demo did not start', file=sys.stderr)
                return 1
            time.sleep(SETTLE_S)
            rows = measure(state_dir, seconds)
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(10)
    drives_cpu = sum(rows[name]['cpu_percent'] for name in DRIVES)
    stream_cpu = rows['stream']['cpu_percent']
    total_cpu = sum(row['cpu_percent'] for row in rows.values())
    total_pss = sum(row['pss_mb'] for row in rows.values())
    nodes_pss = rows['gateway']['pss_mb'] + rows['motor']['pss_mb']
    print(f'{"process":14}{"CPU %":>8}{"PSS MB":>9}')
    for name, row in sorted(rows.items()):
        print(f'{name:14}{row["cpu_percent"]:8.2f}{row["pss_mb"]:9.1f}')
    print(f'{"all":14}{total_cpu:8.2f}{total_pss:9.1f}')
    print(f'goals: what drives <= {GOAL_DRIVES_PERCENT:g} % of one core, here {drives_cpu:.2f}; '
          f'stream <= {GOAL_STREAM_PERCENT:g} %; '
          f'gateway + motor <= {GOAL_PSS_MB:.0f} MB, here {nodes_pss:.1f}')
    print(json.dumps({
        'bench': 'idle', 'seconds': seconds, 'cpu_percent': round(total_cpu, 2),
        'drives_cpu_percent': round(drives_cpu, 2),
        'pss_mb': round(total_pss, 1), 'gateway_motor_pss_mb': round(nodes_pss, 1),
        'parts': {n: {k: round(v, 2) for k, v in row.items()} for n, row in rows.items()},
        'python': platform.python_version(), 'cores': os.cpu_count(),
    }))
    kept = (drives_cpu <= GOAL_DRIVES_PERCENT and stream_cpu <= GOAL_STREAM_PERCENT
            and nodes_pss <= GOAL_PSS_MB)
    return 0 if kept else 1


if __name__ == '__main__':
    sys.exit(main())
