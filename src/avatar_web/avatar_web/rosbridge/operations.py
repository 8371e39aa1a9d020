# SPDX-License-Identifier: Apache-2.0
"""What a client can ask for, one frozen dataclass per operation (see protocol.py)."""

from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = Any
Id: TypeAlias = 'str | int | None'


@dataclass(frozen=True)
class Drive:
    """A publish to `cmd_vel`: x, y, z of both vectors [m/s, rad/s], finite or not."""

    linear: tuple[float, float, float]
    angular: tuple[float, float, float]
    id: Id = None


@dataclass(frozen=True)
class Publish:
    """`topic` is relative and without a slash, `name` as the client wrote it; so everywhere."""

    topic: str
    name: str
    msg: dict[str, Json]
    id: Id = None


@dataclass(frozen=True)
class Advertise:
    topic: str
    name: str
    type: str
    id: Id = None


@dataclass(frozen=True)
class Unadvertise:
    topic: str
    name: str
    id: Id = None


@dataclass(frozen=True)
class Subscribe:
    """`type` may be empty (then it is looked up); `queue_length` 0 = not given."""

    topic: str
    name: str
    type: str = ''
    throttle_s: float = 0.0
    queue_length: int = 0
    id: Id = None


@dataclass(frozen=True)
class Unsubscribe:
    topic: str
    name: str
    id: Id = None


@dataclass(frozen=True)
class CallService:
    service: str
    name: str
    type: str
    args: dict[str, Json]
    timeout_s: float = 0.0
    id: Id = None


@dataclass(frozen=True)
class SetLevel:
    level: str
    id: Id = None


@dataclass(frozen=True)
class Status:
    """A remark of the client; nothing follows from it."""

    id: Id = None


@dataclass(frozen=True)
class LeaseTake:
    id: Id = None


@dataclass(frozen=True)
class LeaseRelease:
    id: Id = None


@dataclass(frozen=True)
class LeaseGive:
    to: str
    id: Id = None


@dataclass(frozen=True)
class LeaseAllow:
    cmd_vel: bool
    id: Id = None


@dataclass(frozen=True)
class Ping:
    t: float
    id: Id = None


@dataclass(frozen=True)
class Picture:
    """What the page shows: its age, None = no picture; `blind` = driving without one."""

    age_s: float | None
    blind: bool
    id: Id = None


Operation: TypeAlias = (
    Drive | Publish | Advertise | Unadvertise | Subscribe | Unsubscribe | CallService | SetLevel
    | Status | LeaseTake | LeaseRelease | LeaseGive | LeaseAllow | Ping | Picture
)
