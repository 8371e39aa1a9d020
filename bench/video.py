# SPDX-License-Identifier: Apache-2.0
"""
How old the picture is when a person sees it, and what it costs.

    make bench-video    or    python bench/video.py [--only age,drift,first,key,viewers]

Age: from the time the camera drew into a frame to the time that a real Chromium expects to have
it on the screen (expectedDisplayTime of requestVideoFrameCallback), all on this machine. Ours is
measured in turn with the bare recipe: the same kind of frames -> ffmpeg -> MediaMTX -> its own
page. Then the drift of the age, the time to the first picture, from a key to motion that is seen,
and processor time, memory, age and the drive path with 0, 1, 5 and 20 viewers. Prints tables and
ends with one line of JSON.
"""

import argparse
import contextlib
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), *(str(p.parent) for p in sorted((ROOT / 'src').glob('*/setup.py')))]

from chain import Avatar, Bare, Usage, mediamtx  # noqa: E402
from drive import SPEEDS, latencies, machine, send_rhythm, sender  # noqa: E402
from picture import Watched, figures, hops, launch, stamped  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from avatar_node.testing import wait_for  # noqa: E402
from tests.browser import take_lease  # noqa: E402
from tests.runaway import percentile  # noqa: E402
from tests.stack import die_with_parent  # noqa: E402

FPS = 20
# A little more often: else each picture of a run would wait equally long for the screen's next
# turn (every third is exactly 50 ms), and the figure would be that of one throw of the dice.
TIME_PER_FRAME = (499, 10_000)
PROFILES = {'480p': (854, 480, 350), '720p': (1280, 720, 600)}
"""Width, height and bit rate [kbit/s] of what is compared."""

FIRST_PICTURE_S = 20.0
SETTLE_S = 3.0
DRIVE_RATE_HZ = 8.0
# Two pictures in a row that change this many times as much as three of four do at rest are
# motion: a key frame, once a second, is one picture. Of 255.
MOTION, LEAST_MOTION = 3.0, 0.3
LIMITS = {'age_p50_ms': 60, 'age_p95_ms': 90, 'drift_ms': 20, 'first_max_ms': 1500,
          'key_p95_ms': 150, 'drive_p99_ms': 5, 'stream_unwatched_percent': 1}

Row = dict[str, Any]


def parameters(profile: str) -> dict[str, dict[str, Any]]:
    """Return what makes camera and encoder have the same size, as the bare recipe has."""
    width, height, _ = PROFILES[profile]
    return {'sim_camera': {'image_size': [width, height], 'time_per_frame': list(TIME_PER_FRAME)},
            'stream': {'profile': profile, 'fps': FPS}}


def ages(watched: Watched, width: int, seconds: float) -> tuple[Row, list[Any]]:
    """Return the age of the picture on a page, and the frames."""
    watched.wait_frame(FIRST_PICTURE_S, width)
    time.sleep(SETTLE_S)
    watched.calibrate()
    frames = [f for f in watched.collect(seconds) if f.width == width]
    return figures([f.age_s for f in frames]), frames


def compared(folder: Path, browser: Browser, rounds: int, seconds: float) -> list[Row]:
    """Measure ours and the bare recipe in turn, some seconds each."""
    rows = []
    for profile, (width, height, kbit_s) in PROFILES.items():
        frames: dict[str, list[Any]] = {'ours': [], 'bare': []}
        with Bare(folder / f'bare-{profile}', mediamtx()) as bare, \
                Avatar(folder / profile, parameters(profile)) as avatar:
            for number in range(rounds):
                note(f'{profile}: round {number + 1} of {rounds}')
                with Watched(browser.new_context(), avatar.link) as page:
                    frames['ours'] += ages(page, width, seconds)[1]
                with avatar.paused(), bare.publishing(width, height, TIME_PER_FRAME, kbit_s), \
                        Watched(browser.new_context(), bare.url) as page:
                    frames['bare'] += ages(page, width, seconds)[1]
        for who, some in frames.items():
            rows.append({
                'who': who, 'profile': profile, 'fps_seen': round(
                    len(some) / (rounds * seconds), 1),
                **figures([f.age_s for f in some]),
                'submitted': figures([f.presented_s - f.stamp_s for f in some]),
                'hops': hops(some), 'load': load()})
    return rows


def drift(avatar: Avatar, browser: Browser, minutes: float) -> Row:
    """Watch for long; return how much older the picture is at the end than at the beginning."""
    window_s = min(60.0, minutes * 60 / 3)
    with Watched(browser.new_context(), avatar.link) as page:
        page.wait_frame(FIRST_PICTURE_S)
        time.sleep(SETTLE_S)
        start = time.monotonic()
        frames = []
        while (left_s := start + minutes * 60 - time.monotonic()) > 0:
            # The two clocks are put beside each other anew: what drifts must not be they.
            page.calibrate()
            frames += page.collect(min(20.0, left_s))
    end = time.monotonic()
    first = figures([f.age_s for f in frames if f.presented_s < start + window_s])
    last = figures([f.age_s for f in frames if f.presented_s > end - window_s])
    return {'minutes': minutes, 'first_p50_ms': first['p50_ms'], 'last_p50_ms': last['p50_ms'],
            'drift_ms': round(last['p50_ms'] - first['p50_ms'], 1), 'load': load()}


def first_picture(avatar: Avatar, browser: Browser, repeats: int) -> Row:
    """Open the page in a fresh profile; the camera's first frame after how long?"""
    times: dict[str, list[float]] = {'encoder off': [], 'watched already': []}
    for number in range(repeats):
        note(f'first picture: {number + 1} of {repeats}')
        wait_for(lambda: avatar.encoders() == 0, 40, 'the encoder ends unwatched', 0.2)
        with Watched(browser.new_context(), avatar.link) as page:
            times['encoder off'].append(since_navigation(page))
            with Watched(browser.new_context(), avatar.link) as another:
                times['watched already'].append(since_navigation(another))
    return {what: figures(values) for what, values in times.items()} | {'load': load()}


def since_navigation(page: Watched) -> float:
    """Return the time from the navigation of a page to its first frame of the camera [s]."""
    frame = page.wait_frame(FIRST_PICTURE_S)
    # The page's clock is 0 when the navigation begins.
    return frame.expected_s - page.at(0.0)


def key_to_motion(avatar: Avatar, browser: Browser, repeats: int) -> Row:
    """Press a key; return the time to the first presented frame in which the view moves."""
    found = []
    unseen = 0
    with Watched(browser.new_context(), avatar.link) as watched:
        page = watched.page
        watched.wait_frame(FIRST_PICTURE_S)
        take_lease(page)
        for number in range(repeats):
            page.evaluate('benchPresented.compare(true)')
            time.sleep(1.0)
            rest = [f.difference for f in watched.take().frames if f.difference is not None]
            # Left and right in turn, and not at the same moment between two frames.
            key = 'ad'[number % 2]
            time.sleep(0.0137 * number % 0.05)
            page.keyboard.down(key)
            time.sleep(0.6)
            page.keyboard.up(key)
            seen = watched.take()
            page.evaluate('benchPresented.compare(false)')
            pressed = next((t for t, kind in seen.keys if kind == 'keydown'), None)
            least = max(LEAST_MOTION, MOTION * percentile(rest, 75)) if rest else math.inf
            after = [f for f in seen.frames if pressed and f.expected_s > pressed]
            moved = next((a for a, b in itertools.pairwise(after)
                          if min(a.difference or 0, b.difference or 0) > least), None)
            if pressed is None or moved is None:
                unseen += 1
            else:
                found.append(moved.expected_s - pressed)
            time.sleep(1.0)
    return {**figures(found), 'unseen': unseen, 'load': load()}


@contextlib.contextmanager
def light_viewers(avatar: Avatar, count: int) -> Iterator[None]:
    """Have so many more viewers meanwhile."""
    if not count:
        yield
        return
    viewers = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name('viewers.py')), avatar.url, avatar.token,
         str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    assert viewers.stdin is not None and viewers.stdout is not None
    try:
        if not viewers.stdout.readline().startswith(b'watching'):
            raise SystemExit(f'{count} viewers did not connect')
        yield
    finally:
        viewers.stdin.close()
        try:
            viewers.wait(20)
        except subprocess.TimeoutExpired:
            viewers.kill()
            viewers.wait()


def drive_path(avatar: Avatar, seconds: float) -> Row:
    """Drive at ever-changing speeds; return the time from the WebSocket to the serial line."""
    with avatar.operator() as operator:
        operator.take()
        operator.drive_until_moving(avatar.wheels, SPEEDS[-1], 0.0)
        time.sleep(0.5)
        operator.fall_silent()
        start = time.monotonic()
        assert operator.ws is not None
        sent = send_rhythm(sender(operator.ws), DRIVE_RATE_HZ, seconds)
        operator.stop()
        avatar.wheels.wait_neutral()
    found, lost = latencies(sent[1:], avatar.lines.received(start))
    return {**figures(found), 'lost': lost}


def watched_by(avatar: Avatar, browser: Browser, count: int, seconds: float) -> Row:
    """Return what so many viewers cost; the first of them is a real browser."""
    note(f'{count} viewers')
    with contextlib.ExitStack() as stack:
        page = None
        if count:
            page = stack.enter_context(Watched(browser.new_context(), avatar.link))
            page.wait_frame(FIRST_PICTURE_S)
            stack.enter_context(light_viewers(avatar, count - 1))
        else:
            wait_for(lambda: avatar.encoders() == 0, 40, 'the encoder ends unwatched', 0.2)
        time.sleep(SETTLE_S)
        if page:
            page.calibrate()
            page.take()
        usage = Usage(avatar)
        time.sleep(seconds)
        rows = usage.rows()
        frames = stamped(page.take().frames) if page else []
        drive = drive_path(avatar, seconds)
        return {'viewers': count, 'encoders': avatar.encoders(), 'processes': rows,
                'cpu_percent': round(sum(r['cpu_percent'] for r in rows.values()), 1),
                'pss_mb': round(sum(r['pss_mb'] for r in rows.values()), 1),
                'age': figures([f.age_s for f in frames]), 'drive': drive, 'load': load()}


def load() -> float:
    """Return the load of the last minute."""
    return round(os.getloadavg()[0], 1)


def note(text: str) -> None:
    """Say on stderr what is going on."""
    print(f'  {text} ...', file=sys.stderr, flush=True)


def print_ages(rows: list[Row]) -> None:
    """Print the comparison and where the time went."""
    print(f'\n{"camera stamp -> screen":26}{"n":>6}{"p50":>8}{"p95":>8}{"p99":>8}{"max":>8}'
          f'{"fps":>7}{"load":>7}')
    for row in rows:
        print(f'{row["who"] + " " + row["profile"] + str(FPS):26}' + (
            f'{row["n"]:6}{row["p50_ms"]:8}{row["p95_ms"]:8}{row["p99_ms"]:8}{row["max_ms"]:8}'
            if row['n'] else '  no frames') + f'{row["fps_seen"]:7}{row["load"]:7}')
        for hop, values in row['hops'].items():
            if values['n']:
                print(f'    {hop:22}{"":6}{values["p50_ms"]:8}{values["p95_ms"]:8}')


def print_viewers(rows: list[Row]) -> None:
    """Print what viewers cost."""
    names = sorted({name for row in rows for name in row['processes']})
    print(f'\n{"CPU % / PSS MB":18}' + ''.join(f'{row["viewers"]:>12} viewers' for row in rows))
    for name in [*names, 'all']:
        cells = []
        for row in rows:
            cost = row if name == 'all' else row['processes'].get(name)
            cells.append(f'{cost["cpu_percent"]:12.1f}{cost["pss_mb"]:8.1f}' if cost
                         else f'{"-":>20}')
        print(f'{name:18}' + ''.join(cells))
    for what, key, text in (('age p50/p95 ms', 'age', '{p50_ms} / {p95_ms}'),
                            ('drive p50/p99 ms', 'drive', '{p50_ms} / {p99_ms}')):
        print(f'{what:18}' + ''.join(
            f'{text.format(**row[key]) if row[key]["n"] else "-":>20}' for row in rows))
    print(f'{"encoders, load":18}' + ''.join(
        f'{row["encoders"]:>14}{row["load"]:6}' for row in rows))


def misses(result: Row) -> list[str]:
    """Return which figures are not what was wanted."""
    found = []

    def judge(what: str, value: float | None, limit: str) -> None:
        if value is None or value > LIMITS[limit]:
            found.append(f'{what}: {value} > {LIMITS[limit]} ({limit})')
    for row in result.get('age', ()):
        if row['who'] == 'ours':
            judge(row['profile'], row.get('p50_ms'), 'age_p50_ms')
            judge(row['profile'], row.get('p95_ms'), 'age_p95_ms')
    if 'drift' in result:
        judge('drift', result['drift']['drift_ms'], 'drift_ms')
    if 'first' in result:
        judge('first picture', result['first']['encoder off'].get('max_ms'), 'first_max_ms')
    if 'key' in result:
        judge('key to motion', result['key'].get('p95_ms'), 'key_p95_ms')
    for row in result.get('viewers', ()):
        judge(f'drive path, {row["viewers"]} viewers', row['drive'].get('p99_ms'), 'drive_p99_ms')
        if row['viewers'] == 0:
            judge('stream unwatched', row['processes']['stream']['cpu_percent'],
                  'stream_unwatched_percent')
        if row['encoders'] != bool(row['viewers']):
            found.append(f'{row["viewers"]} viewers: {row["encoders"]} encoders')
    return found


def main() -> int:
    """Measure, print tables and one line of JSON; 1 if a figure misses its limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().splitlines()[0])
    parts = ('age', 'drift', 'first', 'key', 'viewers')
    parser.add_argument('--only', default=','.join(parts), help='parts, separated by commas')
    parser.add_argument('--rounds', type=int, default=3, help='of the comparison')
    parser.add_argument('--seconds', type=float, default=10.0, help='of each measurement')
    parser.add_argument('--minutes', type=float, default=1.0, help='of the drift (the real '
                        'question: 10)')
    parser.add_argument('--repeats', type=int, default=10, help='of first picture and key')
    options = parser.parse_args()
    only = options.only.split(',')
    if unknown := set(only) - set(parts):
        parser.error(f'--only: {", ".join(sorted(unknown))}: must be of {", ".join(parts)}')
    about = machine()
    print(f'{about["cpu"]}, {about["cores"]} cores, Linux {about["kernel"]}, Python '
          f'{about["python"]}, load {about["load_1min"]}, {about["date"]}')

    result: Row = {'bench': 'video', 'machine': about}
    with tempfile.TemporaryDirectory(prefix='avatar-video-') as name, \
            sync_playwright() as playwright, \
            contextlib.closing(launch(playwright)) as browser:
        folder = Path(name)
        if 'age' in only:
            result['age'] = compared(folder, browser, options.rounds, options.seconds)
            print_ages(result['age'])
        if set(only) - {'age'}:
            with Avatar(folder / 'one', parameters('480p')) as avatar:
                if 'first' in only:
                    row = result['first'] = first_picture(avatar, browser, options.repeats)
                    for what in ('encoder off', 'watched already'):
                        print(f'\nfirst picture, {what}: {row[what]}, load {row["load"]}')
                if 'key' in only:
                    row = result['key'] = key_to_motion(avatar, browser, 2 * options.repeats)
                    print(f'\nkey down -> motion on the screen: {row}')
                if 'viewers' in only:
                    rows = result['viewers'] = [
                        watched_by(avatar, browser, n, options.seconds) for n in (0, 1, 5, 20)]
                    print_viewers(rows)
                if 'drift' in only:
                    row = result['drift'] = drift(avatar, browser, options.minutes)
                    print(f'\nage over {options.minutes:g} min: {row}')
    result['misses'] = misses(result)
    for miss in result['misses']:
        print(f'missed: {miss}')
    print('\n' + json.dumps(result))
    return 1 if result['misses'] else 0


if __name__ == '__main__':
    sys.exit(main())
