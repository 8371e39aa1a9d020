# SPDX-License-Identifier: Apache-2.0
"""
A machine with a real systemd: this root file system, booted in systemd-nspawn.

What is written goes to memory and is gone with the machine; the network is its own and has nothing
but loopback. The kernel, the clocks and the processor are ours: times can be compared.
"""

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from avatar_node.testing import wait_for
from tests.stack import die_with_parent

CLONE_NEWNET = 0x40000000
BOOT_S = 60.0
CGROUPS = Path('/sys/fs/cgroup')
_libc = ctypes.CDLL(None, use_errno=True)
T = TypeVar('T')

# What is installed here but is none of this machine's business; dbus, logind, journald and what
# they need stay.
UNWANTED = ('getty.target', 'console-getty.service', 'systemd-networkd.service',
            'systemd-resolved.service', 'systemd-timesyncd.service', 'systemd-firstboot.service',
            'systemd-homed.service', 'apt-daily.timer', 'apt-daily-upgrade.timer')
# The first process: make what limits processes writable where that is the kernel's old kind
# (cgroup v1), forget what this system starts at boot, become systemd.
INIT = """
for folder in /sys/fs/cgroup /sys/fs/cgroup/*; do
    mountpoint -q "$folder" && mount -o remount,bind,rw "$folder"
done
rm -rf /etc/systemd/system/*.wants /etc/systemd/system/avatar* /var/log/journal
mkdir -p /var/log/journal
for init in /usr/lib/systemd/systemd /lib/systemd/systemd; do
    [ -x $init ] && exec $init "$@"
done
"""


class Unavailable(Exception):
    """No such machine can be booted here; the text says why."""


class Machine:
    """One booted machine; `close` ends it."""

    def __init__(self, folder: Path, *binds: Path) -> None:
        if os.geteuid() != 0:
            raise Unavailable('only root boots a machine in systemd-nspawn')
        for tool in ('systemd-nspawn', 'nsenter', 'unshare'):
            if shutil.which(tool) is None:
                raise Unavailable(f'{tool} is not installed (systemd-container, util-linux)')
        if 'overlay' not in Path('/proc/filesystems').read_text():
            raise Unavailable('this kernel has no overlay file system')
        self.name = f'avatar-test-{secrets.token_hex(3)}'
        self.log = folder / f'{self.name}.log'
        self._groups = list(_own_groups(self.name))
        on_systemd = Path('/run/systemd/system').is_dir()
        # nspawn refuses / itself, so that root is seen at another place, by nspawn alone.
        root = folder / 'root'
        root.mkdir(exist_ok=True)
        command = [
            'unshare', '--mount', '--propagation', 'private', '/bin/sh', '-c',
            'mount --bind / "$0" && exec "$@"', str(root),
            'systemd-nspawn', '--quiet', '--register=no',
            *([] if on_systemd else ['--keep-unit']), f'--machine={self.name}',
            f'--directory={root}', '--volatile=overlay', '--private-network', '--console=pipe',
            '--resolv-conf=off', '--timezone=off', '--link-journal=no',
            '--kill-signal=SIGRTMIN+3', *(f'--bind-ro={path}' for path in binds),
            '/bin/sh', '-c', INIT, 'init', '--unit=multi-user.target',
            *(f'systemd.mask={unit}' for unit in UNWANTED)]
        began = time.monotonic()
        with self.log.open('wb') as log:
            self._nspawn = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                preexec_fn=self._enter_groups)
        try:
            self.leader = wait_for(self._leader, 20, 'the first process', 0.05) or 0
            self._namespace = os.readlink(f'/proc/{self.leader}/ns/pid')
            wait_for(lambda: self.run('systemctl', 'is-system-running', check=False).strip() in
                     ('running', 'degraded'), BOOT_S, 'the end of the boot', 0.1)
        except (Unavailable, AssertionError, OSError, subprocess.SubprocessError) as problem:
            self.close()
            raise Unavailable(f'systemd does not boot in systemd-nspawn: {problem}; it said: '
                              f'{self.said()[-2000:]}') from None
        self.boot_s = time.monotonic() - began

    def said(self) -> str:
        """Return what nspawn and the console said."""
        return self.log.read_text(errors='replace')

    def _enter_groups(self) -> None:
        die_with_parent()
        for group in self._groups:
            (group / 'cgroup.procs').write_text('0')

    def _leader(self) -> int:
        """Return the pid, as seen from here, of the machine's first process; 0 before it is."""
        if self._nspawn.poll() is not None:
            raise Unavailable('it ended')
        own = os.readlink('/proc/self/ns/pid')
        todo = [self._nspawn.pid]
        while todo:
            children = Path(f'/proc/{todo.pop()}/task')
            for file in children.glob('*/children'):
                for pid in map(int, file.read_text().split()):
                    if os.readlink(f'/proc/{pid}/ns/pid') != own:
                        return pid
                    todo.append(pid)
        return 0

    # --- commands and files in it

    def command(self, *words: str) -> list[str]:
        """Return what runs a command in it, as its root."""
        return ['nsenter', '--target', str(self.leader), '--mount', '--uts', '--ipc', '--net',
                '--pid', '--cgroup', f'--root=/proc/{self.leader}/root',
                f'--wd=/proc/{self.leader}/root', 'env', '-i', 'HOME=/root', 'LANG=C.UTF-8',
                'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
                'SYSTEMD_PAGER=cat', *words]

    def run(self, *words: str, check: bool = True, timeout_s: float = 60.0) -> str:
        """Run a command as root; return what it printed, its complaints included."""
        done = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors='replace', timeout=timeout_s, check=False)
        if check and done.returncode:
            raise AssertionError(f'{" ".join(words)}: exit code {done.returncode}: {done.stdout}')
        return done.stdout

    def code(self, *words: str, timeout_s: float = 60.0) -> tuple[int, str]:
        """Run a command as root; return its exit code and what it printed."""
        done = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors='replace', timeout=timeout_s, check=False)
        return done.returncode, done.stdout

    def popen(self, *words: str) -> 'subprocess.Popen[bytes]':
        """Start a command as root that goes on beside the test; its input is ours."""
        return subprocess.Popen(self.command(*words), stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                preexec_fn=die_with_parent)

    def path(self, path: str) -> Path:
        """Return where one of its files is, seen from here."""
        return Path(f'/proc/{self.leader}/root{path}')

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)

    def login_s(self) -> float:
        """Return how long a person who logs in waits for the answer of a first command."""
        began = time.monotonic()
        self.run('systemd-run', '--quiet', '--wait', '--pipe', '--collect', '--slice=user.slice',
                 '--uid=nobody', '/bin/sh', '-lc', 'id; uptime', timeout_s=120)
        return time.monotonic() - began

    def pids(self) -> dict[int, str]:
        """Return its processes (pids as seen from here) and their command lines."""
        result = {}
        for name in os.listdir('/proc'):
            if not name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if os.readlink(f'/proc/{name}/ns/pid') == self._namespace:
                    words = Path(f'/proc/{name}/cmdline').read_bytes()
                    result[int(name)] = words.replace(b'\0', b' ').decode(errors='replace')
        return result

    def inner_pid(self, pid: int) -> int:
        """Return the pid inside of a process."""
        status = Path(f'/proc/{pid}/status').read_text()
        return int(next(line for line in status.splitlines()
                        if line.startswith('NSpid')).split()[-1])

    # --- its network

    def in_network(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread that is in its network; sockets made there stay in it."""
        result: list[T] = []
        problems: list[BaseException] = []

        def inside() -> None:
            try:
                with open(f'/proc/{self.leader}/ns/net') as file:
                    if _libc.setns(file.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), 'setns')
                result.append(work())
            except BaseException as problem:  # noqa: BLE001  handed to whoever asked
                problems.append(problem)
        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if problems:
            raise problems[0]
        return result[0]

    def make_socket(self, host: str, port: int) -> socket.socket:
        """Return a connection made from inside."""
        return self.in_network(lambda: socket.create_connection((host, port), 5))

    def close(self) -> None:
        """End it, at once: nothing of it is kept."""
        self._nspawn.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._nspawn.wait(3)
        if self._nspawn.poll() is None:
            leader = getattr(self, 'leader', 0)
            if leader:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(leader, signal.SIGKILL)
            self._nspawn.kill()
        self._nspawn.wait()
        for group in self._groups:
            _remove_group(group)


def _own_groups(name: str) -> Iterator[Path]:
    """Yield a new control group below ours in each hierarchy of the old kind (cgroup v1)."""
    for line in Path('/proc/self/cgroup').read_text().splitlines():
        number, controllers, path = line.split(':', 2)
        if number == '0':
            continue
        folder = CGROUPS / (controllers.removeprefix('name='))
        if not folder.is_dir():
            continue
        group = folder / path.lstrip('/') / name
        group.mkdir()
        for needed in ('cpuset.cpus', 'cpuset.mems'):
            if (group / needed).exists():
                (group / needed).write_text((group.parent / needed).read_text())
        yield group


def _remove_group(group: Path) -> None:
    """Remove a control group and those that systemd made in it."""
    for folder, _, _ in os.walk(group, topdown=False):
        for _ in range(50):
            try:
                os.rmdir(folder)
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.02)  # a process that was killed is still going
