# SPDX-License-Identifier: Apache-2.0
"""Who a process is, for a person who wants it out of the way: pid, command line, unit, and how."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from avatar_bringup.sockets import command_line

OUR_UNIT = 'avatar.service'
PROC = Path('/proc')
LONGEST_COMMAND = 160
# A unit that only happens to be where it was started from: to stop it would end other things.
_NOT_ITS_OWN = re.compile(r'(crond?|anacron|atd|sshd?(@.*)?|getty@.*|serial-getty@.*|dbus|'
                          r'gdm\d?|lightdm|sddm|systemd-(?!nspawn).*)\.service$')
_CONTAINER = re.compile(r'(docker|libpod)-([0-9a-f]{12})[0-9a-f]*\.scope$')


@dataclass(frozen=True)
class Who:
    """A process; pid 0 if it may not be seen from here. `unit` is '' if it has none of its own."""

    pid: int
    command: str = ''
    unit: str = ''
    of_user: bool = False
    """Its unit belongs to a user's own systemd."""
    foreign: bool = False
    """It belongs to another user."""

    def __str__(self) -> str:
        if not self.pid:
            return 'a process of another user (it cannot be seen from here)'
        unit = f', unit {self.unit}' if self.unit else ''
        return f'pid {self.pid} ({self.command or "its command line cannot be seen"}{unit})'

    def next_step(self, hidden: str = '') -> str:
        """Return the command that takes it out of the way; `hidden` is how to find it."""
        container = _CONTAINER.fullmatch(self.unit)
        if container:
            return f'{"docker" if container[1] == "docker" else "podman"} stop {container[2]}'
        if self.unit == OUR_UNIT:
            return f'sudo systemctl stop {self.unit}'
        if self.unit:
            systemctl = 'systemctl --user' if self.of_user else 'sudo systemctl'
            return f'{systemctl} disable --now {self.unit}'
        if self.pid:
            return f'{"sudo " if self.foreign else ""}kill -INT {self.pid}'
        return hidden


def unit_in(cgroup: str) -> tuple[str, bool]:
    """Return the unit the text of /proc/PID/cgroup names ('' where none), and whether a user's."""
    for line in cgroup.splitlines():
        number, controllers, path = (line.split(':', 2) + ['', ''])[:3]
        if number != '0' and controllers != 'name=systemd':
            continue
        names = [name for name in path.split('/') if name]
        of_user = any(name.startswith('user@') for name in names)
        for name in names:  # what lies deeper is of a container's own systemd
            if _CONTAINER.fullmatch(name):
                return name, False
            if name.endswith('.scope'):  # a login, or what a person started
                return '', False
            if name.endswith('.service') and not name.startswith('user@'):
                return ('', False) if _NOT_ITS_OWN.fullmatch(name) else (name, of_user)
    return '', False


def unit_of(pid: int, proc: Path = PROC) -> tuple[str, bool]:
    """Return the unit of a process, and whether it is of a user's own systemd."""
    try:
        return unit_in((proc / str(pid) / 'cgroup').read_text())
    except OSError:
        return '', False


def who(pid: int, proc: Path = PROC) -> Who:
    """Describe a process; 0 is one that may not be seen."""
    if not pid:
        return Who(0)
    unit, of_user = unit_of(pid, proc)
    try:
        foreign = os.geteuid() not in (0, os.stat(proc / str(pid)).st_uid)
    except OSError:
        foreign = False
    return Who(pid, command_line(pid, proc)[:LONGEST_COMMAND], unit, of_user, foreign)


def way_out(holder: Who, own: Who, hidden: str = '') -> str:
    """
    Return the command after which one copy is left, where a second one is refused.

    avatar.service is the one that stays: where it runs, and another unit started the second copy,
    that other unit is what should go.
    """
    if holder.unit == OUR_UNIT and own.unit not in ('', OUR_UNIT):
        return own.next_step()
    return holder.next_step(hidden)
