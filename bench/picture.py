# SPDX-License-Identifier: Apache-2.0
"""
What a real Chromium presents: each frame with the time the camera drew into it.

All times are CLOCK_MONOTONIC [s]. The page's own clock is put beside it by asking the page for
it many times and believing the quickest answer.
"""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from tests.browser import FLAGS, chromium
from tests.runaway import percentile

SCRIPT = Path(__file__).with_name('presented.js')
STAMP_WRAP_MS = 2 ** 32
# A stamp further away is one of another boot, or no stamp.
OLDEST_S = 60.0


@dataclass(frozen=True)
class Frame:
    """One presented frame: submitted, expected on the screen, its callback, stamp drawn."""

    presented_s: float
    expected_s: float
    callback_s: float
    stamp_s: float | None
    width: int
    received_s: float | None
    decode_s: float | None
    difference: float | None

    @property
    def age_s(self) -> float:
        """Return how old it was when it was to be on the screen."""
        assert self.stamp_s is not None
        return self.expected_s - self.stamp_s


def launch(playwright: Playwright, *flags: str, program: str | None = None) -> Browser:
    """Start a Chromium as the tests do; `program` may be a wrapper."""
    program = program or chromium()
    if program is None:
        raise SystemExit('no Chromium found; name one in AVATAR_CHROMIUM')
    ours = [flag for flag in FLAGS if 'headless' not in flag and 'remote-debugging' not in flag]
    return playwright.chromium.launch(
        executable_path=program, args=[*ours, *flags], chromium_sandbox=False)


def unwrapped(stamp_ms: int, now_s: float) -> float | None:
    """Return a stamp of 32 bits as CLOCK_MONOTONIC [s]; None where it is none of this minute."""
    age_ms = (now_s * 1e3 - stamp_ms + STAMP_WRAP_MS / 2) % STAMP_WRAP_MS - STAMP_WRAP_MS / 2
    return now_s - age_ms / 1e3 if abs(age_ms) < OLDEST_S * 1e3 else None


class Watched:
    """A page whose presented frames are noted."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        context.add_init_script(path=SCRIPT)
        self.page: Page = context.new_page()
        self.opened_s = time.monotonic()
        self.page.goto(url, wait_until='commit')
        self.error_s = 0.0
        self._offset_s = 0.0
        self.calibrate()

    def calibrate(self, times: int = 25) -> float:
        """Put the page's clock beside ours; return how far it can be wrong [s]."""
        tries = []
        for _ in range(times):
            before = time.monotonic()
            page_ms = self.page.evaluate('benchPresented.now()')
            after = time.monotonic()
            tries.append((after - before, (before + after) / 2 - page_ms / 1e3))
        trip_s, self._offset_s = min(tries)
        self.error_s = trip_s / 2
        return self.error_s

    def at(self, page_ms: float) -> float:
        """Return a time of the page as ours."""
        return self._offset_s + page_ms / 1e3

    def take(self) -> 'Taken':
        """Return what was noted since the last time."""
        found = self.page.evaluate('benchPresented.take()')
        return Taken([self._frame(f) for f in found['frames']],
                     [(self.at(t), kind) for t, kind in found['keys']],
                     [(self.at(t), ms / 1e3) for t, ms in found['roundTrips']])

    def wait_frame(self, timeout_s: float, width: int | None = None) -> Frame:
        """Wait for a frame with a fresh stamp, of that width, and return it."""
        deadline = time.monotonic() + timeout_s
        last: Frame | None = None
        while time.monotonic() < deadline:
            for frame in self.take().frames:
                last = frame
                if frame.stamp_s is not None and width in (None, frame.width):
                    return frame
            time.sleep(0.05)
        raise NoPicture(f'no picture of the camera within {timeout_s:.0f} s on {self.page.url}; '
                        f'last frame: {last}')

    def collect(self, seconds: float) -> list[Frame]:
        """Return the frames with a stamp that are presented in the next seconds."""
        self.take()
        time.sleep(seconds)
        return stamped(self.take().frames)

    def _frame(self, raw: Sequence[Any]) -> Frame:
        presented, expected, callback, stamp, width, received, decode_s, difference = raw
        presented_s = self.at(presented)
        return Frame(
            presented_s, self.at(expected), self.at(callback),
            None if stamp is None else unwrapped(stamp, presented_s), width,
            None if received is None else self.at(received), decode_s, difference)

    def close(self) -> None:
        """Leave the page as a person does, so that it can sign off, and remove its profile."""
        self.page.goto('about:blank')
        self.context.close()

    def __enter__(self) -> 'Watched':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Taken:
    """What a page noted: frames, keys pressed and let go, round trips of its pings."""

    frames: list[Frame]
    keys: list[tuple[float, str]]
    round_trips: list[tuple[float, float]]


class NoPicture(AssertionError):
    """No frame of the camera came."""


def stamped(frames: Sequence[Frame]) -> list[Frame]:
    """Return the frames of the camera: the offline card has no stamp."""
    return [f for f in frames if f.stamp_s is not None]


def figures(values_s: Sequence[float]) -> dict[str, float]:
    """Return n, p50, p95, p99 and max [ms]."""
    if not values_s:
        return {'n': 0}
    return {'n': len(values_s),
            **{f'p{p}_ms': round(1e3 * percentile(values_s, p), 1) for p in (50, 95, 99)},
            'max_ms': round(1e3 * max(values_s), 1)}


def hops(frames: Sequence[Frame]) -> dict[str, Mapping[str, float]]:
    """Return where the time went: up to the browser, in it, up to the screen."""
    known = [f for f in frames if f.stamp_s is not None and f.received_s is not None]
    return {
        'stamp to received': figures([f.received_s - f.stamp_s for f in known]),
        'decode': figures([f.decode_s for f in known if f.decode_s is not None]),
        'received to presented': figures([f.presented_s - f.received_s for f in known]),
        'presented to callback': figures([f.callback_s - f.presented_s for f in frames]),
        'presented to screen': figures([f.expected_s - f.presented_s for f in frames]),
    }


def ages_over_time(
    frames: Sequence[Frame], start_s: float, end_s: float, step_s: float = 0.01
) -> list[float]:
    """Return the age of what is on the screen every 10 ms, whether a new frame came or not."""
    shown = sorted(frames, key=lambda f: f.expected_s)
    ages, at, newest = [], 0, None
    for number in range(int((end_s - start_s) / step_s)):
        now = start_s + number * step_s
        while at < len(shown) and shown[at].expected_s <= now:
            newest = shown[at].stamp_s
            at += 1
        if newest is not None:
            ages.append(now - newest)
    return ages


def frozen_s(frames: Sequence[Frame], start_s: float, end_s: float, longest_s: float) -> float:
    """Return the seconds in which no new picture had come for `longest_s`."""
    times = [start_s, *sorted(f.expected_s for f in frames if start_s < f.expected_s < end_s),
             end_s]
    return sum(max(0.0, b - a - longest_s) for a, b in itertools.pairwise(times))
