# SPDX-License-Identifier: Apache-2.0
"""The `avatar` command."""

import argparse
import importlib
import os
import shlex
import sys
from dataclasses import astuple

from avatar_bringup import demo, run, up
from avatar_bringup.care import cli as care
from avatar_bringup.lock import EXIT_TAKEN, Taken
from avatar_bringup.paths import NotInstalled
from avatar_bringup.preflight import hidden
from avatar_bringup.session import domain_of, place_of
from avatar_node.environment import OVERRIDING, dds_environment

MORE = ('avatar_web.users_cli', 'avatar_web.tls_cli', 'avatar_bringup.settings_cli',
        'avatar_bringup.alerts.cli', 'avatar_bringup.install.cli')


class _Starting:
    """What `avatar up` tells of the start, each thing once."""

    def __init__(self) -> None:
        self._answered = False

    def __call__(self, run: up.Up, seconds: float) -> bool:
        health = run.health()
        if health.answers and not self._answered:
            self._answered = True
            run.tell(run.new_words('gateway'))
            run.tell(f'the page is there after {seconds:.1f} s; logs: {run.folder}')
        if health.drivable:
            run.tell(f'a person can drive after {seconds:.1f} s')
            return True
        if seconds > demo.PATIENCE_S:
            run.tell('not drivable yet: no board is connected; the page says why' if health.answers
                     else f'the gateway does not answer: {run.last_words("gateway")}')
            return True
        return False


def _up(options: argparse.Namespace) -> int:
    place = place_of(os.environ, sim=options.sim, host=options.host, port=options.port)
    return up.main(place, os.environ, _Starting())


def _run(options: argparse.Namespace) -> int:
    wish = run.Wish(options.sim, options.host, options.port, options.without_ros,
                    tuple(options.launch))
    return run.main(wish, os.environ, _Starting())


def _look(_options: argparse.Namespace) -> int:
    place = place_of(os.environ, sim=False)
    held = hidden.look(astuple(place.ports))
    if os.geteuid() == 0:
        hidden.write(held)
    for one in held:
        print(f'{one.what}: {hidden.known(one)}')
    return 0


def _demo(_options: argparse.Namespace) -> int:
    return demo.main(os.environ)


def _env(_options: argparse.Namespace) -> int:
    place = place_of(os.environ, sim=False)
    print(f'unset {" ".join(OVERRIDING)}')
    for name, value in sorted(dds_environment(
            {}, domain=domain_of(place.port, os.environ)).items()):
        print(f'export {name}={shlex.quote(value)}')
    return 0


def parser(word: str = '') -> argparse.ArgumentParser:
    """
    Return the parser; `users` and `tls` come from avatar_web, which owns the accounts.

    Those, and what goes through the gateway as they do, are loaded where `word`, the command, is
    not one of ours: a start should be quick.
    """
    result = argparse.ArgumentParser(
        prog='avatar', description='A telepresence robot.',
        epilog='Environment: AVATAR_STATE_DIR (state folder, ~/.local/state/avatar), '
               'AVATAR_PORT (8080), ROS_DOMAIN_ID, AVATAR_DDS_PROFILE.')
    commands = result.add_subparsers(dest='command', required=True, metavar='COMMAND')

    command = commands.add_parser('demo', help='run it with simulated devices and print a link')
    command.set_defaults(run=_demo)

    command = commands.add_parser('up', help='run every process of the robot in the foreground')
    _add_place(command)
    command.set_defaults(run=_up)

    command = commands.add_parser(
        'run', help='what the unit starts: preflight, then ros2 launch (without ROS: up)')
    _add_place(command)
    command.add_argument('--without-ros', action='store_true', help='never by ros2 launch')
    command.add_argument('launch', nargs='*', metavar='NAME:=VALUE',
                         help='further arguments of avatar.launch.py')
    command.set_defaults(run=_run)

    command = commands.add_parser(
        'look', help='list who holds the ports, serial ports, cameras and sound cards; as root of '
                     f'all users, and written to {hidden.FILE}')
    command.set_defaults(run=_look)

    care.add_parsers(commands)

    command = commands.add_parser(
        'env', help='print what another shell needs to join: eval "$(avatar env)"')
    command.set_defaults(run=_env)

    for name in () if word in commands.choices else MORE:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not (error.name or '').startswith('avatar_web'):
                raise
            continue
        module.add_parser(commands)
    return result


def _add_place(command: argparse.ArgumentParser) -> None:
    command.add_argument('--sim', action='store_true', help='with simulated devices')
    command.add_argument('--host', help='address to listen on (default: gateway.yaml, that is '
                                        '127.0.0.1; 0.0.0.0 = everywhere, by HTTPS)')
    command.add_argument('--port', type=int, help='port (default: AVATAR_PORT, or 8080)')


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    options = parser(words[0] if words else '').parse_args(words)
    try:
        return int(options.run(options) or 0)
    except Taken as taken:
        print(f'avatar: {taken}', file=sys.stderr)
        return EXIT_TAKEN
    except (NotInstalled, OSError, ValueError) as problem:
        print(f'avatar: {problem}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
