# SPDX-License-Identifier: Apache-2.0
"""Who a process is, and the command that takes it out of the way."""

import os
import subprocess
import sys

import pytest

from avatar_bringup.who import OUR_UNIT, Who, unit_in, way_out, who


@pytest.mark.parametrize('cgroup, unit', [
    ('0::/system.slice/avatar-tank.service\n', 'avatar-tank.service'),
    ('0::/system.slice/avatar.service/payload\n', 'avatar.service'),
    ('12:cpu:/\n1:name=systemd:/system.slice/mediamtx.service\n', 'mediamtx.service'),
    ('0::/user.slice/user-1000.slice/session-3.scope\n', ''),
    ('0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope\n', ''),
    ('0::/user.slice/user-1000.slice/user@1000.service/init.scope\n', ''),
    # The one of this machine, not of the container it runs.
    ('0::/system.slice/systemd-nspawn@old.service/payload/system.slice/avatar-tank.service\n',
     'systemd-nspawn@old.service'),
    ('0::/machine.slice/machine-old.scope/payload/system.slice/avatar-tank.service\n', ''),
    # What cron, ssh or a desktop started is not theirs: to stop them would end other things.
    ('0::/system.slice/cron.service\n', ''),
    ('0::/system.slice/ssh.service\n', ''),
    ('0::/\n', ''),
    ('', ''),
    ('nonsense\n', ''),
])
def test_the_unit_of_a_process(cgroup: str, unit: str) -> None:
    assert unit_in(cgroup) == (unit, False)


def test_a_users_unit_and_a_container() -> None:
    user = '0::/user.slice/user-1000.slice/user@1000.service/app.slice/robot.service\n'
    assert unit_in(user) == ('robot.service', True)
    container = '0::/system.slice/docker-' + 'a1b2c3d4e5f6' * 5 + 'abcd.scope\n'
    named = Who(7, 'x', unit_in(container)[0])
    assert named.next_step() == 'docker stop a1b2c3d4e5f6'


def test_the_next_step() -> None:
    assert Who(7, 'x').next_step() == 'kill -INT 7'
    assert Who(7, 'x', foreign=True).next_step() == 'sudo kill -INT 7'
    assert Who(7, 'x', 'old.service').next_step() == 'sudo systemctl disable --now old.service'
    assert Who(7, 'x', 'my.service', of_user=True).next_step() == \
        'systemctl --user disable --now my.service'
    assert Who(7, 'x', OUR_UNIT).next_step() == 'sudo systemctl stop avatar.service'
    assert Who(0).next_step('sudo fuser -v /dev/x') == 'sudo fuser -v /dev/x'


def test_our_own_unit_is_the_one_that_stays() -> None:
    ours, other, shell = Who(7, 'x', OUR_UNIT), Who(8, 'x', 'second.service'), Who(9, 'x')
    assert way_out(ours, other) == 'sudo systemctl disable --now second.service'
    assert way_out(other, ours) == 'sudo systemctl disable --now second.service'
    assert way_out(ours, shell) == 'sudo systemctl stop avatar.service'
    assert way_out(shell, other) == 'kill -INT 9'


def test_a_real_process() -> None:
    with subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE) as child:
        assert str(who(child.pid)).startswith(f'pid {child.pid} ({sys.executable} -c input()')
        child.kill()
    assert who(os.getpid()).pid == os.getpid()
    assert str(who(0)) == 'a process of another user (it cannot be seen from here)'
    assert str(who(2**22 + 1)) == f'pid {2**22 + 1} (its command line cannot be seen)'
