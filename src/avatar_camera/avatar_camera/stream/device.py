# SPDX-License-Identifier: Apache-2.0
"""
Which video device is the camera, and what it can do. Nothing here opens one.

A camera is known by its link in /dev/v4l/by-id, else by-path: the numbers of /dev/video change.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from avatar_camera.stream.supervision import Reason

FOLDERS = (Path('/dev/v4l/by-id'), Path('/dev/v4l/by-path'))
UDEV = Path('/run/udev/data')
# A camera has more nodes than one; this is the one with pictures.
_PICTURES = re.compile(r'.*-video-index0')
_CAPABILITIES = re.compile(r'^E:ID_V4L_CAPABILITIES=(.*)$', re.MULTILINE)
MJPEG, H264 = 'mjpeg', 'h264'
AUTO, RAW = 'auto', 'raw'

Sizes = tuple[tuple[int, int], ...]


class NoDevice(RuntimeError):
    """There is no camera to open; `reason` for programs, the text for people."""

    def __init__(self, text: str, reason: Reason = Reason.NO_CAMERA) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True)
class Mode:
    """How a camera is opened: what ffmpeg is told."""

    device: str
    pixel_format: str
    width: int
    height: int


def candidates(folders: Iterable[Path] = FOLDERS, udev: Path = UDEV) -> list[Path]:
    """Return the links of cameras, one for each device, by-id before by-path."""
    found: dict[str, Path] = {}
    for folder in folders:
        for link in sorted(folder.glob('*')) if folder.is_dir() else ():
            device = os.path.realpath(link)
            if _PICTURES.fullmatch(link.name) and _gives_pictures(device, udev):
                found.setdefault(device, link)
    return list(found.values())


def _gives_pictures(device: str, udev: Path) -> bool:
    """Return whether a device is there, and udev does not say that it gives no pictures.

    A Raspberry Pi's decoders and scalers have links like cameras'.
    """
    try:
        number = os.stat(device).st_rdev
    except OSError:
        return False
    try:
        known = (udev / f'c{os.major(number)}:{os.minor(number)}').read_text()
    except OSError:
        return True  # no udev here, as in a container
    found = _CAPABILITIES.search(known)
    return found is None or ':capture:' in found[1]


def resolve(named: str, folders: Iterable[Path] = FOLDERS) -> str:
    """Return the device to open now: the one named (a path or a link's name), or the only one."""
    folders = tuple(folders)
    found = candidates(folders)
    names = ', '.join(str(link) for link in found) or 'none'
    if named:
        for path in (Path(named), *(folder / named for folder in folders)):
            if path.is_absolute() and path.exists():
                return os.path.realpath(path)
        raise NoDevice(f'{named} is not there; cameras found: {names}')
    if not found:
        raise NoDevice(f'no camera in {" or ".join(str(f) for f in folders)}')
    if len(found) > 1:
        raise NoDevice(f'there are {len(found)} cameras, name one by the parameter `device`: '
                       f'{names}')
    return os.path.realpath(found[0])


_FORMAT = re.compile(r'(Raw|Compressed)\s*:\s*(\S+)\s*:.*?:\s*(.*)$')
_SIZE = re.compile(r'(\d+)x(\d+)')


def formats_of(text: str) -> dict[str, Sizes]:
    """Return the formats and sizes in the words of `ffmpeg -f v4l2 -list_formats all`."""
    formats: dict[str, Sizes] = {}
    for line in text.splitlines():
        found = _FORMAT.search(line)
        if found and found[2] != 'Unsupported':
            sizes = tuple((int(w), int(h)) for w, h in _SIZE.findall(found[3]))
            formats.setdefault(found[2], sizes)
    return formats


def choose(
    device: str, formats: Mapping[str, Sizes], wanted: str, width: int, height: int
) -> Mode:
    """
    Return how to open a camera for a picture of a size; NoDevice if it cannot what is wanted.

    auto: Motion-JPEG, which fits through USB in any size; else raw pictures.
    """
    raw = [name for name in formats if name not in (MJPEG, H264)]
    names = {AUTO: [MJPEG, *raw], RAW: raw}.get(wanted, [wanted])
    name = next((n for n in names if n in formats), None)
    if name is None:
        raise NoDevice(f'{device} has no {wanted} pictures; it has {", ".join(formats) or "none"}',
                       Reason.BAD_FRAMES)
    sizes = sorted(formats[name], key=lambda size: size[0] * size[1])
    if not sizes:  # any size
        return Mode(device, name, width, height)
    enough = [size for size in sizes if size[0] >= width and size[1] >= height]
    best = enough[0] if enough else sizes[-1]
    return Mode(device, name, *best)
