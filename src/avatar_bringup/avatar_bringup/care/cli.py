# SPDX-License-Identifier: Apache-2.0
"""The words of what a person does at the robot's console; what they need is loaded when called."""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from avatar_bringup.care.problem import Problem

COMMANDS = ('status', 'doctor', 'logs', 'support', 'stop', 'backup', 'restore', 'update')


def _runs(module: str) -> Any:
    def run(options: argparse.Namespace) -> int:
        loaded = importlib.import_module(f'avatar_bringup.care.{module}')
        try:
            return int(loaded.run(options))
        except Problem as problem:
            print(f'avatar: {problem}', file=sys.stderr)
            return 1
    return run


def add_parsers(commands: Any) -> None:
    """Add the commands to the subparsers of `avatar`."""
    def command(name: str, help_: str, **more: Any) -> argparse.ArgumentParser:
        result: argparse.ArgumentParser = commands.add_parser(name, help=help_, **more)
        result.add_argument('--state-dir', type=Path, metavar='DIR', default=None,
                            help='state folder (default: AVATAR_STATE_DIR, '
                                 '~/.local/state/avatar)')
        result.set_defaults(run=_runs(name))
        return result

    status = command(
        'status', 'say on one screen whether it runs, how it is, and what each part does',
        epilog='Exit code: 0 a person can drive, 1 it does not run, 2 it cannot be driven.')
    status.add_argument('--json', action='store_true', help='for programs')

    doctor = command(
        'doctor', 'look for everything that can be wrong, and say what to do',
        epilog='It works where avatar does not run, too; as root it sees more. '
               'Exit code: 0 all is well, 1 something to look at, 2 it cannot be driven so.')
    doctor.add_argument('--json', action='store_true', help='for programs')

    logs = command('logs', 'print what the parts wrote')
    logs.add_argument('part', nargs='?', help='one part only (motor, gateway, stream ...)')
    logs.add_argument('-f', '--follow', action='store_true', help='go on with what is new')
    logs.add_argument('--since', metavar='TIME',
                      help="10min, 2h, 1d, today, 14:30, or '2025-10-23 22:10'")

    support = command('support', 'one archive for whoever is to help, without secrets')
    support.add_argument('file', nargs='?', type=Path, metavar='FILE',
                         help='default: avatar-support-TIME.zip here')

    command('stop', 'emergency stop, here and now: without network, page or gateway',
            epilog='It stays stopped until a person resets it on the page. Exit code: 0 the '
                   'motor node has stopped, 2 it does not answer (the board stops by itself), 1 '
                   'the stop could not be stored.')

    backup = command('backup', 'save accounts, settings, words and sounds in one file')
    backup.add_argument('file', type=Path, metavar='FILE', help='the file to make, or a folder')
    backup.add_argument('--pictures', action='store_true', help='snapshots and recordings, too')

    restore = command(
        'restore', 'bring back what was saved, here or on another robot (avatar ended first)')
    restore.add_argument('file', type=Path, metavar='FILE')
    restore.add_argument('--check', action='store_true', help='only see whether it is whole')

    update = command(
        'update', 'another version; back to this one where it does worse (as root)',
        epilog='The new version has a minute to be as good as this one was. Never while somebody '
               'drives. Exit code: 0 updated, 1 nothing was changed, 2 it went back.')
    update.add_argument('source', nargs='?', type=Path, metavar='FOLDER',
                        help='the folder of the new version, as it was cloned or unpacked')
    update.add_argument('--rollback', action='store_true',
                        help='back to the version before the last update')
    update.add_argument('--not-driven', action='store_true',
                        help='I see the robot and nobody drives it (where it cannot say so)')
