# SPDX-License-Identifier: Apache-2.0
"""What an installation writes, into an image of a machine, and how it goes away again."""

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from avatar_bringup.install import plan as plans
from avatar_bringup.install.apply import Refused, Target
from avatar_bringup.install.plan import Built, Machine, Options, installation
from avatar_bringup.lock import EXIT_TAKEN
from avatar_node.environment import DDS_PROFILE, dds_environment

TEMPLATE = Path(__file__).parents[1] / 'systemd' / 'avatar.service'
MACHINE = Machine(memory_mb=4000, cores=4)


@pytest.fixture
def built(tmp_path: Path) -> Built:
    """Something small that was built."""
    prefix, venv = tmp_path / 'built', tmp_path / 'venv'
    for path in (prefix / 'lib/avatar_bringup/avatar', prefix / 'site/avatar_node/__init__.py',
                 venv / 'bin/python', tmp_path / 'mediamtx'):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{path.name}\n')
    (venv / 'bin/python3').symlink_to('python')
    (venv / 'bin/python').chmod(0o700)
    return Built('1.0-abc', PurePosixPath(prefix), PurePosixPath(venv), 'site',
                 mediamtx=PurePosixPath(tmp_path / 'mediamtx'),
                 unit_template=TEMPLATE.read_text(), dds_profile=DDS_PROFILE.read_text())


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A machine's file system, with something of its own."""
    root = tmp_path / 'image'
    for folder in ('etc/systemd/system', 'usr/local/bin', 'opt', 'var/lib/other'):
        (root / folder).mkdir(parents=True)
    (root / 'etc/systemd/system/ssh.service').write_text('[Service]\nExecStart=/usr/sbin/sshd\n')
    return root


def target(root: Path) -> Target:
    return Target(root, print)


def snapshot(root: Path) -> dict[str, str]:
    """Return every file, link and folder below `root`."""
    return {str(p.relative_to(root)): os.readlink(p) if p.is_symlink() else
            p.read_text() if p.is_file() else 'folder' for p in root.rglob('*')}


def plan_for(built: Built, **options: object) -> plans.Plan:
    return installation(MACHINE, built, replace(Options(), **options))  # type: ignore[arg-type]


def unit_text(built: Built) -> str:
    return next(f.text for f in plan_for(built).files if f.path == plans.UNIT)


def test_a_dry_run_shows_every_file_and_command_and_does_nothing(
    built: Built, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(image)
    plan = plan_for(built)
    target(image).show(plan, contents=True)
    shown = capsys.readouterr().out
    for file in plan.files:
        assert str(file.path) in shown
        assert file.text.splitlines()[0] in shown
    for command in (*plan.before, *plan.after):
        assert shlex.join(command.words) in shown
    assert snapshot(image) == before


def test_install_twice_is_install_once_and_uninstall_leaves_nothing(
    built: Built, image: Path
) -> None:
    before = snapshot(image)
    target(image).install(plan_for(built))
    once = snapshot(image)
    assert {'opt/avatar/current', 'usr/local/bin/avatar', 'etc/avatar/ros.env',
            'opt/avatar/releases/1.0-abc/bin/mediamtx'} <= set(once)
    assert os.access(image / 'usr/local/bin/avatar', os.X_OK)
    target(image).install(plan_for(built))
    assert snapshot(image) == once
    target(image).uninstall(purge=False, do_it=False)
    assert snapshot(image) == once
    target(image).uninstall(purge=True, do_it=True)
    assert snapshot(image) == before


def test_what_a_person_changed_stays(built: Built, image: Path) -> None:
    target(image).install(plan_for(built))
    settings = image / 'etc/avatar/avatar.env'
    settings.write_text('AVATAR_PORT=9000\n')
    (image / 'etc/systemd/system/avatar.service').write_text('mine\n')
    target(image).install(plan_for(built))
    assert settings.read_text() == 'AVATAR_PORT=9000\n'
    assert (image / 'etc/systemd/system/avatar.service.old').read_text() == 'mine\n'
    assert target(image).uninstall(purge=False, do_it=True) == 2
    assert settings.read_text() == 'AVATAR_PORT=9000\n'
    # What stays is still known: a later --purge takes it.
    target(image).uninstall(purge=True, do_it=True)
    assert not settings.exists()


def test_the_state_stays_unless_purged(built: Built, image: Path) -> None:
    target(image).install(plan_for(built))
    accounts = image / 'var/lib/avatar/avatar.db'
    accounts.parent.mkdir()
    accounts.write_text('ana')
    target(image).uninstall(purge=False, do_it=True)
    assert accounts.read_text() == 'ana'
    target(image).uninstall(purge=True, do_it=True)
    assert not accounts.parent.exists()
    assert not (image / 'opt/avatar').exists()


def test_a_file_of_somebody_else_is_in_the_way_and_nothing_is_written(
    built: Built, image: Path
) -> None:
    (image / 'usr/local/bin/avatar').write_text('#!/bin/sh\n# another avatar\n')
    before = snapshot(image)
    with pytest.raises(Refused, match='/usr/local/bin/avatar'):
        target(image).install(plan_for(built))
    assert snapshot(image) == before


def test_an_installation_cut_off_half_way_can_be_taken_away(built: Built, image: Path) -> None:
    before = snapshot(image)
    missing = replace(built, mediamtx=PurePosixPath('/nowhere/mediamtx'))
    with pytest.raises(FileNotFoundError):
        target(image).install(plan_for(missing))
    assert not (image / 'opt/avatar/current').exists()
    target(image).uninstall(purge=True, do_it=True)
    assert snapshot(image) == before


def test_a_damaged_list_removes_nothing(built: Built, image: Path) -> None:
    target(image).install(plan_for(built))
    (image / 'opt/avatar/installed.json').write_text('{"files": ')
    with pytest.raises(Refused, match='damaged'):
        target(image)


def test_a_new_release_lies_beside_the_old_one(built: Built, image: Path) -> None:
    target(image).install(plan_for(built))
    target(image).install(plan_for(replace(built, name='1.1-def')))
    assert os.readlink(image / 'opt/avatar/current') == '/opt/avatar/releases/1.1-def'
    assert (image / 'opt/avatar/releases/1.0-abc').is_dir()
    manifest = json.loads((image / 'opt/avatar/installed.json').read_text())
    assert manifest['releases'] == ['1.0-abc', '1.1-def']
    target(image).uninstall(purge=True, do_it=True)
    assert not (image / 'opt/avatar').exists()


def test_everybody_may_read_what_a_strict_umask_hid_and_only_root_writes(
    built: Built, image: Path
) -> None:
    Path(built.venv).chmod(0o700)
    target(image).install(plan_for(built))
    for path in (image / 'opt/avatar').rglob('*'):
        if not path.is_symlink():
            mode = path.stat().st_mode
            assert mode & 0o444 == 0o444, path
            assert mode & 0o022 == 0, path
            assert mode & 0o001 or not (path.is_dir() or mode & 0o100), path


# --- the unit


def test_the_unit_says_what_was_decided(built: Built) -> None:
    text = unit_text(built)
    for line in ('Type=notify', 'NotifyAccess=all', 'WatchdogSec=10', 'OOMPolicy=continue',
                 'KillSignal=SIGINT', 'KillMode=mixed', f'RestartPreventExitStatus={EXIT_TAKEN}',
                 'Restart=always', 'RestartSec=5', 'StartLimitIntervalSec=0', 'User=avatar',
                 'StateDirectory=avatar', 'RuntimeDirectory=avatar', 'MemoryMax=1500M',
                 'CPUQuota=365%', 'SupplementaryGroups=dialout video audio'):
        assert line in text.splitlines()
    assert not re.search(r'^Conflicts=', text, re.MULTILINE)
    assert not re.search(r'@[A-Z_]+@', text)


def test_nothing_in_the_unit_is_newer_than_systemd_249(built: Built) -> None:
    # Directives that came after 249 and that one might reach for.
    for name in ('RestartSteps', 'RestartMaxDelaySec', 'RestartMode', 'ExitType', 'OpenFile',
                 'LogFilterPatterns', 'PrivatePIDs', 'MemoryPressureWatch', 'notify-reload'):
        assert name not in unit_text(built)


def test_limits_leave_room_for_a_login() -> None:
    assert plans.memory_max_mb(1000) == 600
    assert plans.memory_max_mb(8000) == 1500
    assert plans.cpu_quota_percent(1) == 65
    assert plans.cpu_quota_percent(4) == 365


@pytest.mark.skipif(shutil.which('systemd-analyze') is None, reason='no systemd-analyze here')
def test_systemd_understands_every_line_and_rates_the_sandbox(
    built: Built, tmp_path: Path
) -> None:
    unit = tmp_path / 'avatar.service'
    # The command is not installed where the tests run.
    unit.write_text(unit_text(built).replace('/usr/local/bin/avatar', '/bin/true'))
    verified = subprocess.run(['systemd-analyze', 'verify', '--man=no', str(unit)],
                              capture_output=True, text=True, check=False)
    complaints = [line for line in verified.stderr.splitlines() if 'avatar.service' in line]
    assert complaints == []
    rated = subprocess.run(['systemd-analyze', 'security', '--offline=true', '--threshold=30',
                            str(unit)], capture_output=True, text=True, check=False)
    if 'nrecognized option' in rated.stderr:
        pytest.skip('this systemd-analyze rates no files')
    print(rated.stdout.splitlines()[-1])
    assert rated.returncode == 0, rated.stdout


def test_a_machine_without_a_group_or_polkit_is_told_and_served(built: Built) -> None:
    bare = Machine(memory_mb=900, cores=1, groups=frozenset({'dialout'}), polkit_rules=False,
                   memory_limits=False)
    plan = installation(bare, built, Options())
    text = next(f.text for f in plan.files if f.path == plans.UNIT)
    # systemd does not start a unit with a group that is not there.
    assert 'SupplementaryGroups=dialout\n' in text
    assert len(plan.notes) == 3
    assert not [f for f in plan.files if 'polkit' in str(f.path)]


def test_pkla_for_the_polkit_of_ubuntu_22_04(built: Built) -> None:
    old = replace(MACHINE, polkit_rules=False, polkit_pkla=True)
    text = next(f.text for f in installation(old, built, Options()).files
                if f.path.suffix == '.pkla')
    assert 'Identity=unix-user:avatar' in text
    assert 'org.freedesktop.login1.reboot;' in text
    # It cannot tell units apart: whoever may reload one may stop them all.
    assert 'systemd1' not in text


# --- a shell joins


def test_the_shell_of_another_user_gets_the_environment_of_the_robot(
    built: Built, image: Path, tmp_path: Path
) -> None:
    target(image).install(plan_for(built, domain=7))
    # The image lies elsewhere than the machine it is of.
    text = (image / 'etc/avatar/ros.env').read_text().replace(
        '/etc/avatar', f'{image}/etc/avatar').replace('/opt/avatar', f'{image}/opt/avatar')
    link = image / 'opt/avatar/current'
    link.unlink()
    link.symlink_to(image / 'opt/avatar/releases/1.0-abc')
    (tmp_path / 'ros.env').write_text(text)
    shown = subprocess.run(
        ['/bin/sh', '-eu', '-c', f'. {tmp_path}/ros.env; env'], check=True, text=True,
        capture_output=True, env={'PATH': '/usr/bin:/bin', 'ROS_LOCALHOST_ONLY': '1'}).stdout
    env = dict(line.split('=', 1) for line in shown.splitlines())
    wanted = dds_environment({}, domain=7)
    for name, value in wanted.items():
        if 'PROFILE' in name:
            assert Path(env[name]).read_text() == Path(value).read_text()
        else:
            assert env[name] == value
    assert 'ROS_LOCALHOST_ONLY' not in env
    assert 'AVATAR_PORT' not in env


def test_the_wrapper_runs_the_release_with_the_settings_of_the_robot(
    built: Built, image: Path
) -> None:
    target(image).install(plan_for(built, port=8090))
    release = image / 'opt/avatar/releases/1.0-abc'
    python = release / 'venv/bin/python'
    python.write_text('#!/bin/sh\necho "$AVATAR_PORT $AVATAR_STATE_DIR $AVATAR_MEDIAMTX $@"\n')
    wrapper = image / 'usr/local/bin/avatar'
    wrapper.write_text(wrapper.read_text().replace('/etc/avatar', f'{image}/etc/avatar').replace(
        '/opt/avatar/current', str(release)))

    def run(**environ: str) -> str:
        return subprocess.run([str(wrapper), 'status'], check=True, text=True, capture_output=True,
                              env={'PATH': '/usr/bin:/bin', **environ}).stdout.strip()

    tail = f'{release}/bin/mediamtx {release}/install/lib/avatar_bringup/avatar status'
    assert run() == f'8090 /var/lib/avatar {tail}'
    # Somebody who tries something beside the robot is not given the robot's settings.
    assert run(AVATAR_PORT='9000', AVATAR_STATE_DIR='/tmp/x') == f'9000 /tmp/x {tail}'
