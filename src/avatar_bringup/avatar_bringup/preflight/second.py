# SPDX-License-Identifier: Apache-2.0
"""The gateway's port: where it is taken, this is a second copy, or no place for this one."""

import os
import time
from pathlib import Path

from avatar_bringup.lock import Taken
from avatar_bringup.preflight.leftovers import former
from avatar_bringup.sockets import cannot_bind, listener
from avatar_bringup.who import way_out, who

# What a killed run left behind ends by itself, a hanging part of it after 2 s.
LEFTOVERS_END_S = 4.0
MOST_HIDDEN = 3
"""Looks in a row, 0.1 s apart, at which who has the port is not seen."""


def check_port(host: str | None, port: int, state_dir: Path | None = None) -> None:
    """
    Raise Taken, naming the holder, where the gateway's port cannot be had.

    Who holds the lock of `state_dir` waits for what is left of a run before it.
    """
    host = host or '127.0.0.1'
    if port == 0:
        return
    reason = cannot_bind('tcp', host, port)
    deadline = time.monotonic() + LEFTOVERS_END_S
    hidden = 0
    while reason == 'taken' and state_dir is not None and time.monotonic() < deadline:
        pid = listener(port)
        # Nobody: it has ended just now, or another user's cannot be seen.
        hidden = hidden + 1 if pid == 0 else 0
        if hidden > MOST_HIDDEN or pid and pid not in former(state_dir):
            break
        time.sleep(0.1)
        reason = cannot_bind('tcp', host, port)
    if reason == 'taken':
        holder = who(listener(port) or 0)
        way = way_out(holder, who(os.getpid()), hidden=f'sudo ss -ltnp sport = :{port}')
        raise Taken(f'port {port} is taken by {holder}; to free it: {way} '
                    f'(or choose another one: AVATAR_PORT={port + 10})')
    if reason:
        raise Taken(f'cannot listen on {host} port {port}: {reason}; choose another one: '
                    'AVATAR_PORT=8090')
