# SPDX-License-Identifier: Apache-2.0
"""A sensor_msgs/Image as bytes that ffmpeg takes, or a sentence that says why not."""

from dataclasses import dataclass
from functools import lru_cache

MAX_PIXELS = 4096 * 2304

# encoding -> (ffmpeg's name, bits per pixel). mono16 also has an order of bytes.
_FORMATS = {
    'rgb8': ('rgb24', 24), 'bgr8': ('bgr24', 24), 'rgba8': ('rgba', 32), 'bgra8': ('bgra', 32),
    '8UC3': ('bgr24', 24), '8UC1': ('gray', 8), 'mono8': ('gray', 8), 'mono16': ('gray16', 16),
    'yuv422': ('uyvy422', 16), 'uyvy': ('uyvy422', 16),
    'yuv422_yuy2': ('yuyv422', 16), 'yuyv': ('yuyv422', 16),
    'bayer_rggb8': ('bayer_rggb8', 8), 'bayer_bggr8': ('bayer_bggr8', 8),
    'bayer_gbrg8': ('bayer_gbrg8', 8), 'bayer_grbg8': ('bayer_grbg8', 8),
}


class BadFrame(ValueError):
    """A frame cannot be used; the text says why."""


@dataclass(frozen=True)
class Format:
    """What ffmpeg is told of raw frames; `row_bytes` without padding."""

    width: int
    height: int
    pixel_format: str
    row_bytes: int

    @property
    def frame_bytes(self) -> int:
        return self.row_bytes * self.height


@lru_cache(maxsize=8)
def format_of(encoding: str, width: int, height: int, big_endian: bool = False) -> Format:
    """Return the format of an image; BadFrame for one that ffmpeg would not take."""
    if width <= 0 or height <= 0:
        raise BadFrame(f'the camera sends pictures of {width} x {height}')
    if width * height > MAX_PIXELS:
        raise BadFrame(f'the camera sends {width} x {height}, more than {MAX_PIXELS} pixels')
    if encoding not in _FORMATS:
        raise BadFrame(f'unknown encoding {encoding[:40]!r}; known are {", ".join(_FORMATS)}')
    name, bits = _FORMATS[encoding]
    if name == 'gray16':
        name += 'be' if big_endian else 'le'
    return Format(width, height, name, width * bits // 8)


def packed(data: memoryview, step: int, frame_format: Format) -> memoryview:
    """Return the bytes of a frame without padding; BadFrame if there are too few or too many."""
    row, height = frame_format.row_bytes, frame_format.height
    if not len(data):
        raise BadFrame('the camera sends frames without data')
    if step < row or len(data) != step * height:
        raise BadFrame(
            f'a frame of {frame_format.width} x {height} in {frame_format.pixel_format} has '
            f'{len(data)} bytes in rows of {step}; wanted are {height} rows of {row} or more')
    if step == row:
        return data
    return memoryview(b''.join(data[y * step:y * step + row] for y in range(height)))
