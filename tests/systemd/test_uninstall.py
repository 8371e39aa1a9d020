# SPDX-License-Identifier: Apache-2.0
"""Install and uninstall on a machine of their own: what was there before is there after."""

from typing import Any

from tests.systemd.robot import UNIT, Robot

PLACES = ('/etc', '/opt', '/usr/local', '/var/lib', '/run/avatar')
# What other programs of the machine write meanwhile, and the files of users.
OTHERS = ('/var/lib/(systemd|dbus|private|apt|dpkg|polkit)|'
          '/etc/(sub[ug]id|passwd|group|g?shadow|machine-id|[.](pwd[.]lock|updated))')


def snapshot(robot: Robot) -> set[str]:
    """Return every file, folder and link of the places where programs are installed."""
    find = f'find {" ".join(PLACES)} 2>/dev/null | grep -vE "{OTHERS}" | sort'
    return set(robot.machine.run('/bin/sh', '-c', find).splitlines())


def test_uninstall_leaves_nothing(boot: Any) -> None:
    robot = Robot(boot())
    before = snapshot(robot)
    code, said = robot.avatar('install', '--without-ros', '--sim', '--host', '127.0.0.1')
    assert code == 0, said
    assert 'Nothing was done' in said
    assert snapshot(robot) == before
    said = robot.install()
    assert 'avatar.service' in said
    again = robot.install()
    assert 'copy' not in again
    robot.start()
    robot.drives()
    robot.drop_in('test', '')
    robot.machine.run('rmdir', f'/etc/systemd/system/{UNIT}.d')
    # By the installed command, which takes itself away.
    robot.machine.run('avatar', 'uninstall', '--yes')
    assert robot.machine.path('/var/lib/avatar/avatar.db').exists()
    assert robot.machine.run('systemctl', 'is-active', UNIT, check=False).strip() == 'inactive'
    robot.avatar('uninstall', '--purge', '--yes')
    assert snapshot(robot) == before
    assert robot.machine.code('id', 'avatar')[0] != 0
