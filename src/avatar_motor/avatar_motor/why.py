# SPDX-License-Identifier: Apache-2.0
"""Why the robot stands although somebody may want it to move: the codes of `motor/state`."""

from enum import Enum


class Why(str, Enum):
    """One reason for standing still; FREE = none (it drives, or would at once)."""

    FREE = ''
    E_STOP = 'e_stop'
    STATE_UNWRITABLE = 'state_unwritable'
    NOT_CONNECTED = 'not_connected'
    NO_WATCHDOG = 'no_watchdog'
    TWO_PUBLISHERS = 'two_publishers'
    LATE = 'late'
    HOLDER_AWAY = 'holder_away'
    WAITING_NEUTRAL = 'waiting_neutral'
    BAD_COMMAND = 'bad_command'
    SOMEONE_ELSE = 'someone_else'
    NO_COMMAND = 'no_command'


SENTENCES = {
    Why.FREE: 'Ready to drive.',
    Why.E_STOP: 'Emergency stop: it stands until a person resets it.',
    Why.STATE_UNWRITABLE: 'The state folder cannot be written, so an emergency stop could be '
                          'forgotten: no driving.',
    Why.NOT_CONNECTED: 'The motor board is not connected.',
    Why.NO_WATCHDOG: 'The firmware of this board has no working watchdog: no driving.',
    Why.TWO_PUBLISHERS: 'Two gateways publish commands at once: no driving until one ends.',
    Why.LATE: 'The motor node was held up; what arrived meanwhile is thrown away.',
    Why.HOLDER_AWAY: 'Whoever drives is away and may come back within 10 s.',
    Why.WAITING_NEUTRAL: 'Let go of the controls once, then drive.',
    Why.BAD_COMMAND: 'The last command was no velocity.',
    Why.SOMEONE_ELSE: 'Somebody else is in control; cmd_vel is ignored.',
    Why.NO_COMMAND: 'Commands stopped arriving.',
}
