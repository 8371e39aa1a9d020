# SPDX-License-Identifier: Apache-2.0
"""The table of deadlines is a chain: each stage nearer to the wheels waits longer."""

import pytest

from avatar_motor import deadlines as table
from avatar_motor.deadlines import order_problem


def test_the_table_itself_is_in_order():
    assert order_problem() is None
    assert table.PING_PERIOD_S < table.MAX_DELAY_S
    assert table.LATE_DISCARD_S < table.LATE_NEUTRAL_S <= table.MOTOR_CMD_TIMEOUT_S
    assert table.LEASE_PERIOD_S < table.LEASE_FRESH_S < table.GHOST_S < table.GHOST_CLOSE_S


@pytest.mark.parametrize(('changes', 'says'), [
    ({'motor_cmd_timeout_s': 0.25}, 'gateway timeout 0.25 s must be shorter'),
    ({'motor_cmd_timeout_s': 0.31}, 'longer than the 0.3 s'),
    ({'gateway_cmd_timeout_s': 0.05}, 'page period'),
    ({'motor_cmd_timeout_s': 0.0}, 'gateway timeout'),
    ({'board_watchdog_s': 1.0}, 'outlast two repeats'),
])
def test_out_of_order_is_named(changes, says):
    assert says in order_problem(**changes)
