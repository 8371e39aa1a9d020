# SPDX-License-Identifier: Apache-2.0
"""
What a person sets while the robot runs: `settings.json` in the state folder.

What a node reads at its start are its parameters (config/*.yaml), who may come in is the gateway's
database. This file has one writer at a time: the gateway while it runs, else the `avatar` command,
which holds both locks (settings_cli.py). Everybody may read it.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avatar_node import store
from avatar_node.fields import param, problem_of

FILE = 'settings.json'
TIME = r'(([01]\d|2[0-3]):[0-5]\d)?'
TIME_EXAMPLE = 'a time like 22:30, or nothing'


@dataclass(frozen=True)
class Settings:
    """All settings of the robot, each with its default."""

    alerts_name: str = param(
        '', 'what alerts call the robot; nothing = the name of its computer',
        pattern=r'[^\x00-\x1f\x7f]{0,40}', example='one line of at most 40 characters')
    alerts_language: str = param('en', 'language of alerts', choices=('en', 'ro', 'de'))
    quiet_from: str = param(
        '', 'from this time on alerts wait until quiet_to, by the clock of the robot',
        pattern=TIME, example=TIME_EXAMPLE)
    quiet_to: str = param(
        '', 'at this time what waited is told, in one message', pattern=TIME, example=TIME_EXAMPLE)
    quiet_except_stopped: bool = param(
        True, 'that the robot cannot be driven is told in quiet hours, too')
    degraded_after_s: int = param(
        60, 'what does not work is told after this time', range=(10, 3600), unit='s')


FIELDS = {field.name: field for field in dataclasses.fields(Settings)}


class SettingProblem(ValueError):
    """A setting was refused; the text says which, and why."""


def plain(name: str, value: object) -> object:
    """Return a value of JSON as the setting keeps it; SettingProblem if it cannot be one."""
    field = FIELDS.get(name)
    if field is None:
        raise SettingProblem(f'there is no setting {name!r}; there are: {", ".join(FIELDS)}')
    if type(value) is int and type(field.default) is float:
        value = float(value)
    problem = problem_of(field, value)
    if problem:
        raise SettingProblem(problem)
    return value


def parse(name: str, text: str) -> object:
    """Return what a person typed as the value of a setting; SettingProblem says what is wrong."""
    kind: Any = type(FIELDS[name].default) if name in FIELDS else str
    value: object = text
    if kind is bool:
        value = {'on': True, 'yes': True, 'true': True,
                 'off': False, 'no': False, 'false': False}.get(text.lower(), text)
    elif kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            raise SettingProblem(f'{name} = {text!r}: must be a number') from None
    return plain(name, value)


class SettingsFile:
    """
    `settings.json`, and `settings.json.previous` beside it: what it was before the last change.

    Blocking. `say(sentence)` is called once for what is wrong with the file.
    """

    def __init__(self, state_dir: Path, say: Callable[[str], None]) -> None:
        self.path = state_dir / FILE
        self._previous = state_dir / f'{FILE}.previous'
        self._say, self._said = say, set[str]()

    def load(self, repair: bool = False) -> Settings:
        """
        Return the settings; never fails: what cannot be used is said, and the default taken.

        With `repair` (the writer) a broken file is kept under another name.
        """
        return Settings(**self._read(repair))

    def change(self, changes: Mapping[str, object]) -> Settings:
        """
        Set all of these, or none; None means the default again. Return the new settings.

        SettingProblem names what is refused, OSError why nothing can be written.
        """
        wanted = {name: FIELDS[name].default if value is None and name in FIELDS
                  else plain(name, value) for name, value in changes.items()}
        now = self._read(repair=True)
        new = {name: value for name, value in (now | wanted).items()
               if value != FIELDS[name].default}
        if new != now:
            self._write(now, new)
        return Settings(**new)

    def undo(self) -> Settings:
        """Take back the last change (and with the next call the taking back)."""
        try:
            before = self._valid(store.read(self._previous))
        except FileNotFoundError:
            raise SettingProblem('there is no change to take back') from None
        except ValueError as problem:
            raise SettingProblem(f'{self._previous} cannot be used: {problem}') from None
        self._write(self._read(repair=True), before)
        return Settings(**before)

    def _write(self, now: dict[str, Any], new: dict[str, Any]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        store.write(self._previous, now)
        store.write(self.path, new)

    def _read(self, repair: bool) -> dict[str, Any]:
        try:
            return self._valid(store.read(self.path))
        except FileNotFoundError:
            return {}
        except ValueError as problem:
            self._once(f'{self.path} is broken ({problem}): the defaults are used'
                       + (f'; it is kept as {set_aside(self.path)}' if repair else ''))
        except OSError as problem:
            self._once(f'{self.path} cannot be read ({problem.strerror}): the defaults are used')
        return {}

    def _valid(self, values: dict[str, Any]) -> dict[str, Any]:
        result = {}
        for name, value in values.items():
            try:
                result[name] = plain(name, value)
            except SettingProblem as problem:
                self._once(f'{self.path}: {problem}; it is left out')
        return result

    def _once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._say(sentence)


def set_aside(path: Path) -> str:
    """Keep a broken file under a name with the date; return where, or why not."""
    aside = path.with_name(f'{path.name}.broken-{time.strftime("%Y%m%d-%H%M%S")}')
    try:
        os.replace(path, aside)
    except OSError as problem:
        return f'it was ({problem.strerror})'
    return aside.name
