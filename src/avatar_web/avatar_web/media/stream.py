# SPDX-License-Identifier: Apache-2.0
"""What the stream node last said of itself (`camera/stream_state`)."""

import json
from collections.abc import Mapping

FRESH_S = 3.0
"""`camera/stream_state` comes each second; after this long its node is taken for gone."""


class Stream:
    """A mirror of `camera/stream_state`; times are seconds, monotonic."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._seen_s = float('-inf')

    def update(self, text: str, now: float) -> None:
        """Take a message as JSON text of a DiagnosticStatus."""
        self._values = {pair['key']: pair['value'] for pair in json.loads(text)['values']}
        self._seen_s = now

    def values(self, now: float) -> Mapping[str, str]:
        """Return what it said; nothing if it is gone."""
        return self._values if now - self._seen_s < FRESH_S else {}
