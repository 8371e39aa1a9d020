# SPDX-License-Identifier: Apache-2.0
"""Alerts as a whole: real apprise in its real process, to real servers: fine, hanging or down."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from avatar_bringup import last_end
from avatar_bringup.alerts import sending
from avatar_bringup.alerts.alerts import Alerts
from avatar_bringup.alerts.sending import Letter, Outcome, try_one
from avatar_bringup.alerts.services import Service, ServicesFile
from avatar_bringup.cli import main
from avatar_bringup.settings import SettingsFile
from avatar_bringup.testing import SECRET, Receiver
from avatar_node.testing import wait_for

pytestmark = pytest.mark.skipif(not sending.is_installed(), reason='apprise is not installed')
DISK = {'code': 'disk_low', 'part': 'disk', 'state': 'DEGRADED', 'values': {'free_mb': 90},
        'text': 'Little room on the disk: 90 MB free.'}
HOT = {'code': 'hot', 'part': 'temperature', 'state': 'DEGRADED', 'values': {'celsius': 84},
       'text': 'The computer is hot: 84 degrees.'}


@pytest.fixture
def service() -> Iterator[Receiver]:
    service = Receiver()
    yield service
    service.close()


@pytest.fixture
def hanging() -> Iterator[str]:
    """A service that takes the connection and never answers."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        yield f'json://127.0.0.1:{server.getsockname()[1]}/{SECRET}'


@pytest.fixture
def down() -> str:
    """The address of nobody."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        return f'json://127.0.0.1:{server.getsockname()[1]}/{SECRET}'


class Robot:
    """A state folder with alerts that can be started, ended and killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.settings = SettingsFile(folder, self.said.append)
        self.services = ServicesFile(folder, self.said.append)
        self.settings.change({'alerts_name': 'Rosa'})
        self._alerts: Alerts | None = None

    def add(self, url: str) -> Service:
        return self.services.add(url, '')

    def start(self, **options: Any) -> Alerts:
        self._alerts = Alerts(self.folder, self.said.append, **options)
        return self._alerts

    def end(self) -> None:
        if self._alerts is not None:
            self._alerts.close()
            self._alerts = None

    def stored(self) -> dict[str, Any]:
        try:
            text = (self.folder / 'alerts' / 'outbox.json').read_text()
        except FileNotFoundError:  # not yet
            return {'outbox': {'messages': []}, 'policy': {'waiting': []}}
        value: dict[str, Any] = json.loads(text)
        return value


@pytest.fixture
def robot(tmp_path: Path) -> Iterator[Robot]:
    robot = Robot(tmp_path)
    yield robot
    robot.end()


def test_a_change_reaches_the_service_once_and_in_its_language(
    robot: Robot, service: Receiver
) -> None:
    robot.settings.change({'alerts_language': 'de'})
    robot.add(service.url)
    alerts = robot.start()
    for _ in range(5):
        alerts.on_change('DEGRADED', [DISK])
    wait_for(lambda: service.got, 20, 'the alert')
    robot.end()
    robot.start().on_change('DEGRADED', [DISK])
    wait_for(lambda: not robot.stored()['outbox']['messages'], 5, 'an empty outbox')
    robot.end()
    letter, = service.got
    assert letter['title'].startswith('Rosa: ') and letter['type'] == 'failure'
    assert '90' in letter['message']
    assert robot.said == []


def test_a_service_that_is_down_gets_it_later_and_the_other_one_now(
    robot: Robot, service: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('avatar_bringup.alerts.outbox.RETRY_S', (0.5,))
    other = Receiver()
    try:
        other.status = 503
        robot.add(service.url)
        robot.add(other.url)
        robot.start().on_change('DEGRADED', [DISK])
        wait_for(lambda: service.got, 20, 'the alert')
        wait_for(lambda: robot.said, 20, 'that the other one refuses')
        robot.end()
        # A restart forgets nothing.
        robot.start()
        other.status = 200
        wait_for(lambda: other.got, 20, 'the alert that waited')
        wait_for(lambda: not robot.stored()['outbox']['messages'], 5, 'an empty outbox')
        assert len(service.got) == len(other.got) == 1
        assert '503' in robot.said[0] and SECRET not in ' '.join(robot.said)
    finally:
        other.close()


def test_a_service_that_hangs_holds_up_nobody(
    robot: Robot, service: Receiver, hanging: str
) -> None:
    robot.add(hanging)
    robot.add(service.url)
    alerts = robot.start(limit_s=20.0)
    began_s = time.monotonic()
    for _ in range(100):
        alerts.on_change('DEGRADED', [DISK])
        alerts.on_change('READY', [])
    assert time.monotonic() - began_s < 0.05
    wait_for(lambda: service.got, 8, 'the alert, while the other one hangs')
    began_s = time.monotonic()
    robot.end()
    assert time.monotonic() - began_s < 3.0


@pytest.mark.parametrize('kind', ['down', 'hanging'])
def test_what_is_not_reached_says_why_without_the_secret(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = try_one(request.getfixturevalue(kind), 'title', 'body')
    assert outcome.word == {'down': 'unreachable', 'hanging': 'no_answer'}[kind]
    assert SECRET not in outcome.sentence


def test_what_the_sender_does_not_answer_for_within_the_limit_was_not_sent(hanging: str) -> None:
    outcomes: list[Outcome] = []
    began_s = time.monotonic()
    sending.send([Letter('a', hanging, 't', 'b')], outcomes.append, limit_s=3.0)
    assert [outcome.word for outcome in outcomes] == ['no_answer']
    assert time.monotonic() - began_s < 3.0 + sending.KILLED_AFTER_S


@pytest.mark.parametrize('code', [
    'import time; time.sleep(600)', 'raise SystemExit(3)',
    'print("no JSON"); print("[]"); print(\'{"to": "a", "outcome": "x", "detail": ""}\')'])
def test_a_sender_that_hangs_or_dies_or_talks_nonsense(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, 'KILLED_AFTER_S', 0.5)
    outcomes: list[Outcome] = []
    sending.send([Letter('a', 'json://x', 't', 'b')], outcomes.append, 1.0,
                 (sys.executable, '-c', code))
    assert [outcome.word for outcome in outcomes] == ['no_answer']


@pytest.mark.parametrize('url', ['nothing://x/y', 'tgram://', 'mailto://'])
def test_what_apprise_does_not_know_is_said(url: str) -> None:
    assert try_one(url, 'title', 'body').word == 'bad_url'


CRASH = """
import sys, time
from pathlib import Path
from avatar_bringup.alerts.alerts import Alerts
alerts = Alerts(Path(sys.argv[1]), print)
alerts.on_change('DEGRADED', [eval(sys.argv[2])])
time.sleep(60)
"""


def test_who_dies_while_it_is_on_its_way_does_not_send_it_twice(
    robot: Robot, hanging: str, service: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('avatar_bringup.alerts.policy.GAP_S', 0.0)
    hanging_id = robot.add(hanging).id
    robot.add(service.url)
    process = subprocess.Popen([sys.executable, '-c', CRASH, str(robot.folder), repr(DISK)])
    try:
        wait_for(lambda: service.got, 20, 'the alert')
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    message, = robot.stored()['outbox']['messages']
    assert message['to'][hanging_id] == 'on_its_way'
    robot.services.remove(hanging_id)
    alerts = robot.start()
    alerts.on_change('DEGRADED', [DISK, HOT])
    wait_for(lambda: len(service.got) == 2, 20, 'the next alert')
    assert 'hot' in service.got[1]['message'] or '84' in service.got[1]['message']
    assert 'Little room' not in service.got[1]['title']


def test_the_address_is_in_no_argument_and_no_file_but_its_own(
    robot: Robot, hanging: str
) -> None:
    robot.add(hanging)
    robot.start().on_change('DEGRADED', [DISK])

    def sender() -> str:
        for entry in os.listdir('/proc'):
            if entry.isdecimal():
                try:
                    command = Path(f'/proc/{entry}/cmdline').read_bytes()
                    parent = Path(f'/proc/{entry}/stat').read_text().rsplit(')', 1)[1].split()[1]
                except OSError:
                    continue
                if b'alerts.sender' in command and parent == str(os.getpid()):
                    return entry
        return ''

    pid = wait_for(sender, 10, 'the process that sends')
    for name in ('cmdline', 'environ'):
        assert SECRET.encode() not in Path(f'/proc/{pid}/{name}').read_bytes()
    robot.end()
    own = robot.services.path
    others = [path for path in robot.folder.rglob('*') if path.is_file() and path != own]
    assert others and all(SECRET not in path.read_text() for path in others)
    assert all(path.stat().st_mode & 0o077 == 0 for path in [own, *others])
    assert SECRET not in ' '.join(robot.said)


def test_apprise_is_not_imported_where_things_must_be_quick(robot: Robot) -> None:
    robot.start()
    assert 'apprise' not in sys.modules


def test_without_apprise_it_is_said_once_and_kept(
    robot: Robot, service: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('avatar_bringup.alerts.alerts.is_installed', lambda: False)
    robot.add(service.url)
    alerts = robot.start()
    for _ in range(3):
        alerts.on_change('DEGRADED', [DISK])
    wait_for(lambda: robot.said, 10, 'that apprise is missing')
    robot.end()
    assert len(robot.said) == 1 and 'pip install apprise' in robot.said[0]
    assert len(robot.stored()['outbox']['messages']) == 1


def test_a_crash_is_told_at_the_next_start_once(robot: Robot, service: Receiver) -> None:
    robot.add(service.url)
    last_end.begin(robot.folder)
    last_end.mark(robot.folder, 'watchdog', 1)
    last_end.begin(robot.folder)
    robot.start()
    wait_for(lambda: service.got, 20, 'the alert')
    robot.end()
    # The health node starts again within the same run.
    robot.start()
    robot.end()
    letter, = service.got
    assert 'watchdog' in letter['title']


def test_quiet_hours_are_kept(robot: Robot, service: Receiver) -> None:
    robot.settings.change({'quiet_from': '00:00', 'quiet_to': '23:59'})
    if time.strftime('%H:%M') == '23:59':
        pytest.skip('the one minute in which it is not quiet')
    robot.add(service.url)
    alerts = robot.start()
    alerts.on_change('DEGRADED', [DISK])
    wait_for(lambda: robot.stored()['policy']['waiting'], 10, 'that it waits')
    assert service.got == []
    robot.settings.change({'quiet_from': None})
    wait_for(lambda: service.got, 20, 'what waited')


@pytest.mark.parametrize('text', ['', '{}', '[]', '{"policy": 3}',
                                  '{"policy": {"active": [], "waiting": 1, "sent_s": 0}}'])
def test_a_broken_outbox_is_set_aside_and_said(
    text: str, robot: Robot, service: Receiver
) -> None:
    robot.add(service.url)
    path = robot.folder / 'alerts' / 'outbox.json'
    path.write_text(text)
    robot.start().on_change('DEGRADED', [DISK])
    wait_for(lambda: service.got, 20, 'the alert')
    assert len(robot.said) == 1 and 'broken' in robot.said[0]
    aside, = path.parent.glob('outbox.json.broken-*')
    assert aside.read_text() == text


def test_a_disk_that_is_full_keeps_nobody_from_being_told(
    robot: Robot, service: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot.add(service.url)
    path = robot.folder / 'alerts' / 'outbox.json.new'
    path.mkdir()
    robot.start().on_change('DEGRADED', [DISK])
    wait_for(lambda: service.got, 20, 'the alert')
    assert sum('cannot be stored' in sentence for sentence in robot.said) == 1


def test_the_command_adds_lists_tests_and_removes(
    robot: Robot, service: Receiver, down: str, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv('AVATAR_STATE_DIR', str(robot.folder))

    def command(*words: str, types: str = '') -> tuple[int, str]:
        read, write = os.pipe()
        os.write(write, types.encode())
        os.close(write)
        with os.fdopen(read) as lines:
            monkeypatch.setattr(sys, 'stdin', lines)
            code = main(['alert', *words])
        captured = capfd.readouterr()
        return code, captured.out + captured.err

    assert command('list') == (0, 'nobody is told anything: avatar alert add\n')
    assert command('test')[0] == 1
    code, text = command('add', '--name', 'desk', types=service.url + '\n')
    assert (code, len(service.got)) == (0, 1) and SECRET not in text
    code, text = command('add', types=down + '\n')
    assert code == 1 and 'cannot be reached' in text and SECRET not in text
    assert command('add', '--anyway', types=down + '\n')[0] == 0
    code, text = command('list')
    assert 'desk' in text and 'json://...127.0.0.1/...' in text and SECRET not in text
    one, other = robot.services.load()
    assert command('test', one.id)[0] == 0 and len(service.got) == 2
    code, text = command('test')
    assert code == 1 and 'sent' in text and 'not everybody' in text and SECRET not in text
    assert command('remove', other.id)[0] == 0 and command('remove', other.id)[0] == 1
    assert robot.services.load() == [one]
