# SPDX-License-Identifier: Apache-2.0
"""Which version this is."""

import platform
from importlib import metadata

PACKAGES = ('avatar-bringup', 'aiohttp', 'argon2-cffi', 'apprise', 'cryptography', 'numpy',
            'psutil', 'pyserial', 'PyYAML', 'supervisor', 'ros-jazzy-rclpy')


def version() -> str:
    """Return the version of avatar, '?' where it runs from its sources."""
    return versions().get('avatar-bringup', '?')


def versions() -> dict[str, str]:
    """Return the versions of Python, of avatar, and of the packages that matter to it."""
    found = {'python': platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
