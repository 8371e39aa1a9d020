# SPDX-License-Identifier: Apache-2.0
"""`run` ends a real process in order, on either signal, and says why it refused to start."""

import os
import signal
import subprocess
import sys

import pytest

from avatar_node.testing import TIMEOUT_SCALE, ros_env

NODE = """
import sys
from dataclasses import dataclass
from rclpy.node import Node
from avatar_node.params import Parameters, param
from avatar_node.run import run

@dataclass(frozen=True)
class Params:
    speed: float = param(1.0, 'speed', range=(0.0, 2.0))

class Example(Node):
    def __init__(self):
        super().__init__('example')
        self.parameters = Parameters(self, Params)
        self.failed = 'fails' in sys.argv
        print('up', flush=True)
    def destroy_node(self):
        print('let go', flush=True)
        super().destroy_node()

sys.exit(run(Example))
"""


def start(tmp_path: os.PathLike[str], *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, '-c', NODE, *args], env=ros_env(tmp_path), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(tmp_path, number):
    process = start(tmp_path)
    assert process.stdout.readline() == 'up\n'
    process.send_signal(number)
    out, err = process.communicate(timeout=30 * TIMEOUT_SCALE)
    assert (process.returncode, out) == (0, 'let go\n')
    assert 'Traceback' not in err


def test_a_node_that_ends_because_it_failed_says_so_by_its_code(tmp_path):
    process = start(tmp_path, 'fails')
    assert process.stdout.readline() == 'up\n'
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30 * TIMEOUT_SCALE)
    assert (process.returncode, out) == (1, 'let go\n')


def test_a_signal_before_rclpy_listens_ends_it_too(tmp_path):
    early = """
import os, signal, rclpy
init = rclpy.init
def interrupted(**options):
    os.kill(os.getpid(), signal.SIGINT)
    init(**options)
rclpy.init = interrupted
"""
    process = subprocess.run(
        [sys.executable, '-c', early + NODE], env=ros_env(tmp_path), text=True,
        capture_output=True, timeout=30 * TIMEOUT_SCALE, check=False)
    assert (process.returncode, process.stdout) == (0, ''), process.stderr


def test_a_refused_parameter_is_one_sentence(tmp_path):
    process = start(tmp_path, '--ros-args', '-p', 'sped:=1.0')
    _, err = process.communicate(timeout=30 * TIMEOUT_SCALE)
    assert process.returncode == 2
    assert 'refused to start: no parameter sped; there are: speed\n' in err
    assert 'Traceback' not in err
