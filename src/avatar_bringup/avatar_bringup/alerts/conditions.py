# SPDX-License-Identifier: Apache-2.0
"""What of the robot's health is worth telling somebody far away, and how soon. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

STOPPED = 'stopped'
STOPPED_AFTER_S = 10.0
"""A motor node that was killed is back within 5 s: nobody need know."""
NEVER = float('inf')

AT_ONCE = frozenset({
    'part_given_up', 'part_held', 'camera_held', 'disk_full', 'disk_low', 'battery_empty',
    'battery_low', 'hot', 'undervoltage'})
"""Codes of health/findings.py that are told as soon as they are found; they waver no more then."""
OFFLINE = frozenset({'link_down', 'modem_down'})
NOT_TOLD = frozenset({'starting'})
LONGEST = 300


@dataclass(frozen=True)
class Told:
    """What a sentence is made of: the code of a finding, its part and values, and its English."""

    code: str
    part: str = ''
    values: Mapping[str, str] = field(default_factory=dict)
    text: str = ''


@dataclass(frozen=True)
class Condition:
    """
    Something that is so now; told once it has lasted `after_s`.

    `why` are the findings behind it where it is not one itself.
    """

    key: str
    told: Told
    after_s: float
    urgent: bool = False
    why: tuple[Told, ...] = ()


def told(finding: Mapping[str, Any]) -> Told:
    """Return what can be said of a finding of the health node; it comes from outside: bounded."""
    values = finding.get('values')
    return Told(
        str(finding.get('code', ''))[:60], str(finding.get('part', ''))[:60],
        {str(name)[:40]: str(value)[:LONGEST] for name, value in
         list((values if isinstance(values, Mapping) else {}).items())[:12]},
        str(finding.get('text', ''))[:LONGEST])


def conditions(
    state: str, findings: Iterable[Mapping[str, Any]], degraded_after_s: float
) -> tuple[Condition, ...]:
    """
    Return what is so.

    While the robot is stopped there is one thing to tell, with every reason; what would only be
    degraded waits for its turn, unless it concerns a device or the machine.
    """
    found = [finding for finding in findings if finding.get('code') not in NOT_TOLD]
    result = []
    stopped = state == 'STOPPED' and bool(found)
    if stopped:
        result.append(Condition(STOPPED, Told(STOPPED), STOPPED_AFTER_S, urgent=True,
                                why=tuple(told(finding) for finding in found)))
    for finding in found:
        if finding.get('state') == 'STOPPED':
            continue
        one = told(finding)
        soon = one.code in AT_ONCE
        after_s = 0.0 if soon else NEVER if stopped else degraded_after_s
        result.append(Condition(f'{one.code}/{one.part}', one, after_s))
    return tuple(result)
