# SPDX-License-Identifier: Apache-2.0
"""Where pictures come from: a topic whose frames we hand over, or a device ffmpeg reads itself."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from avatar_camera.ffmpeg import Ffmpeg
from avatar_camera.stream import commands, device
from avatar_camera.stream.commands import Picture
from avatar_camera.stream.device import Mode, NoDevice, Sizes
from avatar_camera.stream.ending import meaning_of
from avatar_camera.stream.frames import Format, format_of
from avatar_camera.stream.intake import Intake
from avatar_camera.stream.profiles import PROFILES
from avatar_camera.stream.settings import Settings
from avatar_camera.stream.supervision import Reason
from avatar_node.holders import holders

LISTED_WITHIN_S = 5.0
IMAGE_ENCODING = 'rgb8'


@dataclass(frozen=True)
class Plan:
    """What one ffmpeg does; another plan means another ffmpeg."""

    input: Format | Mode
    picture: Picture | None
    """What is published, if anything."""
    images: Format | None = None
    """Raw frames that come back, if any."""

    def command(self, ffmpeg: Ffmpeg, url: str, progress_fd: int, threads: int) -> list[str]:
        """Return the command line."""
        if isinstance(self.input, Format):
            assert self.picture is not None
            return commands.encode_frames(
                ffmpeg, self.input, self.picture, url, progress_fd, threads)
        return commands.read_device(
            ffmpeg, self.input, self.picture, url, self.images, progress_fd, threads)

    def why_ended(self, words: Sequence[str]) -> tuple[Reason, str]:
        """Return why its ffmpeg ended, from its last words and from who holds the device now."""
        reason, detail = meaning_of(words)
        if reason is Reason.DEVICE_BUSY and isinstance(self.input, Mode):
            # Most cameras tell what they can do while another program has their pictures.
            detail = busy(self.input.device)
        return reason, detail


class Source(Protocol):
    """Where pictures come from."""

    needs_frames: bool

    def plan(
        self, settings: Settings, ffmpeg: Callable[[], Ffmpeg], before: Plan | None,
        publish: bool, images: bool,
    ) -> Plan | None:
        """
        Return what to do now, None for as long as that is not known.

        `before` is what is being done. Raises NoDevice; NoFfmpeg where `ffmpeg()` does.
        """
        ...


def picture_of(settings: Settings, width: int, height: int) -> Picture:
    """Return how a camera's picture is encoded."""
    profile = PROFILES[settings.profile]
    return Picture(*profile.fit(width, height), settings.fps, profile.rates_at(settings.fps),
                   settings.encoder)


class TopicSource:
    """Frames of a topic."""

    needs_frames = True

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def plan(
        self, settings: Settings, ffmpeg: Callable[[], Ffmpeg], before: Plan | None,
        publish: bool, images: bool,
    ) -> Plan | None:
        """See Source."""
        frame = self._intake.newest
        if frame is None:
            return before
        source = frame.format
        return Plan(source, picture_of(settings, source.width, source.height))


class DeviceSource:
    """A video device; what it can do is asked whenever it is opened."""

    needs_frames = False

    def __init__(self, folders: tuple[Path, ...] = device.FOLDERS) -> None:
        self._folders = folders
        self._formats: dict[str, Sizes] = {}
        self._device = ''

    def plan(
        self, settings: Settings, ffmpeg: Callable[[], Ffmpeg], before: Plan | None,
        publish: bool, images: bool,
    ) -> Plan | None:
        """See Source."""
        if before is None:
            self._device = device.resolve(settings.device, self._folders)
            self._formats = self._ask(ffmpeg(), self._device)
        profile = PROFILES[settings.profile]
        mode = device.choose(self._device, self._formats, settings.device_format, profile.width,
                             profile.height)
        return Plan(
            mode, picture_of(settings, mode.width, mode.height) if publish else None,
            format_of(IMAGE_ENCODING, mode.width, mode.height) if images else None)

    def _ask(self, ffmpeg: Ffmpeg, path: str) -> dict[str, Sizes]:
        try:
            answer = subprocess.run(
                commands.list_formats(ffmpeg, path), stdin=subprocess.DEVNULL,
                capture_output=True, text=True, errors='replace', timeout=LISTED_WITHIN_S,
                check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoDevice(f'{path} does not say what it can do ({error})',
                           Reason.NO_FRAMES) from error
        formats = device.formats_of(answer.stderr)
        if formats:
            return formats
        words = (answer.stderr.strip().splitlines() or ['nothing'])[-1]
        if 'busy' in words:
            raise NoDevice(busy(path), Reason.DEVICE_BUSY)
        raise NoDevice(f'{path} does not say what it can do: {words[:200]}')


def busy(path: str) -> str:
    """Return a sentence that names who holds a device."""
    who = ', '.join(map(str, holders(path))) or 'a process of another user'
    return f'{path} is held by {who}'
