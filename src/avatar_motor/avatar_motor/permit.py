# SPDX-License-Identifier: Apache-2.0
"""
The permit to drive, which is what an emergency stop takes away.

Stored is the permit and not the stop, so that everything that can go wrong with a file
(missing, empty, garbage, unreadable) means "stopped". It is written when the folder is first
set up and by a reset, and removed by a trigger. `stop.json` has the number of the newest stop.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from avatar_node import store


@dataclass(frozen=True)
class Found:
    """What a start finds: may it drive, the number of the newest stop, what is wrong."""

    permitted: bool
    stop_number: int
    problem: str = ''  # the folder cannot be written
    remark: str = ''  # worth a line in the log


class Permit:
    """The two files; no call raises OSError, a problem is returned as a sentence."""

    def __init__(self, state_dir: Path) -> None:
        """Only remember where; `load` touches the disk."""
        self.folder = state_dir / 'motor'
        self._permit = self.folder / 'permit.json'
        self._stop = self.folder / 'stop.json'

    def load(self) -> Found:
        """Set the folder up if there is none, and return what it says."""
        try:
            if not self.folder.exists():
                self._set_up()
            remark, number = self._read_number()
            why_not, after = self._read_permit()
            number = max(number, after)
            if why_not:
                # A stop may have been issued whose number never reached the disk.
                number += 1
            # Also proves that the folder can be written.
            store.write(self._stop, {'number': number})
        except OSError as error:
            problem = self._problem(error)
            return Found(False, self._last_number() + 1, problem, problem)
        return Found(not why_not, number, remark=' '.join(filter(None, (remark, why_not))))

    def revoke(self, number: int) -> str:
        """Remove the permit, then store the number; return what went wrong, '' if nothing."""
        try:
            self._remove_permit()
            store.sync_folder(self.folder)
            store.write(self._stop, {'number': number})
        except OSError as error:
            return self._problem(error)
        return ''

    def withdraw(self) -> str:
        """
        Remove the permit from outside, whether a motor node runs or not; return what went wrong.

        A running one sees it and stops; the next to start finds a folder without a permit.
        """
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._remove_permit()
            store.sync_folder(self.folder)
        except OSError as error:
            return self._problem(error)
        return ''

    def grant(self, number: int) -> str:
        """Write the permit; return what went wrong, '' if nothing."""
        try:
            store.write(self._permit, {'permit': 'drive', 'after_stop': number})
        except OSError as error:
            return self._problem(error)
        return ''

    def is_there(self) -> bool:
        """Return whether the permit still exists; cheap, nothing is read."""
        try:
            return self._permit.exists()
        except OSError:
            return False

    def problem(self) -> str:
        """Return why the folder cannot be written now, '' if it can; cheap, nothing is written."""
        try:
            disk = os.statvfs(self.folder)
        except OSError as error:
            return self._problem(error)
        free = disk.f_bfree if os.geteuid() == 0 else disk.f_bavail
        if disk.f_flag & os.ST_RDONLY:
            reason = 'it is read-only'
        elif not os.access(self.folder, os.W_OK | os.X_OK):
            reason = 'this user may not'
        elif (disk.f_blocks and not free) or (disk.f_files and not disk.f_favail):
            reason = 'the disk is full'
        else:
            return ''
        return f'cannot write {self.folder}: {reason}. Repair that.'

    def _set_up(self) -> None:
        # Renamed when complete: a crash in between must not leave a new robot stopped.
        draft = self.folder.with_name('motor.new')
        draft.mkdir(mode=0o700, parents=True, exist_ok=True)
        store.write(draft / self._permit.name, {'permit': 'drive', 'after_stop': 0})
        store.write(draft / self._stop.name, {'number': 0})
        draft.rename(self.folder)
        store.sync_folder(self.folder.parent)

    def _remove_permit(self) -> None:
        try:
            self._permit.unlink()
        except FileNotFoundError:
            return
        except OSError:
            # A folder may be closed and the file in it open: an empty permit is none either.
            with open(self._permit, 'r+b') as file:
                file.truncate()
                os.fsync(file.fileno())
            raise

    def _read_permit(self) -> tuple[str, int]:
        """Return why there is no permit ('' = there is one) and the stop it came after."""
        try:
            value = store.read(self._permit)
        except FileNotFoundError:
            return 'There is no permit to drive: the emergency stop holds.', 0
        except (ValueError, OSError) as error:
            return f'The permit to drive cannot be read ({error}): the emergency stop holds.', 0
        after = value.get('after_stop')
        if value.get('permit') != 'drive' or type(after) is not int or after < 0:
            return f'The permit to drive says {value}: the emergency stop holds.', 0
        return '', after

    def _read_number(self) -> tuple[str, int]:
        """Return a remark about the file, and its number."""
        try:
            number = store.read(self._stop).get('number')
        except FileNotFoundError:
            return '', 0
        except ValueError as error:
            aside = store.put_aside(self._stop)
            return f'{self._stop} cannot be read ({error}); it is kept as {aside.name}.', 0
        if type(number) is not int or number < 0:
            aside = store.put_aside(self._stop)
            return f'{self._stop} has no number; it is kept as {aside.name}.', 0
        return '', number

    def _last_number(self) -> int:
        try:
            number = store.read(self._stop).get('number')
        except (ValueError, OSError):
            return 0
        return number if type(number) is int and number >= 0 else 0

    def _problem(self, error: OSError) -> str:
        reason = error.strerror or str(error)
        return f'cannot write {self.folder}: {reason}. Repair that.'
