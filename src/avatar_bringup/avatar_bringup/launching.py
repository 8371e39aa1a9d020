# SPDX-License-Identifier: Apache-2.0
"""
When a part that died is started again, and when it is given up. Pure: time is an argument.

The same numbers hold under launch and under supervisord. Each part waits by itself for what it
needs, so a part that keeps dying is broken, and trying for ever would only fill the log.
"""

from collections import deque

DEATHS = 5
WINDOW_S = 60.0
# Until a part is started again. Short, because a person may be driving.
DELAY_S = 0.5


def words_of(end: str, last: str) -> str:
    """
    Return what is said of a death: `end` is how ('SIGKILL', 'exit code 1'), `last` its last line.

    Who was killed did not know: its last line alone would mislead.
    """
    if end.startswith('SIG'):
        return f'killed by {end}' + (f'; before that: {last}' if last else '')
    return last or f'{end}, and it wrote nothing'


class Deaths:
    """The deaths of one part."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=DEATHS)
        self.count = 0
        """All of this run."""

    def add(self, now_s: float) -> bool:
        """Count one; return whether it was one too many, and the part is given up."""
        self.count += 1
        self._times.append(now_s)
        return len(self._times) == DEATHS and now_s - self._times[0] <= WINDOW_S
