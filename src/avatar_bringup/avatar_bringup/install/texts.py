# SPDX-License-Identifier: Apache-2.0
"""The texts of the files that an installation writes."""

import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath as Path

from avatar_node.environment import OVERRIDING, PROFILE_VARIABLE

UDEV = """\
# Written by `avatar install`.
# The board, by the USB serial chips that ESP32 boards have (CP210x, CH340, CH9102, FTDI, the
# ESP32's own). ModemManager would try each new port by talking to it, and the board takes any line
# as a sign of life.
ACTION=="remove", GOTO="avatar_end"
SUBSYSTEM!="tty", GOTO="avatar_camera"
SUBSYSTEMS=="usb", ATTRS{idVendor}=="10c4", ATTRS{idProduct}=="ea60", GOTO="avatar_board"
SUBSYSTEMS=="usb", ATTRS{idVendor}=="1a86", ATTRS{idProduct}=="7523|5523|55d4", GOTO="avatar_board"
SUBSYSTEMS=="usb", ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6001|6010|6015", GOTO="avatar_board"
SUBSYSTEMS=="usb", ATTRS{idVendor}=="303a", ATTRS{idProduct}=="1001", GOTO="avatar_board"
GOTO="avatar_end"
LABEL="avatar_board"
MODE="0660", GROUP="dialout", ENV{ID_MM_DEVICE_IGNORE}="1", ENV{ID_MM_PORT_IGNORE}="1"
LABEL="avatar_camera"
SUBSYSTEM=="video4linux", MODE="0660", GROUP="video"
SUBSYSTEM=="sound", KERNEL=="pcm*|control*", MODE="0660", GROUP="audio"
LABEL="avatar_end"
"""

# What the page's admin may do with the machine, by these actions of polkit.
_POWER = ('org.freedesktop.login1.reboot', 'org.freedesktop.login1.reboot-multiple-sessions',
          'org.freedesktop.login1.power-off',
          'org.freedesktop.login1.power-off-multiple-sessions')
_WIFI = ('org.freedesktop.NetworkManager.network-control',
         'org.freedesktop.NetworkManager.wifi.scan',
         'org.freedesktop.NetworkManager.enable-disable-wifi',
         'org.freedesktop.NetworkManager.settings.modify.system')

POLKIT_RULES = f"""\
// Written by `avatar install`: what avatar may do, and no other right.
polkit.addRule(function (action, subject) {{
    if (subject.user !== "avatar") {{
        return polkit.Result.NOT_HANDLED;
    }}
    // Reboot, power off and WiFi, asked for by an admin on the page.
    var allowed = [
{''.join(f'        "{name}",' + chr(10) for name in _POWER + _WIFI)}    ];
    if (allowed.indexOf(action.id) !== -1) {{
        return polkit.Result.YES;
    }}
    // A reload of its own unit: root looks who holds a port or a device. No start, no stop.
    if (action.id === "org.freedesktop.systemd1.manage-units" &&
            action.lookup("unit") === "avatar.service" && action.lookup("verb") === "reload") {{
        return polkit.Result.YES;
    }}
    return polkit.Result.NOT_HANDLED;
}});
"""

# polkit 0.105 cannot tell units and verbs apart: no reload by avatar itself there.
POLKIT_PKLA = f"""\
# Written by `avatar install`: what avatar may do, and no other right.
[avatar: reboot, power off and WiFi]
Identity=unix-user:avatar
Action={';'.join(_POWER + _WIFI)}
ResultAny=yes
ResultInactive=yes
ResultActive=yes
"""

JOURNALD = """\
# Written by `avatar install`: a journal never fills the card.
[Journal]
SystemMaxUse=200M
RuntimeMaxUse=50M
"""


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with each @NAME@ replaced; KeyError where one is unknown."""
    text = template
    for name, value in values.items():
        if f'@{name}@' not in text:
            raise KeyError(f'the unit has no @{name}@')
        text = text.replace(f'@{name}@', value)
    return text


def settings(port: int, domain: int, arguments: str) -> str:
    """Return /etc/avatar/avatar.env, which systemd and shells read."""
    return f"""\
# The robot's own settings; after a change: sudo systemctl restart avatar
# The page's port; all others move with it.
AVATAR_PORT={port}
# Robots of one network that shall not meet need different ones (0 to 101).
ROS_DOMAIN_ID={domain}
# Of `avatar run`: where the page can be reached, and what else `avatar run --help` shows.
AVATAR_ARGUMENTS="{arguments}"
"""


def environment(site: str, ros_setup: str, has_mediamtx: bool, own_python: bool = False) -> str:
    """Return what a shell sources to run a release; $here is the release's folder."""
    lines = ['# Sourced with $here = the folder of this release.']
    if ros_setup:
        lines.append(f'. {shlex.quote(ros_setup)}')
    lines += [
        'AMENT_PREFIX_PATH="$here/install${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"',
        f'PYTHONPATH="$here/install/{site}${{PYTHONPATH:+:$PYTHONPATH}}"',
        'PATH="$here/install/lib/avatar_bringup:$here/venv/bin:$here/bin:$PATH"',
        'export AMENT_PREFIX_PATH PYTHONPATH PATH PYTHONNOUSERSITE=1',
    ]
    if own_python:
        lines.append('export LD_LIBRARY_PATH="$here/python/lib'
                     '${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"')
    if has_mediamtx:
        lines.append('export AVATAR_MEDIAMTX="$here/bin/mediamtx"')
    return '\n'.join(lines) + '\n'


def wrapper(current: Path, config: Path, state: Path) -> str:
    """Return the `avatar` command."""
    return f"""\
#!/bin/sh
# Written by `avatar install`: the avatar command of the installed release.
# What runs keeps its release, whatever the link leads to later.
here=$(readlink -f {current})
# Who names a port or a state folder means another avatar than the installed one.
if [ -z "${{AVATAR_PORT:-}}${{AVATAR_STATE_DIR:-}}" ]; then
    set -a
    . {config}/avatar.env
    set +a
fi
export AVATAR_STATE_DIR="${{AVATAR_STATE_DIR:-{state}}}"
. "$here/environment"
exec "$here/venv/bin/python" "$here/install/lib/avatar_bringup/avatar" "$@"
"""


def ros_env(current: Path, config: Path) -> str:
    """Return /etc/avatar/ros.env, by which the shell of any user joins the robot's graph."""
    return f"""\
# Written by `avatar install`. Join the robot's ROS graph, as any user:  . {config}/ros.env
here=$(readlink -f {current})
. "$here/environment"
unset here {' '.join(OVERRIDING)}
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
export {PROFILE_VARIABLE}={config}/dds_loopback.xml
export ROS_AUTOMATIC_DISCOVERY_RANGE=SYSTEM_DEFAULT
ROS_DOMAIN_ID=$(. {config}/avatar.env && echo "$ROS_DOMAIN_ID")
export ROS_DOMAIN_ID
"""
