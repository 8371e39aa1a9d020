# SPDX-License-Identifier: Apache-2.0
"""What is on the machine, and what was built: read, never written."""

import grp
import hashlib
import os
import pwd
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from avatar_bringup import paths
from avatar_bringup.install.plan import DEVICE_GROUPS, USER, Built, Machine
from avatar_node.environment import DDS_PROFILE


def machine(root: Path) -> Machine:
    """Return what there is on this machine, its files below `root`."""
    pages = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    cgroups = Path('/sys/fs/cgroup')
    controllers = cgroups / 'cgroup.controllers'
    return Machine(
        memory_mb=pages // 2**20,
        cores=len(os.sched_getaffinity(0)),
        groups=frozenset(g for g in DEVICE_GROUPS if _has(grp.getgrnam, g)),
        has_user=_has(pwd.getpwnam, USER),
        memory_limits=('memory' in controllers.read_text().split() if controllers.is_file()
                       else (cgroups / 'memory').is_dir()),
        polkit_rules=(root / 'etc/polkit-1/rules.d').is_dir(),
        polkit_pkla=(root / 'etc/polkit-1/localauthority/50-local.d').is_dir(),
        journald=(root / 'etc/systemd').is_dir(),
        udev=Path('/run/udev/control').exists(),
    )


def _has(look_up: object, name: str) -> bool:
    try:
        look_up(name)  # type: ignore[operator]
    except KeyError:
        return False
    return True


def built(environ: Mapping[str, str], without_ros: bool) -> Built:
    """Return what runs this; NotInstalled says what is missing."""
    prefix = paths.config_dir(environ).parents[2]
    marker = next(prefix.glob('**/avatar_node/__init__.py'), None)
    if marker is None:
        raise paths.NotInstalled(f'{prefix} has no avatar_node: make build')
    ros = '' if without_ros else ros_setup(environ)
    if sys.prefix == sys.base_prefix:
        raise paths.NotInstalled(
            'this runs without the environment that make build makes: sudo tools/avatar install')
    mediamtx = environ.get('AVATAR_MEDIAMTX')
    share = prefix / 'share' / 'avatar_bringup'
    venv = Path(sys.prefix)
    return Built(
        name=release_name(prefix, venv, share / 'package.xml'),
        prefix=PurePosixPath(prefix),
        venv=PurePosixPath(venv),
        site=str(marker.parents[1].relative_to(prefix)),
        ros_setup=ros,
        mediamtx=PurePosixPath(mediamtx) if mediamtx else None,
        python=None if _everybodys(Path(sys.base_prefix)) else PurePosixPath(sys.base_prefix),
        unit_template=(share / 'systemd' / 'avatar.service').read_text(),
        dds_profile=DDS_PROFILE.read_text(),
    )


def _everybodys(prefix: Path) -> bool:
    return prefix.resolve().parts[1:2] in (('usr',), ('opt',), ('nix',))


def ros_setup(environ: Mapping[str, str]) -> str:
    """Return the setup.sh of the ROS installation that the packages were built on."""
    for prefix in paths.prefixes(environ):
        if prefix.parent == Path('/opt/ros') and (prefix / 'setup.sh').is_file():
            return str(prefix / 'setup.sh')
    raise paths.NotInstalled(
        'no ROS installation (/opt/ros/...) is in AMENT_PREFIX_PATH. With one: source its '
        'setup.bash, build, then install. Without: --without-ros installs the same service over '
        "the demo's environment")


def release_name(prefix: Path, venv: Path, package_xml: Path) -> str:
    """Return version and fingerprint of what is installed: the same build has the same name."""
    version = package_xml.read_text().partition('<version>')[2].partition('<')[0]
    seen = hashlib.sha256()
    for path in sorted(_code(prefix)):
        seen.update(f'{path.relative_to(prefix)}\0'.encode())
        seen.update(path.read_bytes())
    for name in sorted(p.name for p in venv.glob('lib/python*/site-packages/*.dist-info')):
        seen.update(name.encode())
    return f'{version}-{seen.hexdigest()[:8]}'


def _code(prefix: Path) -> Iterator[Path]:
    for path in prefix.rglob('*'):
        if path.is_file() and path.suffix != '.pyc':
            yield path
