# SPDX-License-Identifier: Apache-2.0
"""`avatar tls`: the certificate that browsers see."""

import argparse
import os
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

from avatar_web.accounts.console import (
    ConsoleProblem,
    add_state_dir,
    answered,
    ask,
    become_owner,
    read,
    state_dir,
)
from avatar_web.door import tls
from avatar_web.door.keyring import WARN_DAYS, now_utc


def add_parser(commands: Any) -> None:
    """Add `tls` to the subparsers of the `avatar` command; `options.run(options)` runs it."""
    parser = commands.add_parser(
        'tls', help='show the certificate, bring one, go back to the own one',
        description='Without options: show which certificate is served.')
    parser.add_argument('--cert', type=Path, metavar='FILE',
                        help='certificate to serve, PEM, with its chain (fullchain.pem)')
    parser.add_argument('--key', type=Path, metavar='FILE', help='its private key, PEM')
    own = parser.add_mutually_exclusive_group()
    own.add_argument('--own', action='store_true',
                     help='forget the one that was brought; serve the own one again')
    own.add_argument('--renew', action='store_true',
                     help='make a new own one, for the names and addresses of today')
    add_state_dir(parser)
    parser.set_defaults(run=lambda options: answered(lambda: _run(options)))


def _run(options: argparse.Namespace) -> None:
    folder = state_dir(options)
    bring = options.cert or options.key
    if bring and (options.own or options.renew):
        raise ConsoleProblem('--cert and --key do not go with --own or --renew')
    if bring:
        _bring(options, folder)
    elif options.own:
        _remove(folder, tls.BROUGHT)
    elif options.renew:
        _remove(folder, tls.OWN)
    if bring or options.own or options.renew:
        _reload(folder)
    else:
        _show(folder)


def _bring(options: argparse.Namespace, folder: Path) -> None:
    if not (options.cert and options.key):
        raise ConsoleProblem('both are needed: --cert FILE --key FILE')
    # Read as who we are (a key is often root's), written as the owner of the folder.
    cert = read(options.cert, tls.MOST_PEM_BYTES)
    key = read(options.key, tls.MOST_PEM_BYTES)
    try:
        about = tls.read_pair(cert, key, now_utc())
    except tls.TlsProblem as problem:
        raise ConsoleProblem(str(problem)) from problem
    become_owner(folder)
    try:
        tls.install(folder / 'tls' / tls.BROUGHT, cert.rstrip(b'\n') + b'\n' + key)
    except OSError as problem:
        raise ConsoleProblem(f'{folder}: {problem}') from problem
    _print(about)


def _remove(folder: Path, name: str) -> None:
    become_owner(folder)
    try:
        with suppress(FileNotFoundError):
            os.unlink(folder / 'tls' / name)
    except OSError as problem:
        raise ConsoleProblem(f'{folder}: {problem}') from problem


def _reload(folder: Path) -> None:
    try:
        print(ask(folder, 'POST', '/api/tls/reload', {})['message'])
    except (ConnectionError, FileNotFoundError):
        print('avatar does not run; this counts from its next start')


def _show(folder: Path) -> None:
    for name, what in ((tls.BROUGHT, 'brought'), (tls.OWN, 'the own one')):
        try:
            _, about = tls.read_file(folder / 'tls' / name, now_utc())
        except FileNotFoundError:
            continue
        except (OSError, tls.TlsProblem, ssl.SSLError) as problem:
            print(f'{what}, cannot be used: {problem}')
            continue
        print(f'{what}:')
        _print(about)
        return
    print('there is no certificate yet; one is made when the gateway listens with TLS')


def _print(about: tls.Certificate) -> None:
    days = about.days_left(now_utc())
    print(f'  for      {", ".join(about.names)}\n'
          f'  until    {about.not_after:%Y-%m-%d}'
          f'{f" (in {days:.0f} days: renew it soon)" if days < WARN_DAYS else ""}\n'
          f'  SHA-256  {about.fingerprint}')
