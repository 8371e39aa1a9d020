# SPDX-License-Identifier: Apache-2.0
"""`avatar alert`: whom alerts go to, and whether they arrive."""

import argparse
import functools
import getpass
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from avatar_bringup.alerts.alerts import send_test
from avatar_bringup.alerts.services import (
    LONGEST_URL,
    Service,
    ServiceProblem,
    ServicesFile,
    checked_url,
)
from avatar_bringup.settings import SettingsFile
from avatar_web.accounts.console import (
    ConsoleProblem,
    add_action,
    ask,
    by_gateway_or,
    say,
    state_dir,
)


def add_parser(commands: Any) -> None:
    """Add `alert` to the subparsers of the `avatar` command."""
    alert = commands.add_parser('alert', help='tell somebody far away: list, add, remove, test')
    actions = alert.add_subparsers(dest='action', required=True, metavar='ACTION')

    action = functools.partial(add_action, actions)

    action('list', _list, 'list the services, without their secrets')
    add = action('add', _add, 'add a service; its address is asked for, and a test is sent')
    add.add_argument('--name', default='', help='what you call it')
    add.add_argument('--anyway', action='store_true', help='add it also if the test fails')
    remove = action('remove', _remove, 'remove a service')
    remove.add_argument('id', help='as listed')
    test = action('test', _test, 'send a test to every service, or to one')
    test.add_argument('id', nargs='?', help='as listed')


def _services(folder: Path) -> list[Service]:
    return ServicesFile(folder, say).load()


def _shown(service: Service) -> str:
    return f'{service.id}  {service.name or "-":20}  {service.shown}'


def _list(options: argparse.Namespace) -> None:
    services = _services(state_dir(options))
    print('\n'.join(map(_shown, services)) or 'nobody is told anything: avatar alert add')


def _url() -> str:
    """Ask for the address; never an argument: those are visible to everybody, and kept."""
    if not sys.stdin.isatty():
        return sys.stdin.readline(LONGEST_URL + 2).strip()
    return getpass.getpass('Address, like tgram://TOKEN/CHAT (it is not shown): ').strip()


def _send_test(folder: Path, url: str) -> str:
    outcome = send_test(SettingsFile(folder, say).load(), url)
    return '' if outcome.is_sent else outcome.sentence


def _add(options: argparse.Namespace) -> None:
    folder, url = state_dir(options), _url()
    try:
        url = checked_url(url)
        problem = _send_test(folder, url)
        if problem and not options.anyway:
            raise ServiceProblem(f'{problem}; with --anyway it is added all the same')
        body = {'url': url, 'name': options.name, 'test': False}
        by_gateway_or(folder, lambda: ask(folder, 'POST', '/api/alerts/services', body),
                      lambda: ServicesFile(folder, say).add(url, options.name))
    except (ServiceProblem, OSError) as refused:
        raise ConsoleProblem(str(refused)) from refused
    print(problem or 'a test was sent, and it is added')


def _remove(options: argparse.Namespace) -> None:
    folder = state_dir(options)
    try:
        path = f'/api/alerts/services/{quote(options.id, safe="")}'
        by_gateway_or(folder, lambda: ask(folder, 'DELETE', path),
                      lambda: ServicesFile(folder, say).remove(options.id))
    except (ServiceProblem, OSError) as refused:
        raise ConsoleProblem(str(refused)) from refused
    print('removed')


def _test(options: argparse.Namespace) -> None:
    folder = state_dir(options)
    services = [one for one in _services(folder) if options.id in (None, one.id)]
    if not services:
        raise ConsoleProblem('there is no such service' if options.id else
                             'there is nobody to tell: avatar alert add')
    failed = False
    for service in services:
        problem = _send_test(folder, service.url)
        failed = failed or bool(problem)
        print(f'{_shown(service)}: {problem or "sent"}')
    if failed:
        raise ConsoleProblem('not everybody was reached')
