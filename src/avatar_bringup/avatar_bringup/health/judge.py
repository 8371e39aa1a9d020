# SPDX-License-Identifier: Apache-2.0
"""From evidence to a verdict that does not flicker: what lasts is found, what is over goes."""

from dataclasses import dataclass, replace

from avatar_bringup.health.findings import KINDS, ORDER, RANK, READY_SENTENCE, Finding, State
from avatar_bringup.health.rules import Thresholds, evidence
from avatar_bringup.health.seen import Seen


@dataclass(frozen=True)
class Verdict:
    """How the robot is, and why; the worst finding first."""

    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """Return the worst of what was found."""
        return max((f.state for f in self.findings), key=RANK.__getitem__, default=State.READY)

    @property
    def sentence(self) -> str:
        """Return what to say if only one thing can be said."""
        if not self.findings:
            return READY_SENTENCE
        more = len(self.findings) - 1
        return self.findings[0].text + (f' ({more} more)' if more else '')


@dataclass(frozen=True)
class Change:
    """A finding that came or went, and the state of the robot after it."""

    finding: Finding
    came: bool
    state: State


class Judge:
    """Remembers since when what is so; `judge` once a second or so, with rising times."""

    def __init__(self, limits: Thresholds) -> None:
        self.limits = limits
        self._true_since_s: dict[tuple[str, str], float] = {}
        self._seen_s: dict[tuple[str, str], float] = {}
        self._found: dict[tuple[str, str], Finding] = {}

    def judge(self, seen: Seen) -> tuple[Verdict, list[Change]]:
        """Return how the robot is now, and what has changed since the last time."""
        now_s = seen.now_s
        true_now = {one.key: one for one in evidence(seen, self.limits, self._is_active)}
        before = dict(self._found)
        for key, one in true_now.items():
            self._seen_s[key] = now_s
            since_s = self._true_since_s.setdefault(key, now_s)
            known = self._found.get(key)
            if known is not None:
                # Who only knows that it is still so has no new values.
                self._found[key] = replace(known, values=one.values or known.values)
            elif now_s - since_s >= KINDS[one.code].on_after_s:
                self._found[key] = Finding(one.code, one.part, one.values, since_s)
        for key in [key for key in self._true_since_s if key not in true_now]:
            del self._true_since_s[key]
        for key in [key for key in self._found if key not in true_now]:
            if now_s - self._seen_s[key] >= KINDS[key[0]].off_after_s:
                del self._found[key]
        verdict = Verdict(tuple(sorted(
            self._found.values(), key=lambda f: (ORDER[f.code], f.part))))
        return verdict, self._changes(before, verdict)

    def _changes(
        self, before: dict[tuple[str, str], Finding], verdict: Verdict
    ) -> list[Change]:
        gone = [Change(f, False, verdict.state) for k, f in before.items()
                if k not in self._found]
        return gone + [Change(f, True, verdict.state) for f in verdict.findings
                       if (f.code, f.part) not in before]

    def _is_active(self, code: str) -> bool:
        return any(key[0] == code for key in self._found)
