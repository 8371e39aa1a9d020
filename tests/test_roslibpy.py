# SPDX-License-Identifier: Apache-2.0
"""A stock rosbridge client drives the robot: roslibpy from PyPI, unchanged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import Stack

pytest.importorskip('roslibpy')

CLIENT = Path(__file__).with_name('roslibpy_client.py')


def run(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, CLIENT, url], capture_output=True, text=True,
                          timeout=60, check=False)


def test_roslibpy_subscribes_calls_and_drives(stack: Stack) -> None:
    done = run(f'{stack.ws_url}?token={stack.token}')
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen == {'connected': True, 'lights': True, 'drove': True, 'lamp': 'on'}, done.stderr
    assert any(not o.neutral for o in stack.wheels.outputs)
    stack.wheels.wait_neutral()


def test_roslibpy_without_a_token_is_not_let_in(stack: Stack) -> None:
    outputs = len(stack.wheels.outputs)
    done = run(stack.ws_url)
    assert done.returncode != 0
    assert len(stack.wheels.outputs) == outputs
