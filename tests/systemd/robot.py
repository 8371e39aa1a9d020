# SPDX-License-Identifier: Apache-2.0
"""avatar, installed as the service of a machine, without a ROS installation and simulated."""

import contextlib
import http.client
import os
import re
import secrets
import signal
import sys
import time
from pathlib import Path

from avatar_node.testing import wait_for
from tests.operator_client import Operator
from tests.systemd.machine import Machine
from tests.wheels import Wheels

UNIT = 'avatar.service'
# What a part is known by in its command line.
WORDS = {'mediamtx': '/mediamtx ', 'main': 'avatar_bringup/avatar '}


class Robot:
    """The service of one machine."""

    def __init__(self, machine: Machine, port: int = 8080) -> None:
        self.machine, self.port = machine, port
        self.token = secrets.token_urlsafe(24)
        self._operators: list[Operator] = []

    # --- the service

    def avatar(self, *words: str) -> tuple[int, str]:
        """Run the `avatar` command of what was built here, in the machine, as root."""
        names = ('AMENT_PREFIX_PATH', 'PYTHONPATH', 'AVATAR_MEDIAMTX')
        prefix = os.environ['AMENT_PREFIX_PATH'].split(os.pathsep)[0]
        return self.machine.code(
            'env', *(f'{n}={os.environ[n]}' for n in names if n in os.environ),
            sys.executable, f'{prefix}/lib/avatar_bringup/avatar', *words, timeout_s=300)

    def install(self, arguments: str = '--sim --host 127.0.0.1') -> str:
        """Install it, for a token that the tests know; return what was said."""
        code, said = self.avatar('install', '--without-ros', f'--arguments={arguments}',
                                 '--no-start', '--yes')
        assert code == 0, said
        self.drop_in('test', f'[Service]\nEnvironment=AVATAR_DEMO_TOKEN={self.token}\n')
        return said

    def drop_in(self, name: str, text: str) -> None:
        """Add settings to the unit ('' takes them away)."""
        path = f'/etc/systemd/system/{UNIT}.d/{name}.conf'
        if text:
            self.machine.write(path, text)
        else:
            self.machine.path(path).unlink()
        self.machine.run('systemctl', 'daemon-reload')

    def systemctl(self, *words: str, timeout_s: float = 60.0) -> str:
        """Run systemctl; return what it printed, which is nothing where all is well."""
        return self.machine.run('systemctl', *words, timeout_s=timeout_s)

    def start(self, within_s: float = 30.0) -> float:
        """Start it; return the seconds until a person could drive."""
        began = time.monotonic()
        self.systemctl('start', '--no-block', UNIT)
        self.wait_drivable(within_s)
        return time.monotonic() - began

    def stop(self) -> float:
        """Stop it; return the seconds it took."""
        began = time.monotonic()
        self.systemctl('stop', UNIT)
        return time.monotonic() - began

    def show(self, name: str, unit: str = UNIT) -> str:
        """Return a property of the unit."""
        return self.systemctl('show', '--value', '--property', name, unit).strip()

    @property
    def main_pid(self) -> int:
        """Return the pid, inside, of the service's main process."""
        return int(self.show('MainPID'))

    def cursor(self) -> str:
        """Return where the journal ends now."""
        said = self.machine.run('journalctl', '--lines=0', '--show-cursor')
        return said.partition('-- cursor: ')[2].strip()

    def journal(self, since: str = '', unit: str = UNIT) -> str:
        """Return what the journal has of the unit since a cursor."""
        self.machine.run('journalctl', '--sync', check=False)
        return self.machine.run('journalctl', '--no-pager', '--output=short-monotonic',
                                f'--unit={unit}', *([f'--after-cursor={since}'] if since else []))

    # --- from outside

    def healthz(self) -> int:
        """Return the status of /healthz, 0 where nobody answers."""
        def ask() -> int:
            connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=2)
            try:
                connection.request('GET', '/healthz')
                return connection.getresponse().status
            except (OSError, http.client.HTTPException):
                return 0
            finally:
                connection.close()
        return self.machine.in_network(ask)

    def wait_drivable(self, within_s: float = 30.0) -> None:
        """Wait until a person can drive."""
        wait_for(lambda: self.healthz() == 200, within_s, 'a robot that can be driven', 0.05)

    def wait_page(self, within_s: float = 30.0) -> None:
        """Wait until the gateway answers, whatever it says."""
        wait_for(lambda: self.healthz() != 0, within_s, 'the page', 0.05)

    def listens(self, port: int) -> bool:
        """Return whether somebody listens on a port."""
        with contextlib.suppress(OSError):
            self.machine.make_socket('127.0.0.1', port).close()
            return True
        return False

    def operator(self) -> Operator:
        """Return an operator, connected, as an admin."""
        operator = Operator(f'ws://127.0.0.1:{self.port}/rosbridge', token=self.token,
                            make_socket=self.machine.make_socket).connect()
        self._operators.append(operator)
        return operator

    def close_operators(self) -> None:
        """Close every client of ours."""
        for operator in self._operators:
            operator.close()
        self._operators.clear()

    @property
    def state(self) -> Path:
        """Return its state folder, seen from here."""
        return self.machine.path('/var/lib/avatar')

    @property
    def wheels(self) -> Wheels:
        """Return what the wheels of this boot of the board did."""
        return Wheels(self.state / 'sim/board.jsonl')

    def drives(self) -> None:
        """Prove that it can be driven, and leave it at rest."""
        operator = self.operator()
        try:
            wheels = self.wheels
            operator.take()
            operator.drive_until_moving(wheels, 0.3, 0.0)
            wheels.stop_time_s(operator.stop())
        finally:
            operator.close()

    def rest(self) -> None:
        """Have it run, drivable, with no client of ours and nothing that was held up."""
        self.close_operators()
        for pid in self.machine.pids():
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                if re.search(r'^State:\s*T', Path(f'/proc/{pid}/status').read_text(), re.M):
                    os.kill(pid, signal.SIGCONT)
        if self.show('ActiveState') != 'active' or self.healthz() != 200:
            self.systemctl('start', '--no-block', UNIT)
        self.wait_drivable(40)

    # --- its processes, by pids as seen from here

    def processes(self) -> dict[int, str]:
        """Return what runs in the unit's control group."""
        group = self.show('ControlGroup')
        result: dict[int, str] = {}
        if not group:
            return result  # nothing of it is there
        for pid, words in self.machine.pids().items():
            with contextlib.suppress(OSError):
                if f'{group}\n' in Path(f'/proc/{pid}/cgroup').read_text() or \
                        f'{group}/' in Path(f'/proc/{pid}/cgroup').read_text():
                    result[pid] = words
        return result

    def pid_of(self, part: str) -> int:
        """Return the pid of a part, 'main', 'supervisord' or 'ffmpeg'; 0 where there is none."""
        if part == 'main':
            main = self.main_pid
            return next((p for p in self.machine.pids()
                         if main and self.machine.inner_pid(p) == main), 0)
        wanted = {'supervisord': 'supervisor.supervisord', 'mediamtx': 'mediamtx.yml',
                  'ffmpeg': 'ffmpeg'}.get(part, f'/{part} ')
        return next((pid for pid, words in self.machine.pids().items()
                     if wanted in f'{words} ' and 'tied' not in words), 0)

    def signal(self, part: str, number: int) -> float:
        """Send a part a signal; return when."""
        pid = self.pid_of(part)
        assert pid, f'there is no {part}: {self.machine.pids()}'
        event = time.monotonic()
        os.kill(pid, number)
        return event

    def logs(self) -> str:
        """Return what is needed to understand a failure."""
        status = self.machine.run('systemctl', 'status', '--no-pager', '--full', UNIT, check=False)
        parts = [status, self.journal()[-6000:]]
        for path in sorted((self.state / 'run').glob('*.log')):
            parts.append(f'--- {path.name}\n' + path.read_text(errors='replace')[-1500:])
        return '\n'.join(parts)
