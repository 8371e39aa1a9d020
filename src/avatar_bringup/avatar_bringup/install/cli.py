# SPDX-License-Identifier: Apache-2.0
"""`avatar install` and `avatar uninstall`: shown first, done with --yes."""

import argparse
import os
import sys
from pathlib import Path

from avatar_bringup.install import facts
from avatar_bringup.install.apply import Refused, Target
from avatar_bringup.install.plan import MANIFEST, Options, installation
from avatar_bringup.ports import DEFAULT_PORT
from avatar_bringup.preflight import units


def _tell(text: str) -> None:
    print(text, flush=True)


def _install(options: argparse.Namespace) -> int:
    target = _target(options)
    words = [f'--host {options.host}', '--sim' if options.sim else '',
             '--without-ros' if options.without_ros else '']
    arguments = options.arguments or ' '.join(filter(None, words))
    plan = installation(
        facts.machine(options.root), facts.built(os.environ, options.without_ros),
        Options(arguments=arguments, port=options.port, domain=options.domain,
                start=not options.no_start))
    target.show(plan, contents=options.verbose and not options.yes)
    for note in plan.notes:
        _tell(f'note: {note}')
    old = units.others(options.root)
    if old:
        _tell('\nOther units start the same. They stay as they are; each that runs takes devices '
              'or ports from avatar.\nDisable them, if they are no more needed, by:')
        for unit in old:
            _tell(f'    sudo systemctl disable --now {unit.name}'
                  f'    # {"starts at boot" if unit.enabled else "not enabled"}'
                  f'{", runs" if unit.pid else ""}')
    if not options.yes:
        target.refuse_foreign(plan)
        _tell('\nNothing was done. The same with --yes does it.')
        return 0
    worked = target.install(plan)
    _tell(f'\ninstalled: {plan.release}' if worked else '\ninstalled, but for what is said above')
    _tell('what it does: systemctl status avatar; what it says: journalctl -u avatar -f')
    return 0 if worked else 1


def _uninstall(options: argparse.Namespace) -> int:
    target = _target(options)
    if not target.at(MANIFEST).exists():
        _tell('nothing is installed here')
        return 0
    target.uninstall(options.purge, options.yes)
    _tell('uninstalled' if options.yes else
          '\nNothing was done. The same with --yes does it.')
    return 0


def _target(options: argparse.Namespace) -> Target:
    if options.yes and options.root == Path('/') and os.geteuid() != 0:
        raise Refused('only root installs and uninstalls: sudo tools/avatar ...')
    return Target(options.root, _tell)


def _guarded(work: object) -> object:
    def run(options: argparse.Namespace) -> int:
        try:
            return int(work(options))  # type: ignore[operator]
        except Refused as reason:
            print(f'avatar: {reason}', file=sys.stderr)
            return 1
    return run


def add_parser(commands: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    """Add the two commands."""
    command = commands.add_parser(
        'install', help='make it a service of this machine: shows what it would do',
        description='Shows each file and command; with --yes it is done. Again changes nothing.')
    command.add_argument('--yes', action='store_true', help='do it')
    command.add_argument('--verbose', action='store_true', help='show the contents of the files')
    command.add_argument('--without-ros', action='store_true',
                         help="over the demo's environment, without a ROS installation")
    command.add_argument('--sim', action='store_true', help='with simulated devices')
    command.add_argument('--host', default='0.0.0.0',
                         help='where the page listens (0.0.0.0: everywhere, by HTTPS)')
    command.add_argument('--port', type=int, default=DEFAULT_PORT, help='of the page')
    command.add_argument('--domain', type=int, default=0, help='the ROS domain, 0 to 101')
    command.add_argument('--arguments', help='of avatar run, instead of --host and --sim')
    command.add_argument('--no-start', action='store_true', help='from the next boot on only')
    command.add_argument('--root', type=Path, default=Path('/'),
                         help='an image of a machine: files only, no commands')
    command.set_defaults(run=_guarded(_install))

    command = commands.add_parser(
        'uninstall', help='take away what install wrote: shows what it would do',
        description='Removes what install wrote and nobody changed; state and user stay.')
    command.add_argument('--yes', action='store_true', help='do it')
    command.add_argument('--purge', action='store_true',
                         help='also accounts, settings, words, pictures, recordings, the user')
    command.add_argument('--root', type=Path, default=Path('/'), help='an image of a machine')
    command.set_defaults(run=_guarded(_uninstall))
