# SPDX-License-Identifier: Apache-2.0
"""
Opening the page over a slow link (root only: network namespaces, TUN, tc).

    make bench-load    or    python bench/first_load.py [--kbit 1000] [--round-trip 200]

A real Chromium in a network of its own opens the page with an empty cache, and once more with
what it kept. Requests, bytes received, and seconds from opening until the page is drawn, until
it would drive (control taken as soon as that is offered) and until the first picture. Prints a
table, ends with one line of JSON.
"""

import json
import os
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), *(str(p.parent) for p in sorted((ROOT / 'src').glob('*/setup.py')))]

from bad_link import Quality  # noqa: E402
from chain import Avatar  # noqa: E402
from far_browser import arguments, far_browser  # noqa: E402
from playwright.sync_api import Browser, BrowserContext  # noqa: E402
from playwright.sync_api import Error as PlaywrightError  # noqa: E402

LONGEST_MS = 60_000
MARKS = ('drawn', 'drivable', 'picture')

SCRIPT = """
  globalThis.benchMarks = {};
  const mark = (name, selector) => {
    if (!(name in benchMarks) && document.querySelector(selector)) {
      benchMarks[name] = performance.now();
      return true;
    }
  };
  new MutationObserver(() => {
    mark('drawn', '#cockpit:not([hidden])');
    mark('drivable', '#why[data-level=ok]');
    mark('picture', '#stage[data-picture=live]');
  }).observe(document, {subtree: true, childList: true, attributes: true});
  // Again and again, as a person would: it is refused while the link is not measured yet.
  setInterval(() => document.querySelector('#lease-take:not([hidden])')?.click(), 300);
"""


def visit(context: BrowserContext, url: str) -> dict[str, float]:
    """Open the page in a new tab and leave it; return the seconds, requests and kB."""
    page = context.new_page()
    wire = context.new_cdp_session(page)
    received: list[int] = []
    kept = 0

    def from_cache(_: Any) -> None:
        nonlocal kept
        kept += 1
    wire.on('Network.loadingFinished', lambda e: received.append(e['encodedDataLength']))
    wire.on('Network.requestServedFromCache', from_cache)
    wire.send('Network.enable')
    page.goto(url, wait_until='commit')
    try:
        for there in ('#why[data-level=ok]', '#stage[data-picture=live]'):
            page.locator(there).wait_for(state='attached', timeout=LONGEST_MS)
    except PlaywrightError as problem:
        raise SystemExit(f'not there after {LONGEST_MS / 1e3:.0f} s: {there}; the page says: '
                         f'{page.locator("#why").inner_text()}') from problem
    marks = page.evaluate('benchMarks')
    row = {name: round(marks[name] / 1e3, 2) for name in MARKS}
    row['requests'] = sum(size > 0 for size in received)
    row['from_cache'] = kept
    row['kB'] = round(sum(received) / 1e3, 1)
    page.goto('about:blank')
    page.close()
    return row


def visits(browser: Browser, avatar: Avatar) -> tuple[dict[str, float], dict[str, float]]:
    """Return a first and a second visit of somebody who is signed in."""
    context = browser.new_context()
    context.add_init_script(SCRIPT)
    # Past the slow link: the cookie alone is wanted.
    context.request.get(avatar.link)
    try:
        return visit(context, avatar.url), visit(context, avatar.url)
    finally:
        context.close()


def main() -> int:
    """Measure, print, and end with a line of JSON."""
    parser = arguments(__doc__, loss=0.0)
    parser.add_argument('--tries', type=int, default=3)
    options = parser.parse_args()
    quality = Quality(options.kbit, options.round_trip, options.loss)
    with far_browser('bench-load', quality) as far:
        pairs = []
        for _ in range(options.tries):
            pairs.append(visits(far.browser, far.avatar))
            print(f'  load {os.getloadavg()[0]:.1f}: {pairs[-1]}', file=sys.stderr)
        load = round(os.getloadavg()[0], 1)
    medians = {
        name: {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        for name, rows in zip(('first visit', 'second visit'), zip(*pairs, strict=True),
                              strict=True)}
    print('| | requests | kB | drawn | drivable | picture |\n|---|---|---|---|---|---|')
    for name, row in medians.items():
        print(f'| {name} | {row["requests"]:.0f} | {row["kB"]:.0f} | {row["drawn"]:.1f} s '
              f'| {row["drivable"]:.1f} s | {row["picture"]:.1f} s |')
    print('\n' + json.dumps({'bench': 'load', 'machine': far.about, 'load': load,
                             'quality': asdict(quality), **medians, 'all': pairs}))
    return 0


if __name__ == '__main__':
    sys.exit(main())
