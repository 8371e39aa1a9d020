# SPDX-License-Identifier: Apache-2.0
"""The demo: simulated devices, a token of its own, and the link as soon as a person can drive."""

import os
import secrets
from collections.abc import Mapping

from avatar_bringup import up
from avatar_bringup.session import place_of
from avatar_bringup.supervisord import die_with_parent

# After this time without success it says what it is waiting for.
PATIENCE_S = 15.0


class Starting:
    """What is told of the start, each thing once."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._page = False
        self._patient = True

    def __call__(self, run: up.Up, seconds: float) -> bool:
        """Tell what is new; return whether a person can drive."""
        health = run.health()
        if health.drivable:
            run.tell(f'Open http://127.0.0.1:{run.port}/?token={self._token}')
            run.tell(f'(drivable after {seconds:.1f} s; Ctrl-C ends it; logs: {run.folder})')
            return True
        if health.answers and not self._page:
            self._page = True
            run.tell(f'page after {seconds:.1f} s, waiting for the board (it boots 3.2 s)')
        if seconds > PATIENCE_S and self._patient:
            self._patient = False
            part = 'motor' if health.answers else 'gateway'
            what = 'has not found its board' if health.answers else 'does not answer'
            run.tell(f'still waiting: {part} {what}; last line of its log {run.log(part)}: '
                     f'{run.last_words(part)}')
        return False


def main(environ: Mapping[str, str]) -> int:
    """Run the demo until Ctrl-C; return the exit code."""
    place = place_of(environ, sim=True, host='127.0.0.1')
    token = environ.get('AVATAR_DEMO_TOKEN') or secrets.token_urlsafe(24)
    if environ.get('AVATAR_PARENT') == str(os.getppid()):
        # Started by make: a killed make must not leave a demo behind.
        die_with_parent()
    up.say(f'starting the parts; state folder: {place.state_dir}')
    return up.main(place, {**environ, 'AVATAR_DEMO_TOKEN': token}, Starting(token))
