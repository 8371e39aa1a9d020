# SPDX-License-Identifier: Apache-2.0
"""The thread that asks the media server who reads the path, so that nobody else waits for it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from avatar_camera.stream.mediamtx import MediaServer, PathState, Refused, ServerDown
from avatar_camera.stream.supervision import Reason

# While somebody reads, or was announced.
POLL_S = 0.25
# While nobody does. Each question costs three processes something: the media server asks the
# gateway whether we may.
IDLE_POLL_S = 1.0
# Who was announced is there within this time, or does not come.
ANNOUNCED_S = 2.0
# Restarted in less it is not worth a word.
DOWN_S = 2.0
# Who watched is believed to watch for this long when the answer is refused, because the gateway,
# which the media server asks, is being restarted: the media server still sends to them.
BELIEVED_S = 30.0


@dataclass(frozen=True)
class View:
    """What the media server said last; without a `path` it did not answer."""

    path: PathState | None = None
    kbit_s: int = 0
    reason: Reason = Reason.NONE
    detail: str = ''
    since_s: float = field(default_factory=time.monotonic)
    known_readers: int = 0

    def readers(self, now_s: float) -> int:
        """Return how many read the path."""
        if self.path is not None:
            return self.path.readers
        believed = self.reason is Reason.REFUSED and now_s - self.since_s < BELIEVED_S
        return self.known_readers if believed else 0

    def problem(self, now_s: float) -> tuple[Reason, str] | None:
        """Return why it does not answer, once it has not for a while."""
        if self.path is not None or now_s - self.since_s < DOWN_S or not self.detail:
            return None
        return self.reason, self.detail


class Watcher:
    """`view` is always the newest; `news` is called when the number of readers changed."""

    def __init__(self, server: MediaServer, news: Callable[[], None]) -> None:
        self._server, self._news = server, news
        self.view = View()
        self._closing = False
        self._woken = threading.Event()
        self._expected_until_s = float('-inf')
        self._thread = threading.Thread(target=self._run, name='watcher', daemon=True)

    def start(self) -> None:
        """Start to ask."""
        self._thread.start()

    def close(self) -> None:
        """Stop to ask."""
        self._closing = True
        self._woken.set()

    def look(self) -> None:
        """Ask now, and often for a while: somebody is said to come."""
        self._expected_until_s = time.monotonic() + ANNOUNCED_S
        self._woken.set()

    def _run(self) -> None:
        while not self._closing:
            self._woken.clear()
            before = self.view
            self.view = self._ask(before)
            if (before.path is None) != (self.view.path is None) or (
                    before.path and self.view.path
                    and before.path.readers != self.view.path.readers):
                self._news()
            self._woken.wait(self._pause_s())
        self._server.close()

    def _pause_s(self) -> float:
        idle = self.view.path is not None and not self.view.path.readers
        return IDLE_POLL_S if idle and time.monotonic() > self._expected_until_s else POLL_S

    def _ask(self, before: View) -> View:
        try:
            path = self._server.state()
        except ServerDown as error:
            return self._without(before, Reason.SERVER_DOWN, str(error))
        except Refused as error:
            return self._without(before, Reason.REFUSED, str(error))
        return View(path, _rate(before, path))

    def _without(self, before: View, reason: Reason, detail: str) -> View:
        if before.path is None:
            return View(None, 0, reason, detail, before.since_s, before.known_readers)
        return View(None, 0, reason, detail, known_readers=before.path.readers)


def _rate(before: View, path: PathState) -> int:
    span_s = time.monotonic() - before.since_s
    if before.path is None or span_s <= 0 or path.bytes_in <= before.path.bytes_in:
        return 0
    rate = (path.bytes_in - before.path.bytes_in) * 8 / 1000 / span_s
    return round(before.kbit_s + (rate - before.kbit_s) * min(1.0, span_s))
