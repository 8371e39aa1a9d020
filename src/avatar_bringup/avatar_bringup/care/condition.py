# SPDX-License-Identifier: Apache-2.0
"""How a robot is, before and after an update, and whether it may be updated now. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

READY, DEGRADED, STOPPED, DOWN = 'READY', 'DEGRADED', 'STOPPED', 'DOWN'
RANK = {READY: 0, DEGRADED: 1, STOPPED: 2, DOWN: 3}
# What the world does to a robot; no version is better or worse for it.
OF_THE_WORLD = ('battery_', 'clock_', 'link_', 'modem_', 'undervoltage', 'hot', 'throttled')


@dataclass(frozen=True)
class Condition:
    """
    How it is: `findings` are what is wrong, by code and part, with what each makes of the robot.

    `driven_by` says who or what drives, '' if nobody does, None if that cannot be known.
    """

    state: str = DOWN
    findings: Mapping[tuple[str, str], str] = field(default_factory=dict)
    driven_by: str | None = ''

    def worse_than(self, before: 'Condition') -> str:
        """Return in what it is worse than before, '' if in nothing."""
        if RANK[self.state] > RANK[before.state]:
            return f'it is {self.state}, and was {before.state} before{self._why()}'
        new = [f'{code} ({part})' if part else code for code, part in self.findings
               if (code, part) not in before.findings]
        if new and self.state == before.state:
            return f'something is wrong that was not before: {", ".join(new)}'
        return ''

    def _why(self) -> str:
        return f' ({", ".join(code for code, _ in self.findings)})' if self.findings else ''


def of(status: Mapping[str, Any]) -> Condition:
    """Return the condition that `avatar status --json` describes."""
    if not status['runs']:
        return Condition(DOWN)
    driven_by = driver(status)
    if not status['answers']:
        return Condition(DOWN, {('gateway_silent', 'gateway'): STOPPED}, driven_by)
    findings = {(str(one.get('code')), str(one.get('part', ''))): str(one.get('state', DEGRADED))
                for one in (status['health'] or {}).get('findings', [])
                if not str(one.get('code')).startswith(OF_THE_WORLD)}
    for part in status['parts']:
        if part['state'] == 'given_up':
            findings.setdefault(('part_given_up', part['name']), DEGRADED)
    state = max((s for s in findings.values() if s in RANK), key=RANK.__getitem__, default=READY)
    if not status['drivable']:
        state = STOPPED
    return Condition(state, findings, driven_by)


def driver(status: Mapping[str, Any]) -> str | None:
    """Return who or what drives it, '' if nobody does, None if that cannot be known."""
    lease, motor = status['lease'], status['motor']
    if lease is not None and lease.get('state') != 'free':
        return f'{lease.get("holder") or "somebody"} is in control'
    if motor is not None and (motor.get('left', '0'), motor.get('right', '0')) != ('0', '0'):
        return 'its wheels are turning'
    if motor is None and lease is None:
        return None
    return ''
