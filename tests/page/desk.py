# SPDX-License-Identifier: Apache-2.0
"""
A person in front of the page: one browser context, one account, hands and eyes.

    desk = desks.sit('Ana', 'driver')      # tests/page/conftest.py; logged in, page open
    desk.take()
    with desk.holding('KeyW'):
        ...
"""

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from playwright.sync_api import BrowserContext, CDPSession, Locator, Page, ViewportSize, expect

from avatar_node.testing import wait_for
from tests.stack import Stack
from tests.wheels import NEUTRAL_US

PASSWORD = 'a long way round'
DESKTOP: ViewportSize = {'width': 1280, 'height': 800}
PHONE: ViewportSize = {'width': 390, 'height': 844}

LOST_LINK = ('ERR_CONNECTION', 'WebSocket', 'status of 503')
"""What it reports while a part of the robot is down."""

ORDINARY = (
    'Failed to load resource: the server responded with a status of 4',  # a wrong password
    'Canvas2D: Multiple readback operations')  # our own test reads the canvas
"""What Chromium reports on the console although nothing is wrong."""

LOCK_AND_DWELL_S = 0.15 + 0.8
"""Settling and looking time of a fresh page."""


def api(stack: Stack, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Ask the gateway as the admin of the stack; return the decoded answer."""
    request = urllib.request.Request(
        f'{stack.url}/api/{path}', method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={'Authorization': f'Bearer {stack.token}', 'Content-Type': 'application/json'})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read() or b'null')


def add_user(stack: Stack, name: str, role: str) -> None:
    """Make an account, if it is not there yet."""
    try:
        api(stack, 'POST', 'users', {'name': name, 'role': role, 'password': PASSWORD})
    except urllib.error.HTTPError as problem:
        if problem.code != 409:
            raise


class Desk:
    """One person with one page."""

    def __init__(self, stack: Stack, context: BrowserContext) -> None:
        self.stack, self.context = stack, context
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.expects_lost_link = False
        self.addresses = [stack.url, 'data:', 'blob:', 'about:']
        self.page = self.new_page()
        self._fingers: CDPSession | None = None

    def new_page(self) -> Page:
        """Open another tab and note everything that goes wrong in it."""
        page = self.context.new_page()
        page.on('pageerror', lambda error: self.problems.append(f'error: {error}'))
        page.on('console', lambda message: self.problems.append(f'console: {message.text}')
                if message.type in ('error', 'warning') and not message.text.startswith(ORDINARY)
                and not (self.expects_lost_link and any(
                    word in message.text for word in LOST_LINK)) else None)
        page.on('request', lambda request: self.requests.append(request.url))
        return page

    # ------------------------------------------------------------------ getting in

    def open(self) -> None:
        """Open the page with the admin's link."""
        self.page.goto(self.stack.link)
        self.wait_ready()

    def log_in(self, name: str) -> None:
        """Open the page and log in by its form."""
        self.page.goto(self.stack.url)
        form = self.page.locator('#login-form')
        form.locator('[name=name]').fill(name)
        form.locator('[name=password]').fill(PASSWORD)
        form.locator('[type=submit]').click()
        self.wait_ready()

    def wait_ready(self, timeout_s: float = 10.0) -> None:
        """Wait until the page knows the robot."""
        expect(self.page.locator('#cockpit')).to_be_visible(timeout=1e3 * timeout_s)
        expect(self.page.locator('#chip-board')).to_have_attribute('data-level', 'good')
        expect(self.page.locator('#stop')).to_have_attribute('data-state', 'clear')

    # ------------------------------------------------------------------ control

    def take(self) -> None:
        """Take control, and be ready to drive."""
        self.gain_control()
        self.drives()

    def gain_control(self) -> None:
        """Take control, also from one who was here before and may still come back."""
        lease = self.page.locator('#lease')
        asked = self.page.locator('#ask-yes')

        def answered() -> bool:
            return lease.get_attribute('data-whose') == 'mine' or asked.is_visible()

        for attempt in range(3):
            self.page.locator('#lease-take').click()
            try:
                wait_for(answered, 3.0, 'control, or the question')
                break
            except AssertionError:  # refused on a machine that is late: a person tries again
                if attempt == 2:
                    raise
        if asked.is_visible():
            asked.click()

    def take_back(self) -> None:
        """Have control after a reload: the same session gets it back by itself."""
        self.drives()

    def take_over(self) -> None:
        """Take control from somebody: asked about first."""
        self.page.locator('#lease-take').click()
        self.page.locator('#ask-yes').click()
        self.drives()

    def take_over_stopped(self) -> None:
        """Take control from somebody while the robot is stopped."""
        self.page.locator('#lease-take').click()
        self.page.locator('#ask-yes').click()
        expect(self.page.locator('#lease')).to_have_attribute('data-whose', 'mine')

    def give_up(self) -> None:
        """Let control go: asked about first."""
        self.page.locator('#lease-release').click()
        self.page.locator('#ask-yes').click()

    def drives(self) -> None:
        """Wait until the page says that we drive."""
        expect(self.page.locator('#lease')).to_have_attribute('data-whose', 'mine')
        expect(self.page.locator('#why')).to_have_attribute('data-level', 'ok')

    def says(self, text: str) -> None:
        """Wait until the reason why the robot stands is this."""
        expect(self.page.locator('#why')).to_have_text(text)

    def method(self, name: str) -> None:
        """Choose a way of driving: pads, stick, gaze, nudge, click."""
        self.page.locator(f'[data-method={name}]').click()

    def setting(self, name: str, value: Any) -> None:
        """Change a preference as the page keeps it, and load the page anew with it."""
        self.page.evaluate(
            """([name, value]) => {
              const kept = JSON.parse(localStorage.getItem('avatar.settings') ?? '{}');
              localStorage.setItem('avatar.settings', JSON.stringify({...kept, [name]: value}));
            }""", [name, value])
        self.page.reload()
        self.wait_ready()

    # ------------------------------------------------------------------ hands and eyes

    def start(self, press: Callable[[], object], let_go: Callable[[], object]) -> None:
        """
        Press until the wheels turn, as a person does: where a busy machine made a process late,
        the robot wants everything let go once, and the page says so.
        """
        for attempt in range(4):
            press()
            try:
                self.stack.wheels.wait_moving(1.5)
                return
            except AssertionError:
                if attempt == 3:
                    raise
            let_go()
            time.sleep(0.4)

    def press(self, code: str) -> None:
        """Hold a key until the wheels turn, and go on holding it."""
        self.start(lambda: self.page.keyboard.down(code), lambda: self.page.keyboard.up(code))

    @contextlib.contextmanager
    def holding(self, code: str) -> Iterator[None]:
        """Hold a key; the wheels turn inside."""
        self.press(code)
        try:
            yield
        finally:
            self.page.keyboard.up(code)

    def put_finger(self, pad: str) -> None:
        """Hold a pad with the thumb until the wheels turn."""
        place = self.middle(self.pad(pad))
        self.start(lambda: self.touch('touchStart', thumb=place),
                   lambda: self.touch('touchEnd', thumb=place))

    def repeat(self, code: str) -> None:
        """The keyboard's auto-repeat of a held key."""
        self.page.keyboard.down(code)

    def pad(self, name: str) -> Locator:
        """Return a pad."""
        return self.page.locator(f'[data-pad={name}]')

    def look_at(self, target: Locator) -> float:
        """Move the pointer into the middle of something, with a little tremor; return when."""
        x, y = self.middle(target)
        self.page.mouse.move(x - 3, y)
        event = time.monotonic()
        self.page.mouse.move(x, y)
        return event

    def look_away(self) -> float:
        """Look at the middle of the stage; return when."""
        box = self.page.locator('#stage').bounding_box()
        assert box
        event = time.monotonic()
        self.page.mouse.move(box['x'] + box['width'] / 2, box['y'] + box['height'] * 0.35)
        return event

    @staticmethod
    def middle(target: Locator) -> tuple[float, float]:
        """Return the middle of something on the page."""
        box = target.bounding_box()
        assert box, f'{target} is not on the page'
        return box['x'] + box['width'] / 2, box['y'] + box['height'] / 2

    def touch(self, kind: str, **fingers: tuple[float, float]) -> None:
        """
        Put fingers down, move or lift them (touchStart, touchMove, touchEnd), or have the browser
        take all of them (touchCancel); each has a name and a place.
        """
        self._fingers = self._fingers or self.context.new_cdp_session(self.page)
        self._fingers.send('Input.dispatchTouchEvent', {
            'type': kind,
            'touchPoints': [{'x': x, 'y': y, 'id': ord(name[0])}
                            for name, (x, y) in fingers.items()]})

    # ------------------------------------------------------------------ the robot

    def tracks(self) -> tuple[int, int]:
        """Return the pulses of left and right track from neutral [us]; forward is positive."""
        now = self.stack.wheels.now
        return now.left_us - NEUTRAL_US, now.right_us - NEUTRAL_US

    def wait_tracks(self, left: int, right: int) -> tuple[int, int]:
        """Wait until both tracks have these signs."""
        def as_wanted() -> bool:
            return all((now > 0) - (now < 0) == want
                       for now, want in zip(self.tracks(), (left, right), strict=True))
        wait_for(as_wanted, 3.0, f'tracks with the signs {left}, {right}', 0.005)
        return self.tracks()

    def must_let_go(self, code: str = 'KeyW') -> None:
        """Prove that a key that is still held does nothing, and works again once released."""
        for _ in range(6):
            self.repeat(code)
            self.stack.wheels.assert_still(0.1, f'{code} is still held')
        self.says('Let go first')
        self.page.keyboard.up(code)
        self.says('Ready to drive')
        with self.holding(code):
            pass
        self.stack.wheels.wait_neutral()
