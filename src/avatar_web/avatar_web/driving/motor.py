# SPDX-License-Identifier: Apache-2.0
"""What the motor node last said of itself (`motor/state`), as far as the gateway needs it."""

import json
import math

from avatar_motor.limits import Limits

FRESH_S = 3.0
"""`motor/state` comes each second; after this long the motor node is taken for gone."""


class Motor:
    """A mirror of `motor/state`; times are seconds, monotonic."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._seen_s = float('-inf')
        self.sentence = ''

    def update(self, text: str, now: float) -> None:
        """Take a message as JSON text of a DiagnosticStatus."""
        message = json.loads(text)
        self._values = {pair['key']: pair['value'] for pair in message['values']}
        self.sentence = message['message']
        self._seen_s = now

    def is_seen(self, now: float) -> bool:
        """Return whether the motor node is there."""
        return now - self._seen_s < FRESH_S

    def is_connected(self, now: float) -> bool:
        """Return whether the motor node is there and has its board."""
        return self.is_seen(now) and self._values.get('connected') == 'true'

    @property
    def why(self) -> str:
        """Return the code of why it does not drive, '' if it does or could."""
        return self._values.get('why', '')

    @property
    def stop_number(self) -> str:
        """Return the number of the latest emergency stop, as it was sent."""
        return self._values.get('stop_number', '')

    @property
    def limits(self) -> Limits | None:
        """Return the limits the motor node drives with, None if it did not say."""
        try:
            speed = float(self._values['max_speed_mps'])
            turn = float(self._values['max_turn_radps'])
        except (KeyError, ValueError):
            return None
        if not (math.isfinite(speed) and math.isfinite(turn) and speed > 0 and turn > 0):
            return None
        return Limits(speed, turn)

    def reset_problem(self, number: object) -> str | None:
        """Return why an emergency stop of this number cannot be reset, or None."""
        if isinstance(number, bool) or not isinstance(number, int):
            return 'a reset names its stop: args {"number": n} with stop_number of motor/state'
        if not self.stop_number:
            return 'the motor node has not said its stop number yet: try again in a second'
        if str(number) != self.stop_number:
            return (f'stop {number} is not the latest: it is {self.stop_number}; look at it '
                    'again, then reset')
        return None
