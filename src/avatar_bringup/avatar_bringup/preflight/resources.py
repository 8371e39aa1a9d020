# SPDX-License-Identifier: Apache-2.0
"""What the rows of the table need of the machine: ports, serial ports, cameras, sound cards."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from avatar_bringup.paths import written
from avatar_bringup.processes import Device, Place, Process

# The ports of MediaMTX's media are UDP, and TCP where UDP is blocked.
_BOTH = ('media',)
SOUND_DIR = Path('/dev/snd')
SOUND_CARDS = Path('/proc/asound')


class Sort(enum.Enum):
    """What a resource is."""

    TCP = 'tcp port'
    UDP = 'udp port'
    SERIAL = 'serial port'
    CAMERA = 'camera'
    SOUND = 'sound card'


@dataclass(frozen=True)
class Resource:
    """One thing a part needs; `name` is the number of a port, or the path of a device."""

    sort: Sort
    name: str
    part: str
    host: str = '127.0.0.1'

    def __str__(self) -> str:
        return f'{self.sort.value} {self.name}'


def ports(place: Place, rows: Iterable[Process], media_host: str) -> list[Resource]:
    """Return the ports of the rows but the gateway's own, which `check_port` judges."""
    result = []
    for row in rows:
        for name in row.ports:
            number = getattr(place.ports, name)
            host = media_host if name in _BOTH else '127.0.0.1'
            if name == 'gateway' or not number:
                continue
            result.append(Resource(Sort.TCP, str(number), row.name, host))
            if name in _BOTH:
                result.append(Resource(Sort.UDP, str(number), row.name, host))
    return result


def devices(
    place: Place, rows: Iterable[Process], environ: Mapping[str, str]
) -> list[Resource]:
    """Return the devices the rows would open now; a part whose device is not there needs none."""
    find = {Device.SERIAL: _serial, Device.CAMERA: _camera, Device.SOUND: _sound}
    return [Resource(Sort[device.name], path, row.name)
            for row in rows for device in row.devices
            for path in find[device](place, environ)]


def _serial(place: Place, environ: Mapping[str, str]) -> list[str]:
    from avatar_motor import ports as serial
    given = written('motor', environ, place.state_dir)
    by_id = str(given.get('by_id_dir') or serial.BY_ID_DIR)
    chosen = serial.choose(str(given.get('port') or ''), serial.candidates(by_id), by_id)
    return [chosen] if isinstance(chosen, str) else []


def _camera(place: Place, environ: Mapping[str, str]) -> list[str]:
    from avatar_camera.stream import device
    given = written('stream' if place.source == 'device' else 'camera', environ, place.state_dir)
    try:
        return [device.resolve(str(given.get('device') or ''))]
    except device.NoDevice:
        return []


def _sound(_place: Place, _environ: Mapping[str, str]) -> list[str]:
    # pcmC2D0p plays, pcmC3D0c records. USB cards are the robot's; what a screen has is not.
    found = sorted(SOUND_DIR.glob('pcmC*')) if SOUND_DIR.is_dir() else []
    return [str(path) for path in found
            if (SOUND_CARDS / path.name[3:].partition('D')[0].replace('C', 'card')
                / 'usbid').exists()]
