# SPDX-License-Identifier: Apache-2.0
"""What the last words of an ffmpeg mean. Pure."""

import re
from collections.abc import Sequence

from avatar_camera.stream.supervision import Reason

# What it says after the line that says why.
_EMPTY_WORDS = ('Error initializing output stream', 'Conversion failed', 'Error opening output',
                'Nothing was written', 'Error while opening encoder', 'Exiting', 'Terminating')
# "[rtsp @ 0x55dd5a16e240] " in front of a line says nothing to anybody.
_WHO = re.compile(r'^(\[[^\]]*\] )+')
_MEANINGS = (
    (Reason.SERVER_DOWN, re.compile('Connection refused')),
    (Reason.REFUSED, re.compile('401 Unauthorized|403 Forbidden|400 Bad Request')),
    (Reason.DEVICE_BUSY, re.compile('Device or resource busy')),
    (Reason.NO_CAMERA, re.compile('No such device|/dev/video.*No such file')),
)


def meaning_of(lines: Sequence[str]) -> tuple[Reason, str]:
    """Return why an encoder ended, and its words about it."""
    words = [_WHO.sub('', line) for line in lines]
    for reason, pattern in _MEANINGS:
        for line in words:
            if pattern.search(line):
                return reason, line
    telling = [line for line in words if line and not line.startswith(_EMPTY_WORDS)]
    return Reason.ENCODER_FAILED, telling[-1] if telling else 'it ended without a word'
