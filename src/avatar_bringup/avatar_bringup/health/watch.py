# SPDX-License-Identifier: Apache-2.0
"""What health remembers between two looks: counters that must grow, files, the slow things."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from avatar_bringup.health import healthz, machine
from avatar_bringup.health.history import History
from avatar_bringup.health.holding import Holders
from avatar_bringup.health.seen import Held, Machine, Part, Said, parts_of

GATEWAY_PERIOD_S = 2.0
MACHINE_PERIOD_S = 5.0
MINUTE_S = 60.0
INSTALLED_S = os.stat(__file__).st_mtime
"""No clock was right before this."""


class Counters:
    """What the numbers in motor/state show over time."""

    def __init__(self) -> None:
        self._replies = ''
        self.replied_s: float | None = None
        self._late_passes: int | None = None
        self._late: deque[tuple[float, int]] = deque()

    def heard(self, motor: Said) -> None:
        """Take one message."""
        replies = motor.values.get('replies', '')
        if replies != self._replies or motor.values.get('connected') != 'true':
            self._replies, self.replied_s = replies, motor.at_s
        text = motor.values.get('late_passes', '')
        if not text.isdecimal():
            return
        passes = int(text)
        # A smaller number is a new motor node, which begins with none.
        before = self._late_passes if self._late_passes is not None else passes
        if passes > before:
            self._late.append((motor.at_s, passes - before))
        self._late_passes = passes

    def late_times(self, now_s: float) -> int:
        """Return how often the motor node was held up within the last minute."""
        while self._late and now_s - self._late[0][0] > MINUTE_S:
            self._late.popleft()
        return sum(times for _, times in self._late)


class PartsFile:
    """`run/parts.json`, read again when it has changed."""

    def __init__(self, path: Path, essential: frozenset[str]) -> None:
        self._path, self._essential = path, essential
        self._mark: tuple[int, int, int] | None = None
        self._parts: dict[str, Part] = {}

    def read(self) -> dict[str, Part]:
        """Return what the supervisor says; nothing where it says nothing."""
        try:
            about = self._path.stat()
            mark = (about.st_ino, about.st_mtime_ns, about.st_size)
            if mark != self._mark:
                self._parts = parts_of(self._path.read_text(), self._essential)
                self._mark = mark
        except OSError:
            self._mark, self._parts = None, {}
        return self._parts


class Slowly:
    """
    A thread for what may wait for a disk: the machine is looked at, the history saved.

    `look` is called every few seconds; what it returned last is `machine`.
    """

    def __init__(self, state_dir: Path, history: History, holders: Holders,
                 say: Callable[[str], None]) -> None:
        self._state_dir, self._history, self._say = state_dir, history, say
        self._holders = holders
        self.waiting: frozenset[str] = frozenset()
        """Parts that may wait for what somebody holds; `held` says who."""
        self._problem = ''
        self._closing = False
        self._woken = threading.Event()
        self.machine = Machine()
        self._thread = threading.Thread(target=self._run, name='health slow', daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def held(self) -> tuple[Held, ...]:
        """Return who holds what of the parts that wait."""
        return self._holders.held if self.waiting else ()

    def wake(self) -> None:
        """Look who holds what, and save the history, if that is due."""
        self._woken.set()

    def _run(self) -> None:
        looked_s = float('-inf')
        while not self._closing:
            self._woken.clear()
            if time.monotonic() - looked_s >= MACHINE_PERIOD_S:
                looked_s = time.monotonic()
                self.machine = machine.look(self._state_dir)
            self._holders.look_if_due(self.waiting, time.monotonic())
            self._save_if_due()
            self._woken.wait(MACHINE_PERIOD_S)

    def _save_if_due(self) -> None:
        now_s = time.monotonic()
        if not self._history.is_due(now_s):
            return
        self._history.save(now_s, time.time())
        if self._history.problem != self._problem:
            self._problem = self._history.problem
            if self._problem:
                self._say(f'the history of the health is not kept: {self._problem}')

    def close(self) -> None:
        """Save what is new; a disk that hangs is not waited for."""
        self._closing = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(1.0)
        if not self._thread.is_alive():
            self._history.save(time.monotonic(), time.time())


class GatewayWatch:
    """Asks the gateway each GATEWAY_PERIOD_S, and each time when it did not answer."""

    def __init__(self, state_dir: Path, port: int) -> None:
        self._state_dir, self._port = state_dir, port
        self._asked_s = float('-inf')
        self._answers = False
        self.answered_s: float | None = None

    def ask_if_due(self, now_s: float) -> None:
        """Ask, which may take a second or three where it hangs."""
        if self._answers and now_s - self._asked_s < GATEWAY_PERIOD_S:
            return
        self._asked_s = now_s
        self._answers = healthz.answers(self._state_dir, self._port)
        if self._answers:
            self.answered_s = time.monotonic()
