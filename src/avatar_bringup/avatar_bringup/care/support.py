# SPDX-License-Identifier: Apache-2.0
"""
`avatar support`: one archive for whoever is to help, without a secret of this robot in it.

Nothing is taken along as it is: each file and each answer of a command is text that goes through
`redact.py`. The accounts, keys, pictures and recordings are not among them at all.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from avatar_bringup import paths
from avatar_bringup.care import logs, running
from avatar_bringup.care.redact import Redactor
from avatar_bringup.care.versions import versions

MOST_FILE_BYTES = 400_000
MOST_BYTES = 12_000_000
COMMAND_S = 8.0
LEFT_OUT = '(the beginning is left out)\n'

# Below the state folder, besides the logs; what is not named here does not go out.
FILES = ('run/parts.json', 'run/supervisord.conf', 'settings.json', 'settings.json.previous',
         'gateway.port', 'motor/permit.json', 'motor/stop.json', 'motor/reverse.json')
PATTERNS = ('config/*.yaml', 'config/*.yml', 'run/*.log', 'run/*.log.1', 'run/*.yaml',
            'health*.json', 'health*.jsonl', 'health/*.json', 'health/*.jsonl', 'run/health*',
            'run/supervisord.log')
ELSEWHERE = ('/etc/os-release', '/etc/avatar/ros.env', '/etc/systemd/system/avatar.service',
             '/proc/cpuinfo', '/proc/meminfo', '/proc/loadavg', '/proc/uptime', '/proc/cmdline',
             '/proc/net/tcp', '/proc/net/tcp6', '/proc/net/udp', '/proc/asound/cards',
             '/proc/device-tree/model', '/run/avatar/holders.json')
LISTS = ('/dev/serial/by-id', '/dev/v4l/by-id', '/dev/v4l/by-path', '/dev/snd',
         '/opt/avatar/releases', '/etc/systemd/system')
COMMANDS: dict[str, tuple[str, ...]] = {
    'dmesg.txt': ('dmesg', '--ctime'),
    'disk.txt': ('df', '-h'),
    'addresses.txt': ('ip', '-br', 'address'),
    'routes.txt': ('ip', 'route'),
    'usb.txt': ('lsusb',),
    'cameras.txt': ('v4l2-ctl', '--list-devices'),
    'sound.txt': ('aplay', '-l'),
    'processes.txt': ('ps', '-eo', 'pid,ppid,user,pcpu,rss,stat,lstart,args', '--sort=pid'),
    'units.txt': ('systemctl', 'list-units', '--type=service', '--all', '--no-pager'),
    'unit.txt': ('systemctl', 'status', '--no-pager', '-l', 'avatar.service'),
    'throttled.txt': ('vcgencmd', 'get_throttled'),
}
SECRET_VARIABLES = re.compile(r'TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY')


def run(options: argparse.Namespace) -> int:
    """Write the archive, and say where it is."""
    state_dir: Path = options.state_dir or paths.state_dir(os.environ)
    target = options.file or Path(time.strftime('avatar-support-%Y%m%d-%H%M%S.zip'))
    names = write(state_dir, target, list(_texts(state_dir)), known_secrets(state_dir))
    print(f'{target}: {len(names)} files, {target.stat().st_size / 1e6:.1f} MB. Tokens, '
          'passwords, keys and addresses of services were taken out; still, look through it '
          'before you send it.')
    if os.geteuid() != 0:
        print('As root (sudo avatar support) it has the journal and what other users hold.')
    return 0


def write(
    state_dir: Path, target: Path, texts: list[tuple[str, Callable[[], str]]], known: set[str]
) -> list[str]:
    """Write the archive whole or not at all; return the names of what is in it."""
    redact = Redactor(known)
    names: list[str] = []
    left = MOST_BYTES
    with tempfile.TemporaryDirectory(prefix='.avatar-support-', dir=target.parent) as draft:
        whole = Path(draft) / 'support.zip'
        handle = os.open(whole, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(handle, 'w+b') as file, \
                zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as packed:
            for name, text_of in texts:
                try:
                    text = text_of()
                except Exception as error:  # noqa: BLE001 - one that fails must not cost the rest
                    text = f'could not be made: {type(error).__name__}: {error}'
                # The end is what matters. Cut at a line, or half a secret would not look like one.
                text = redact(_end(text, MOST_FILE_BYTES))
                data = _end(text, min(left, MOST_FILE_BYTES)).encode()
                left -= len(data)
                if data:
                    packed.writestr(f'avatar-support/{redact(name)}', data)
                    names.append(name)
        caller = os.environ.get('SUDO_UID', '')
        if os.geteuid() == 0 and caller.isdecimal():
            with contextlib.suppress(OSError):
                os.chown(whole, int(caller), -1)
        os.rename(whole, target)
    return names


def _end(text: str, most: int) -> str:
    data = text.encode()
    if len(data) <= most:
        return text
    room = most - len(LEFT_OUT)
    cut = data[len(data) - room:] if room > 0 else b''
    start = cut.find(b'\n') + 1
    return LEFT_OUT + cut[start:].decode(errors='replace') if start else ''


def _texts(state_dir: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield what goes in: a name, and what makes its text. The important first."""
    def values() -> dict[str, Any]:
        from avatar_bringup.care import status
        return status.gather(state_dir, os.environ)

    def doctor() -> str:
        from avatar_bringup.care import doctor
        return doctor.screen(doctor.examine(state_dir, os.environ))

    yield 'about.json', lambda: json.dumps({
        'made': time.strftime('%Y-%m-%dT%H:%M:%S%z'), 'as_root': os.geteuid() == 0,
        'machine': platform.uname()._asdict() | {'node': '-'}, **versions()}, indent=1)
    yield 'status.json', lambda: json.dumps(values(), indent=1)
    yield 'doctor.txt', doctor
    for name in FILES:
        if (state_dir / name).is_file():
            yield f'state/{name}', lambda name=name: _read(state_dir / name)  # type: ignore[misc]
    for pattern in PATTERNS:
        for path in sorted(state_dir.glob(pattern))[:60]:
            yield f'state/{path.relative_to(state_dir)}', lambda path=path: _read(path)  # type: ignore[misc]
    if logs.has_journal(logs.UNIT):
        yield 'journal.txt', lambda: _answer(tuple(
            logs.journal_command(logs.UNIT, None, False, 4000)))
    for name, command in COMMANDS.items():
        yield name, lambda command=command: _answer(command)  # type: ignore[misc]
    for name in ELSEWHERE:
        if Path(name).is_file():
            yield f'system{name}', lambda name=name: _read(Path(name))  # type: ignore[misc]
    yield 'lists.txt', lambda: '\n'.join(
        f'{folder}\n' + '\n'.join(f'  {line}' for line in _listed(Path(folder)))
        for folder in (*LISTS, str(state_dir), str(state_dir / 'run')))


def _read(path: Path) -> str:
    """Return the end of a file; links and pipes are not followed."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, 'rb') as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_FILE_BYTES:
            file.seek(-MOST_FILE_BYTES, 2)
            file.readline()
        return file.read(MOST_FILE_BYTES).decode(errors='replace')


def _listed(folder: Path) -> Iterator[str]:
    try:
        names = sorted(os.listdir(folder))[:200]
    except OSError as error:
        yield str(error.strerror)
        return
    for name in names:
        path = folder / name
        to = f' -> {os.readlink(path)}' if path.is_symlink() else ''
        about = path.lstat()
        yield f'{oct(about.st_mode)} {about.st_uid}:{about.st_gid} {about.st_size} {name}{to}'


def _answer(command: tuple[str, ...]) -> str:
    """Return what a command prints."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=COMMAND_S, check=False,
                              stdin=subprocess.DEVNULL, env={**os.environ, 'LC_ALL': 'C'})
    except FileNotFoundError:
        return f'{command[0]} is not installed'
    except subprocess.TimeoutExpired:
        return f'{command[0]} did not end within {COMMAND_S:g} s'
    return (done.stdout + done.stderr).decode(errors='replace')


# ---- what is known to be secret

def known_secrets(state_dir: Path) -> set[str]:
    """Return the secrets of this robot, as far as we may read them, to look for them by name."""
    found: set[str] = set()
    # Whom alerts go to is not in the archive, but some program may speak of it.
    for file in (*state_dir.glob('settings.json*'), *state_dir.glob('alerts/*.json')):
        found |= {text for text in _texts_in(_json(file)) if '://' in text}
    for file in (state_dir / 'turn_secret', *_named_files(state_dir)):
        with contextlib.suppress(OSError):
            found.add(_read(file).strip())
    with contextlib.suppress(OSError):
        for connection in Path('/etc/NetworkManager/system-connections').iterdir():
            found |= set(re.findall(r'(?m)^(?:psk|password|wep-key\d)=(.+)$', _read(connection)))
    for pid in (os.getpid(), *_own_processes(state_dir)):
        found |= {value for name, value in running.environment_of(pid).items()
                  if SECRET_VARIABLES.search(name)}
    return found


def _own_processes(state_dir: Path) -> list[int]:
    try:
        here = running.look(state_dir, os.environ)
    except running.NotAllowed:
        return []
    return [here.pid, *running.below(here.pid, running.parents())] if here.pid else []


def _named_files(state_dir: Path) -> Iterator[Path]:
    """Yield the files that the configuration names as holding a secret."""
    with contextlib.suppress(OSError):
        for name in re.findall(r'(?m)^\s*turn_secret_file:\s*["\']?([^"\'\s#]+)',
                               _read(state_dir / 'config' / 'gateway.yaml')):
            yield Path(name).expanduser()


def _json(path: Path) -> object:
    try:
        return json.loads(_read(path))
    except (OSError, ValueError, RecursionError):
        return None


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)
