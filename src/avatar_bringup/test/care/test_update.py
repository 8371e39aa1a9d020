# SPDX-License-Identifier: Apache-2.0
"""An update of a real tree of folders: forward, back where it is worse, never while driven."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from avatar_bringup.care import condition
from avatar_bringup.care.condition import DEGRADED, DOWN, READY, STOPPED, Condition
from avatar_bringup.care.update import EXIT_WORSE, NotUpdated, Tools, Update, refuse_driven

GOOD = Condition(READY)
NO_CAMERA = Condition(DEGRADED, {('camera_missing', 'camera'): DEGRADED})


class Machine:
    """A machine with an installed avatar, and what its versions make of it."""

    def __init__(self, root: Path) -> None:
        self.root, self.opt = root, root / 'opt/avatar'
        self.restarts: list[str] = []
        self.waited_s = 0.0
        self.conditions = {'old': GOOD, 'new': GOOD}
        self.told: list[str] = []
        self.fail: Exception | None = None
        self.looks: list[Condition] = []
        self.without_ros: bool | None = None
        self.source = root / 'source'
        (self.source / 'tools').mkdir(parents=True)
        (self.source / 'tools/avatar').write_text('#!/bin/sh\n')
        for name in ('older', 'oldest', 'old'):
            self.release(name)
        for number, name in enumerate(('oldest', 'older')):
            os.utime(self.opt / 'releases' / name, (number, number))
        self.link('old')
        self.unit.parent.mkdir(parents=True)
        self.unit.write_text('unit of old\n')
        (self.opt / 'installed.json').write_text(json.dumps(
            {'files': {'/etc/systemd/system/avatar.service': 'x', '/etc/gone': 'y'}}))

    @property
    def unit(self) -> Path:
        return self.root / 'etc/systemd/system/avatar.service'

    @property
    def current(self) -> str:
        return Path(os.readlink(self.opt / 'current')).name

    def release(self, name: str) -> None:
        folder = self.opt / 'releases' / name
        folder.mkdir(parents=True)
        (folder / 'environment').write_text('. /opt/ros/humble/setup.sh\n')

    def link(self, name: str) -> None:
        link = self.opt / 'current'
        link.unlink(missing_ok=True)
        link.symlink_to(f'releases/{name}')

    # What the update calls.

    def install(self, _source: Path, without_ros: bool) -> None:
        self.without_ros = without_ros
        self.release('new')
        self.unit.write_text('unit of new\n')
        if self.fail:
            raise self.fail
        (self.opt / 'installed.json').write_text('{"files": {"of": "new"}}')
        self.link('new')

    def restart(self) -> None:
        self.restarts.append(self.current)

    def look(self) -> Condition:
        if self.looks:
            return self.looks.pop(0)
        return self.conditions[self.restarts[-1] if self.restarts else 'old']

    def wait(self, seconds: float) -> None:
        self.waited_s += seconds

    def update(self, **options: Any) -> int:
        return self._update().to(self.source, **options)

    def _update(self) -> Update:
        return Update(self.opt, self.root, Tools(self.install, self.restart, self.look, self.wait),
                      self.told.append)

    def back(self) -> None:
        self._update().back()

    def is_as_before(self) -> bool:
        files = json.loads((self.opt / 'installed.json').read_text())['files']
        return (self.current == 'old' and self.unit.read_text() == 'unit of old\n'
                and '/etc/gone' in files)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_is_as_good_stays(machine: Machine) -> None:
    assert machine.update() == 0
    assert machine.current == 'new' and machine.restarts == ['new']
    assert machine.unit.read_text() == 'unit of new\n'
    assert machine.waited_s == 60
    assert machine.without_ros is False
    # The one before and one more are kept.
    assert sorted(p.name for p in (machine.opt / 'releases').iterdir()) == ['new', 'old', 'older']


@pytest.mark.parametrize(('before', 'after', 'goes_back'), [
    (GOOD, NO_CAMERA, True),
    (GOOD, Condition(STOPPED), True),
    (GOOD, Condition(DOWN), True),
    (NO_CAMERA, NO_CAMERA, False),
    (NO_CAMERA, GOOD, False),
    (NO_CAMERA, Condition(DEGRADED, {('camera_missing', 'camera'): DEGRADED,
                                     ('part_given_up', 'stream'): DEGRADED}), True),
    (Condition(STOPPED), NO_CAMERA, False),
    (Condition(DOWN), Condition(STOPPED, {('board_missing', 'motor'): STOPPED}), False),
    (Condition(DOWN), Condition(DOWN), False),
])
def test_what_is_worse_goes_back(
    before: Condition, after: Condition, goes_back: bool, machine: Machine
) -> None:
    machine.conditions = {'old': before, 'new': after}
    assert machine.update() == (EXIT_WORSE if goes_back else 0)
    assert machine.is_as_before() == goes_back
    assert machine.restarts == (['new', 'old'] if goes_back else ['new'])
    assert any(text.startswith('worse:') for text in machine.told) == goes_back


def test_what_cannot_be_started_or_looked_at_goes_back(machine: Machine) -> None:
    def look() -> Condition:
        if machine.restarts == ['new']:
            raise ZeroDivisionError('oh')
        return GOOD

    machine.look = look  # type: ignore[method-assign]
    assert machine.update() == EXIT_WORSE and machine.is_as_before()


def test_what_cannot_be_installed_changes_nothing(machine: Machine) -> None:
    machine.fail = OSError(28, 'No space left on device')
    with pytest.raises(NotUpdated, match='No space left'):
        machine.update()
    assert machine.is_as_before() and machine.restarts == []


@pytest.mark.parametrize('driver', ['ana is in control', 'its wheels are turning'])
@pytest.mark.parametrize('when', ['before', 'during the installation'])
def test_never_while_driven(driver: str, when: str, machine: Machine) -> None:
    driven = Condition(READY, driven_by=driver)
    machine.looks = [driven] if when == 'before' else [GOOD, driven]
    with pytest.raises(NotUpdated, match=driver):
        machine.update(not_driven=True)
    assert machine.is_as_before() and machine.restarts == []


def test_where_nobody_knows_whether_it_is_driven_a_person_says_so(machine: Machine) -> None:
    machine.conditions['old'] = Condition(STOPPED, driven_by=None)
    with pytest.raises(NotUpdated, match='--not-driven'):
        machine.update()
    assert machine.restarts == []
    assert machine.update(not_driven=True) == 0
    refuse_driven(Condition(DOWN, driven_by=None), False)


def test_back_by_hand_also_after_a_power_cut_in_between(machine: Machine) -> None:
    machine.update()
    machine.back()
    assert machine.is_as_before() and machine.restarts == ['new', 'old']

    def cut() -> None:
        raise KeyboardInterrupt  # whatever comes after the switch does not happen

    machine.restart = cut  # type: ignore[method-assign]
    (machine.opt / 'releases/new').rename(machine.opt / 'releases/x')
    with pytest.raises(KeyboardInterrupt):
        machine.update()
    assert machine.current == 'new'
    machine.restart = lambda: machine.restarts.append(machine.current)  # type: ignore[method-assign]
    machine.back()
    assert machine.is_as_before()


def test_without_an_installation_or_a_source_it_says_so(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(NotUpdated, match='no folder of avatar'):
        machine._update().to(tmp_path)
    (machine.opt / 'current').unlink()
    with pytest.raises(NotUpdated, match='not installed here'):
        machine.update()


def test_nothing_to_go_back_to_is_said(machine: Machine) -> None:
    with pytest.raises(NotUpdated, match='nothing to go back to'):
        machine.back()
    machine.update()
    (machine.opt / 'releases/old').rename(machine.opt / 'releases/gone')
    with pytest.raises(NotUpdated, match='not there any more'):
        machine.back()
    assert machine.current == 'new'


# ---- what is read from the status

def status(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        'runs': True, 'answers': True, 'drivable': True, 'parts': [], 'health': None,
        'lease': {'state': 'free', 'holder': ''}, 'motor': {'left': '0', 'right': '0'}}
    return found | changes


@pytest.mark.parametrize(('changes', 'expected'), [
    ({}, ''),
    ({'lease': {'state': 'held', 'holder': 'ana'}}, 'ana is in control'),
    ({'lease': {'state': 'away', 'holder': 'ana'}}, 'ana is in control'),
    ({'lease': {'state': 'new word', 'holder': ''}}, 'somebody is in control'),
    ({'motor': {'left': '0', 'right': '-5'}}, 'its wheels are turning'),
    ({'motor': None}, ''),
    ({'lease': None}, ''),
    ({'lease': None, 'motor': None}, None),
])
def test_who_drives(changes: dict[str, Any], expected: str | None) -> None:
    assert condition.driver(status(**changes)) == expected


def finding(code: str, state: str, part: str = '') -> dict[str, Any]:
    return {'health': {'findings': [{'code': code, 'state': state, 'part': part}]}}


@pytest.mark.parametrize(('changes', 'state'), [
    ({}, READY),
    ({'runs': False}, DOWN),
    ({'answers': False}, DOWN),
    ({'drivable': False}, STOPPED),
    (finding('camera_missing', 'DEGRADED'), DEGRADED),
    (finding('link_down', 'DEGRADED'), READY),
    (finding('battery_low', 'DEGRADED'), READY),
    (finding('motor_hung', 'STOPPED'), STOPPED),
    ({'parts': [{'name': 'stream', 'state': 'given_up'}]}, DEGRADED),
])
def test_how_it_is(changes: dict[str, Any], state: str) -> None:
    assert condition.of(status(**changes)).state == state


