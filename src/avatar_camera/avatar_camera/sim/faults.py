# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a camera, as changes of the picture it would have published."""

import random
from dataclasses import dataclass, replace

FAULTS = {
    'freeze': 'the same picture again and again, as new',
    'unplug': 'no more pictures, the node stays',
    'slow': 'one picture a second',
    'wrong_size': 'every other picture has half the width and half the height',
    'garbage': 'noise',
    'truncated': 'half of the bytes are missing',
    'zero_bytes': 'no bytes at all',
    'unknown_encoding': 'an encoding that nobody knows',
}
SLOW_RATE_HZ = 1.0


@dataclass(frozen=True)
class Frame:
    """What an Image message says of itself, and its bytes."""

    width: int
    height: int
    step: int
    encoding: str
    data: bytes


def spoil(frame: Frame, fault: str, number: int) -> Frame:
    """Return the frame as a fault leaves it; `number` counts the frames."""
    if fault == 'wrong_size' and number % 2:
        half = (frame.height // 2, frame.step // frame.width * (frame.width // 4 * 2))
        return replace(frame, width=frame.width // 4 * 2, height=half[0], step=half[1],
                       data=frame.data[:half[0] * half[1]])
    if fault == 'garbage':
        return replace(frame, data=random.Random(number).randbytes(len(frame.data)))
    if fault == 'truncated':
        return replace(frame, data=frame.data[:len(frame.data) // 2])
    if fault == 'zero_bytes':
        return replace(frame, data=b'')
    if fault == 'unknown_encoding':
        return replace(frame, encoding='unheard_of')
    return frame
