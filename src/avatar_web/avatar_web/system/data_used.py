# SPDX-License-Identifier: Apache-2.0
"""
How much data went through each network interface, and how much of it was the picture. Pure.

The kernel counts since its start; from that are made sums per day and per month, by the robot's
own calendar, for a bounded time. An interface that is gone and comes again counts from zero.
"""

import datetime
import math
from collections.abc import Iterable, Mapping
from typing import Any

DAYS, MONTHS = 62, 24
MOST_NAMES = 16
"""Interfaces of one day; what is more is one sum."""

PICTURE, OTHERS = 'picture', 'others'
EARLIEST = datetime.date(2025, 1, 1)
"""A computer without a clock of its own starts years ago; its day is not known yet."""

Counters = Mapping[str, tuple[int, int]]
Sums = dict[str, dict[str, list[int]]]


def counters(proc_net_dev: str) -> dict[str, tuple[int, int]]:
    """Return (received, sent) of each interface but loopback, from /proc/net/dev [bytes]."""
    found = {}
    for line in proc_net_dev.splitlines():
        name, colon, rest = line.rpartition(':')
        words = rest.split()
        if colon and len(words) >= 9 and words[0].isdecimal() and words[8].isdecimal():
            found[name.strip()] = int(words[0]), int(words[8])
    found.pop('lo', None)
    return found


class DataUsed:
    """The sums; `kept` is what `to_json` returned, or anything at all."""

    def __init__(self, kept: object = None) -> None:
        self._days: Sums = {}
        self._months: Sums = {}
        self._boot: str | None = None
        self._last: dict[str, tuple[int, int]] = {}
        self._waiting: dict[str, list[int]] = {}
        if isinstance(kept, dict):
            self._days = _sums(kept.get('days'), DAYS, '%Y-%m-%d')
            self._months = _sums(kept.get('months'), MONTHS, '%Y-%m')
            self._boot = kept['boot'][:64] if isinstance(kept.get('boot'), str) else None
            self._last = {name: (one[0], one[1])
                          for name, one in _names(kept.get('last')).items()}

    def to_json(self) -> dict[str, Any]:
        """Return what is to be kept."""
        return {'days': self._days, 'months': self._months, 'boot': self._boot,
                'last': self._last}

    def count(self, now: Counters, boot: str, today: datetime.date) -> None:
        """Count what went through since the last time; `boot` names this run of the kernel."""
        known = boot == self._boot
        first = self._boot is None
        for name, (received, sent) in now.items():
            before = self._last.get(name, (0, 0)) if known else (0, 0)
            if first:
                # The days before the robot counted are none of today.
                before = received, sent
            if received < before[0] or sent < before[1]:
                before = 0, 0
            self._add(name, received - before[0], sent - before[1])
        self._last = {**(self._last if known else {}), **now}
        while len(self._last) > 4 * MOST_NAMES:
            del self._last[next(iter(self._last))]
        self._boot = boot
        self._settle(today)

    def picture(self, sent: int, today: datetime.date) -> None:
        """Count what was sent of the picture; it is a part of what the interfaces sent."""
        self._add(PICTURE, 0, sent)
        self._settle(today)

    def for_page(self) -> dict[str, Any]:
        """Return everything: the newest day and month first."""
        return {'since_start': _listed(dict(sorted(
                    (name, list(one)) for name, one in self._last.items()))),
                'days': [{'day': day, 'used': _listed(sums)}
                         for day, sums in sorted(self._days.items(), reverse=True)],
                'months': [{'month': month, 'used': _listed(sums)}
                           for month, sums in sorted(self._months.items(), reverse=True)]}

    def _add(self, name: str, received: int, sent: int) -> None:
        if received or sent:
            _add(self._waiting, name, received, sent)

    def _settle(self, today: datetime.date) -> None:
        if today < EARLIEST:
            return
        for sums, key, most in ((self._days, today.strftime('%Y-%m-%d'), DAYS),
                                (self._months, today.strftime('%Y-%m'), MONTHS)):
            for name, (received, sent) in self._waiting.items():
                _add(sums.setdefault(key, {}), name, received, sent)
            while len(sums) > most:
                del sums[min(sums)]
        self._waiting = {}


def _add(sums: dict[str, list[int]], name: str, received: int, sent: int) -> None:
    if name not in sums and name != PICTURE and len(sums) >= MOST_NAMES:
        name = OTHERS
    one = sums.setdefault(name, [0, 0])
    one[0] += received
    one[1] += sent


def _listed(sums: Mapping[str, Iterable[int]]) -> list[dict[str, Any]]:
    return [{'name': name, 'received': received, 'sent': sent}
            for name, (received, sent) in sums.items()]


def _sums(kept: object, most: int, form: str) -> Sums:
    if not isinstance(kept, dict):
        return {}
    found = {key: _names(kept[key]) for key in kept if _is_date(key, form)}
    return {key: found[key] for key in sorted(found)[-most:]}


def _is_date(key: object, form: str) -> bool:
    try:
        return isinstance(key, str) and bool(datetime.datetime.strptime(key, form))
    except ValueError:
        return False


def _names(kept: object) -> dict[str, list[int]]:
    if not isinstance(kept, dict):
        return {}
    return {str(name)[:16]: [int(one[0]), int(one[1])]
            for name, one in list(kept.items())[:4 * MOST_NAMES]
            if isinstance(one, list) and len(one) == 2 and all(
                isinstance(n, (int, float)) and math.isfinite(n) and n >= 0 for n in one)}
