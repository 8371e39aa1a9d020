# SPDX-License-Identifier: Apache-2.0
"""What is held by whom: real sockets, real devices, unit files as they lie on a robot."""

import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from avatar_bringup.lock import Taken
from avatar_bringup.ports import Ports
from avatar_bringup.preflight import hidden, units
from avatar_bringup.preflight.finding import Finding, Kind
from avatar_bringup.preflight.leftovers import former
from avatar_bringup.preflight.look import findings, held
from avatar_bringup.preflight.resources import Resource, Sort, ports
from avatar_bringup.preflight.second import check_port
from avatar_bringup.processes import Place, table
from avatar_node.testing import Lines

CONFIG = Path(__file__).resolve().parents[1] / 'config'
HOLD = 'import sys; held = open(sys.argv[1], "rb"); print(flush=True); sys.stdin.read()'
LISTEN = ('import socket, sys; s = socket.socket(); '
          's.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); '
          's.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(); print(flush=True); '
          'sys.stdin.read()')


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    share = tmp_path / 'share/avatar_bringup'
    share.mkdir(parents=True)
    (share / 'config').symlink_to(CONFIG)
    return {'AMENT_PREFIX_PATH': str(tmp_path)}


@contextmanager
def running(code: str, *words: str, **env: str) -> Iterator[int]:
    """Have another process do something; yields its pid."""
    with subprocess.Popen([sys.executable, '-c', code, *words], env={**os.environ, **env},
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            Lines(process.stdout).next()
            yield process.pid
        finally:
            process.kill()


def place(tmp_path: Path) -> Place:
    return Place(tmp_path / 'state', sim=True, inner_ports=Ports.free())


def test_nothing_is_found_where_nothing_is_held(tmp_path: Path, environ: dict[str, str]) -> None:
    assert findings(place(tmp_path), environ, '', root=tmp_path) == []


def test_every_port_of_the_table_but_the_gateways_is_looked_at(tmp_path: Path) -> None:
    robot = Place(tmp_path, sim=False, ros=True)
    looked_at = {(r.sort.name, int(r.name), r.part) for r in ports(robot, table(robot), '')}
    assert looked_at == {
        ('TCP', 9998, 'gateway'), ('TCP', 8189, 'mediamtx'), ('UDP', 8189, 'mediamtx'),
        ('TCP', 8554, 'mediamtx'), ('TCP', 8889, 'mediamtx'), ('TCP', 9997, 'mediamtx'),
        ('TCP', 9090, 'rosbridge')}


def test_a_port_that_is_held_names_the_holder_and_the_part_that_waits(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    here = place(tmp_path)
    with running(LISTEN, str(here.ports.rtsp)) as pid:
        found, = findings(here, environ, '', root=tmp_path)
        assert (found.part, found.pid, found.fatal) == ('mediamtx', pid, False)
        assert found.kind is Kind.HELD
        assert f'tcp port {here.ports.rtsp} is held by pid {pid} (' in str(found)
        assert 'mediamtx waits until it is free' in str(found)
        assert str(found).endswith(f'to free it: kill -INT {pid}')
        assert json.loads(json.dumps(found.to_dict()))['pid'] == pid
        assert findings(here, environ, '', parts=('motor',), root=tmp_path) == []
    assert findings(here, environ, '', root=tmp_path) == []


def test_our_own_parts_are_no_strangers(tmp_path: Path, environ: dict[str, str]) -> None:
    here = place(tmp_path)
    with running(LISTEN, str(here.ports.rtsp), AVATAR_RUN='this one',
                 AVATAR_STATE_DIR=str(here.state_dir)):
        assert findings(here, environ, 'this one', root=tmp_path) == []
        kinds = [f.kind for f in findings(here, environ, 'another', root=tmp_path)]
        assert kinds == [Kind.HELD, Kind.LEFTOVER]


def test_a_port_of_another_address_is_no_obstacle() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(('127.0.0.2', 0))
        port = str(stranger.getsockname()[1])
        assert held([Resource(Sort.UDP, port, 'mediamtx', '127.0.0.1')], '') == []
        assert len(held([Resource(Sort.UDP, port, 'mediamtx', '127.0.0.2')], '')) == 1
        assert len(held([Resource(Sort.UDP, port, 'mediamtx', '')], '')) == 1


@pytest.mark.parametrize('sort', [Sort.SERIAL, Sort.CAMERA, Sort.SOUND])
def test_a_device_that_is_held_names_the_holder(sort: Sort, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    try:
        link = tmp_path / 'usb-Board-if00'
        link.symlink_to(os.ttyname(slave))
        wanted = Resource(sort, str(link), 'motor')
        assert held([wanted], '') == []
        with running(HOLD, str(link)) as pid:
            found, = held([wanted], '')
            assert str(found).startswith(f'{sort.value} {link} is held by pid {pid} (')
    finally:
        os.close(master)
        os.close(slave)


def test_what_only_root_saw_is_merged(tmp_path: Path) -> None:
    file = tmp_path / 'run/holders.json'
    with running('print(flush=True); input()') as pid:
        seen = hidden.Held('/dev/null', pid, 'python3 control.py', 'avatar-tank.service', False,
                           hidden.born(pid))
        hidden.write([seen], file)
        wanted = [Resource(Sort.SERIAL, '/dev/null', 'motor')]
        named = [f for f in held(wanted, '', file) if f.pid == pid]
        assert named[0].unit == 'avatar-tank.service'
        assert named[0].next_step == 'sudo systemctl disable --now avatar-tank.service'
    # Its pid may be another one's by now.
    assert [f for f in held(wanted, '', file) if f.pid == pid] == []
    hidden.write([hidden.Held('/dev/null', os.getpid(), 'x', '', False, 1)], file)
    assert hidden.read(file) == {}


def test_what_root_sees(tmp_path: Path) -> None:
    (tmp_path / 'ttyUSB0').symlink_to('/dev/full')
    with socket.socket() as listening, socket.socket(type=socket.SOCK_DGRAM) as udp:
        for sock in (listening, udp):
            sock.bind(('127.0.0.1', 0))
        listening.listen()
        numbers = [s.getsockname()[1] for s in (listening, udp)]
        with running(HOLD, '/dev/full') as pid:
            seen = {(h.what, h.pid) for h in hidden.look(numbers, tmp_path)}
    assert seen >= {(f'tcp {numbers[0]}', os.getpid()), (f'udp {numbers[1]}', os.getpid()),
                    (str(tmp_path / 'ttyUSB0'), pid)}


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    folder, precious = tmp_path / 'avatar', tmp_path / 'precious'
    folder.mkdir()
    precious.write_text('precious')
    (folder / 'holders.json').symlink_to(precious)
    hidden.write([], folder / 'holders.json')
    assert precious.read_text() == 'precious'
    assert json.loads((folder / 'holders.json').read_text()) == []
    assert [p.name for p in folder.iterdir()] == ['holders.json']
    assert (folder / 'holders.json').stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize('text', ['', '{}', '[1]', '[{"what": "x"}]'])
def test_what_root_wrote_may_be_broken(text: str, tmp_path: Path) -> None:
    (tmp_path / 'holders.json').write_text(text)
    assert hidden.read(tmp_path / 'holders.json') == {}


def install(root: Path, name: str, start: str, enabled: bool = False,
            folder: str = 'etc/systemd/system') -> None:
    """Write a unit file below a root folder."""
    (root / 'proc').mkdir(exist_ok=True)
    file = root / folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'[Unit]\nDescription=x\n[Service]\nExecStart={start}\n')
    if enabled:
        wants = root / 'etc/systemd/system/multi-user.target.wants'
        wants.mkdir(parents=True, exist_ok=True)
        (wants / name).symlink_to(file)


@pytest.mark.parametrize('name, start', [
    ('avatar-tank.service', '/home/x/start_avatar_simple.sh'),
    ('avatar-mediamtx.service', '/usr/bin/python3 -u modules/mediamtx_main.py'),
    ('mediamtx.service', '/opt/whatever'),
    ('robot.service', '/usr/local/bin/avatar run'),
    ('robot.service', 'bash -c "ros2 launch \\\n  avatar_bringup avatar.launch.py"'),
    ('video.service', '/usr/local/bin/mediamtx /etc/mediamtx.yml'),
])
def test_another_unit_that_starts_the_same_is_found(
    name: str, start: str, tmp_path: Path, environ: dict[str, str]
) -> None:
    install(tmp_path, name, start)
    assert units.others(tmp_path) == [], 'neither enabled nor running'
    install(tmp_path, name, start, enabled=True)
    assert units.others(tmp_path) == [units.Unit(name, True, 0)]
    found, = findings(place(tmp_path), environ, '', root=tmp_path)
    assert (found.kind, found.fatal, found.unit) == (Kind.OLD_UNIT, False, name)
    assert str(found) == (f'{name} is enabled and will start the same at the next boot; to end '
                          f'that: sudo systemctl disable --now {name}')


def test_units_that_are_not_meant(tmp_path: Path) -> None:
    install(tmp_path, 'avatar.service', '/usr/local/bin/avatar run', enabled=True)
    install(tmp_path, 'ssh.service', '/usr/sbin/sshd -D', enabled=True)
    install(tmp_path, 'backup.service', '/usr/local/bin/avatar backup', enabled=True)
    masked = tmp_path / 'etc/systemd/system/mediamtx.service'
    masked.symlink_to('/dev/null')
    install(tmp_path, 'mediamtx.service', '/usr/bin/mediamtx', folder='usr/lib/systemd/system')
    (tmp_path / 'etc/systemd/system/multi-user.target.wants/mediamtx.service').symlink_to(masked)
    assert units.others(tmp_path) == []


def test_what_was_added_to_a_unit_counts(tmp_path: Path) -> None:
    install(tmp_path, 'robot.service', '/bin/true', enabled=True)
    addition = tmp_path / 'etc/systemd/system/robot.service.d/more.conf'
    addition.parent.mkdir()
    addition.write_text('[Service]\nExecStart=\nExecStart=/usr/local/bin/avatar run\n')
    assert [unit.name for unit in units.others(tmp_path)] == ['robot.service']


def test_a_unit_that_runs_is_found_without_being_enabled(tmp_path: Path) -> None:
    install(tmp_path, 'mediamtx.service', '/usr/local/bin/mediamtx')
    process = tmp_path / 'proc/4711'
    process.mkdir(parents=True)
    (process / 'cgroup').write_text('0::/system.slice/mediamtx.service\n')
    assert units.others(tmp_path) == [units.Unit('mediamtx.service', False, 4711)]
    running = Finding(Kind.OLD_UNIT, 'unit x.service', '', 4711, 'cmd', 'x.service', 'step')
    assert str(running).startswith('x.service runs and starts the same: pid 4711 (cmd')


def test_what_a_run_left_behind_is_known_by_its_folder(tmp_path: Path) -> None:
    with running('print(flush=True); input()', AVATAR_RUN='old', AVATAR_STATE_DIR='/s') as pid, \
            running('print(flush=True); input()', AVATAR_STATE_DIR='/s'):
        assert former(Path('/s')) == [pid]
        assert former(Path('/s'), 'old') == []
        assert former(Path('/other')) == []


def test_the_port_is_waited_for_while_only_our_own_dead_run_has_it(tmp_path: Path) -> None:
    port = Ports.free().rtsp
    code = LISTEN.replace('sys.stdin.read()', 'import time; time.sleep(0.5)')
    with running(code, str(port), AVATAR_RUN='old', AVATAR_STATE_DIR=str(tmp_path)):
        check_port(None, port, tmp_path)
    with running(LISTEN, str(port), AVATAR_RUN='old', AVATAR_STATE_DIR='/another') as pid:
        began = time.monotonic()
        with pytest.raises(Taken, match=f'port {port} is taken by pid {pid} .*kill -INT {pid}'):
            check_port(None, port, tmp_path)
        assert time.monotonic() - began < 1.0


@pytest.mark.skipif(os.geteuid() != 0, reason='needs two users')
def test_a_holder_that_cannot_be_seen_is_said_so(tmp_path: Path) -> None:
    port = Ports.free().rtsp
    code = ('import os, sys; from pathlib import Path; '
            'from avatar_bringup.preflight.look import held; '
            'from avatar_bringup.preflight.resources import Resource, Sort; '
            'os.setgroups([]); os.setresuid(65534, 65534, 65534); '
            f'print(held([Resource(Sort.TCP, "{port}", "mediamtx")], "", Path(sys.argv[1]))[0])')

    def seen(file: Path) -> str:
        return subprocess.run([sys.executable, '-c', code, str(file)],
                              capture_output=True, text=True, check=True).stdout

    with running(LISTEN, str(port)) as pid:
        text = seen(tmp_path / 'none')
        assert 'is held by a process of another user (it cannot be seen from here)' in text
        assert f'to see by whom: sudo ss -lpn sport = :{port}' in text
        file = Path(f'/tmp/avatar-test-{os.getpid()}/holders.json')  # where others may look
        try:
            hidden.write(hidden.look([port]), file)
            assert f'is held by pid {pid} (' in seen(file)
            assert f'sudo kill -INT {pid}' in seen(file)
        finally:
            shutil.rmtree(file.parent)
