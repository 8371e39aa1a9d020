# SPDX-License-Identifier: Apache-2.0
"""`avatar users`: who may come in."""

import argparse
import functools
import getpass
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from avatar_web.accounts.console import (
    ConsoleProblem,
    add_action,
    ask,
    state_dir,
    through,
)
from avatar_web.accounts.gatekeeper import Gatekeeper
from avatar_web.accounts.identity import AccountProblem, Role
from avatar_web.accounts.passwords import LONGEST

ROLES = [role.word for role in Role]


def add_parser(commands: Any) -> None:
    """Add `users` to the subparsers of the `avatar` command; `options.run(options)` runs it."""
    users = commands.add_parser('users', help='list, add, change and remove accounts')
    actions = users.add_subparsers(dest='action', required=True, metavar='ACTION')

    action = functools.partial(add_action, actions)

    action('list', _list, 'list all accounts')
    add = action('add', _add, 'make an account')
    add.add_argument('name')
    add.add_argument('--role', choices=ROLES, default='driver',
                     help='what the person may do (default: driver)')
    passwd = action('passwd', _passwd, 'set a password; the user must sign in anew everywhere')
    passwd.add_argument('name')
    for parser in (add, passwd):
        parser.add_argument('--password-stdin', action='store_true',
                            help='read the password from standard input (one line)')
    role = action('role', _role, 'change what a user may do')
    role.add_argument('name')
    role.add_argument('role', choices=ROLES)
    remove = action('remove', _remove, 'remove an account; the user is out within a second')
    remove.add_argument('name')
    token = action('token', _token, 'print a token for a script that acts as this user')
    token.add_argument('name')
    token.add_argument('--label', default='script', help='how the list of devices calls it')
    token.add_argument('--days', type=float, default=365.0, help='valid for (default: 365)')
    action('link', _link, 'print a new one-time link while there is no admin (gateway running)')


def _path(name: str, action: str = '') -> str:
    return f'/api/users/{quote(name, safe="")}{action}'


def _password(options: argparse.Namespace) -> str:
    """Ask twice, or read a line; never an argument: those are visible to everybody."""
    if options.password_stdin:
        line = sys.stdin.readline(4 * LONGEST)
        return line[:-1] if line.endswith('\n') else line
    if not sys.stdin.isatty():
        raise ConsoleProblem('there is no terminal to ask for the password; '
                             'use --password-stdin')
    password = getpass.getpass(f'New password for {options.name}: ')
    if getpass.getpass('Again: ') != password:
        raise ConsoleProblem('the two passwords differ')
    return password


def _list(options: argparse.Namespace) -> None:
    folder = state_dir(options)

    async def direct(gatekeeper: Gatekeeper) -> list[dict[str, Any]]:
        return [{'name': user.name, 'role': user.role.word, 'created': user.created_s,
                 'devices': len(gatekeeper.devices(user.name))} for user in gatekeeper.users]

    users = through(folder, lambda: ask(folder, 'GET', '/api/users')['users'], direct)
    if not users:
        print('nobody has an account')
        return
    print(f'{"name":32} {"role":7} {"devices":>7}  since')
    for user in users:
        since = time.strftime('%Y-%m-%d', time.localtime(user['created']))
        print(f'{user["name"]:32} {user["role"]:7} {user["devices"]:7}  {since}')


def _add(options: argparse.Namespace) -> None:
    folder, password = state_dir(options), _password(options)
    body = {'name': options.name, 'role': options.role, 'password': password}
    through(folder, lambda: ask(folder, 'POST', '/api/users', body),
            lambda gatekeeper: gatekeeper.users.add(
                options.name, Role.parse(options.role), password))
    print(f'{options.name} can sign in as {options.role}')


def _passwd(options: argparse.Namespace) -> None:
    folder, password = state_dir(options), _password(options)
    through(folder,
            lambda: ask(folder, 'POST', _path(options.name, '/password'), {'password': password}),
            lambda gatekeeper: gatekeeper.users.set_password(options.name, password))
    print(f'{options.name} has a new password and must sign in again everywhere')


def _role(options: argparse.Namespace) -> None:
    folder = state_dir(options)
    through(folder,
            lambda: ask(folder, 'POST', _path(options.name, '/role'), {'role': options.role}),
            lambda gatekeeper: gatekeeper.users.set_role(options.name, Role.parse(options.role)))
    print(f'{options.name} is now {options.role}')


def _remove(options: argparse.Namespace) -> None:
    folder = state_dir(options)
    through(folder, lambda: ask(folder, 'DELETE', _path(options.name)),
            lambda gatekeeper: gatekeeper.users.remove(options.name))
    print(f'{options.name} was removed')


def _token(options: argparse.Namespace) -> None:
    folder = state_dir(options)
    if not 0 < options.days <= 3650:
        raise ConsoleProblem(f'--days {options.days:g}: must be between 0 and 3650')

    async def direct(gatekeeper: Gatekeeper) -> str:
        login = await gatekeeper.new_script_token(
            options.name, options.label, options.days * 86400)
        return login.token

    body = {'label': options.label, 'days': options.days}
    print(through(folder, lambda: str(
        ask(folder, 'POST', _path(options.name, '/token'), body)['token']), direct))


def _link(options: argparse.Namespace) -> None:
    folder: Path = state_dir(options)
    try:
        print(f'Open {ask(folder, "POST", "/api/link", {})["url"]}')
    except (ConnectionError, FileNotFoundError):
        raise AccountProblem('not_running', 'avatar does not run; it prints the link when it '
                             'starts. Or: avatar users add NAME --role admin') from None
