# SPDX-License-Identifier: Apache-2.0
"""What preflight found: something a part wants is held, or something else starts the same."""

import enum
from dataclasses import asdict, dataclass
from typing import Any

from avatar_bringup.who import Who


class Kind(enum.Enum):
    """For programs and translations; the sentence is for people."""

    HELD = 'held'
    OLD_UNIT = 'old_unit'
    LEFTOVER = 'leftover'


@dataclass(frozen=True)
class Finding:
    """
    One thing that is not as it should be; `str` is a sentence with the next step.

    `part` is the row of the table that waits, '' where none does. `fatal`: this copy must not run.
    """

    kind: Kind
    resource: str
    part: str
    pid: int
    command: str
    unit: str
    next_step: str
    fatal: bool = False

    def __str__(self) -> str:
        holder = Who(self.pid, self.command, self.unit)
        if self.kind is Kind.OLD_UNIT and self.pid:
            return f'{self.unit} runs and starts the same: {holder}; to end it: {self.next_step}'
        if self.kind is Kind.OLD_UNIT:
            return (f'{self.unit} is enabled and will start the same at the next boot; '
                    f'to end that: {self.next_step}')
        if self.kind is Kind.LEFTOVER:
            return (f'{holder} is left over from a run that has ended; to end it: '
                    f'{self.next_step}')
        waits = f': {self.part} waits until it is free' if self.part else ''
        way = 'to see by whom' if not self.pid else 'to free it'
        return f'{self.resource} is held by {holder}{waits}; {way}: {self.next_step}'

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON takes."""
        return {**asdict(self), 'kind': self.kind.value, 'text': str(self)}
