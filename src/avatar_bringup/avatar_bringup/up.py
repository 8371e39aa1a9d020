# SPDX-License-Identifier: Apache-2.0
"""Run the table under supervisord, in the foreground, until a signal or a part is given up."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from avatar_bringup.health import Health, probe
from avatar_bringup.launching import words_of
from avatar_bringup.processes import Place
from avatar_bringup.session import Say, Session
from avatar_bringup.supervisord import Event, Supervisord, how_it_ended

# Ctrl-C ends everything within 5 s: supervisord kills what hangs after 2 s.
STOP_WITHIN_S = 4.0


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


class Up:
    """One run: `start`, `watch` until it should end, `stop`; or all in `main_loop`."""

    def __init__(self, place: Place, environ: Mapping[str, str], tell: Say = say) -> None:
        self.place, self.tell = place, tell
        self.session = Session(place, environ, tell)
        self.given_up = ''
        self.ending = threading.Event()
        self._unsteady: set[str] = set()
        self._log_sizes: dict[str, int] = {}
        self._supervisord: Supervisord | None = None

    @property
    def folder(self) -> Path:
        """Return the run folder."""
        return self.session.folder

    def start(self) -> None:
        """Take what only one copy may hold, and start the parts. Raises Taken, NotInstalled."""
        self.session.open()
        for name in self.session.rows:
            if self.log(name).exists():
                self._log_sizes[name] = self.log(name).stat().st_size
        self._supervisord = Supervisord(self.folder, self._on_event)
        self._supervisord.start(self.session.programs, self.session.environ)
        # While the parts load what they need. Whatever waits for something held says so, too.
        for finding in self.session.findings():
            self.tell(str(finding))

    def _on_event(self, event: Event) -> None:
        row, parts = self.session.rows.get(event.name), self.session.parts
        if row is None or self.ending.is_set():
            return
        if event.what == 'spawned':
            parts.started(row.name, event.pid)
        elif event.what == 'exited':
            words = words_of(how_it_ended(event.line), self.last_words(row.name, ''))
            parts.died(row.name, words)
            if row.name not in self._unsteady:
                self._unsteady.add(row.name)
                self.tell(f'{row.name} ended and is started again: {words}\n'
                          f'  its log: {self.log(row.name)}')
        elif event.what == 'steady':
            self._unsteady.discard(row.name)
        elif event.what == 'given up':
            words = self.last_words(row.name)
            parts.given_up(row.name, words)
            self.tell(f'{row.name} does not start and was given up: {words}\n'
                      f'  its log: {self.log(row.name)}')
            if row.essential:
                self.given_up = row.name
                self.ending.set()

    def log(self, name: str) -> Path:
        """Return the log file of a part."""
        return self.folder / f'{name}.log'

    def new_words(self, name: str) -> str:
        """Return what a part has written since the start."""
        with self.log(name).open(errors='replace') as log:
            log.seek(self._log_sizes.get(name, 0))
            return log.read().strip()

    def last_words(self, name: str, none: str = 'it wrote nothing') -> str:
        """Return the last line a part wrote, `none` where it wrote none."""
        try:
            lines = self.log(name).read_text(errors='replace').strip().splitlines()
        except OSError:
            return none
        return lines[-1] if lines else none

    @property
    def port(self) -> int:
        """Return the port the gateway really listens on; 0 as long as that is not known."""
        if self.place.port:
            return self.place.port
        try:
            return int((self.place.state_dir / 'gateway.port').read_text())
        except (OSError, ValueError):
            return 0

    def health(self) -> Health:
        """Return what the gateway answers now."""
        port = self.port
        if not port:
            return Health(answers=False, drivable=False)
        return probe(self.place.host, port)

    def poke(self) -> None:
        """Make supervisord look after its parts now."""
        if self._supervisord is not None:
            self._supervisord.poke()

    @property
    def running(self) -> bool:
        return self._supervisord is not None and self._supervisord.running

    def stop(self) -> None:
        """End every process of this run, in order where possible, within 5 s."""
        wanted = self.ending.is_set() and not self.given_up
        self.ending.set()
        if self._supervisord is not None:
            self._supervisord.stop(STOP_WITHIN_S)
        if wanted:
            self.session.ended_well()
        elif self.given_up:
            self.session.gave_up()
        self.session.close()


def end_on_signals(up: Up) -> None:
    """Let SIGINT, SIGTERM and SIGHUP (but not under nohup) end the run in order."""

    def end(_number: int, _frame: object) -> None:
        up.ending.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, end)


def main(
    place: Place,
    environ: Mapping[str, str],
    starting: Callable[[Up, float], bool],
    tell: Say = say,
) -> int:
    """
    Run until a signal; return the exit code.

    `starting(up, seconds since the start)` is called ten times a second until it returns True.
    """
    up = Up(place, environ, tell)
    end_on_signals(up)
    began = time.monotonic()
    try:
        up.start()
        starting_up = True
        while not up.ending.is_set() and up.running:
            if starting_up:
                up.poke()
                starting_up = not starting(up, time.monotonic() - began)
                up.ending.wait(0.1)
            else:
                up.ending.wait(1.0)
        if not up.ending.is_set():
            print(f'supervisord ended by itself: see {up.folder}/supervisord.log',
                  file=sys.stderr)
            return 1
        return 1 if up.given_up else 0
    finally:
        up.stop()
