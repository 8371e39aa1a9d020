# SPDX-License-Identifier: Apache-2.0
"""
The picture and the commands over a bad link (root only: network namespaces, TUN, tc).

    make bench-link    or    python bench/link.py [--kbit 1000] [--round-trip 200] [--loss 0.05]

A real Chromium in a network of its own drives over a link of 1 Mbit/s, 200 ms round trip, 5 %
loss in each direction and an MTU of 1280. First a minute: seconds frozen, age of what is on the
screen, from the key to the wheels, round trip of the page's messages. Then three minutes in which
the link is cut for 5 s every 30 s: time until a picture made after the cut is seen. The width of
the picture tells which profile there was when. Prints tables, ends with one line of JSON.
"""

import itertools
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), *(str(p.parent) for p in sorted((ROOT / 'src').glob('*/setup.py')))]

from bad_link import BadLink, Quality  # noqa: E402
from chain import Avatar  # noqa: E402
from far_browser import arguments, far_browser  # noqa: E402
from picture import (  # noqa: E402
    Frame,
    Watched,
    ages_over_time,
    figures,
    frozen_s,
    percentile,
    stamped,
)
from playwright.sync_api import Page  # noqa: E402

from tests.browser import take_lease  # noqa: E402

FIRST_PICTURE_S = 60.0
# A picture that stands for longer than this is frozen; what is over it is counted.
STILL_S = 0.5
TOO_OLD_S = 1.0
CUT_S, CUT_EVERY_S = 5.0, 30.0
TRIES = 5
KEY_HELD_S, KEY_PERIOD_S = 0.7, 2.0

Row = dict[str, Any]


def take_lease_patiently(page: Page) -> None:
    """Ask for the lease again and again, as a person would: a link this bad refuses at times."""
    for _ in range(TRIES - 1):
        try:
            take_lease(page)
            return
        except AssertionError as problem:
            said = page.locator('#why').inner_text()
            print(f'  no lease yet ({str(problem).splitlines()[0]}); the page says: {said}',
                  file=sys.stderr)
    take_lease(page)


def widths(frames: list[Frame], start_s: float) -> list[tuple[float, int]]:
    """Return since when [s after start] the picture had which width."""
    groups = itertools.groupby(frames, key=lambda f: f.width)
    return [(round(next(group).expected_s - start_s, 1), width) for width, group in groups]


def key_times(avatar: Avatar, keys: list[tuple[float, str]]) -> tuple[list[float], int]:
    """Return from each key down to turning wheels [s], and how often they did not turn."""
    found, still = [], 0
    outputs = avatar.wheels.outputs
    for (down, _), (up, _) in zip(
            [k for k in keys if k[1] == 'keydown'], [k for k in keys if k[1] == 'keyup'],
            strict=False):
        moved = next((o.t for o in outputs if down < o.t < up + KEY_PERIOD_S - KEY_HELD_S
                      and not o.neutral), None)
        if moved is None:
            still += 1
        else:
            found.append(moved - down)
    return found, still


def minute(avatar: Avatar, watched: Watched, seconds: float) -> Row:
    """Look and drive for a while."""
    watched.calibrate()
    watched.take()
    start = time.monotonic()
    while time.monotonic() < start + seconds:
        watched.page.keyboard.down('a')
        time.sleep(KEY_HELD_S)
        watched.page.keyboard.up('a')
        time.sleep(KEY_PERIOD_S - KEY_HELD_S)
    end = time.monotonic()
    taken = watched.take()
    frames = stamped(taken.frames)
    shown = ages_over_time(frames, start, end)
    times, still = key_times(avatar, taken.keys)
    return {
        'seconds': round(end - start, 1),
        'frozen_s': round(frozen_s(frames, start, end, STILL_S), 1),
        'too_old_s': round(sum(age > TOO_OLD_S for age in shown) / 100, 1),
        'age_p50_ms': round(1e3 * percentile(shown, 50)) if shown else None,
        'age_p95_ms': round(1e3 * percentile(shown, 95)) if shown else None,
        'fps_seen': round(len(frames) / (end - start), 1),
        'key_to_wheels': figures(times), 'keys_refused': still,
        'round_trip': figures([trip for _, trip in taken.round_trips]),
        'widths': widths(frames, start),
    }


def with_cuts(link: BadLink, watched: Watched, seconds: float) -> Row:
    """Cut the link again and again; return how soon there was a picture again."""
    watched.take()
    start = time.monotonic()
    frames: list[Frame] = []
    heals = []
    while time.monotonic() + CUT_EVERY_S <= start + seconds + 0.5:
        time.sleep(CUT_EVERY_S - CUT_S - 5.0)
        link.cut()
        time.sleep(CUT_S)
        heals.append(link.heal())
        time.sleep(5.0)
        frames += stamped(watched.take().frames)
    time.sleep(5.0)
    frames += stamped(watched.take().frames)
    back = []
    for heal in heals:
        fresh = next((f for f in frames if f.stamp_s is not None and f.stamp_s > heal), None)
        # The next cut is none of its business: then it was not back at all.
        if fresh is not None and fresh.expected_s < heal + CUT_EVERY_S - CUT_S:
            back.append(fresh.expected_s - heal)
    return {'cuts': len(heals), 'back': figures(back), 'not_back': len(heals) - len(back),
            'widths': widths(frames, start)}


def main() -> int:
    """Measure, print, and end with a line of JSON."""
    parser = arguments(__doc__, loss=0.05)
    parser.add_argument('--mtu', type=int, default=1280, help='[bytes]')
    parser.add_argument('--seconds', type=float, default=60.0, help='without cuts')
    parser.add_argument('--cut-seconds', type=float, default=180.0, help='with cuts')
    options = parser.parse_args()
    quality = Quality(options.kbit, options.round_trip, options.loss, options.mtu)
    with (far_browser('bench-link', quality) as far,
          Watched(far.browser.new_context(), far.avatar.link) as watched):
        first_s = watched.wait_frame(FIRST_PICTURE_S).expected_s - watched.at(0.0)
        print(f'first picture after {first_s:.1f} s')
        take_lease_patiently(watched.page)
        calm = minute(far.avatar, watched, options.seconds)
        load = round(os.getloadavg()[0], 1)
        print(f'{calm["seconds"]:.0f} s, load {load}: frozen {calm["frozen_s"]} s, older than '
              f'{TOO_OLD_S:.0f} s for {calm["too_old_s"]} s, age p50 {calm["age_p50_ms"]} / p95 '
              f'{calm["age_p95_ms"]} ms, {calm["fps_seen"]} pictures/s')
        print(f'key to wheels {calm["key_to_wheels"]}, refused {calm["keys_refused"]}')
        print(f'round trip of the page {calm["round_trip"]}')
        print(f'width since second: {calm["widths"]}')
        cut = with_cuts(far.link, watched, options.cut_seconds)
        print(f'{cut["cuts"]} cuts of {CUT_S:.0f} s: back to a picture {cut["back"]}, not back '
              f'{cut["not_back"]}; width since second: {cut["widths"]}')
        print('\n' + json.dumps({
            'bench': 'link', 'machine': far.about, 'quality': asdict(quality),
            'first_picture_s': round(first_s, 2), 'load': load, 'minute': calm, 'cuts': cut}))
    return 0


if __name__ == '__main__':
    sys.exit(main())
