# SPDX-License-Identifier: Apache-2.0
"""
From what is so to what is to be told, and when. Pure: time is an argument.

What begins and what ends is news. News waits while it is quiet, or while something was told a
moment ago; what waits about one thing becomes one line, with how often it happened. So nothing
is lost, nothing is told twice, and a robot that flickers all night makes one message.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from avatar_bringup.alerts.conditions import Condition, Told

GAP_S = 60.0
URGENT_GAP_S = 20.0
MOST_PER_HOUR = 12
URGENT_MORE = 6
"""Of which so many more only if something urgent is among them."""
HOUR_S = 3600.0
RETURN_S = 120.0
"""So long after a start what was wrong before may show itself again without being news."""
MOST_WHY = 8


@dataclass(frozen=True)
class News:
    """
    What happened to one thing since it was told last; times are unix time [s].

    `times` is how often it began; 0 = it only ended. `over`: it has ended by now.
    """

    key: str
    told: Told
    times: int
    over: bool
    first_s: float
    last_s: float
    urgent: bool = False
    why: tuple[Told, ...] = ()


@dataclass
class Memory:
    """What must survive a restart, so that nothing is told twice or forgotten."""

    active: dict[str, Told]
    waiting: dict[str, News]
    sent_s: list[float]
    """Unix times of the messages of the last hour."""

    @classmethod
    def empty(cls) -> 'Memory':
        """Return the memory of a robot that never told anything."""
        return cls({}, {}, [])

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {'active': {key: asdict(told) for key, told in self.active.items()},
                'waiting': [asdict(news) for news in self.waiting.values()],
                'sent_s': self.sent_s}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> 'Memory':
        """Return what `as_json` gave; KeyError, TypeError or ValueError if it is not that."""
        waiting = [_news(news) for news in value['waiting']]
        return cls({str(key): Told(**told) for key, told in value['active'].items()},
                   {news.key: news for news in waiting},
                   [float(at) for at in value['sent_s']])


def _news(value: Mapping[str, Any]) -> News:
    return News(str(value['key']), Told(**value['told']), int(value['times']),
                bool(value['over']), float(value['first_s']), float(value['last_s']),
                bool(value['urgent']), tuple(Told(**told) for told in value['why']))


class Policy:
    """
    `observe` what is so, with rising times, at each change and now and then; then ask for the
    `message`, which is told by then. `now_s` is CLOCK_MONOTONIC, `wall_s` unix time.
    """

    def __init__(self, memory: Memory, now_s: float, wall_s: float) -> None:
        self._active, self._waiting = dict(memory.active), dict(memory.waiting)
        # A clock that was set back does not silence anything for longer than the hour.
        self._sent_s = sorted(
            now_s - min(max(wall_s - at, 0.0), HOUR_S) for at in memory.sent_s)
        self._known_until_s = now_s + RETURN_S
        self._returning = set(self._active)
        self._seen_s: dict[str, float] = {}
        self._now: tuple[Condition, ...] = ()

    def memory(self, now_s: float, wall_s: float) -> Memory:
        """Return what to store."""
        return Memory(dict(self._active), dict(self._waiting),
                      [wall_s - (now_s - at) for at in self._sent_s])

    def observe(self, conditions: Iterable[Condition], now_s: float, wall_s: float) -> None:
        """Take what is so from now on; up to now it was what was observed last."""
        self._pass(now_s, wall_s)
        self._now = tuple(conditions)
        self._pass(now_s, wall_s)

    def _pass(self, now_s: float, wall_s: float) -> None:
        present = {condition.key: condition for condition in self._now}
        for key in [key for key in self._seen_s if key not in present]:
            del self._seen_s[key]
        for key, condition in present.items():
            since_s = self._seen_s.setdefault(key, now_s)
            if key in self._active:
                self._returning.discard(key)
                self._active[key] = condition.told
            elif now_s - since_s >= condition.after_s:
                self._active[key] = condition.told
                self._add(News(key, condition.told, 1, False, wall_s, wall_s,
                               condition.urgent, condition.why[:MOST_WHY]))
        for key in [key for key in self._active if key not in present]:
            if key in self._returning and now_s < self._known_until_s:
                continue
            self._returning.discard(key)
            self._add(News(key, self._active.pop(key), 0, True, wall_s, wall_s))

    def happened(self, told: Told, wall_s: float) -> None:
        """Take something that has no end."""
        self._add(News(f'{told.code}/{told.part}', told, 1, True, wall_s, wall_s))

    def _add(self, news: News) -> None:
        before = self._waiting.get(news.key)
        if before is not None:
            news = replace(
                news, times=before.times + news.times, first_s=before.first_s,
                urgent=before.urgent or news.urgent, why=news.why or before.why)
        self._waiting[news.key] = news

    def message(self, now_s: float, quiet: bool, urgent_too: bool) -> tuple[News, ...]:
        """
        Return what is to be told now, the oldest first; empty if nothing is.

        `quiet`: it is the hour in which everything waits, but for what is urgent if `urgent_too`.
        """
        news = [one for one in self._waiting.values()
                if not quiet or (one.urgent and urgent_too)]
        self._sent_s = [at for at in self._sent_s if now_s - at < HOUR_S]
        urgent = any(one.urgent for one in news)
        if not news or len(self._sent_s) >= MOST_PER_HOUR + URGENT_MORE * urgent:
            return ()
        gap_s = URGENT_GAP_S if urgent else GAP_S
        if self._sent_s and now_s - self._sent_s[-1] < gap_s:
            return ()
        self._sent_s.append(now_s)
        for one in news:
            del self._waiting[one.key]
        return tuple(sorted(news, key=lambda one: one.first_s))
