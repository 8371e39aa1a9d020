# SPDX-License-Identifier: Apache-2.0
"""Where ROS comes from: the wheels of PyPI where they exist, else an installed ROS 2."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

INSTALLED = Path('/opt/ros')
# The ones this project is written for come first.
DISTRIBUTIONS = ('jazzy', 'humble')
# What an installation of ROS that the shell has sourced would mix into the wheels.
FOREIGN = ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH', 'COLCON_PREFIX_PATH', 'LD_LIBRARY_PATH',
           'PYTHONHOME', 'PYTHONPATH', 'ROS_DISTRO', 'ROS_VERSION', 'ROS_PYTHON_VERSION',
           '_ROS_WHEELS_BOOTSTRAP_COMPLETE')
# Debian and Ubuntu packages of the libraries that the wheels expect of the system.
LIBRARIES = {
    'libatomic.so.1': 'libatomic1',
    'libcrypto.so.3': 'libssl3',
    'libgcc_s.so.1': 'libgcc-s1',
    'libssl.so.3': 'libssl3',
    'libstdc++.so.6': 'libstdc++6',
}


class NoRos(RuntimeError):
    """There is no ROS for this machine; the text says what to install."""


def has_wheels() -> bool:
    """Return whether PyPI has ROS wheels for this machine: Linux with glibc on x86-64."""
    return (sys.platform == 'linux' and platform.machine() == 'x86_64'
            and platform.libc_ver()[0] == 'glibc')


def installed(environ: dict[str, str]) -> Path | None:
    """
    Return the setup.sh of the ROS 2 to use, None for the wheels of PyPI.

    AVATAR_ROS_SETUP names one to be used even where there are wheels.
    """
    chosen = environ.get('AVATAR_ROS_SETUP')
    if chosen:
        if not Path(chosen).is_file():
            raise NoRos(f'AVATAR_ROS_SETUP={chosen}: there is no such file')
        return Path(chosen)
    if has_wheels():
        return None
    found = sorted(INSTALLED.glob('*/setup.sh'), key=lambda path: (
        DISTRIBUTIONS.index(path.parent.name) if path.parent.name in DISTRIBUTIONS else 9))
    if found:
        return found[0]
    raise NoRos(
        f'PyPI has ROS for Linux x86-64 only, and this is {platform.system()} '
        f'{platform.machine()}: install ROS 2 Jazzy or Humble (package ros-jazzy-ros-base or '
        'ros-humble-ros-base, see docs.ros.org), then run this again')


def sourced(setup: Path | None, environ: dict[str, str]) -> dict[str, str]:
    """Return the environment with the installed ROS in it, or without any for the wheels."""
    if setup is None:
        return {key: value for key, value in environ.items() if key not in FOREIGN}
    output = subprocess.run(
        ['sh', '-c', '. "$1" >/dev/null && env -0', 'sh', str(setup)],
        env=environ, capture_output=True, check=True).stdout
    pairs = (entry.partition('=') for entry in output.decode(errors='replace').split('\0'))
    return {key: value for key, _, value in pairs if key}


def missing_libraries(venv: Path, environ: dict[str, str]) -> set[str]:
    """Return the names of the system libraries that the wheels' libraries do not find."""
    libraries = [str(p) for p in venv.rglob('*.so*') if p.is_file() and not p.is_symlink()]
    own = {os.path.basename(path) for path in libraries} | {
        p.name for p in venv.rglob('*.so*') if p.is_symlink()}
    try:
        output = subprocess.run(['ldd', *libraries], env=environ, capture_output=True, text=True,
                                errors='replace', check=False).stdout
    except FileNotFoundError:
        return set()  # no ldd here: what Python said of the first one has to do
    return set(re.findall(r'^\s*(\S+) => not found', output, re.MULTILINE)) - own


def apt_line(libraries: set[str]) -> str:
    """Return what installs the libraries, as far as their packages are known."""
    packages = sorted({LIBRARIES.get(name, f'(the package of {name})') for name in libraries})
    return 'sudo apt install ' + ' '.join(packages)
