# SPDX-License-Identifier: Apache-2.0
"""
Who holds what a part needs that does not work: asked of preflight, which is loaded only then.

What only root may see is written down by the unit when it is reloaded (`avatar look`); that is
asked for at most once a minute, and only where systemd listens to us.
"""

import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from avatar_bringup.health.findings import Finding
from avatar_bringup.health.seen import Held

PERIOD_S = 10.0
RELOAD_PERIOD_S = 60.0
RELOAD_S = 5.0

# Codes that somebody else's program may be the reason of, and the parts that then wait.
WAITING = {
    'board_held': ('motor',), 'board_denied': ('motor',), 'board_no_answer': ('motor',),
    'board_missing': ('motor',),
    'camera_held': ('camera', 'stream'), 'camera_silent': ('camera', 'stream'),
    'camera_missing': ('camera', 'stream'),
    'media_server_silent': ('mediamtx',), 'media_server_refuses': ('mediamtx',),
}
OF_A_PART = ('part_lost', 'part_given_up', 'part_restarting')


def waiting(findings: Iterable[Finding]) -> frozenset[str]:
    """Return the parts that may be waiting for something that is held."""
    parts: set[str] = set()
    for finding in findings:
        parts.update(WAITING.get(finding.code, ()))
        if finding.code in OF_A_PART:
            parts.add(finding.part)
    return frozenset(parts)


class Holders:
    """Looks when it is due; `reload` asks root to look, and may take RELOAD_S."""

    def __init__(self, run_dir: Path, reload: Callable[[], None] | None = None) -> None:
        self._run_dir, self._reload = run_dir, reload
        self._looked_s = self._reloaded_s = float('-inf')
        self._parts: frozenset[str] = frozenset()
        self.held: tuple[Held, ...] = ()

    def look_if_due(self, parts: frozenset[str], now_s: float) -> None:
        """Look who holds what these parts need; at once when they are others than before."""
        if parts == self._parts and (not parts or now_s - self._looked_s < PERIOD_S):
            return
        self._parts, self._looked_s = parts, now_s
        self.held = self._look(parts) if parts else ()
        # Also where the holder is known: root alone sees when it lets go.
        if self._reload is not None and self.held and now_s - self._reloaded_s >= RELOAD_PERIOD_S:
            self._reloaded_s = now_s
            self._reload()
            self.held = self._look(parts)

    def _look(self, parts: frozenset[str]) -> tuple[Held, ...]:
        from avatar_bringup.preflight.leftovers import RUN_VARIABLE
        from avatar_bringup.preflight.look import findings
        from avatar_bringup.session import running
        from avatar_bringup.who import Who
        found = running(self._run_dir)
        if found is None or os.environ.get(RUN_VARIABLE, '') != found[1]:
            return ()  # not of this run
        place, run = found
        try:
            return tuple(Held(
                resource=one.resource, part=one.part,
                holder=str(Who(one.pid, one.command, one.unit)), pid=one.pid,
                next_step=one.next_step)
                for one in findings(place, os.environ, run, parts) if one.part)
        except OSError:
            return ()


def reload_unit(unit: str) -> Callable[[], None]:
    """Return what has systemd reload our unit, which lets root look; a refusal is no matter."""
    def reload() -> None:
        try:
            subprocess.run(['systemctl', '--no-ask-password', 'reload', unit], check=False,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=RELOAD_S)
        except (OSError, subprocess.TimeoutExpired):
            return
    return reload
