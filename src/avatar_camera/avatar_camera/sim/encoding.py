# SPDX-License-Identifier: Apache-2.0
"""Pictures of palette numbers as the bytes of a ROS image encoding."""

import numpy as np
from numpy.typing import NDArray

from avatar_camera.sim import room

Picture = NDArray[np.uint8]
# Bytes per pixel of what v4l2_camera publishes.
BYTES = {'rgb8': 3, 'bgr8': 3, 'yuv422_yuy2': 2, 'mono8': 1}


def luma_chroma(colours: Picture) -> tuple[Picture, Picture, Picture]:
    """Return Y, U, V (BT.601, 16 to 235) of red, green, blue."""
    red, green, blue = (colours[:, part].astype(float) / 255 for part in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    parts = (16 + 219 * luma, 128 + 224 * 0.5 / 0.886 * (blue - luma),
             128 + 224 * 0.5 / 0.701 * (red - luma))
    y, u, v = (np.clip(np.rint(part), 16, 240).astype(np.uint8) for part in parts)
    return y, u, v


class Encoder:
    """Writes pictures of one size into a buffer of its own; ValueError for what it cannot."""

    def __init__(self, encoding: str, width: int, height: int) -> None:
        if encoding not in BYTES:
            raise ValueError(f'encoding {encoding!r}: must be one of {", ".join(BYTES)}')
        if encoding == 'yuv422_yuy2' and width % 2:
            raise ValueError(f'width {width}: must be even for yuv422_yuy2')
        self.encoding, self.step = encoding, width * BYTES[encoding]
        self.size = self.step * height
        self._shape = (height, width)
        colours = room.palette()
        self._tables = [table.tobytes() for table in luma_chroma(colours)]
        self._colours = [colours[:, part].tobytes() for part in range(3)]
        if encoding == 'bgr8':
            self._colours.reverse()

    def write(self, picture: Picture, out: Picture) -> None:
        """Write the picture into `out`, a flat array of `size` bytes."""
        if self.encoding in ('rgb8', 'bgr8'):
            self._write_colours(picture, out)
            return
        luma, blue, red = self._tables
        if self.encoding == 'mono8':
            out[:] = np.frombuffer(picture.tobytes().translate(luma), np.uint8)
            return
        rows = out.reshape(self._shape[0], -1)
        rows[:, 0::2] = self._mapped(picture, luma)
        even = picture[:, ::2]
        rows[:, 1::4] = self._mapped(even, blue)
        rows[:, 3::4] = self._mapped(even, red)

    def _write_colours(self, picture: Picture, out: Picture) -> None:
        data = picture.tobytes()
        for part, table in enumerate(self._colours):
            out[part::3] = np.frombuffer(data.translate(table), np.uint8)

    @staticmethod
    def _mapped(picture: Picture, table: bytes) -> Picture:
        return np.frombuffer(picture.tobytes().translate(table), np.uint8).reshape(picture.shape)
