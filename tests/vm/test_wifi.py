# SPDX-License-Identifier: Apache-2.0
"""
The robot's WiFi with a real NetworkManager, wpa_supplicant and hostapd, on simulated radios.

One robot for all tests of this file, in their order: each begins in the network "home". Times are
those of an emulated machine. In `make test-vm` only, where it was not seen to pass as a whole yet.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from avatar_node.testing import wait_for
from tests.vm.conftest import leisurely
from tests.vm.guest import GuestProcess
from tests.vm.machine import PROJECT, Unavailable, VirtualRobot

pytestmark = leisurely

HERE = Path(__file__).resolve().parent
HOME_PASSWORD, PASSWORD = 'at home we know', 'a \\ secret: word'
HOME, NEW = 'home', 'a:b\\ö'
JOIN_S = 400.0
"""A join and the way back, ten times slower than on a robot."""


def packages() -> Path:
    """Return the folder of the unpacked NetworkManager."""
    try:
        done = subprocess.run([PROJECT / 'tools' / 'vm_wifi.sh'], capture_output=True, text=True,
                              timeout=300)
    except subprocess.TimeoutExpired:
        raise Unavailable('tools/vm_wifi.sh: nothing within 300 s') from None
    if done.returncode:
        raise Unavailable((done.stderr.strip() or 'tools/vm_wifi.sh failed').splitlines()[-1])
    return Path(done.stdout.strip())


class Person:
    """The gateway's WiFi part inside, and what it answers."""

    def __init__(self, robot: VirtualRobot, *more: str) -> None:
        self.robot = robot
        self.process: GuestProcess = robot.spawn(
            sys.executable, HERE / 'wifi_person.py', '/run/avatar/home/state', *more,
            env={'PYTHONPATH': path_of_packages()})
        self._seen = 0
        self._answer(120.0)

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        wait_for(lambda: len(self._answers()) > self._seen, timeout_s,
                 f'an answer; {self.process.text()}', 0.05)
        self._seen += 1
        return self._answers()[self._seen - 1]

    def _answers(self) -> list[dict[str, Any]]:
        lines = [json.loads(text) for text in list(self.process.lines) if text.startswith('{')]
        return [line for line in lines if 'said' not in line]

    def ask(self, do: str, timeout_s: float = 120.0, **words: Any) -> dict[str, Any]:
        """Do something; return {"answer": ...} or {"problem": ...}."""
        self.process.write(json.dumps({'do': do, **words}) + '\n')
        return self._answer(timeout_s)

    def join(self, name: str, password: str | None = None, kind: str = 'wpa') -> dict[str, Any]:
        """Join, and return what the page is told in the end."""
        answer = self.ask('join', name=name, kind=kind, password=password)
        assert 'answer' in answer, answer
        return self.ended()

    def ended(self) -> dict[str, Any]:
        """Return what the page is told once nothing is on its way any more."""
        told: dict[str, Any] = {}

        def over() -> bool:
            told.update(self.ask('told')['answer'] or {})
            return told.get('state') not in ('joining', 'returning')

        wait_for(over, JOIN_S, f'the end of a join; {self.process.text()}', 1.0)
        return told

    def in_range(self, *names: str) -> None:
        """Wait until these networks are seen."""
        def seen() -> bool:
            self.ask('scan')
            answer = self.ask('look')
            assert 'answer' in answer, answer
            found.update(one['name'] for one in answer['answer']['networks'])
            return set(names) <= found
        found: set[str] = set()
        wait_for(seen, 240.0, f'the networks {names}', 3.0)

    @property
    def connected_to(self) -> str:
        """Return the name of the network in use."""
        known = self.ask('look')['answer']['known']
        return next((one['name'] for one in known if one['active']), '')


def path_of_packages() -> str:
    """Return where our packages are imported from here, for the same inside."""
    import avatar_node
    import avatar_web
    folders = {str(Path(str(one.__file__)).resolve().parents[1])
               for one in (avatar_node, avatar_web)}
    return ':'.join(sorted(folders))


def access_point(robot: VirtualRobot, device: str, net: int, name: str, password: str) -> None:
    robot.run(HERE / 'air.sh', 'ap', device, net, name.encode().hex(), password, timeout_s=60)


def network_log(robot: VirtualRobot) -> str:
    """Return the newest lines of NetworkManager's own log."""
    return robot.sh('tail -n 60 /run/avatar/NetworkManager.log')


@pytest.fixture(scope='module')
def robot(kernel: Path) -> Iterator[VirtualRobot]:
    try:
        folder = packages()
    except Unavailable as reason:
        pytest.skip(f'no NetworkManager to be tested with: {reason}')
    with VirtualRobot(kernel) as one:
        one.sh('mkdir -p /run/avatar/home/state; PATH=$PATH:/usr/sbin:/sbin modprobe '
               'mac80211_hwsim radios=3', timeout_s=60)
        one.run(HERE / 'air.sh', 'start', folder, timeout_s=180)
        access_point(one, 'wlan1', 1, HOME, HOME_PASSWORD)
        access_point(one, 'wlan2', 2, NEW, PASSWORD)
        yield one


@pytest.fixture
def person(robot: VirtualRobot) -> Iterator[Person]:
    one = Person(robot)
    yield one
    one.process.signal(9)


def test_the_first_network_and_that_the_password_is_nowhere_of_ours(person: Person) -> None:
    robot = person.robot
    watch = robot.spawn('sh', '-c', 'while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ '
                        '2>/dev/null | tr "\\0" " " | grep -q "[a]t home we know" '
                        '&& echo SEEN; sleep 0.05; done')
    person.in_range(HOME, NEW)
    told = person.join(HOME, HOME_PASSWORD)
    assert (told['state'], told['code']) == ('up', ''), network_log(robot)
    assert person.connected_to == HOME
    assert 'SEEN' not in watch.text()
    watch.signal(9)
    assert robot.sh('grep -rl "at home we know" /run/avatar/home/state || true') == ''
    assert HOME_PASSWORD not in person.process.text()
    # It is NetworkManager's now, in a file of root's, and joined by itself from now on.
    kept = robot.sh('cd /etc/NetworkManager/system-connections; ls -l; cat *')
    assert 'psk=at home we know' in kept and '-rw-------' in kept
    assert 'autoconnect=false' not in kept


def test_a_wrong_password_goes_back(person: Person) -> None:
    person.in_range(NEW)
    told = person.join(NEW, 'not this one')
    assert (told['state'], told['code'], told['back_in']) == ('back', 'password', HOME), \
        person.process.text()
    assert person.connected_to == HOME
    assert NEW not in [one['name'] for one in person.ask('look')['answer']['known']]


def test_an_access_point_that_vanishes_goes_back(person: Person) -> None:
    person.in_range(NEW)
    answer = person.ask('join', name=NEW, kind='wpa', password=PASSWORD)
    assert 'answer' in answer, answer
    person.robot.sh(f'{HERE}/air.sh gone wlan2')
    told = person.ended()
    assert (told['state'], told['back_in']) == ('back', HOME), person.process.text()
    assert told['code'] in ('vanished', 'timeout', 'password', 'failed')
    assert person.connected_to == HOME
    access_point(person.robot, 'wlan2', 2, NEW, PASSWORD)


def test_a_gateway_that_dies_in_the_middle(robot: VirtualRobot, person: Person) -> None:
    person.in_range(NEW)
    assert 'answer' in person.ask('join', name=NEW, kind='wpa', password='not this one')
    person.process.signal(9)
    time.sleep(1.0)
    another = Person(robot)
    told = another.ended()
    assert (told['state'], told['back_in']) == ('back', HOME), another.process.text()
    assert another.connected_to == HOME
    assert NEW not in [one['name'] for one in another.ask('look')['answer']['known']]
    another.process.signal(9)


def test_any_other_user_is_told_that_he_may_not(robot: VirtualRobot) -> None:
    robot.sh('chmod -R a+rwX /run/avatar/home')
    guest = Person(robot, '65534')
    for answer in (guest.ask('join', name=NEW, kind='wpa', password=PASSWORD),
                   guest.ask('priority', name=HOME, priority=5)):
        assert answer.get('problem') == 'forbidden', answer
    guest.process.signal(9)


def test_the_right_password_joins_and_the_old_one_is_there_when_it_vanishes(
    person: Person
) -> None:
    person.in_range(NEW)
    told = person.join(NEW, PASSWORD)
    assert (told['state'], told['code']) == ('up', ''), person.process.text()
    assert person.connected_to == NEW
    person.ask('priority', name=NEW, priority=5)
    known = person.ask('look')['answer']['known']
    assert [(one['name'], one['priority']) for one in known] == [(NEW, 5), (HOME, 0)]
    person.robot.sh(f'{HERE}/air.sh gone wlan2')
    wait_for(lambda: person.connected_to == HOME, JOIN_S, 'the old network, by itself', 2.0)
    answer = person.ask('forget', name=NEW)
    assert 'answer' in answer, answer


def test_without_networkmanager_it_is_said(person: Person) -> None:
    person.robot.sh('kill $(cat /run/NetworkManager/NetworkManager.pid); sleep 2')
    assert person.ask('look').get('problem') == 'not_running'
