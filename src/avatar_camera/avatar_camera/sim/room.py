# SPDX-License-Identifier: Apache-2.0
"""
The simulated room: its walls, what is painted on them, and its colours.

A right-handed frame as `odom`: x forward, y left, the robot starts at 0, 0 and looks at the north
wall. Each wall is its own: bricks and a door in the north, stripes in the east, planks in the
south, a window in the west, each with its letter.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Texture = NDArray[np.uint8]

WEST_M, EAST_M, SOUTH_M, NORTH_M = 2.5, -2.5, -2.0, 4.0
HEIGHT_M = 2.4
TEXELS_PER_M = 100.0
TEXELS_HIGH = int(HEIGHT_M * TEXELS_PER_M)
FLOOR_TILE_M = 1.0
FLOOR_TEXELS = 64
SHADES = (1.0, 0.86, 0.74, 0.64)

# Colours by name; a pixel is the number of one plus 64 times its shade.
COLOURS = {
    'ceiling': (208, 208, 204), 'floor': (126, 118, 108), 'floor dark': (110, 103, 95),
    'floor line': (70, 66, 62), 'mortar': (196, 184, 170), 'brick': (156, 74, 54),
    'brick dark': (138, 62, 46), 'blue': (70, 104, 160), 'blue light': (150, 176, 214),
    'plank': (96, 138, 82), 'plank dark': (74, 112, 64), 'yellow': (218, 186, 92),
    'yellow dark': (196, 164, 78), 'sky': (150, 204, 240), 'frame': (246, 246, 240),
    'door': (120, 80, 44), 'door dark': (94, 60, 32), 'brass': (226, 196, 90),
    'red': (200, 40, 40), 'purple': (140, 70, 160), 'orange': (232, 130, 40),
    'teal': (40, 150, 150), 'skirting': (84, 72, 62), 'white': (255, 255, 255), 'black': (0, 0, 0),
}
NUMBER = {name: number for number, name in enumerate(COLOURS)}
WHITE, BLACK = NUMBER['white'], NUMBER['black']
LETTERS = {
    'N': '10001 11001 10101 10101 10011 10001 10001',
    'E': '11111 10000 10000 11110 10000 10000 11111',
    'S': '01111 10000 10000 01110 00001 00001 11110',
    'W': '10001 10001 10001 10101 10101 11011 10001',
}


@dataclass(frozen=True)
class Wall:
    """
    A wall that stands along an axis: at `at` [m] on x (or y), from `low` to `high` on the other.

    `mirrored` where what is left of it, seen from the room, is at `high`.
    """

    along_y: bool
    at: float
    low: float
    high: float
    mirrored: bool
    texture: Texture


def palette() -> NDArray[np.uint8]:
    """Return the red, green and blue of all 256 pixel values."""
    result = np.zeros((256, 3), np.uint8)
    for shade, factor in enumerate(SHADES):
        for number, colour in enumerate(COLOURS.values()):
            result[shade * 64 + number] = [round(part * factor) for part in colour]
    return result


def blank(length_m: float, colour: str) -> Texture:
    """Return a painted wall: `[column from the left][row from the top]`, with a skirting board."""
    result = np.full((max(1, round(length_m * TEXELS_PER_M)), TEXELS_HIGH), NUMBER[colour],
                     np.uint8)
    result[:, -8:] = NUMBER['skirting']
    return result


def letter(wall: Texture, name: str, left: int, top: int, size: int) -> None:
    """Paint a letter on a white sign; `size` texels are one dot of it."""
    wall[left - 2 * size:left + 7 * size, top - 2 * size:top + 9 * size] = WHITE
    for y, row in enumerate(LETTERS[name].split()):
        for x, dot in enumerate(row):
            if dot == '1':
                wall[left + x * size:left + (x + 1) * size,
                     top + y * size:top + (y + 1) * size] = BLACK


def bricks(length_m: float) -> Texture:
    """Return the north wall."""
    wall = blank(length_m, 'mortar')
    for row, top in enumerate(range(0, TEXELS_HIGH - 8, 12)):
        for number, left in enumerate(range(-(row % 2) * 16, wall.shape[0], 32)):
            colour = 'brick dark' if (row * 7 + number * 5) % 3 == 0 else 'brick'
            wall[max(0, left):left + 30, top:min(top + 10, TEXELS_HIGH - 8)] = NUMBER[colour]
    wall[60:160, 40:] = NUMBER['door dark']
    for left, top in ((66, 50), (114, 50), (66, 150), (114, 150)):
        wall[left:left + 40, top:top + 78] = NUMBER['door']
    wall[150:156, 134:142] = NUMBER['brass']
    letter(wall, 'N', 300, 105, 11)
    return wall


def stripes(length_m: float) -> Texture:
    """Return the east wall."""
    wall = blank(length_m, 'blue')
    for left in range(0, wall.shape[0], 40):
        wall[left:left + 16, :-8] = NUMBER['blue light']
    letter(wall, 'E', 270, 125, 10)
    return wall


def planks(length_m: float) -> Texture:
    """Return the south wall."""
    wall = blank(length_m, 'plank')
    for top in range(0, TEXELS_HIGH - 8, 24):
        wall[:, top:top + 4] = NUMBER['plank dark']
    letter(wall, 'S', 220, 125, 10)
    return wall


def window(length_m: float) -> Texture:
    """Return the west wall."""
    wall = blank(length_m, 'yellow')
    wall[:, 140:146] = NUMBER['yellow dark']
    wall[330:490, 40:160] = NUMBER['frame']
    for left in (338, 414):
        for top in (48, 104):
            wall[left:left + 68, top:top + 48] = NUMBER['sky']
    letter(wall, 'W', 170, 125, 10)
    return wall


def banded(length_m: float, colour: str) -> Texture:
    """Return the side of a pillar."""
    side = blank(length_m, colour)
    for top in range(20, TEXELS_HIGH - 8, 60):
        side[:, top:top + 20] = WHITE
    return side


def floor() -> Texture:
    """Return one tile of the floor, `[x][y]`."""
    tile = np.full((FLOOR_TEXELS, FLOOR_TEXELS), NUMBER['floor'], np.uint8)
    half = FLOOR_TEXELS // 2
    tile[:half, :half] = tile[half:, half:] = NUMBER['floor dark']
    tile[:2] = tile[:, :2] = NUMBER['floor line']
    return tile


PILLARS = ((2.7, 1.3, 'red'), (2.3, -1.4, 'orange'), (-1.1, 1.6, 'purple'), (-0.9, -1.6, 'teal'))
PILLAR_M = 0.36


def walls() -> list[Wall]:
    """Return every wall of the room."""
    wide, deep = WEST_M - EAST_M, NORTH_M - SOUTH_M
    result = [
        Wall(True, NORTH_M, EAST_M, WEST_M, True, bricks(wide)),
        Wall(True, SOUTH_M, EAST_M, WEST_M, False, planks(wide)),
        Wall(False, EAST_M, SOUTH_M, NORTH_M, True, stripes(deep)),
        Wall(False, WEST_M, SOUTH_M, NORTH_M, False, window(deep)),
    ]
    half = PILLAR_M / 2
    for x, y, colour in PILLARS:
        side = banded(PILLAR_M, colour)
        result += [Wall(True, x + sign * half, y - half, y + half, False, side)
                   for sign in (-1, 1)]
        result += [Wall(False, y + sign * half, x - half, x + half, False, side)
                   for sign in (-1, 1)]
    return result
