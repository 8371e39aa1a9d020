# SPDX-License-Identifier: Apache-2.0
"""What the benches of links share: a robot, and a Chromium that reaches it over a bad one only."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bad_link import BadLink, Quality, why_not
from chain import Avatar
from drive import machine
from picture import launch
from playwright.sync_api import Browser, sync_playwright

from tests.browser import chromium


@dataclass(frozen=True)
class FarBrowser:
    """`about` is the machine all of it runs on."""

    about: dict[str, Any]
    link: BadLink
    avatar: Avatar
    browser: Browser


def arguments(doc: str | None, loss: float) -> argparse.ArgumentParser:
    """Return a parser for the first line of a program's text, and for its link."""
    parser = argparse.ArgumentParser(description=(doc or '').strip().splitlines()[0])
    parser.add_argument('--kbit', type=int, default=1000, help='rate of each direction [kbit/s]')
    parser.add_argument('--round-trip', type=float, default=200.0, help='[ms]')
    parser.add_argument('--loss', type=float, default=loss, help='of each direction, 0 to 1')
    return parser


@contextlib.contextmanager
def far_browser(bench: str, quality: Quality) -> Iterator[FarBrowser]:
    """Have all of it up, and its heading printed; SystemExit 2 with a sentence where it cannot."""
    if problem := why_not():
        print(f'{bench} cannot run here: {problem}', file=sys.stderr)
        raise SystemExit(2)
    program = chromium()
    if program is None:
        print(f'{bench} needs a Chromium; name one in AVATAR_CHROMIUM', file=sys.stderr)
        raise SystemExit(2)
    about = machine()
    print(f'{about["cpu"]}, {about["cores"]} cores, Linux {about["kernel"]}, load '
          f'{about["load_1min"]}, {about["date"]}\n{quality}\n')
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='avatar-link-')))
        link = stack.enter_context(BadLink(quality))
        avatar = stack.enter_context(Avatar(
            folder, {'gateway': {'plain_http_beyond_loopback': True}}, host=link.robot))
        playwright = stack.enter_context(sync_playwright())
        browser = launch(playwright, program=link.program(program))
        stack.callback(browser.close)
        yield FarBrowser(about, link, avatar, browser)
