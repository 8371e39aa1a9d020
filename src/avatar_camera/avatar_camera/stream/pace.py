# SPDX-License-Identifier: Apache-2.0
"""Which frames of a camera that is faster than wanted are used: evenly spread ones."""


class Pace:
    """Takes at most `fps` frames a second in the long run. Pure: time is an argument."""

    def __init__(self, fps: float) -> None:
        self._period_s = 1.0 / fps
        self._due_s = float('-inf')

    def takes(self, now_s: float) -> bool:
        """Return whether the frame that arrived now is used."""
        # Half a period of slack: a camera of just this rate jitters, and shall lose nothing.
        slack_s = self._period_s / 2
        if now_s < self._due_s - slack_s:
            return False
        self._due_s = max(self._due_s + self._period_s, now_s + 1.5 * slack_s)
        return True
