# SPDX-License-Identifier: Apache-2.0
"""The emergency stop as the disk knows it; the motor loop tends it and nobody else."""

import logging

from avatar_motor.e_stop import EmergencyStop
from avatar_motor.permit import Permit

LOOK_PERIOD_S = 1.0
RETRY_S = 0.5

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

    def trigger_was_taken(self, now_s: float) -> None:
        """Store the newest stop at the next `tend`."""
        self._store_s = now_s

    def grant(self) -> str:
        """Write the permit for a reset; return why that is not possible."""
        if self.stop.needs_storing:
            return self._refused or 'the emergency stop is being stored: try again'
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
            self.stop.stored()
        elif refused != self._refused:
            _log.error('emergency stop %d is in force but not stored: %s',
                       self.stop.number, refused)
        if refused:
            self._store_s = now_s + RETRY_S
        self.problem = self._refused = refused
