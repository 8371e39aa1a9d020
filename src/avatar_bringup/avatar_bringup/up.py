# SPDX-License-Identifier: Apache-2.0
"""Run the table under supervisord, in the foreground, until a signal or a part is given up."""

import os
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from avatar_bringup import paths
from avatar_bringup.health import Health, probe
from avatar_bringup.lock import Lock
from avatar_bringup.ports import DEFAULT_PORT, HIGHEST_PORT, Ports
from avatar_bringup.preflight import RUN_VARIABLE, check_port, leftovers, run_folder
from avatar_bringup.processes import (
    MEDIA_SECRET,
    Place,
    Process,
    command,
    parameter_file,
    table,
)
from avatar_bringup.supervisord import Event, Program, Supervisord
from avatar_node.child import tied_to_parent
from avatar_node.environment import dds_environment

# Ctrl-C ends everything within 5 s: supervisord kills what hangs after 2 s.
STOP_WITHIN_S = 4.0
DOMAINS = 102

Say = Callable[[str], None]


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def domain_of(port: int, environ: Mapping[str, str]) -> int:
    """
    Return the ROS domain: ROS_DOMAIN_ID, or as far from 0 as the port is from 8080.

    So that two avatars of one machine, which need different ports, do not meet.
    """
    chosen = environ.get('ROS_DOMAIN_ID')
    if chosen:
        return int(chosen)
    return (port - DEFAULT_PORT) % DOMAINS if port else secrets.randbelow(DOMAINS)


def environment(
    state_dir: Path, port: int, run: str, base: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of all parts."""
    result = dds_environment(base, domain=domain_of(port, base))
    result |= {
        'AVATAR_STATE_DIR': str(state_dir),
        RUN_VARIABLE: run,
        'PYTHONUNBUFFERED': '1',
        'RCUTILS_COLORIZED_OUTPUT': '0',
        # numpy, which the messages import, would start a thread per core for nothing.
        'OPENBLAS_NUM_THREADS': '1',
    }
    return result


def programs(
    rows: Iterable[Process], folder: Path, state_dir: Path, environ: Mapping[str, str]
) -> list[Program]:
    """Write the parameter files of the rows; return what supervisord is to run."""
    rows = list(rows)
    secret_names = {name for row in rows for name in row.secrets}
    result = []
    for row in rows:
        files = []
        if row.is_node:
            own = folder / f'{row.name}.yaml'
            own.write_text(parameter_file(row))
            files = [
                paths.config_dir(environ) / f'{row.name}.yaml',
                state_dir / 'config' / f'{row.name}.yaml',
                # rcl refuses a file without any parameter.
                *([own] if row.parameters else []),
            ]
        words = command(row, paths.program(row.package, row.executable, environ),
                        tuple(f for f in files if f.is_file()))
        # A secret reaches supervisord by its environment; whom it does not concern gets it empty.
        hidden = tuple(sorted(secret_names - set(row.secrets)))
        result.append(Program(row.name, tied_to_parent() + words, hidden))
    return result


class Up:
    """One run: `start`, `watch` until it should end, `stop`; or all in `main_loop`."""

    def __init__(self, place: Place, environ: Mapping[str, str], tell: Say = say) -> None:
        self.place, self.tell = place, tell
        self.run = secrets.token_hex(8)
        self.environ = environment(place.state_dir, place.port, self.run, environ)
        self.environ[MEDIA_SECRET] = secrets.token_hex(32)
        self.rows = {row.name: row for row in table(place)}
        self.folder = place.state_dir / 'run'
        self.given_up = ''
        self.ending = threading.Event()
        self._unsteady: set[str] = set()
        self._log_sizes: dict[str, int] = {}
        self._lock = Lock(place.state_dir)
        self._supervisord: Supervisord | None = None

    def start(self) -> None:
        """Take what only one copy may hold, and start the parts. Raises Taken, NotInstalled."""
        try:
            self.place.state_dir.mkdir(parents=True, mode=0o700, exist_ok=True)
        except OSError as error:
            raise OSError(f'the state folder {self.place.state_dir} cannot be made '
                          f'({error.strerror}): set AVATAR_STATE_DIR to another one') from error
        self._lock.take()
        check_port(self.place.host, self.place.port)
        self.folder = run_folder(self.place.state_dir, self.tell)
        # The last run's; this one's gateway writes its own.
        if os.access(self.place.state_dir, os.W_OK):
            (self.place.state_dir / 'gateway.port').unlink(missing_ok=True)
        self.environ['ROS_LOG_DIR'] = str(self.folder / 'ros')
        for name in self.rows:
            if self.log(name).exists():
                self._log_sizes[name] = self.log(name).stat().st_size
        self._supervisord = Supervisord(self.folder, self._on_event)
        self._supervisord.start(
            programs(self.rows.values(), self.folder, self.place.state_dir, self.environ),
            self.environ)

    def _on_event(self, event: Event) -> None:
        row = self.rows.get(event.name)
        if row is None or self.ending.is_set():
            return
        if event.what == 'exited' and row.name not in self._unsteady:
            self._unsteady.add(row.name)
            self.tell(f'{row.name} ended and is started again: {self.last_words(row.name)}\n'
                      f'  its log: {self.log(row.name)}')
        elif event.what == 'steady':
            self._unsteady.discard(row.name)
        elif event.what == 'given up':
            self.tell(f'{row.name} does not start and was given up: {self.last_words(row.name)}\n'
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

    def last_words(self, name: str) -> str:
        """Return the last line a part wrote."""
        try:
            lines = self.log(name).read_text(errors='replace').strip().splitlines()
        except OSError:
            return 'it wrote nothing'
        return lines[-1] if lines else 'it wrote nothing'

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
        self.ending.set()
        if self._supervisord is not None:
            self._supervisord.stop(STOP_WITHIN_S)
        for pid in leftovers(self.run):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.folder.parent != self.place.state_dir:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()


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


def place_of(
    environ: Mapping[str, str], *, sim: bool, host: str | None = None, port: int | None = None
) -> Place:
    """Return the place the environment describes; ValueError with a sentence."""
    text = str(port) if port is not None else environ.get('AVATAR_PORT') or str(DEFAULT_PORT)
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        name = 'AVATAR_PORT' if port is None else '--port'
        raise ValueError(f'{name}={text!r}: must be a port number, 0 to {HIGHEST_PORT}')
    port = int(text)
    return Place(state_dir=paths.state_dir(environ), sim=sim, host=host, port=port,
                 inner_ports=None if port else Ports.free())
