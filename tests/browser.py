# SPDX-License-Identifier: Apache-2.0
"""
A real Chromium whose processes can be killed and frozen.

Started here and not by Playwright, which hides the pids; Playwright then drives it over CDP.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, expect

from avatar_node.testing import wait_for
from tests.stack import die_with_parent

FLAGS = [
    '--headless=new', '--no-first-run', '--no-default-browser-check', '--disable-gpu',
    '--disable-dev-shm-usage', '--disable-extensions', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--mute-audio', '--remote-debugging-port=0',
    '--window-size=1280,800']


def chromium() -> str | None:
    """Return the path of an installed Chromium, or None."""
    named = os.environ.get('AVATAR_CHROMIUM')
    return named or next(filter(None, map(shutil.which, (
        'chromium', 'chromium-browser', 'google-chrome'))), None)


def take_lease(page: Page) -> None:
    """Take over the driving on a page of somebody who may, and wait until a key would drive."""
    expect(page.locator('#chip-board')).to_have_attribute('data-level', 'good', timeout=15_000)
    lease, asked = page.locator('#lease'), page.locator('#ask-yes')
    if lease.get_attribute('data-whose') != 'mine':
        page.locator('#lease-take').click(timeout=10_000)
    wait_for(lambda: lease.get_attribute('data-whose') == 'mine' or asked.is_visible(),
             10.0, 'the lease, or whether to take it over')
    if asked.is_visible():
        asked.click()
    expect(page.locator('#why')).to_have_attribute('data-level', 'ok', timeout=10_000)


class RealBrowser:
    """One Chromium with a profile of its own."""

    def __init__(self, playwright: Playwright) -> None:
        path = chromium()
        assert path, 'no Chromium found; name one in AVATAR_CHROMIUM'
        self._profile = Path(tempfile.mkdtemp(prefix='avatar-chromium-'))
        self._log = (self._profile / 'log').open('wb')
        root = ['--no-sandbox'] if os.geteuid() == 0 else []
        self._popen = subprocess.Popen(
            [path, *FLAGS, *root, f'--user-data-dir={self._profile}', 'about:blank'],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, start_new_session=True,
            preexec_fn=die_with_parent)
        port_file = self._profile / 'DevToolsActivePort'
        wait_for(lambda: port_file.exists() and '\n' in port_file.read_text(), 20.0,
                 'the debugging port of Chromium', 0.05)
        port = port_file.read_text().split()[0]
        self.browser: Browser = playwright.chromium.connect_over_cdp(f'http://127.0.0.1:{port}')

    def open(self, url: str) -> Page:
        """Open a page in a new tab."""
        page = self.browser.contexts[0].new_page()
        page.goto(url)
        return page

    def pids(self, kind: str) -> list[int]:
        """Return the processes of a kind: browser, renderer, utility, gpu-process."""
        pids = []
        for folder in Path('/proc').iterdir():
            if not folder.name.isdigit():
                continue
            try:
                command = (folder / 'cmdline').read_bytes()
                session = (folder / 'stat').read_text().rsplit(')', 1)[1].split()[3]
            except OSError:
                continue
            if int(session) != self._popen.pid:
                continue
            found = re.search(rb'--type=([a-z-]+)', command)
            if (found[1].decode() if found else 'browser') == kind:
                pids.append(int(folder.name))
        return pids

    def kill(self) -> float:
        """Kill its main process as the kernel does when memory is short; return when."""
        event = time.monotonic()
        self._popen.kill()
        return event

    def freeze(self) -> float:
        """Stop every page's process (SIGSTOP); return when."""
        pids = self.pids('renderer')
        assert pids, 'no renderer found'
        event = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return event

    def thaw(self) -> float:
        """Let the pages go on; return when."""
        event = time.monotonic()
        for pid in self.pids('renderer'):
            os.kill(pid, signal.SIGCONT)
        return event

    def close(self) -> None:
        """End all of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._log.close()
        shutil.rmtree(self._profile, ignore_errors=True)
