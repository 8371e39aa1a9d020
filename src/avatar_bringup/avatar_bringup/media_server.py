# SPDX-License-Identifier: Apache-2.0
"""
Start MediaMTX: wait until there is one and its ports can be had, then become it.

Whatever is missing is said once and waited for: without a picture the robot still drives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from avatar_bringup import paths
from avatar_bringup.ports import Ports
from avatar_bringup.sockets import cannot_bind, holder
from avatar_bringup.who import who

VERSION = 'v1.20.1'
LOOK_AGAIN_S = 2.0
LOOPBACK = ('localhost', '127.', '::1')


def find(environ: Mapping[str, str]) -> str:
    """Return MediaMTX's program: AVATAR_MEDIAMTX, else the PATH's; NotInstalled says why not."""
    program = environ.get('AVATAR_MEDIAMTX') or shutil.which('mediamtx', path=environ.get('PATH'))
    if not program:
        raise paths.NotInstalled(
            f'MediaMTX {VERSION} is not installed: make build builds it, or put it on the PATH')
    try:
        version = subprocess.run([program, '--version'], capture_output=True, text=True,
                                 timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise paths.NotInstalled(f'{program} cannot be started: {error}') from None
    if version != VERSION:
        raise paths.NotInstalled(f'{program} is MediaMTX {version}, and {VERSION} is needed')
    return program


def gateway_host(environ: Mapping[str, str], state_dir: Path) -> str:
    """Return the address the gateway's parameter files tell it to listen on."""
    return str(paths.written('gateway', environ, state_dir).get('host', ''))


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches the address."""
    return not host or host.startswith(LOOPBACK)


def configuration(environ: Mapping[str, str], state_dir: Path) -> Path:
    """Return the file MediaMTX reads: the user's, or the installed one."""
    own = state_dir / 'config' / 'mediamtx.yml'
    return own if own.is_file() else paths.config_dir(environ) / 'mediamtx.yml'


def settings(ports: Ports, loopback: bool, card: Path) -> dict[str, str]:
    """Return what avatar decides itself, as the variables that win over MediaMTX's file."""
    media = f'127.0.0.1:{ports.media}' if loopback else f':{ports.media}'
    result = {
        'MTX_APIADDRESS': f'127.0.0.1:{ports.api}',
        'MTX_RTSPADDRESS': f'127.0.0.1:{ports.rtsp}',
        'MTX_WEBRTCADDRESS': f'127.0.0.1:{ports.webrtc}',
        'MTX_WEBRTCLOCALUDPADDRESS': media,
        'MTX_WEBRTCLOCALTCPADDRESS': media,
        'MTX_AUTHMETHOD': 'http',
        'MTX_AUTHHTTPADDRESS': f'http://127.0.0.1:{ports.inner}/media/auth',
        'MTX_PATHS_CAMERA_ALWAYSAVAILABLEFILE': str(card),
    }
    if loopback:
        result['MTX_WEBRTCIPSFROMINTERFACES'] = 'false'
        result['MTX_WEBRTCADDITIONALHOSTS'] = '127.0.0.1'
    return result


def problems(ports: Ports, loopback: bool) -> Iterator[str]:
    """Yield a sentence for every port that MediaMTX cannot have now."""
    media_host = '127.0.0.1' if loopback else ''
    for protocol, host, port, what in (
            ('udp', media_host, ports.media, 'pictures to browsers'),
            ('tcp', media_host, ports.media, 'pictures to browsers'),
            ('tcp', '127.0.0.1', ports.rtsp, 'the encoder'),
            ('tcp', '127.0.0.1', ports.webrtc, 'signalling'),
            ('tcp', '127.0.0.1', ports.api, 'its API')):
        reason = cannot_bind(protocol, host, port)
        if reason == 'taken':
            taker = who(holder(protocol, port) or 0)
            way = taker.next_step(hidden=f'sudo ss -lpn sport = :{port}')
            yield (f'no picture: {protocol} port {port} ({what}) is taken by {taker}; it '
                   f'is waited for; to free it: {way}')
        elif reason:
            yield f'no picture: cannot listen on {protocol} port {port} ({what}): {reason}'


def wait_ready(look: Callable[[], str], tell: Callable[[str], None], pause_s: float) -> None:
    """Return when `look` finds no problem; each new one is told once."""
    told = ''
    while problem := look():
        if problem != told:
            tell(problem)
            told = problem
        time.sleep(pause_s)
    if told:
        tell('that is over: MediaMTX is started')


def arguments(words: list[str]) -> tuple[Ports, str, Path]:
    """Return ports, the gateway's host ('' = its configuration decides) and state folder."""
    parser = argparse.ArgumentParser(description='Start MediaMTX for one avatar.')
    parser.add_argument('--state-dir', type=Path, required=True)
    parser.add_argument('--host', default='')
    for field in fields(Ports):
        parser.add_argument(f'--{field.name}', type=int, default=field.default)
    options = vars(parser.parse_args(words))
    ports = Ports(**{field.name: options[field.name] for field in fields(Ports)})
    return ports, options['host'], options['state_dir']


def main(words: list[str] | None = None) -> int:
    """Become MediaMTX as soon as that is possible."""
    ports, host, state_dir = arguments(sys.argv[1:] if words is None else words)
    loopback = is_loopback(host or gateway_host(os.environ, state_dir))

    def look() -> str:
        try:
            find(os.environ)
        except paths.NotInstalled as problem:
            return f'no picture: {problem}'
        return next(problems(ports, loopback), '')

    wait_ready(look, lambda text: print(text, flush=True), LOOK_AGAIN_S)
    # Nothing of a shell's own MTX_ variables gets in.
    environ = {name: value for name, value in os.environ.items() if not name.startswith('MTX_')}
    environ |= settings(ports, loopback, paths.config_dir(os.environ) / 'offline.mp4')
    program = find(os.environ)
    os.execve(program, [program, str(configuration(os.environ, state_dir))], environ)


if __name__ == '__main__':
    sys.exit(main())
