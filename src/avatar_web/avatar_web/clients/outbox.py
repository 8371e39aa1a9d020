# SPDX-License-Identifier: Apache-2.0
"""
What waits to be sent to one client: replies in order, topics newest first to stay.

Bounded in number and bytes. A slow reader loses old topic messages and never a reply; where even
the replies do not fit any more, `put` says so, and the client is hopeless. Times are seconds.
"""

from collections import deque
from dataclasses import dataclass, field

MAX_REPLIES = 1000
MAX_REPLY_BYTES = 4 * 1024 * 1024
MAX_TOPIC_BYTES = 4 * 1024 * 1024

DEFAULT_DEPTH = 10
"""How many messages of a topic wait for a client that did not say how many it wants."""

MAX_DEPTH = 100


@dataclass
class _Queue:
    depth: int
    throttle_s: float
    next_s: float = 0.0
    texts: 'deque[str]' = field(default_factory=deque)


class Outbox:
    """The messages of one client that were not written to its socket yet."""

    def __init__(self) -> None:
        self._replies: deque[str] = deque()
        self._reply_bytes = 0
        # In the order in which they may send next: who has sent goes to the end.
        self._topics: dict[str, _Queue] = {}
        self._topic_bytes = 0
        self.dropped = 0

    def put(self, text: str) -> bool:
        """Add a reply; return False if there is no room for it any more."""
        if (len(self._replies) >= MAX_REPLIES
                or self._reply_bytes + len(text) > MAX_REPLY_BYTES):
            return False
        self._replies.append(text)
        self._reply_bytes += len(text)
        return True

    def open(self, key: str, throttle_s: float, queue_length: int) -> None:
        """
        Make room for a topic, or change its terms.

        One message per `throttle_s` is sent; of those that come earlier the newest
        `queue_length` wait (0 = not said).
        """
        depth = min(queue_length, MAX_DEPTH) or (1 if throttle_s else DEFAULT_DEPTH)
        queue = self._topics.setdefault(key, _Queue(depth, throttle_s))
        queue.depth, queue.throttle_s = depth, throttle_s

    def close(self, key: str) -> None:
        """Forget a topic and what waits for it."""
        queue = self._topics.pop(key, None)
        if queue is not None:
            self._topic_bytes -= sum(map(len, queue.texts))

    def put_topic(self, key: str, text: str) -> None:
        """Add a message of an open topic; older ones make room."""
        queue = self._topics.get(key)
        if queue is None:
            return
        queue.texts.append(text)
        self._topic_bytes += len(text)
        while len(queue.texts) > queue.depth:
            self._drop(queue)
            # A message that was too early is not one that was lost.
            self.dropped += not queue.throttle_s
        while self._topic_bytes > MAX_TOPIC_BYTES:
            self._drop(max(self._topics.values(), key=lambda q: sum(map(len, q.texts))))
            self.dropped += 1

    def next(self, now: float) -> str | None:
        """Take the message to send now, replies first."""
        if self._replies:
            text = self._replies.popleft()
            self._reply_bytes -= len(text)
            return text
        for key, queue in self._topics.items():
            if queue.texts and now >= queue.next_s:
                text = queue.texts.popleft()
                self._topic_bytes -= len(text)
                # From when it was due: a late pass must not lower the rate.
                queue.next_s = max(queue.next_s, now - queue.throttle_s / 2) + queue.throttle_s
                self._topics[key] = self._topics.pop(key)
                return text
        return None

    def due_s(self) -> float | None:
        """Return when a waiting message may be sent, None if nothing waits."""
        return min((q.next_s for q in self._topics.values() if q.texts), default=None)

    def _drop(self, queue: _Queue) -> None:
        self._topic_bytes -= len(queue.texts.popleft())
