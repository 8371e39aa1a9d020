# SPDX-License-Identifier: Apache-2.0
"""What the control loop tells the world: one look at everything, in words and in values."""

from dataclasses import dataclass

from avatar_motor.arbitration import Source
from avatar_motor.kinematics import STANDSTILL, Efforts
from avatar_motor.link_events import LinkState
from avatar_motor.protocol import Dialect, Reverse
from avatar_motor.self_test import QUESTION
from avatar_motor.why import SENTENCES, Why


@dataclass(frozen=True)
class Report:
    """One look at the motor node."""

    why: Why = Why.NOT_CONNECTED
    source: Source = Source.NONE
    efforts: Efforts = STANDSTILL
    link: LinkState = LinkState()
    e_stop: bool = True
    stop_number: int = 0
    storage_problem: str = ''
    holder: str = ''  # of the lease
    gate_reason: str = ''
    held: str = ''  # the inputs whose command is held, obeyed or not
    last_bad: str = ''
    bad_commands: int = 0
    late_passes: int = 0
    reverse: Reverse = Reverse.UNCONFIRMED
    self_test: str = 'idle'
    self_test_run: str = ''
    reverse_was_shown: bool = False
    max_speed_mps: float = 0.0
    max_turn_radps: float = 0.0

    @property
    def e_stop_confirmed(self) -> bool:
        """Return whether the board itself said that it stands."""
        return self.e_stop and self.link.settled

    def sentence(self) -> str:
        """Return what a person wants to read: why it stands, or that it drives."""
        if self.self_test_run:
            return f'Self-test: {self.self_test_run}.'
        if self.reverse_was_shown and self.why in (Why.FREE, Why.WAITING_NEUTRAL) and (
                self.efforts.is_zero):
            return f'The self-test is done. {QUESTION}'
        base = SENTENCES[self.why]
        match self.why:
            case Why.FREE:
                return self._free()
            case Why.E_STOP:
                return f'Emergency stop {self.stop_number}: it stands until a person resets it.'
            case Why.STATE_UNWRITABLE:
                return f'{base} ({self.storage_problem})'
            case Why.NOT_CONNECTED:
                return f'{base} ({self.link.reason})'
            case Why.NO_WATCHDOG:
                return self._no_watchdog()
            case Why.WAITING_NEUTRAL:
                return f'{base} ({self.gate_reason})'
            case Why.BAD_COMMAND:
                return f'{base} ({self.last_bad})'
            case Why.SOMEONE_ELSE:
                return f'{self.holder or "Somebody else"} is in control; cmd_vel is ignored.'
        return base

    def _free(self) -> str:
        if not self.efforts.is_zero:
            who = self.holder if self.source is Source.OPERATOR and self.holder else ''
            return f'Driving: {who or self.source.value}.'
        return SENTENCES[Why.FREE]

    def _no_watchdog(self) -> str:
        if self.link.dialect is Dialect.V1:
            return (f'{self.link.firmware} has no working watchdog and no drive line for both '
                    f'tracks: it cannot be driven. Update the firmware.')
        return (f'{self.link.firmware} has no working watchdog: no driving. Update the firmware, '
                f'or set allow_no_watchdog to drive slowly.')

    def values(self) -> dict[str, object]:
        """Return the key-value pairs of `motor/state`."""
        link = self.link
        return {
            'connected': link.connected,
            'port': link.port,
            'firmware': link.firmware,
            'dialect': link.dialect.value,
            'left': self.efforts.left,
            'right': self.efforts.right,
            'front_lights': _lamp(link.front_lights),
            'back_lights': _lamp(link.back_lights),
            'commander': self.source.value,
            'why': self.why.value,
            'held': self.held,
            'stop_number': self.stop_number,
            'e_stop': self.e_stop,
            'e_stop_confirmed': self.e_stop_confirmed,
            'reverse': self.reverse.value,
            'self_test': self.self_test,
            'voltage': '' if link.voltage_v is None else f'{link.voltage_v:.2f}',
            'max_speed_mps': self.max_speed_mps,
            'max_turn_radps': self.max_turn_radps,
        }


def _lamp(on: bool | None) -> str:
    return 'unknown' if on is None else 'on' if on else 'off'
