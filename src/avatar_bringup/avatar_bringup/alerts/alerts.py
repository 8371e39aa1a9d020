# SPDX-License-Identifier: Apache-2.0
"""
The alerts as the health node has them: it tells what is so, and never waits.

One thread decides and stores; another one waits for the process that sends. Both may hang with
the disk or the network: nobody but they would notice.
"""

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from avatar_bringup import last_end
from avatar_bringup.alerts import sender, texts
from avatar_bringup.alerts.conditions import OFFLINE, Condition, Told, conditions
from avatar_bringup.alerts.outbox import Bundle, Outbox
from avatar_bringup.alerts.policy import Memory, Policy
from avatar_bringup.alerts.quiet import is_quiet
from avatar_bringup.alerts.sending import (
    COMMAND,
    LIMIT_S,
    SENTENCES,
    Letter,
    Outcome,
    is_installed,
    send,
    try_one,
)
from avatar_bringup.alerts.services import FOLDER, Service, ServicesFile
from avatar_bringup.settings import Settings, SettingsFile, set_aside
from avatar_node import store

PERIOD_S = 2.0
MOST_CHANGES = 500
LARGEST = 400_000
LAST_S = 1.0
"""At the end so long is waited for what is on its way."""
CLOSE_S = 2.0

Look = tuple[str, tuple[Mapping[str, Any], ...], float, float]


def robot_name(settings: Settings) -> str:
    """Return what the robot is called."""
    return settings.alerts_name or socket.gethostname() or 'avatar'


def send_test(settings: Settings, url: str) -> Outcome:
    """Send a test and wait for what becomes of it, half a minute at most."""
    robot = robot_name(settings)
    return try_one(url, f'{robot}: {texts.FRAMES[settings.alerts_language]["test"]}', robot)


class Alerts:
    """
    `on_change(state, findings)` at every change of the health, from any thread; `close` at last.

    `say(sentence)` is called for what the log should have, once per change.
    """

    def __init__(
        self, state_dir: Path, say: Callable[[str], None], *,
        command: Sequence[str] = COMMAND, limit_s: float = LIMIT_S,
    ) -> None:
        self._state_dir, self._say = state_dir, say
        self._path = state_dir / FOLDER / 'outbox.json'
        self._command, self._limit_s = command, limit_s
        self._settings_file = SettingsFile(state_dir, say)
        self._services_file = ServicesFile(state_dir, say)
        self._changes: deque[Look] = deque(maxlen=MOST_CHANGES)
        self._outcomes: deque[tuple[Bundle, Outcome]] = deque()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._sending: threading.Thread | None = None
        self._conditions: tuple[Condition, ...] = ()
        self._problem, self._words = '', dict[str, str]()
        self._bad_end_s = 0.0
        self._stored: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._run, name='alerts', daemon=True)
        self._thread.start()

    def on_change(self, state: str, findings: Sequence[Mapping[str, Any]]) -> None:
        """Take how the robot is now; returns at once."""
        self._changes.append((state, tuple(findings), time.monotonic(), time.time()))
        self._wake.set()

    def close(self) -> None:
        """End; what waits is stored. A disk that hangs is not waited for."""
        self._closing.set()
        self._wake.set()
        self._thread.join(CLOSE_S)

    # ---- the thread that decides

    def _run(self) -> None:
        self._open()
        while not self._closing.is_set():
            self._wake.wait(PERIOD_S)
            self._wake.clear()
            self._pass()
        if self._sending is not None:
            self._sending.join(LAST_S)
        self._pass()

    def _open(self) -> None:
        now_s, wall_s = time.monotonic(), time.time()
        memory, self._outbox = Memory.empty(), Outbox()
        try:
            value = store.read(self._path, LARGEST)
            memory = Memory.from_json(value['policy'])
            self._bad_end_s = float(value['bad_end'])
            self._outbox = Outbox.from_json(value['outbox'])
        except FileNotFoundError:
            pass
        except OSError as problem:
            self._say(f'{self._path} cannot be read ({problem.strerror}): some alert may come '
                      'twice, or not at all')
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            self._say(f'{self._path} is broken ({type(problem).__name__}): some alert may come '
                      f'twice, or not at all; it is kept as {set_aside(self._path)}')
        self._policy = Policy(memory, now_s, wall_s)
        self._take_end(wall_s)
        self._store(now_s, wall_s)

    def _take_end(self, wall_s: float) -> None:
        """Tell of the end before this start; once, however often the health node starts."""
        bad = last_end.of_this_start(self._state_dir)
        if bad is None or bad.at_s == self._bad_end_s:
            return
        self._bad_end_s = bad.at_s
        self._policy.happened(Told('cut_off' if bad.cut_off else 'crash', '', {
            'result': bad.result, 'count': str(bad.count)}), wall_s)

    def _pass(self) -> None:
        settings, services = self._settings_file.load(), self._services_file.load()
        while self._changes:
            state, findings, now_s, wall_s = self._changes.popleft()
            offline = self._is_offline()
            self._conditions = conditions(state, findings, settings.degraded_after_s)
            self._policy.observe(self._conditions, now_s, wall_s)
            if offline and not self._is_offline():
                self._outbox.try_again()
        now_s, wall_s = time.monotonic(), time.time()
        self._policy.observe(self._conditions, now_s, wall_s)
        self._take_outcomes(services, now_s)
        self._outbox.keep_only(service.id for service in services)
        self._write_message(settings, services, now_s, wall_s)
        bundles = self._outbox.due(now_s)
        if bundles and not self._may_send():
            bundles = []
        for bundle in bundles:
            self._outbox.on_its_way(bundle)
        # On the disk before anything is handed out: see outbox.py.
        self._store(now_s, wall_s)
        if bundles:
            self._send(bundles, settings, services)

    def _is_offline(self) -> bool:
        return any(condition.told.code in OFFLINE for condition in self._conditions)

    def _write_message(
        self, settings: Settings, services: list[Service], now_s: float, wall_s: float
    ) -> None:
        local = time.localtime(wall_s)
        quiet = is_quiet(local.tm_hour * 60 + local.tm_min,
                         settings.quiet_from, settings.quiet_to)
        news = self._policy.message(now_s, quiet, settings.quiet_except_stopped)
        if news:
            text = texts.message(
                settings.alerts_language, robot_name(settings), news, wall_s)
            self._outbox.put(text.title, text.body, text.bad, (one.id for one in services))

    def _may_send(self) -> bool:
        if self._closing.is_set() or (self._sending is not None and self._sending.is_alive()):
            return False
        if not is_installed():
            self._say_once('all', SENTENCES[sender.NOT_INSTALLED])
            return False
        return True

    def _store(self, now_s: float, wall_s: float) -> None:
        """Store what is to survive us, where it has changed."""
        value: dict[str, Any] = {
            'policy': self._policy.memory(now_s, wall_s).as_json(),
            'outbox': self._outbox.as_json(), 'bad_end': self._bad_end_s}
        # When something was sent changes with it; by itself it only wavers with the two clocks.
        changed = {**value, 'policy': {**value['policy'], 'sent_s': []}}
        if changed == self._stored:
            return
        problem = ''
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            store.write(self._path, value)
            self._stored = changed
        except OSError as error:
            problem = str(error.strerror)
        if problem != self._problem:
            self._problem = problem
            self._say(f'alerts cannot be stored in {self._path} ({problem}): after a restart some '
                      'may come twice, or not at all' if problem else 'alerts are stored again')

    # ---- sending

    def _send(
        self, bundles: list[Bundle], settings: Settings, services: list[Service]
    ) -> None:
        urls = {service.id: service.url for service in services}
        by_service = {bundle.service: bundle for bundle in bundles}
        letters = []
        for bundle in bundles:
            title, body = texts.joined(
                settings.alerts_language, robot_name(settings),
                [(one.title, one.body) for one in bundle.messages], bundle.perhaps_lost,
                bundle.dropped)
            letters.append(Letter(bundle.service, urls[bundle.service], title, body,
                                  bundle.messages[-1].bad))

        def tell(outcome: Outcome) -> None:
            self._outcomes.append((by_service[outcome.to], outcome))
            self._wake.set()

        self._sending = threading.Thread(
            target=send, args=(letters, tell, self._limit_s, self._command), name='sending',
            daemon=True)
        self._sending.start()

    def _take_outcomes(self, services: list[Service], now_s: float) -> None:
        names = {service.id: service.name or service.shown for service in services}
        while self._outcomes:
            bundle, outcome = self._outcomes.popleft()
            if outcome.is_sent:
                self._outbox.sent(bundle)
            else:
                self._outbox.failed(bundle, now_s)
            self._say_once(outcome.to, '' if outcome.is_sent else
                           f'an alert to {names.get(outcome.to, "a service")}: '
                           f'{outcome.sentence}; it is tried again')

    def _say_once(self, about: str, sentence: str) -> None:
        if self._words.get(about, '') != sentence:
            self._words[about] = sentence
            self._say(sentence or 'alerts are sent again')
