# SPDX-License-Identifier: Apache-2.0
"""
A join that is under way, written down: a gateway that is started again goes on with it.

No secret is in it. It is of use until the machine is started again: the profile of a network that
never came up is not one NetworkManager joins by itself.
"""

import contextlib
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avatar_node import store
from avatar_web.system.nmcli_output import is_uuid

JOIN_S = 30.0


@dataclass(frozen=True)
class Attempt:
    """
    `uuid` is being joined on `device`, where `old_uuid` was in use ('' = nothing).

    `is_new`: the profile was made for this, and is removed if it does not come up; where it does,
    `replaces` are removed, profiles of the same network with another password.
    """

    uuid: str
    name: str
    device: str
    old_uuid: str
    is_new: bool
    began_s: float
    """CLOCK_BOOTTIME: nobody sets it, and it goes on while the machine sleeps."""
    boot_id: str
    replaces: tuple[str, ...] = ()

    def left_s(self, now_s: float) -> float:
        """Return how long it may take still."""
        return max(0.0, min(JOIN_S, self.began_s + JOIN_S - now_s))


def boot_time_s() -> float:
    """Return the seconds since the machine was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Return what names this run of the kernel; '' where it cannot be read."""
    with contextlib.suppress(OSError):
        return Path('/proc/sys/kernel/random/boot_id').read_text().strip()
    return ''


class JoinRecord:
    """The file; every call may block for as long as the disk takes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, attempt: Attempt) -> None:
        """Write it down; OSError if that is not possible."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        store.write(self._path, asdict(attempt))

    def read(self) -> Attempt | None:
        """Return what is written down; None if there is nothing, or nothing that makes sense."""
        try:
            return _attempt(store.read(self._path))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def clear(self) -> None:
        """Forget it."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def _attempt(value: dict[str, Any]) -> Attempt:
    uuids = [value['uuid'], *value['replaces']]
    if value['old_uuid'] != '':
        uuids.append(value['old_uuid'])
    if not all(is_uuid(uuid) for uuid in uuids) or value['uuid'] == value['old_uuid']:
        raise ValueError
    return Attempt(
        uuid=value['uuid'], name=str(value['name'])[:64], device=str(value['device'])[:16],
        old_uuid=value['old_uuid'], is_new=value['is_new'] is True,
        began_s=float(value['began_s']), boot_id=str(value['boot_id']),
        replaces=tuple(value['replaces']))
