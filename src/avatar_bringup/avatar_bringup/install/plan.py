# SPDX-License-Identifier: Apache-2.0
"""What an installation consists of, as data. Pure: nothing is read or written here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath as Path

from avatar_bringup.install import texts

OPT = Path('/opt/avatar')
CURRENT = OPT / 'current'
MANIFEST = OPT / 'installed.json'
CONFIG = Path('/etc/avatar')
STATE = Path('/var/lib/avatar')
RUNTIME = Path('/run/avatar')
UNIT = Path('/etc/systemd/system/avatar.service')
WRAPPER = Path('/usr/local/bin/avatar')
USER = 'avatar'
# What the board (serial), the camera and the sound card belong to.
DEVICE_GROUPS = ('dialout', 'video', 'audio')


@dataclass(frozen=True)
class Machine:
    """What there is already on the machine."""

    memory_mb: int
    cores: int
    groups: frozenset[str] = frozenset(DEVICE_GROUPS)
    has_user: bool = False
    memory_limits: bool = True  # the kernel counts memory per service
    polkit_rules: bool = True  # /etc/polkit-1/rules.d, polkit 0.106 and later
    polkit_pkla: bool = False  # localauthority, polkit 0.105 of Ubuntu 22.04
    journald: bool = True
    udev: bool = True


@dataclass(frozen=True)
class Built:
    """
    What was built, and what it runs on.

    `site` is where in `prefix` the modules are; `name` names the release; `ros_setup` is the
    setup.sh of a ROS installation, '' where the environment in `venv` brings ROS itself. `python`
    is the Python below `venv` where that lies in somebody's home, which no service sees.
    """

    name: str
    prefix: Path
    venv: Path
    site: str
    ros_setup: str = ''
    mediamtx: Path | None = None
    python: Path | None = None
    unit_template: str = ''
    dds_profile: str = ''


@dataclass(frozen=True)
class Options:
    """What the person chose."""

    arguments: str = '--host 0.0.0.0'
    port: int = 8080
    domain: int = 0
    start: bool = True


@dataclass(frozen=True)
class File:
    """One file; `keep` = a person's from then on: written only where there is none."""

    path: Path
    text: str
    mode: int = 0o644
    keep: bool = False


@dataclass(frozen=True)
class Command:
    """A command, and in three words what for."""

    words: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Plan:
    """Everything an installation does, in this order; `notes` are for the person to read."""

    release: Path
    before: tuple[Command, ...] = ()
    trees: Mapping[Path, Path] = field(default_factory=dict)  # from, to
    files: tuple[File, ...] = ()
    links: Mapping[Path, Path] = field(default_factory=dict)  # name, what it leads to
    after: tuple[Command, ...] = ()
    notes: tuple[str, ...] = ()
    makes_user: bool = False


def installation(machine: Machine, built: Built, options: Options) -> Plan:
    """Return what installs avatar as a service of this machine."""
    release = OPT / 'releases' / built.name
    groups = [g for g in DEVICE_GROUPS if g in machine.groups]
    trees = {built.prefix: release / 'install', built.venv: release / 'venv'}
    if built.mediamtx:
        trees[built.mediamtx] = release / 'bin' / 'mediamtx'
    if built.python:
        trees[built.python] = release / 'python'
    return Plan(
        release=release,
        makes_user=not machine.has_user,
        before=() if machine.has_user else (Command((
            'useradd', '--system', '--user-group', '--home-dir', str(STATE), '--no-create-home',
            '--shell', '/usr/sbin/nologin', '--comment', 'avatar, a telepresence robot', USER),
            'its own user'),),
        trees=trees,
        files=tuple(_files(machine, built, options, release, groups)),
        links={CURRENT: release},
        after=tuple(_after(machine, options)),
        notes=tuple(_notes(machine, groups, bool(built.mediamtx))),
    )


def _files(
    machine: Machine, built: Built, options: Options, release: Path, groups: list[str]
) -> Iterable[File]:
    yield File(release / 'environment', texts.environment(
        built.site, built.ros_setup, bool(built.mediamtx), bool(built.python)))
    yield File(CONFIG / 'avatar.env', texts.settings(
        options.port, options.domain, options.arguments), keep=True)
    yield File(CONFIG / 'dds_loopback.xml', built.dds_profile)
    yield File(CONFIG / 'ros.env', texts.ros_env(CURRENT, CONFIG))
    yield File(WRAPPER, texts.wrapper(CURRENT, CONFIG, STATE), 0o755)
    yield File(Path('/etc/udev/rules.d/70-avatar.rules'), texts.UDEV)
    if machine.polkit_rules:
        yield File(Path('/etc/polkit-1/rules.d/49-avatar.rules'), texts.POLKIT_RULES)
    if machine.polkit_pkla:
        yield File(Path('/etc/polkit-1/localauthority/50-local.d/49-avatar.pkla'),
                   texts.POLKIT_PKLA)
    if machine.journald:
        yield File(Path('/etc/systemd/journald.conf.d/50-avatar.conf'), texts.JOURNALD)
    yield File(UNIT, texts.filled(built.unit_template, {
        'MEMORY_MAX': f'{memory_max_mb(machine.memory_mb)}M',
        'CPU_QUOTA': f'{cpu_quota_percent(machine.cores)}%',
        'GROUPS': ' '.join(groups),
        'DOCS': f'{release}/install/share/avatar_bringup'}))


def memory_max_mb(total_mb: int) -> int:
    """Return what avatar may take: three times what it needs, and never what ssh needs."""
    return min(1500, total_mb * 6 // 10)


def cpu_quota_percent(cores: int) -> int:
    """Return the processor time it may take: all but a third of a core."""
    return max(cores * 100 - 35, 65)


def _after(machine: Machine, options: Options) -> Iterable[Command]:
    yield Command(('systemctl', 'daemon-reload'), 'systemd reads the unit')
    if machine.udev:
        yield Command(('udevadm', 'control', '--reload'), 'udev reads the rules')
        yield Command(('udevadm', 'trigger', '--subsystem-match=tty',
                       '--subsystem-match=video4linux', '--subsystem-match=sound'),
                      'and applies them to what is plugged in')
    if machine.journald:
        yield Command(('systemctl', 'try-restart', 'systemd-journald.service'),
                      'the journal keeps to its size')
    yield Command(('systemctl', 'enable', 'avatar.service'), 'it comes up at every boot')
    if options.start:
        yield Command(('systemctl', 'start', '--no-block', 'avatar.service'),
                      'and now, unless it runs')


def _notes(machine: Machine, groups: list[str], has_mediamtx: bool) -> Iterable[str]:
    missing = [g for g in DEVICE_GROUPS if g not in groups]
    if missing:
        yield f'there is no group {", ".join(missing)} here: such devices cannot be opened'
    if not machine.memory_limits:
        yield ('this kernel counts no memory per service, so MemoryMax= has no effect. On a '
               'Raspberry Pi add "cgroup_enable=memory" to the one line of '
               '/boot/firmware/cmdline.txt and reboot')
    if not has_mediamtx:
        yield 'MediaMTX was not built: the robot will drive, but show no picture (make build)'
    if not machine.polkit_rules and not machine.polkit_pkla:
        yield 'there is no polkit: reboot, power off and WiFi will not work from the page'


def removal(
    wrote: Mapping[str, str], now: Mapping[str, str | None], purge: bool, made_user: bool
) -> tuple[list[str], dict[str, str], list[Command]]:
    """
    Return (paths to remove, paths that stay and why, commands that come after).

    `wrote` has the fingerprint of each file as we wrote it, `now` as it is (None = gone).
    """
    gone, stay = [], {}
    for path, was in wrote.items():
        if now.get(path) is None:
            continue
        if now[path] == was or purge:
            gone.append(path)
        else:
            stay[path] = 'somebody changed it since; --purge removes it, too'
    # udev looks at the folder of its rules by itself.
    after = [Command(('systemctl', 'daemon-reload'), 'systemd forgets the unit')]
    if purge and made_user:
        after.append(Command(('userdel', USER), 'its user'))
    elif not purge:
        stay[str(STATE)] = ('accounts, settings, words, pictures and recordings; --purge removes '
                            'them, and the user')
    return gone, stay, after
