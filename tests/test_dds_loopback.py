# SPDX-License-Identifier: Apache-2.0
"""DDS stays on 127.0.0.1, is found quickly, and forgets a killed process quickly."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from avatar_bringup.sockets import bound, inodes
from avatar_node.testing import ros_env, wait_for

# What one process of the test does: publish and listen on the topics named, and write what it
# sees as JSON lines (CLOCK_MONOTONIC).
TALKER = """
import json, sys, time, rclpy
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node('talker_' + sys.argv[1])
publisher = node.create_publisher(String, 'said_by_' + sys.argv[1], 1)
heard = set()
def hear(message):
    if message.data not in heard:
        heard.add(message.data)
        print(json.dumps({'t': time.monotonic(), 'heard': message.data}), flush=True)
for other in sys.argv[2:]:
    node.create_subscription(String, 'said_by_' + other, hear, 1)
print(json.dumps({'t': time.monotonic(), 'up': True}), flush=True)
before = None
while True:
    publisher.publish(String(data=sys.argv[1]))
    counts = {other: node.count_publishers('said_by_' + other) for other in sys.argv[2:]}
    if counts != before:
        print(json.dumps({'t': time.monotonic(), 'publishers': counts}), flush=True)
        before = counts
    rclpy.spin_once(node, timeout_sec=0.02)
"""


class Talker:
    """One such process, and what it wrote so far."""

    def __init__(self, env: dict[str, str], folder: Path, name: str, *others: str) -> None:
        self.output = folder / f'{name}.jsonl'
        with self.output.open('w') as output:
            self.process = subprocess.Popen(
                [sys.executable, '-c', TALKER, name, *others], env=env, stdout=output)
        self.pid = self.process.pid

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.output.read_text().splitlines()
                if line.endswith('}')]

    def first(self, key: str, value: object) -> float | None:
        return next((line['t'] for line in self.lines() if line.get(key) == value), None)


@pytest.fixture
def talkers(tmp_path: Path) -> Iterator[list[Talker]]:
    env = ros_env(tmp_path)
    started = []
    try:
        for name in 'abc':
            started.append(Talker(env, tmp_path, name, *('abc'.replace(name, ''))))
        yield started
    finally:
        for talker in started:
            talker.process.kill()
            talker.process.wait()


def test_processes_hear_each_other_within_a_second(talkers: list[Talker]) -> None:
    for talker in talkers:
        for other in talkers:
            if other is not talker:
                name = other.output.stem
                heard = wait_for(lambda t=talker, n=name: t.first('heard', n), 10, 'the message')
                both_up = max(talker.first('up', True), other.first('up', True))
                assert heard - both_up < 1.0


def test_nothing_is_bound_beyond_loopback(talkers: list[Talker]) -> None:
    for talker in talkers:
        wait_for(lambda t=talker: len([x for x in t.lines() if 'heard' in x]) == 2, 10, 'talk')
    table = bound()
    for talker in talkers:
        own = [s for s in table if s.inode in inodes(talker.pid)]
        assert len(own) >= 3, 'a DDS participant has at least two receivers and a sender'
        assert [s for s in own if not s.on_loopback] == []


def test_no_data_in_shared_memory(talkers: list[Talker]) -> None:
    wait_for(lambda: talkers[0].first('heard', 'b'), 10, 'talk')
    maps = Path(f'/proc/{talkers[0].pid}/maps').read_text()
    assert [line for line in maps.splitlines() if 'fast' in line and '/dev/shm/' in line] == []


def test_a_killed_process_is_forgotten_within_its_lease(talkers: list[Talker]) -> None:
    a, b, _ = talkers
    wait_for(lambda: b.first('heard', 'a') and b.first('heard', 'c'), 10, 'talk')
    killed = time.monotonic()
    os.kill(a.pid, signal.SIGKILL)

    def gone() -> float | None:
        return next((line['t'] for line in b.lines() if line['t'] > killed
                     and line.get('publishers', {}).get('a') == 0), None)

    assert wait_for(gone, 5, 'the dead publisher is no longer counted') - killed < 1.6


def test_the_profile_wins_over_the_variables_that_undo_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ROS_LOCALHOST_ONLY', '1')
    monkeypatch.setenv('FASTDDS_BUILTIN_TRANSPORTS', 'LARGE_DATA')
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    talker = Talker(ros_env(tmp_path), tmp_path, 'alone')
    try:
        wait_for(lambda: talker.first('up', True), 10, 'a participant')
        own = [s for s in bound() if s.inode in inodes(talker.pid)]
        assert own
        assert [s for s in own if not s.on_loopback] == []
    finally:
        talker.process.kill()
        talker.process.wait()
