# SPDX-License-Identifier: Apache-2.0
"""
The one table of deadlines: how long each stage of the chain trusts the one before it.

page heartbeat < gateway < motor node < board. Each stage stops the robot by itself, and a
stage nearer to the wheels waits longer, so that the orderly stop comes before the rude one.
All in seconds, each judged by the receiver's own monotonic clock.
"""

PAGE_PERIOD_S = 0.05
"""The page repeats a held command at this period."""

GATEWAY_CMD_TIMEOUT_S = 0.25
"""The gateway sends a zero when the driving client has been silent for this long."""

MOTOR_CMD_TIMEOUT_S = 0.3
"""A command moves the wheels for this long after its receipt; also the silence that is neutral."""

BOARD_WATCHDOG_S = 2.0
"""Firmware 2.0 goes to neutral by itself after this long without a line."""

BOARD_REPEAT_S = 0.5
"""An unchanged target is repeated to the board at this period."""

PING_PERIOD_S = 0.1
"""The gateway pings every client at this period."""

MAX_DELAY_S = 0.25
"""A command older than this beyond the link's own delay is refused."""

MAX_ROUND_TRIP_S = 0.6
"""A link with a longer round trip is too slow to drive (default; it may be set lower)."""

ROUND_TRIP_WINDOW_S = 10.0
"""The smallest round trip of this window is the link's own delay."""

GHOST_S = 1.0
"""A lease holder without any frame or pong for this long loses the lease."""

GHOST_CLOSE_S = 5.0
"""A socket without any frame or pong for this long is closed."""

LEASE_RETURN_S = 10.0
"""For this long a broken-off holder may come back, and `cmd_vel` stays refused."""

LEASE_FRESH_S = 0.5
"""A lease message older than this says nothing any more."""

LEASE_PERIOD_S = 0.2
"""The gateway repeats the lease at this period."""

LATE_DISCARD_S = 0.1
"""A loop pass later than this throws away everything queued."""

LEASE_COMMAND_S = LEASE_PERIOD_S + LATE_DISCARD_S
"""
An operator's command this long after a lease message moves nothing: its gateway was held up, and
it may have been on its way all the while.
"""

LATE_NEUTRAL_S = 0.3
"""A loop pass later than this also wants neutral first."""

RESET_GUARD_S = 1.0
"""No reset is taken within this time of an emergency stop."""


def order_problem(
    page_period_s: float = PAGE_PERIOD_S,
    gateway_cmd_timeout_s: float = GATEWAY_CMD_TIMEOUT_S,
    motor_cmd_timeout_s: float = MOTOR_CMD_TIMEOUT_S,
    board_watchdog_s: float = BOARD_WATCHDOG_S,
) -> str | None:
    """Return why these times are not a chain that may drive, or None."""
    chain = [
        ('page period', page_period_s),
        ('gateway timeout', gateway_cmd_timeout_s),
        ('motor timeout', motor_cmd_timeout_s),
        ('board watchdog', board_watchdog_s),
    ]
    for (name, seconds), (next_name, next_seconds) in zip(chain, chain[1:], strict=False):
        if not 0 < seconds < next_seconds:
            return f'{name} {seconds:g} s must be shorter than {next_name} {next_seconds:g} s'
    if motor_cmd_timeout_s > MOTOR_CMD_TIMEOUT_S:
        return (f'motor timeout {motor_cmd_timeout_s:g} s is longer than the '
                f'{MOTOR_CMD_TIMEOUT_S:g} s that docs/safety.md promises')
    if board_watchdog_s <= 2 * BOARD_REPEAT_S:
        return f'board watchdog {board_watchdog_s:g} s must outlast two repeats'
    return None
