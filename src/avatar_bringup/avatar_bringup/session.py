# SPDX-License-Identifier: Apache-2.0
"""
One run of the table, whoever supervises it: launch or supervisord.

`open` takes what only one copy may hold and prepares everything; then `programs` can be started.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from avatar_bringup import last_end, paths
from avatar_bringup.ends import COUNTED_VARIABLE, Ends
from avatar_bringup.lock import Lock
from avatar_bringup.parts import Parts, write_atomically
from avatar_bringup.ports import DEFAULT_PORT, HIGHEST_PORT, Ports
from avatar_bringup.preflight.finding import Finding
from avatar_bringup.preflight.leftovers import RUN_VARIABLE, leftovers, run_folder
from avatar_bringup.preflight.look import findings
from avatar_bringup.preflight.second import check_port
from avatar_bringup.processes import (
    MEDIA_SECRET,
    Place,
    Process,
    command,
    parameter_file,
    table,
)
from avatar_node.child import tied_to_parent
from avatar_node.environment import dds_environment

DOMAINS = 102
PLACE_FILE = 'place.json'
FOLDER_VARIABLE = 'AVATAR_RUN_DIR'

# Arguments of the launch file, and the rows each leaves out.
SWITCHES = {
    'rosbridge': ('rosbridge', 'rosapi'),
    'use_camera': ('camera', 'sim_camera'),
    'use_picture': ('stream', 'mediamtx'),
    'use_description': ('robot_state_publisher',),
    'use_odom_tf': ('odom_tf',),
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """One process as its supervisor is told of it; `hidden` are variables it must not see."""

    name: str
    command: list[str]
    hidden: tuple[str, ...] = ()


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


def place_from_arguments(arguments: Mapping[str, str], environ: Mapping[str, str]) -> Place:
    """Return the place the arguments of the launch file describe; ValueError with a sentence."""
    given = dict(arguments)
    place = place_of({**environ, 'AVATAR_PORT': given['port']}, sim=given['sim'] == 'true',
                     host=given['host'] or None)
    source = given['source']
    if source == 'auto':
        source = str(paths.written('stream', environ, place.state_dir).get('source', 'topic'))
    without = tuple(row for name, rows in SWITCHES.items() if given[name] == 'false'
                    for row in rows)
    return replace(place, ros=True, namespace=given['namespace'].strip('/'), source=source,
                   without=without)


def running(folder: Path) -> tuple[Place, str] | None:
    """Return how the (last) run of a run folder was started, and its mark; None if unknown."""
    try:
        written = json.loads((folder / PLACE_FILE).read_text())
        place, ports = written['place'], written['place'].pop('inner_ports')
        return Place(**{**place, 'state_dir': Path(place['state_dir']),
                        'without': tuple(place['without']),
                        'inner_ports': Ports(**ports) if ports else None}), str(written['run'])
    except (OSError, ValueError, TypeError, LookupError):
        return None


class Session:
    """`open`, then start `programs` and tell `parts` what becomes of them, then `close`."""

    def __init__(self, place: Place, environ: Mapping[str, str], tell: Say) -> None:
        self.place, self.tell = place, tell
        self.run = secrets.token_hex(8)
        self.environ = environment(place.state_dir, place.port, self.run, environ)
        self.environ[MEDIA_SECRET] = secrets.token_hex(32)
        self._counted = bool(self.environ.pop(COUNTED_VARIABLE, ''))
        self.rows = {row.name: row for row in table(place)}
        self.folder = place.state_dir / 'run'
        self.programs: list[Program] = []
        self._lock = Lock(place.state_dir)
        self._began = False

    def open(self) -> None:
        """Take what only one copy may hold, and write what the parts read. Taken, NotInstalled."""
        place = self.place
        take_lock(self._lock, place.state_dir, self.environ)
        check_port(place.host, place.port, place.state_dir)
        self.folder = run_folder(place.state_dir, self.tell)
        # The last run's; this one's gateway writes its own.
        if os.access(place.state_dir, os.W_OK):
            (place.state_dir / 'gateway.port').unlink(missing_ok=True)
        self.environ['ROS_LOG_DIR'] = str(self.folder / 'ros')
        self.environ[FOLDER_VARIABLE] = str(self.folder)
        self.parts = Parts(self.folder, self.rows)
        with contextlib.suppress(OSError):
            write_atomically(self.folder / PLACE_FILE, json.dumps(
                {'run': self.run, 'place': asdict(place)}, default=str))
        self.programs = self._prepared(self.rows.values())
        self._began = True
        last_end.begin(place.state_dir)

    def _prepared(self, rows: Iterable[Process]) -> list[Program]:
        """Return what is to be started; a part that is not installed is given up at once."""
        secret_names = {name for row in rows for name in row.secrets}
        result = []
        for row in rows:
            try:
                program = paths.program(row.package, row.executable, self.environ)
            except paths.NotInstalled as problem:
                if row.essential:
                    raise
                why = (f'{row.package} is not installed: see docs/operations.md'
                       if row.needs_ros else str(problem))
                self.parts.given_up(row.name, why)
                self.tell(f'{row.name} does not run: {why}')
                continue
            words = command(row, program, self._parameter_files(row), self.place.namespace)
            # Everybody gets the run's environment; whom a secret does not concern, it empty.
            hidden = tuple(sorted(secret_names - set(row.secrets)))
            result.append(Program(row.name, tied_to_parent() + words, hidden))
        return result

    def _parameter_files(self, row: Process) -> tuple[Path, ...]:
        if not row.is_node:
            return ()
        files = [paths.config_dir(self.environ) / f'{row.name}.yaml',
                 self.place.state_dir / 'config' / f'{row.name}.yaml']
        if row.parameters:  # rcl refuses a file without any
            own = self.folder / f'{row.name}.yaml'
            own.write_text(parameter_file(row))
            files.append(own)
        return tuple(f for f in files if f.is_file())

    def findings(self) -> list[Finding]:
        """Return what else holds what our parts need, and what else would start the same."""
        try:
            return findings(self.place, self.environ, run=self.run)
        except OSError as problem:  # no reason to stay down
            self.tell(f'preflight could not look at everything: {problem}')
            return []

    def ended_well(self) -> None:
        """Remember that somebody wanted the end: the next start need not wait."""
        if self._counted:
            Ends(self.place.state_dir).well()
        # Who was refused must not speak for the one that runs.
        if self._began:
            last_end.mark(self.place.state_dir, last_end.SUCCESS, 0)

    def gave_up(self) -> None:
        """Remember that it could not go on: the next start tells."""
        last_end.mark(self.place.state_dir, last_end.GIVEN_UP, 1)

    def close(self) -> None:
        """End what is left of this run, and let go of everything."""
        for pid in leftovers(self.run):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.folder.parent != self.place.state_dir:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()


def take_lock(lock: Lock, state_dir: Path, environ: dict[str, str]) -> None:
    """Make the state folder and take its lock. Raises Taken, OSError with a sentence."""
    try:
        state_dir.mkdir(parents=True, mode=0o700, exist_ok=True)
    except OSError as error:
        raise OSError(f'the state folder {state_dir} cannot be made '
                      f'({error.strerror}): set AVATAR_STATE_DIR to another one') from error
    lock.take(environ)
