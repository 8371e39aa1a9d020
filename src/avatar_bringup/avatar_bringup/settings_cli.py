# SPDX-License-Identifier: Apache-2.0
"""`avatar settings`: what a person sets while the robot runs."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avatar_bringup.settings import FIELDS, SettingProblem, Settings, SettingsFile, parse
from avatar_web.accounts.console import (
    ConsoleProblem,
    add_state_dir,
    answered,
    ask,
    by_gateway_or,
    say,
    state_dir,
)


def add_parser(commands: Any) -> None:
    """Add `settings` to the subparsers of the `avatar` command."""
    settings = commands.add_parser('settings', help='show the settings, or change one')
    add_state_dir(settings)
    settings.set_defaults(run=lambda options: answered(lambda: _show(options)))
    actions = settings.add_subparsers(dest='action', metavar='ACTION')
    change = actions.add_parser('set', help='change settings, all of them or none')
    change.add_argument('changes', nargs='+', metavar='NAME=VALUE')
    change.set_defaults(run=lambda options: answered(lambda: _set(options)))
    reset = actions.add_parser('reset', help='give settings their defaults again')
    reset.add_argument('names', nargs='+', metavar='NAME')
    reset.set_defaults(run=lambda options: answered(lambda: _reset(options)))
    undo = actions.add_parser('undo', help='take back the last change')
    undo.set_defaults(run=lambda options: answered(lambda: _undo(options)))


def _show(options: argparse.Namespace) -> None:
    _print(SettingsFile(state_dir(options), say).load())


def _print(settings: Settings) -> None:
    for name, field in FIELDS.items():
        value = _text(getattr(settings, name))
        unit = f' {field.metadata["unit"]}'.rstrip()
        default = '' if getattr(settings, name) == field.default else (
            f' (default: {_text(field.default)}{unit})')
        print(f'{name} = {value}{unit}{default}\n    {field.metadata["doc"]}{_bounds(name)}')


def _text(value: object) -> str:
    if isinstance(value, bool):
        return 'on' if value else 'off'
    return str(value) if value != '' else 'nothing'


def _bounds(name: str) -> str:
    about = FIELDS[name].metadata
    if about['choices']:
        return f'; one of {", ".join(about["choices"])}'
    if about['range']:
        return f'; {about["range"][0]} to {about["range"][1]}'
    return ''


def _change(folder: Path, changes: Mapping[str, object]) -> None:
    def direct() -> None:
        SettingsFile(folder, say).change(changes)

    _do(folder, lambda: ask(folder, 'POST', '/api/settings', dict(changes)), direct)


def _do(folder: Path, remote: Any, direct: Any) -> None:
    try:
        by_gateway_or(folder, remote, direct)
    except (SettingProblem, OSError) as problem:
        raise ConsoleProblem(str(problem)) from problem


def _set(options: argparse.Namespace) -> None:
    changes: dict[str, object] = {}
    for change in options.changes:
        name, equals, text = change.partition('=')
        try:
            if not equals:
                raise SettingProblem(f'{change!r}: write NAME=VALUE')
            changes[name] = parse(name, text)
        except SettingProblem as problem:
            raise ConsoleProblem(str(problem)) from problem
    _change(state_dir(options), changes)
    for name, value in changes.items():
        print(f'{name} = {_text(value)}')


def _reset(options: argparse.Namespace) -> None:
    unknown = [name for name in options.names if name not in FIELDS]
    if unknown:
        raise ConsoleProblem(f'there is no setting {", ".join(unknown)}; there are: '
                             f'{", ".join(FIELDS)}')
    _change(state_dir(options), dict.fromkeys(options.names))
    for name in options.names:
        print(f'{name} = {_text(FIELDS[name].default)}')


def _undo(options: argparse.Namespace) -> None:
    folder = state_dir(options)
    _do(folder, lambda: ask(folder, 'POST', '/api/settings/undo', {}),
        lambda: SettingsFile(folder, say).undo())
    _show(options)
