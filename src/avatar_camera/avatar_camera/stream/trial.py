# SPDX-License-Identifier: Apache-2.0
"""Whether the encoder in a computer's hardware can be used: tried once, before it is needed."""

import logging
import os
import subprocess
from pathlib import Path

from avatar_camera.ffmpeg import Ffmpeg, NoFfmpeg, find
from avatar_camera.stream import commands
from avatar_camera.stream.commands import HARDWARE, LIBX264

WITHIN_S = 5.0
# How the kernel names the encoder of a Raspberry Pi 4; a Pi 5 has none.
_NAME = 'bcm2835-codec-encode'
_DEVICES = Path('/sys/class/video4linux')

_log = logging.getLogger(__name__)


def has_hardware(devices: Path = _DEVICES) -> bool:
    """Return whether the kernel knows a hardware encoder that ffmpeg can use."""
    for name in devices.glob('*/name'):
        try:
            if name.read_text().strip() == _NAME:
                return True
        except OSError:
            continue
    return False


def works(ffmpeg: Ffmpeg, encoder: str) -> str:
    """Encode a second of a test picture; return why that did not work, '' if it did."""
    try:
        tried = subprocess.run(
            commands.trial(ffmpeg, encoder), stdin=subprocess.DEVNULL, capture_output=True,
            timeout=WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if tried.returncode == 0 and tried.stdout:
        return ''
    words = tried.stderr.decode(errors='replace').strip().splitlines()
    return words[-1][:200] if words else 'it put out nothing'


def best_encoder() -> str:
    """Return the hardware's encoder where there is one and it works, else libx264."""
    if not has_hardware():
        return LIBX264
    try:
        problem = works(find(os.environ), HARDWARE)
    except NoFfmpeg:
        return LIBX264  # said when a picture is wanted
    if problem:
        _log.warning('the hardware encoder does not work (%s): libx264 is used', problem)
        return LIBX264
    return HARDWARE
