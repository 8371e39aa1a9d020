# SPDX-License-Identifier: Apache-2.0
"""
`avatar stop`: the emergency stop at the robot's own console, without network, page or gateway.

Two ways at once, each sufficient alone. The stored permit to drive is removed: the motor node
sees that within a second, and whatever starts later finds no permit and stands. And the motor
node is called over DDS on 127.0.0.1, which is quicker, and which answers.
"""

import argparse
import importlib
import os
import sys
import time
from pathlib import Path

from avatar_bringup import paths
from avatar_bringup.care.owner import acting_as_owner
from avatar_bringup.lock import holder
from avatar_motor.deadlines import BOARD_WATCHDOG_S
from avatar_motor.permit import Permit

ANSWER_S = 1.0
EXIT_STOPPED, EXIT_NOT_STORED, EXIT_NO_ANSWER = 0, 1, 2


def run(options: argparse.Namespace) -> int:
    """Stop; return 0 if the motor node says so, 2 if it does not answer, 1 if nothing is kept."""
    state_dir: Path = options.state_dir or paths.state_dir(os.environ)
    not_removed = remove_permit(state_dir)
    answers, why_not = ask(state_dir)
    if not answers or not_removed:
        # Once more: somebody may have reset it meanwhile, and nobody who answered stored this.
        not_removed = remove_permit(state_dir)
    for name, (success, words) in sorted(answers.items()):
        print(f'{"stopped" if success else "the motor node refused"} ({name}): {words}')
    if answers and all(success for success, _ in answers.values()):
        print('it stays stopped until a person resets it on the page')
        return EXIT_STOPPED
    if not answers:
        print(no_answer(why_not))
    print(kept(state_dir, not_removed))
    return EXIT_NOT_STORED if not_removed else EXIT_NO_ANSWER


def remove_permit(state_dir: Path) -> str:
    """Remove the permit to drive, whoever owns it; return what went wrong, '' if nothing."""
    try:
        with acting_as_owner(state_dir):
            return Permit(state_dir).withdraw()
    except OSError as error:
        return f'{state_dir}: {error.strerror}'


def ask(state_dir: Path) -> tuple[dict[str, tuple[bool, str]], str]:
    """Call the motor node; return its answers, and why there are none."""
    began_s = time.monotonic()
    try:
        # Here, because it takes long: the permit is gone already.
        graph = importlib.import_module('avatar_bringup.care.graph')
        running = importlib.import_module('avatar_bringup.care.running')
        run = running.Run(state_dir, holder(state_dir / 'lock'), port=port_of(state_dir))
        answers: dict[str, tuple[bool, str]] = graph.trigger_stop(
            graph.place_of(run).domain, ANSWER_S)
    except Exception as error:  # noqa: BLE001 - whatever DDS says, the rest has to be told
        return {}, f'DDS cannot be used ({type(error).__name__}: {error})'
    waited_s = time.monotonic() - began_s
    return answers, f'no motor node answered within {ANSWER_S:g} s ({waited_s:.1f} s in all)'


def port_of(state_dir: Path) -> int:
    """Return the gateway's port, which tells the ROS domain where nobody else does."""
    try:
        return int((state_dir / 'gateway.port').read_text())
    except (OSError, ValueError):
        text = os.environ.get('AVATAR_PORT', '')
        return int(text) if text.isdecimal() else 8080


def no_answer(why: str) -> str:
    """Return what protects now."""
    return (f'{why}. What protects now is the board: it stands by itself {BOARD_WATCHDOG_S:g} s '
            'after the last word of the motor node (firmware 2.0). If a wheel still turns, take '
            'its power.')


def kept(state_dir: Path, not_removed: str) -> str:
    """Return whether it stays stopped."""
    if not_removed:
        return (f'the permit to drive could NOT be removed: {not_removed} Another start could '
                'drive again. As another user: sudo avatar stop')
    return ('the permit to drive was removed: whatever starts on '
            f'{state_dir} stands until a person resets it on the page')


def main() -> int:
    """For `python -m avatar_bringup.care.stop`."""
    return run(argparse.Namespace(state_dir=None))


if __name__ == '__main__':
    sys.exit(main())
