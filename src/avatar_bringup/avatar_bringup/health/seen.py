# SPDX-License-Identifier: Apache-2.0
"""One look at everything health judges by. Times are CLOCK_MONOTONIC [s]. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Said:
    """The last message of a state topic: when it came, and its values."""

    at_s: float
    values: Mapping[str, str]
    message: str = ''


@dataclass(frozen=True)
class Part:
    """What the supervisor of a process says of it: running, restarting or given_up."""

    state: str
    essential: bool = False
    deaths: int = 0
    words: str = ''


@dataclass(frozen=True)
class Held:
    """Something a part needs, and who holds it."""

    resource: str
    part: str
    holder: str
    pid: int = 0
    """0: it cannot be seen from here."""
    next_step: str = ''


@dataclass(frozen=True)
class Network:
    """One network interface; bytes since it is there."""

    name: str
    up: bool
    is_modem: bool = False
    has_default_route: bool = False
    received: int = 0
    sent: int = 0


@dataclass(frozen=True)
class Machine:
    """The computer; None = not known here. `throttled` are the bits of a Raspberry Pi."""

    disk_free_mb: int | None = None
    memory_free_mb: int | None = None
    celsius: float | None = None
    throttled: int | None = None
    clock_is_set: bool | None = None
    wall_s: float = 0.0
    """Unix time."""
    networks: tuple[Network, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what is known of it, as programs get it; bytes of all interfaces together."""
        known: dict[str, Any] = {
            'disk_free_mb': self.disk_free_mb, 'memory_free_mb': self.memory_free_mb,
            'celsius': self.celsius, 'throttled': self.throttled,
            'clock_is_set': self.clock_is_set}
        if self.networks is not None:
            known['received'] = sum(network.received for network in self.networks)
            known['sent'] = sum(network.sent for network in self.networks)
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True)
class Seen:
    """
    One look. None = nothing was ever heard.

    `gateway_s` is when the gateway answered last, `asked_s` when it was asked last; `cameras` how
    many publish pictures; `late_times` how often the motor node was held up within a minute;
    `earliest_s` is a unix time that is certainly over.
    """

    now_s: float
    started_s: float
    motor: Said | None = None
    replied_s: float | None = None
    """When the board's count of replies grew last."""
    gateway_s: float | None = None
    stream: Said | None = None
    cameras: int | None = None
    charge: float | None = None
    late_times: int = 0
    parts: Mapping[str, Part] = field(default_factory=dict)
    held: tuple[Held, ...] = ()
    machine: Machine = Machine()
    earliest_s: float = 0.0


def parts_of(text: str, essential: frozenset[str]) -> dict[str, Part]:
    """Return what `run/parts.json` says; what cannot be read says nothing."""
    try:
        read = json.loads(text)
        return {str(name): Part(
            state=str(one['state']), essential=name in essential,
            deaths=int(one.get('deaths', 0)), words=str(one.get('words', '')))
            for name, one in read.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
