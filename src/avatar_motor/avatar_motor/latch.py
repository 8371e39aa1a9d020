# SPDX-License-Identifier: Apache-2.0
"""The emergency stop as the disk knows it; the motor loop tends it and nobody else."""

import logging

from avatar_motor.e_stop import EmergencyStop
from avatar_motor.permit import Permit

LOOK_PERIOD_S = 1.0
RETRY_S = 0.5

STORE_PERIOD_S = 0.4
"""
A stop takes the permit at once. What comes while it is latched changes only the number, which is
written this often: a flood of stops must not wear the card, nor hold up the loop. Twice this is
less than RESET_GUARD_S, so no reset waits for it.
"""

_log = logging.getLogger(__name__)


class Latch:
    """An EmergencyStop whose permit is on the disk; `problem` says what the disk refuses."""

    def __init__(self, permit: Permit) -> None:
        """Start as the disk says."""
        self._permit = permit
        found = permit.load()
        if found.remark:
            _log.warning(found.remark)
        # A permit that may only not be believed has to go as soon as the disk lets it: the next
        # start would find it.
        self.stop = EmergencyStop(
            not found.permitted, found.stop_number, stored=not found.problem)
        self.problem = found.problem
        self._refused = ''  # why the newest stop is not stored
        self._store_s = 0.0
        self._look_s = 0.0
        self._stored_s = float('-inf')
        self._is_revoked = False  # the permit is gone from the disk

    def trigger_was_taken(self, now_s: float) -> None:
        """Store the newest stop at the next `tend`; of a flood only some."""
        if self.stop.came_again:
            return  # the one before it is not stored yet, and both will be at its time
        self._store_s = now_s
        if self._is_revoked:
            self._store_s = max(now_s, self._stored_s + STORE_PERIOD_S)

    def grant(self) -> str:
        """Write the permit for a reset; return why that is not possible."""
        if self.stop.needs_storing:
            return self._refused or 'the emergency stop is being stored: try again'
        # Also where it fails: whatever reached the disk has to go again at the next stop.
        self._is_revoked = False
        return self._permit.grant(self.stop.number)

    def tend(self, now_s: float) -> bool:
        """Do what is due; return whether the permit vanished under a robot that may drive."""
        if self.stop.needs_storing and now_s >= self._store_s:
            self._store(now_s)
        if now_s < self._look_s:
            return False
        self._look_s = now_s + LOOK_PERIOD_S
        self.problem = self._refused or self._permit.problem()
        return not self.problem and not self.stop.latched and not self._permit.is_there()

    def _store(self, now_s: float) -> None:
        """Tell the disk of the newest stop; again and again while it does not listen."""
        refused = self._permit.revoke(self.stop.number)
        if not refused:
            self._is_revoked, self._stored_s = True, now_s
            self.stop.stored()
            # Another stop that came meanwhile has a number of its own now.
            self._store_s = now_s + STORE_PERIOD_S
        elif refused != self._refused:
            _log.error('emergency stop %d is in force but not stored: %s',
                       self.stop.number, refused)
        if refused:
            self._store_s = now_s + RETRY_S
        self.problem = self._refused = refused
