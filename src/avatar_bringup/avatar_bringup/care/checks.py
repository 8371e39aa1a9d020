# SPDX-License-Identifier: Apache-2.0
"""What the doctor looks at, one function each: it yields what it found, and the next step."""

import contextlib
import enum
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from avatar_bringup import media_server, paths
from avatar_bringup.care import running, switch
from avatar_bringup.care.running import Run
from avatar_bringup.health import history, probe, rules
from avatar_bringup.health.findings import KINDS, Finding, State
from avatar_bringup.health.machine import look as look_at_machine
from avatar_bringup.health.seen import Seen
from avatar_bringup.lock import Taken
from avatar_bringup.preflight import look as preflight
from avatar_bringup.preflight.finding import Kind
from avatar_bringup.preflight.second import check_port
from avatar_bringup.processes import Place, table
from avatar_bringup.run import has_ros
from avatar_bringup.session import place_of
from avatar_bringup.session import running as running_place
from avatar_camera import ffmpeg
from avatar_motor.permit import Permit
from avatar_web.door import tls
from avatar_web.door.keyring import WARN_DAYS, now_utc

ESSENTIAL = ('motor', 'gateway')
OF_THE_COMPUTER = ('disk', 'memory', 'temperature', 'power', 'clock', 'link')
SET_ASIDE = ('*.damaged-*', '*.unreadable', '*.broken-*', '*/*.unreadable', '*/*.broken-*')
NAMED_BY_HEALTH = {
    'disk_full': 'avatar backup --pictures to a stick, then delete recordings',
    'disk_low': 'delete recordings on the page, or give them less room: recordings_mb',
    'memory_low': 'avatar status says which part takes it',
    'undervoltage': 'a stronger power supply, a shorter and thicker cable',
    'hot': 'a fan, a heat sink, or a smaller profile of the picture',
    'throttled': 'a fan and a stronger power supply',
    'link_down': 'check router, antenna and data plan; nmcli device',
    'modem_down': 'check antenna and data plan; nmcli device',
    'clock_wrong': 'sudo timedatectl set-time "YYYY-MM-DD HH:MM"; with a network it sets itself',
    'clock_unsynchronised': 'with a network it sets itself: timedatectl',
}


class Level(enum.Enum):
    """How bad a thing is: not at all, worth a look, or it cannot be driven like this."""

    GOOD = 'good'
    LOOK = 'look'
    BAD = 'bad'


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what it is, what was found, and the next step."""

    level: Level
    what: str
    text: str
    do: str = ''


@dataclass
class Patient:
    """The robot that is looked at; what several looks need is found out once."""

    state_dir: Path
    environ: Mapping[str, str]

    @cached_property
    def run(self) -> Run:
        """Return what runs."""
        return running.look(self.state_dir, self.environ)

    @cached_property
    def mark(self) -> str:
        """Return the mark of the run that is going on, '' where there is none."""
        found = running_place(self.state_dir / 'run')
        return found[1] if found and self.run.pid else ''

    @cached_property
    def place(self) -> Place:
        """Return how it runs, else how it would."""
        found = running_place(self.state_dir / 'run')
        if found and self.run.pid:
            return found[0]
        environ = {**self.environ, 'AVATAR_STATE_DIR': str(self.state_dir)}
        return place_of(environ, sim=False)


def state_folder(patient: Patient) -> Iterator[Check]:
    """Whether the folder is there, ours, and can be written."""
    what, folder = 'state folder', patient.state_dir
    if not folder.exists():
        yield Check(Level.GOOD, what, f'{folder} is not there yet; the first start makes it')
        return
    running.check_readable(folder)
    about = folder.stat()
    if about.st_mode & 0o077:
        yield Check(Level.LOOK, what, f'{folder} can be read by others (mode '
                    f'{about.st_mode & 0o777:o})', f'sudo chmod 700 {folder}')
    problem = Permit(folder).problem() if (folder / 'motor').exists() else ''
    if problem:
        yield Check(Level.BAD, what, f'{problem} An emergency stop could be forgotten, so it '
                    'does not drive', 'free the disk, or mount it for writing')
    else:
        yield Check(Level.GOOD, what, str(folder))
    if switch.pending(folder):
        yield Check(Level.LOOK, 'restore', 'a restore was interrupted',
                    'start avatar: it finishes it first')
    aside = [path for pattern in SET_ASIDE for path in sorted(folder.glob(pattern))]
    if aside:
        yield Check(Level.LOOK, 'broken files', 'kept aside, because they could not be read: '
                    + ', '.join(str(path.relative_to(folder)) for path in aside[:5]),
                    'look into them, or restore a backup; then delete them')


def emergency_stop(patient: Patient) -> Iterator[Check]:
    """Whether the latch keeps it from driving."""
    if (patient.state_dir / 'motor').exists() and not Permit(patient.state_dir).is_there():
        yield Check(Level.LOOK, 'emergency stop', 'is latched: it stands until a person resets it',
                    'take control on the page and reset it there')
    else:
        yield Check(Level.GOOD, 'emergency stop', 'is not latched')


def programs(patient: Patient) -> Iterator[Check]:
    """Whether all that the table starts is installed."""
    rows, missing = table(patient.place), 0
    for row in rows:
        try:
            paths.program(row.package, row.executable, patient.environ)
        except paths.NotInstalled as problem:
            missing += 1
            yield Check(Level.BAD if row.essential else Level.LOOK, row.name, str(problem))
    if not missing:
        yield Check(Level.GOOD, 'programs', f'all {len(rows)} parts are installed')
    if not patient.place.sim and not has_ros(patient.environ):
        yield Check(Level.GOOD, 'ROS', 'is not installed; the parts run without it')


def picture(patient: Patient) -> Iterator[Check]:
    """Whether what makes and hands out the picture is there."""
    try:
        yield Check(Level.GOOD, 'MediaMTX', media_server.find(patient.environ))
    except paths.NotInstalled as problem:
        yield Check(Level.LOOK, 'MediaMTX', f'no picture: {problem}')
    try:
        yield Check(Level.GOOD, 'ffmpeg', ffmpeg.find(patient.environ).path)
    except ffmpeg.NoFfmpeg as problem:
        yield Check(Level.LOOK, 'ffmpeg', f'no picture: {problem}')


def accounts(patient: Patient) -> Iterator[Check]:
    """Whether somebody can sign in."""
    path = patient.state_dir / 'avatar.db'
    if not path.exists():
        yield Check(Level.LOOK, 'accounts', 'nobody has one yet', 'avatar users add NAME --role '
                    'admin, or open the link that the gateway prints')
        return
    try:
        with contextlib.closing(sqlite3.connect(f'{path.as_uri()}?mode=ro', uri=True)) as there:
            fault = there.execute('PRAGMA quick_check').fetchone()[0]
            roles = [role for (role,) in there.execute('SELECT role FROM users')]
    except sqlite3.Error as error:
        yield Check(Level.BAD, 'accounts', f'{path} cannot be read: {error}',
                    'restore a backup; or start avatar: it keeps the file aside')
        return
    if fault != 'ok':
        yield Check(Level.BAD, 'accounts', f'{path} is damaged: {fault}', 'restore a backup')
    elif 'admin' not in roles:
        yield Check(Level.LOOK, 'accounts', f'{len(roles)} accounts, and no admin among them',
                    'avatar users add NAME --role admin')
    else:
        yield Check(Level.GOOD, 'accounts', f'{len(roles)}, of which {roles.count("admin")} admin')


def configuration(patient: Patient) -> Iterator[Check]:
    """Whether the parameter files of the state folder can be read, and every name exists."""
    installed = paths.config_dir(patient.environ)
    files = sorted((patient.state_dir / 'config').glob('*.yaml'))
    for file in files:
        level = Level.BAD if file.stem in ESSENTIAL else Level.LOOK
        problem = problem_of(file, installed / file.name)
        if problem:
            yield Check(level, file.name, f'{file}: {problem}',
                        f'mend it, or remove it: {installed / file.name} says what there is')
    if not any(problem_of(file, installed / file.name) for file in files):
        yield Check(Level.GOOD, 'configuration', f'{len(files)} files of your own')


def problem_of(file: Path, installed: Path) -> str:
    """Return why a node would not start with a parameter file, '' if it would."""
    try:
        own = parameters(file)
    except (OSError, ValueError, yaml.YAMLError) as error:
        return f'cannot be read: {" ".join(str(error).split())}'
    if not installed.is_file():
        return f'there is no part {file.stem}'
    unknown = own.keys() - parameters(installed).keys() - {'use_sim_time'}
    return f'there is no parameter {", ".join(sorted(map(str, unknown)))}' if unknown else ''


def parameters(file: Path) -> Mapping[str, object]:
    """Return the parameters of a file of ours; ValueError where it has another form."""
    value = yaml.safe_load(file.read_text())
    try:
        return dict(value['/**']['ros__parameters'])
    except (LookupError, TypeError, ValueError):
        raise ValueError("it does not begin with '/**: ros__parameters:'") from None


def certificate(patient: Patient) -> Iterator[Check]:
    """How long what browsers see is valid."""
    for name, what in ((tls.BROUGHT, 'the one that was brought'), (tls.OWN, 'the own one')):
        try:
            _, about = tls.read_file(patient.state_dir / 'tls' / name, now_utc())
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as problem:
            yield Check(Level.LOOK, 'certificate', f'{what} cannot be used: {problem}',
                        'avatar tls --cert FILE --key FILE, or avatar tls --own')
            continue
        days = about.days_left(now_utc())
        is_short = days < WARN_DAYS and name == tls.BROUGHT
        yield Check(Level.LOOK if is_short else Level.GOOD, 'certificate',
                    f'{what}, {days:.0f} days left',
                    'avatar tls --cert FILE --key FILE' if is_short else '')
        return


def held(patient: Patient) -> Iterator[Check]:
    """Whether somebody else holds what the parts need, or starts the same."""
    found = preflight.findings(patient.place, patient.environ, run=patient.mark)
    taken = '' if patient.run.pid else problem_of_port(patient.place)
    if taken:
        yield Check(Level.BAD, 'gateway', taken)
    for one in found:
        is_bad = one.kind is Kind.HELD and one.part in ESSENTIAL
        yield Check(Level.BAD if is_bad else Level.LOOK, one.part or one.kind.value, str(one))
    if not found and not taken:
        yield Check(Level.GOOD, 'ports, devices', 'nobody else holds any')


def problem_of_port(place: Place) -> str:
    """Return why a start would be refused as a second copy, '' if it would not."""
    try:
        check_port(place.host, place.port)
    except Taken as taken:
        return str(taken)
    return ''


def devices(patient: Patient) -> Iterator[Check]:
    """Whether board, camera and sound card are there, and may be opened."""
    if patient.place.sim:
        yield Check(Level.GOOD, 'devices', 'are simulated')
        return
    for what, folder, pattern, group, missing in (
            ('motor board', '/dev/serial/by-id', '*', 'dialout', Level.BAD),
            ('camera', '/dev', 'video*', 'video', Level.LOOK),
            ('sound card', '/dev/snd', 'pcm*', 'audio', Level.LOOK)):
        there = sorted(Path(folder).glob(pattern)) if Path(folder).is_dir() else []
        closed = [path for path in there if not os.access(path, os.R_OK | os.W_OK)]
        if not there:
            yield Check(missing, what, 'none is connected',
                        'plug it in; dmesg says whether the kernel sees it')
        elif closed:
            yield Check(Level.LOOK, what, f'{closed[0]} may not be opened by this user',
                        f'sudo usermod -aG {group} USER, then sign in again')
        else:
            yield Check(Level.GOOD, what, ', '.join(path.name for path in there[:4]))


def machine(patient: Patient) -> Iterator[Check]:
    """Disk, memory, temperature, power, clock and link, judged as the health node does."""
    limits = rules.Thresholds(camera=False, is_robot=not patient.place.sim)
    seen = Seen(now_s=0.0, started_s=0.0, machine=look_at_machine(patient.state_dir),
                earliest_s=history.read(patient.state_dir)['seen'])
    found = [one for one in rules.evidence(seen, limits, lambda _code: False)
             if one.part in OF_THE_COMPUTER]
    for one in found:
        finding = Finding(one.code, one.part, one.values, 0.0)
        level = Level.BAD if KINDS[one.code].state is State.STOPPED else Level.LOOK
        yield Check(level, one.part, finding.text, NAMED_BY_HEALTH.get(one.code, ''))
    if not found:
        yield Check(Level.GOOD, 'computer', 'disk, memory, temperature, power, clock, link')


def unit(patient: Patient) -> Iterator[Check]:
    """Whether systemd starts it at boot."""
    if not Path('/run/systemd/system').is_dir() or shutil.which('systemctl') is None:
        return
    answer = subprocess.run(
        ['systemctl', 'show', 'avatar.service', '-p',
         'LoadState,UnitFileState,ActiveState,Result'],
        capture_output=True, text=True, timeout=5, check=False).stdout
    values = dict(line.split('=', 1) for line in answer.splitlines() if '=' in line)
    if values.get('LoadState') != 'loaded':
        yield Check(Level.GOOD, 'unit', 'is not installed: avatar is started by hand '
                    '(sudo avatar install makes it come up by itself)')
    elif values.get('ActiveState') == 'failed':
        yield Check(Level.BAD, 'unit', f'avatar.service failed: {values.get("Result", "?")}',
                    'avatar logs; then sudo systemctl restart avatar')
    elif values.get('UnitFileState') != 'enabled':
        yield Check(Level.LOOK, 'unit', 'avatar.service is not enabled: after a boot nobody '
                    'starts it', 'sudo systemctl enable avatar')
    else:
        yield Check(Level.GOOD, 'unit', f'avatar.service is {values.get("ActiveState", "?")}')


def run(patient: Patient) -> Iterator[Check]:
    """Whether it runs, and what the parts say of themselves."""
    here = patient.run
    if not here.pid:
        yield Check(Level.LOOK, 'avatar', f'does not run on {patient.state_dir}',
                    'sudo systemctl start avatar, or avatar up')
        return
    for part in running.parts(here, over_s=0.0):
        if part.state == 'given_up':
            yield Check(Level.BAD if part.name in ESSENTIAL else Level.LOOK, part.name,
                        f'does not start and was given up: {part.words}',
                        f'avatar logs {part.name}')
        elif part.state == 'restarting':
            yield Check(Level.LOOK, part.name, f'ended and is started again: {part.words}',
                        f'avatar logs {part.name}')
    health = probe(None, here.port)
    if health.drivable:
        yield Check(Level.GOOD, 'avatar', f'runs (pid {here.pid}) and can be driven')
    elif health.answers:
        yield Check(Level.BAD, 'avatar', f'runs (pid {here.pid}) and has no board',
                    'avatar status says why')
    else:
        yield Check(Level.BAD, 'avatar', f'runs (pid {here.pid}), and its gateway does not answer '
                    f'on port {here.port}', 'avatar logs gateway')
    yield from _said(here)


def _said(here: Run) -> Iterator[Check]:
    from avatar_bringup.care import status
    heard = status.heard(here, status.HEAR_S)
    if heard.get('graph_problem'):
        yield Check(Level.LOOK, 'DDS', f'cannot be used: {heard["graph_problem"]}')
    for one in (heard.get('health') or {}).get('findings', []):
        level = Level.BAD if one.get('state') == 'STOPPED' else Level.LOOK
        yield Check(level, str(one.get('part') or 'health'), str(one.get('text', '?')),
                    NAMED_BY_HEALTH.get(str(one.get('code')), ''))


LOOKS: tuple[Callable[[Patient], Iterator[Check]], ...] = (
    state_folder, emergency_stop, programs, picture, configuration, accounts, certificate, held,
    devices, machine, unit, run)
