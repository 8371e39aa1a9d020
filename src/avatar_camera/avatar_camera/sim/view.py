# SPDX-License-Identifier: Apache-2.0
"""Draw the room as a level camera at one place sees it: one ray per column of the picture."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_camera.sim import room, stamp

FIELD_OF_VIEW_RAD = math.radians(75.0)
CAMERA_HEIGHT_M = 0.32
NEAREST_M = 0.05
# A wall gets one shade darker every so often.
SHADE_M = 1.6
# Nothing in the room is farther away than its diagonal.
FARTHEST_M = 10.0
# Rows drawn at a time: what is worked on then stays in the processor's cache.
BLOCK_ROWS = 48
# Binary digits after the point. 2000 rows of a wall 10 m away, and 10 m of floor, stay in 31.
WALL_BITS, FLOOR_BITS, DEPTH_BITS = 13, 10, 8
WALL_ONE, FLOOR_ONE, DEPTH_ONE = 1 << WALL_BITS, 1 << FLOOR_BITS, 1 << DEPTH_BITS

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.signedinteger[Any]]


class View:
    """A camera of one picture size; `draw` is all there is to it."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.focal_px = width / 2 / math.tan(FIELD_OF_VIEW_RAD / 2)
        self._slope = (width / 2 - 0.5 - np.arange(width)) / self.focal_px  # to the left
        # Rows below the middle; no row is at the horizon itself.
        self._rows = (np.arange(height) - height // 2).astype(np.int32)
        self._rows[height // 2:] += 1
        walls = room.walls()
        self._along_y = [w for w in walls if w.along_y]
        self._along_x = [w for w in walls if not w.along_y]
        ordered = self._along_y + self._along_x
        self._lengths = np.array([w.texture.shape[0] for w in ordered])
        self._mirrored = np.array([w.mirrored for w in ordered])
        self._low = np.array([w.low for w in ordered])
        self._high = np.array([w.high for w in ordered])
        # Every column of every wall, with a row of ceiling above and one below for the floor.
        columns = np.concatenate([w.texture for w in ordered])
        padded = np.full((len(columns), room.TEXELS_HIGH + 2), room.NUMBER['ceiling'], np.uint8)
        padded[:, 1:-1] = columns
        self._texels = padded.ravel()
        self._first = np.concatenate([[0], np.cumsum(self._lengths)[:-1]])
        self._floor = room.floor().ravel()
        self._horizon = height // 2
        # How far away the floor is, by row below the horizon.
        depth_m = np.minimum(CAMERA_HEIGHT_M * self.focal_px / self._rows[self._horizon:],
                             FARTHEST_M)
        self._floor_depth = (depth_m * DEPTH_ONE).astype(np.int32)
        self._floor_shade = np.minimum(depth_m / SHADE_M, 3).astype(np.uint8) * 64
        self._strip = np.zeros(width, np.uint8)
        self._edges = stamp.cell_edges(width)
        self._picture = np.zeros((height, width), np.uint8)

    def draw(self, x: float, y: float, heading: float, time_ms: int) -> NDArray[np.uint8]:
        """
        Return the picture seen from x, y [m] towards `heading` [rad], stamped with a time [ms].

        It is valid until the next call. A pixel is a number of `room.palette()`.
        """
        # Per metre forward, a ray goes so far along x and along y.
        ray_x = math.cos(heading) - self._slope * math.sin(heading)
        ray_y = math.sin(heading) + self._slope * math.cos(heading)
        depth, wall, at = self._nearest(x, y, ray_x, ray_y)
        position = np.where(self._mirrored[wall], self._high[wall] - at, at - self._low[wall])
        column = np.clip((position * room.TEXELS_PER_M).astype(np.int64), 0,
                         self._lengths[wall] - 1) + self._first[wall]
        shade = np.minimum(depth / SHADE_M, 3).astype(np.uint8) * 64
        self._draw_rows(depth, column * (room.TEXELS_HIGH + 2) + 1, shade, (x, y), ray_x, ray_y)
        for cell, white in enumerate(stamp.bits(time_ms)):
            colour = room.WHITE if white else room.BLACK
            self._strip[self._edges[cell]:self._edges[cell + 1]] = colour
        self._picture[:stamp.cell_height(self.width)] = self._strip
        return self._picture

    def _nearest(
        self, x: float, y: float, ray_x: Floats, ray_y: Floats
    ) -> tuple[Floats, Integers, Floats]:
        """Return per column the distance forward [m], which wall, and where along it [m]."""
        with np.errstate(divide='ignore', invalid='ignore'):
            across = np.concatenate([
                np.array([[w.at - x] for w in self._along_y]) / ray_x,
                np.array([[w.at - y] for w in self._along_x]) / ray_y])
            count = len(self._along_y)
            along = np.concatenate([y + across[:count] * ray_y, x + across[count:] * ray_x])
            hit = ((across > NEAREST_M) & (along >= self._low[:, None])
                   & (along <= self._high[:, None]))
        across[~hit] = np.inf
        wall = np.argmin(across, axis=0)
        columns = np.arange(self.width)
        # In a corner a ray may miss both walls by a rounding error.
        depth = np.minimum(across[wall, columns], FARTHEST_M)
        return depth, wall, along[wall, columns]

    def _draw_rows(
        self, depth: Floats, column: Integers, shade: room.Texture,
        here: tuple[float, float], ray_x: Floats, ray_y: Floats,
    ) -> None:
        """Fill the picture, BLOCK_ROWS at a time; all in integers of 32 bits."""
        # Texels down a wall per row of the picture, and the one at the horizon.
        step = (depth * room.TEXELS_PER_M / self.focal_px * WALL_ONE).astype(np.int32)
        eye = round((room.HEIGHT_M - CAMERA_HEIGHT_M) * room.TEXELS_PER_M * WALL_ONE)
        # The same of the floor: its tile is square, and its size a power of two.
        texels_per_m = room.FLOOR_TEXELS / room.FLOOR_TILE_M
        floor = _Floor(
            (ray_x * texels_per_m * FLOOR_ONE).astype(np.int32),
            (ray_y * texels_per_m * FLOOR_ONE).astype(np.int32),
            *(round(part % room.FLOOR_TILE_M * texels_per_m * FLOOR_ONE * DEPTH_ONE)
              for part in here))
        for top in range(0, self.height, BLOCK_ROWS):
            picture = self._picture[top:top + BLOCK_ROWS]
            texel = self._rows[top:top + BLOCK_ROWS, None] * step
            texel += eye
            texel >>= WALL_BITS
            np.clip(texel, -1, room.TEXELS_HIGH, out=texel)
            # The row of ceiling that each column begins with makes it count from 1.
            np.take(self._texels, np.add(texel, column, dtype=np.intp), out=picture, mode='clip')
            picture += shade
            first = max(top, self._horizon)
            if first < top + len(picture):
                self._draw_floor(picture[first - top:], texel[first - top:] == room.TEXELS_HIGH,
                                 first - self._horizon, floor)

    def _draw_floor(
        self, picture: room.Texture, where: 'np.ndarray[Any, np.dtype[np.bool_]]', first: int,
        floor: '_Floor',
    ) -> None:
        """Fill rows of the picture with floor; `first` is their first row below the horizon."""
        depth = self._floor_depth[first:first + len(picture), None]
        index = depth * floor.ray_x
        index += floor.x
        index >>= FLOOR_BITS + DEPTH_BITS
        index &= room.FLOOR_TEXELS - 1
        index *= room.FLOOR_TEXELS
        other = depth * floor.ray_y
        other += floor.y
        other >>= FLOOR_BITS + DEPTH_BITS
        other &= room.FLOOR_TEXELS - 1
        seen = np.take(self._floor, np.add(index, other, dtype=np.intp), mode='clip')
        seen += self._floor_shade[first:first + len(picture), None]
        np.copyto(picture, seen, where=where)


@dataclass(frozen=True)
class _Floor:
    """What the floor under one picture is drawn from: texels per metre forward, and the start."""

    ray_x: Integers
    ray_y: Integers
    x: int
    y: int
