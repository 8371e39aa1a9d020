# SPDX-License-Identifier: Apache-2.0
"""Run the table under supervisord, in the foreground, until a signal or a part is given up."""

import errno
import http.client
import os
import secrets
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from avatar_bringup import paths
from avatar_bringup.lock import Lock, Taken, described
from avatar_bringup.processes import (
    DEFAULT_PORT,
    Place,
    Process,
    command,
    parameter_file,
    table,
)
from avatar_bringup.sockets import listener, pids
from avatar_bringup.supervisord import Event, Program, Supervisord, tied_to_parent
from avatar_node.environment import dds_environment

# Ctrl-C ends everything within 5 s: supervisord kills what hangs after 2 s.
STOP_WITHIN_S = 4.0
PROBE_TIMEOUT_S = 1.0
# Marks every process of one run, whoever its parent has become.
RUN_VARIABLE = 'AVATAR_RUN'
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
    return int(chosen) if chosen else (port - DEFAULT_PORT) % DOMAINS


def check_port(host: str, port: int) -> None:
    """Raise Taken, naming the holder, where the gateway's port cannot be had."""
    if port == 0:
        return
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                pid = listener(port) or 0
                raise Taken(
                    f'port {port} is taken by {described(pid)}; end that program, '
                    f'or choose another port: AVATAR_PORT={port + 10}') from None
            raise Taken(
                f'cannot listen on {host} port {port}: {error.strerror}; choose another one: '
                'AVATAR_PORT=8090') from None


def run_folder(state_dir: Path, tell: Say) -> Path:
    """Return a folder for configuration and logs, elsewhere where the state folder is unusable."""
    folder = state_dir / 'run'
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        probe = folder / 'writable'
        probe.write_text('.')
        probe.unlink()
    except OSError as error:
        folder = Path(tempfile.mkdtemp(prefix='avatar-run-'))
        tell(f'{state_dir} cannot be written ({error.strerror}): nothing will be remembered; '
             f'logs are in {folder}')
    return folder


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
                own,
            ]
        words = command(row, paths.program(row.package, row.executable, environ),
                        tuple(f for f in files if f.is_file()))
        # A secret reaches supervisord by its environment; whom it does not concern gets it empty.
        hidden = dict.fromkeys(sorted(secret_names - set(row.secrets)), '')
        result.append(Program(row.name, tied_to_parent() + words, hidden))
    return result


def leftovers(run: str) -> list[int]:
    """Return the processes of a run that are still there, but for ourselves."""
    mark = f'{RUN_VARIABLE}={run}'.encode()
    result = []
    for pid in pids():
        try:
            if pid != os.getpid() and mark in Path(f'/proc/{pid}/environ').read_bytes().split(
                    b'\0'):
                result.append(pid)
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return result


@dataclass(frozen=True)
class Health:
    """What the gateway answers: nothing yet, an answer, or that a person can drive."""

    answers: bool
    drivable: bool


def probe(host: str, port: int, tls: bool) -> Health:
    """Ask /healthz."""
    local = {'0.0.0.0': '127.0.0.1', '::': '::1', '': '127.0.0.1'}.get(host, host)
    connection: http.client.HTTPConnection
    if tls:
        # Our own machine, our own certificate, no secret sent.
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(
            local, port, timeout=PROBE_TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(local, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request('GET', '/healthz')
        return Health(answers=True, drivable=connection.getresponse().status == 200)
    except (OSError, http.client.HTTPException):
        return Health(answers=False, drivable=False)
    finally:
        connection.close()


class Up:
    """One run: `start`, `watch` until it should end, `stop`; or all in `main_loop`."""

    def __init__(self, place: Place, environ: Mapping[str, str], tell: Say = say) -> None:
        self.place, self.tell = place, tell
        self.run = secrets.token_hex(8)
        self.environ = environment(place.state_dir, place.port, self.run, environ)
        self.rows = {row.name: row for row in table(place)}
        self.folder = place.state_dir / 'run'
        self.given_up = ''
        self.ending = threading.Event()
        self._deaths: dict[str, int] = {}
        self._lock = Lock(place.state_dir)
        self._supervisord: Supervisord | None = None

    def start(self) -> None:
        """Take what only one copy may hold, and start the parts. Raises Taken, NotInstalled."""
        self.place.state_dir.mkdir(parents=True, mode=0o700, exist_ok=True)
        self._lock.take()
        check_port(self.place.host, self.place.port)
        self.folder = run_folder(self.place.state_dir, self.tell)
        # The last run's; this one's gateway writes its own.
        if os.access(self.place.state_dir, os.W_OK):
            (self.place.state_dir / 'gateway.port').unlink(missing_ok=True)
        self.environ['ROS_LOG_DIR'] = str(self.folder / 'ros')
        self._supervisord = Supervisord(self.folder, self._on_event)
        self._supervisord.start(
            programs(self.rows.values(), self.folder, self.place.state_dir, self.environ),
            self.environ)

    def _on_event(self, event: Event) -> None:
        row = self.rows.get(event.name)
        if row is None or self.ending.is_set():
            return
        if event.what == 'exited':
            self._deaths[row.name] = self._deaths.get(row.name, 0) + 1
            self.tell(f'{row.name} ended and is started again; its log: {self.log(row.name)}')
        elif event.what == 'given up':
            self.tell(f'{row.name} does not start and was given up: {self.last_words(row.name)}\n'
                      f'  its log: {self.log(row.name)}')
            if row.essential:
                self.given_up = row.name
                self.ending.set()

    def log(self, name: str) -> Path:
        """Return the log file of a part."""
        return self.folder / f'{name}.log'

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
        return probe(self.place.host, port, self.tls)

    @property
    def tls(self) -> bool:
        """Return whether the gateway speaks HTTPS: beyond loopback it does."""
        return self.place.host not in ('127.0.0.1', '::1', 'localhost')

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
    """Let SIGINT, SIGTERM and SIGHUP end the run in order."""

    def end(_number: int, _frame: object) -> None:
        up.ending.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


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
    environ: Mapping[str, str], *, sim: bool, host: str = '127.0.0.1', port: int | None = None
) -> Place:
    """Return the place the environment describes; ValueError with a sentence."""
    text = environ.get('AVATAR_PORT') or str(DEFAULT_PORT)
    if port is None:
        if not text.isdigit() or int(text) > 65535:
            raise ValueError(f'AVATAR_PORT={text!r}: must be a port number, 0 to 65535')
        port = int(text)
    place = Place(state_dir=paths.state_dir(environ), sim=sim, port=port)
    return replace(place, host=host)
