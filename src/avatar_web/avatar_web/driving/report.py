# SPDX-License-Identifier: Apache-2.0
"""
The session report: who drove, on what a link, what was refused, what stopped the robot and why.

Bounded: percentiles come from histograms, and of drives and stops only the latest are kept. The
logic runs on the monotonic clock; the wall clock is written beside it for people to read.
"""

import math
from collections import Counter, deque
from typing import Any

MAX_DRIVES = 100
MAX_STOPS = 300

_FIRST_S = 1e-4
_STEP = math.log(1.05)
_BINS = 280


class Histogram:
    """Durations from 0.1 ms to a minute, each percentile within 3 %."""

    def __init__(self) -> None:
        self._counts = [0] * _BINS
        self.count = 0
        self.largest_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        i = int(math.log(seconds / _FIRST_S) / _STEP) + 1 if seconds > _FIRST_S else 0
        self._counts[min(i, _BINS - 1)] += 1
        self.count += 1
        self.largest_s = max(self.largest_s, seconds)

    def percentile_s(self, percent: float) -> float:
        """Return the duration that `percent` of all do not exceed; 0 where there is none."""
        wanted = self.count * percent / 100
        seen = 0
        for i, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return min(_FIRST_S * math.exp(_STEP * i), self.largest_s)
        return 0.0

    def summary_ms(self) -> dict[str, Any]:
        """Return count, p50, p95, p99 and max in milliseconds."""
        result: dict[str, Any] = {'count': self.count}
        for percent in (50, 95, 99):
            result[f'p{percent}'] = round(1000 * self.percentile_s(percent), 2)
        result['max'] = round(1000 * self.largest_s, 2)
        return result


class Picture:
    """What the driver's page said of its picture during one lease."""

    def __init__(self) -> None:
        self.age = Histogram()
        self.missing = 0
        self._blind_s = 0.0
        self._blind_since_s: float | None = None

    def says(self, age_s: float | None, blind: bool, now: float) -> bool:
        """Take what is said each second; return whether `blind` changed."""
        if age_s is None:
            self.missing += 1
        else:
            self.age.add(age_s)
        if blind == (self._blind_since_s is not None):
            return False
        self._blind_s = self.blind_s(now)
        self._blind_since_s = now if blind else None
        return True

    def blind_s(self, now: float) -> float:
        """Return how long it was driven blind."""
        since_s = now if self._blind_since_s is None else self._blind_since_s
        return self._blind_s + now - since_s


class Drive:
    """One lease from its begin to its end."""

    def __init__(self, who: str, now: float, wall_s: float) -> None:
        self.who, self.began_s, self.began_wall_s = who, now, wall_s
        self.ended_s: float | None = None
        self.end = ''
        self.commands = 0
        self.age = Histogram()
        self.round_trip = Histogram()
        self.refused: Counter[str] = Counter()
        self.picture = Picture()

    def summary(self, now: float) -> dict[str, Any]:
        """Return the drive as JSON values."""
        ended_s = now if self.ended_s is None else self.ended_s
        return {
            'who': self.who,
            'began_unix_s': round(self.began_wall_s, 3),
            'lasted_s': round(ended_s - self.began_s, 3),
            'end': self.end or 'not yet',
            'commands': self.commands,
            # The greatest age each can have had; its true age is not knowable without clocks.
            'command_age_ms': self.age.summary_ms(),
            'round_trip_ms': self.round_trip.summary_ms(),
            'refused': dict(self.refused),
            'picture_age_ms': self.picture.age.summary_ms(),
            'picture_missing': self.picture.missing,
            'blind_s': round(self.picture.blind_s(ended_s), 3),
        }


class Report:
    """What happened at the gateway since it started."""

    def __init__(self, robot: str, version: str, now: float, wall_s: float) -> None:
        self._robot, self._version = robot, version
        self._began_s, self._began_wall_s = now, wall_s
        self._drive: Drive | None = None
        self._drives: deque[dict[str, Any]] = deque(maxlen=MAX_DRIVES)
        self._stops: deque[dict[str, Any]] = deque(maxlen=MAX_STOPS)
        self.commands = 0
        self.refused: Counter[str] = Counter()
        self.stops: Counter[str] = Counter()
        self.lateness = Histogram()
        self.round_trip = Histogram()

    def begin(self, who: str, now: float, wall_s: float) -> None:
        """Somebody has the lease now."""
        self._drive = Drive(who, now, wall_s)

    def end(self, why: str, now: float) -> None:
        """Nobody has the lease any more."""
        if self._drive is not None:
            self._drive.ended_s, self._drive.end = now, why
            self._drives.append(self._drive.summary(now))
            self._drive = None

    def command(self, age_s: float) -> None:
        """A command of the holder was handed on; it was at most so old."""
        self.commands += 1
        if self._drive is not None:
            self._drive.commands += 1
            self._drive.age.add(age_s)

    def refuse(self, why: str, by_holder: bool) -> None:
        """A command was refused."""
        self.refused[why] += 1
        if by_holder and self._drive is not None:
            self._drive.refused[why] += 1

    def answer(self, round_trip_s: float, by_holder: bool) -> None:
        """A ping was answered."""
        self.round_trip.add(round_trip_s)
        if by_holder and self._drive is not None:
            self._drive.round_trip.add(round_trip_s)

    def picture(self, age_s: float | None, blind: bool, now: float) -> bool:
        """Take what the driver's page says of its picture; return whether `blind` changed."""
        return self._drive is not None and self._drive.picture.says(age_s, blind, now)

    def stop(self, why: str, who: str, now: float, wall_s: float, sentence: str = '') -> None:
        """Something stopped the robot, or keeps it from driving."""
        self.stops[why] += 1
        entry = {'unix_s': round(wall_s, 3), 'at_s': round(now - self._began_s, 3), 'why': why}
        if who:
            entry['who'] = who
        if sentence:
            entry['sentence'] = sentence
        self._stops.append(entry)

    def summary(self, now: float) -> dict[str, Any]:
        """Return the report as JSON values."""
        drives = list(self._drives)
        if self._drive is not None:
            drives.append(self._drive.summary(now))
        return {
            'robot': self._robot,
            'version': self._version,
            'began_unix_s': round(self._began_wall_s, 3),
            'lasted_s': round(now - self._began_s, 3),
            'commands': self.commands,
            'refused': dict(self.refused),
            'round_trip_ms': self.round_trip.summary_ms(),
            'loop_lateness_ms': self.lateness.summary_ms(),
            'drives': drives,
            'stops': list(self._stops),
            'stops_by_reason': dict(self.stops),
        }
