# SPDX-License-Identifier: Apache-2.0
"""supervisord as our foreground child: its configuration, its start, its words, its end."""

import ctypes
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from avatar_bringup.launching import DEATHS, WINDOW_S
from avatar_bringup.session import Program

# A part that dies within this time after its start is tried again RETRIES times, each a second
# later than the last, and then given up: five such deaths in a row take about a minute at most.
START_S = int(WINDOW_S / DEATHS)
RETRIES = DEATHS - 1
# A part that does not end when asked is killed after this time.
STOP_WAIT_S = 2
LOG_BYTES = 1_000_000
LOG_BACKUPS = 2
# The kernel's limit for the path of a unix socket, less supervisord's own suffix while binding.
SOCKET_PATH_LIMIT = 90
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def command_value(words: list[str]) -> str:
    """Return a command as the value of `command=`, which supervisord splits as a shell does."""
    text = shlex.join(words).replace('%', '%%')
    # A blank before one of these begins a comment, even between quotes: close and open them.
    return text.replace(' ;', " '';").replace(' #', " ''#")


def configuration(programs: list[Program], control: str, as_root: bool = False) -> str:
    """
    Return the text of supervisord.conf; `control` is the unix socket it answers on.

    File names are relative to the folder in which supervisord is started, whatever its name has.
    """
    lines = [
        '[supervisord]',
        'nodaemon=true',
        'logfile=supervisord.log',
        'logfile_maxbytes=200000',
        'logfile_backups=1',
        'pidfile=supervisord.pid',
        'childlogdir=.',
        *(['user=root'] if as_root else []),
        '',
        '[unix_http_server]',
        f'file={control}',
        'chmod=0600',
        '',
        '[rpcinterface:supervisor]',
        'supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface',
        '',
        # One group, so that all are told to end at the same moment.
        '[group:avatar]',
        'programs=' + ','.join(p.name for p in programs),
    ]
    for number, program in enumerate(programs, start=1):
        lines += [
            '',
            f'[program:{program.name}]',
            'command=' + command_value(program.command),
            'environment=' + ','.join(f'{name}=""' for name in program.hidden),
            f'priority={number}',
            'autorestart=true',
            f'startsecs={START_S}',
            f'startretries={RETRIES}',
            'stopsignal=INT',
            f'stopwaitsecs={STOP_WAIT_S}',
            'killasgroup=true',
            'redirect_stderr=true',
            f'stdout_logfile={program.name}.log',
            f'stdout_logfile_maxbytes={LOG_BYTES}',
            f'stdout_logfile_backups={LOG_BACKUPS}',
        ]
    return '\n'.join(lines) + '\n'


def die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent dies, so that a killed parent leaves nothing."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


@dataclass(frozen=True)
class Event:
    """What supervisord said of a part: spawned, steady (it stays up), exited, killed, given up."""

    what: str
    name: str
    line: str
    pid: int = 0


_WORDS = (
    ('spawned', re.compile(r"spawned: '(\w+)' with pid (\d+)")),
    ('steady', re.compile(r'success: (\w+) entered RUNNING')),
    ('exited', re.compile(r'exited: (\w+) ')),
    ('killed', re.compile(r"killing '(\w+)'")),
    ('given up', re.compile(r'gave up: (\w+) ')),
    ('given up', re.compile(r"spawnerr: .*'(\w+)'")),
)


def event_of(line: str) -> Event | None:
    """Return what a line of supervisord's log says, or None."""
    for what, pattern in _WORDS:
        found = pattern.search(line)
        if found:
            return Event(what, found[1], line, int(found[2]) if pattern.groups > 1 else 0)
    return None


_HOW = re.compile(r'\((?:terminated by (SIG\w+)|exit status (\d+))')


def how_it_ended(line: str) -> str:
    """Return how a part ended, 'SIGKILL' or 'exit code 1', by supervisord's line about it."""
    found = _HOW.search(line)
    if found is None:
        return 'it ended'
    return found[1] or f'exit code {found[2]}'


class Supervisord:
    """
    One supervisord in a run folder. `on_event` is called from a thread of its own.

    The child has its own process group: a Ctrl-C at the terminal reaches us alone, and we end
    it in order. It ends with us, and its parts end with it, even where one is killed.
    """

    def __init__(self, folder: Path, on_event: Callable[[Event], None]) -> None:
        self._folder, self._on_event = folder, on_event
        self._control_dir: Path | None = None
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self, programs: list[Program], environment: Mapping[str, str]) -> None:
        """Write the configuration and start; parts are running or being tried soon after."""
        control = self._folder / 'control'
        control.unlink(missing_ok=True)
        name = control.name
        if len(os.fsencode(control)) > SOCKET_PATH_LIMIT:
            self._control_dir = Path(tempfile.mkdtemp(prefix='avatar-'))
            control = self._control_dir / 'control'
            name = str(control)
        self._control = control
        (self._folder / 'supervisord.conf').write_text(
            configuration(programs, name, os.geteuid() == 0))
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'supervisor.supervisord', '-c', 'supervisord.conf'],
            env=dict(environment), cwd=self._folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
            start_new_session=True, preexec_fn=die_with_parent)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            event = event_of(line)
            if event:
                self._on_event(event)

    def poke(self) -> None:
        """Wake supervisord, which else looks after its parts once a second only."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(0.2)
            try:
                client.connect(str(self._control))
            except OSError:
                return  # not there yet, or no more

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, within_s: float) -> bool:
        """End all parts and supervisord; return whether nothing had to be killed here."""
        if self._process is None:
            return True
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        clean = True
        waited = 0.0
        while self.running and waited < within_s:
            self.poke()
            try:
                self._process.wait(0.1)
            except subprocess.TimeoutExpired:
                waited += 0.1
        if self.running:
            clean = False
            self._process.kill()
            self._process.wait()
        if self._reader is not None:
            self._reader.join(1)
        if self._control_dir is not None:
            shutil.rmtree(self._control_dir, ignore_errors=True)
        return clean
