# SPDX-License-Identifier: Apache-2.0
"""Pictures for the bare chain: moving, with the time in them."""

import numpy as np

CELLS = 40


def cells(now_s: float) -> list[int]:
    """Return the 40 bits of a stamp."""
    time_ms = int(now_s * 1000) % 2 ** 32
    nibbles = [time_ms >> shift & 15 for shift in range(28, -4, -4)]
    check = 0
    for nibble in nibbles:
        check ^= nibble
    return [int(bit) for nibble in (10, *nibbles, check) for bit in f'{nibble:04b}']


class Pictures:
    """Makes pictures of one size."""

    def __init__(self, width: int, height: int) -> None:
        y, x = np.mgrid[0:height, 0:width + 256]
        wide = 128 + 60 * np.sin(x / 23) * np.cos(y / 31) + 30 * ((x // 64 + y // 64) % 2)
        self._wide = np.repeat(wide.astype(np.uint8)[:, :, None], 3, axis=2)
        self._picture = np.empty((height, width, 3), np.uint8)
        self._cell = round(width / CELLS)
        self._column = np.minimum(np.arange(width) * CELLS // width, CELLS - 1)

    def at(self, now_s: float) -> bytes:
        """Return the picture of a moment, RGB."""
        width = self._picture.shape[1]
        shift = int(now_s * 20) % 256
        self._picture[:] = self._wide[:, shift:shift + width]
        bits = np.array(cells(now_s), np.uint8) * 219 + 16
        self._picture[:self._cell] = bits[self._column][None, :, None]
        return self._picture.tobytes()
