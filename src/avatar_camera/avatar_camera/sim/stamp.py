# SPDX-License-Identifier: Apache-2.0
"""
The machine-readable time in the picture: a strip of 40 cells along its upper edge.

Four cells of sync (1010), 32 bits of the time in ms (CLOCK_MONOTONIC modulo 2^32, most significant
first), four bits of checksum (the exclusive or of the eight nibbles). A cell is a square of a
fortieth of the picture's width, white or black, so that it survives an encoder at 640x360.
"""

CELLS = 40
SYNC = (1, 0, 1, 0)
WHITE_LUMA = 235
BLACK_LUMA = 16
THRESHOLD = (WHITE_LUMA + BLACK_LUMA) // 2


def bits(time_ms: int) -> list[int]:
    """Return the cells of a time [ms], 1 = white."""
    time_ms %= 1 << 32
    checksum = 0
    for shift in range(0, 32, 4):
        checksum ^= time_ms >> shift & 0xF
    return [*SYNC, *(time_ms >> n & 1 for n in range(31, -1, -1)),
            *(checksum >> n & 1 for n in range(3, -1, -1))]


def time_of(cells: list[int]) -> int | None:
    """Return the time [ms] that 40 cells say, None where they are no stamp."""
    if len(cells) != CELLS or tuple(cells[:4]) != SYNC:
        return None
    time_ms = int(''.join(map(str, cells[4:36])), 2)
    return time_ms if bits(time_ms) == cells else None


def cell_edges(width: int) -> list[int]:
    """Return the columns at which the cells of a picture begin, and where the last one ends."""
    return [round(cell * width / CELLS) for cell in range(CELLS + 1)]


def cell_height(width: int) -> int:
    """Return the height of the strip [pixels]."""
    return max(1, round(width / CELLS))


def read(luma: bytes, width: int) -> int | None:
    """Return the time [ms] in the luma plane of a picture (its first rows are enough), or None."""
    edges = cell_edges(width)
    row = cell_height(width) // 2 * width
    if len(luma) < row + width:
        return None
    return time_of([int(luma[row + (left + right) // 2] > THRESHOLD)
                    for left, right in zip(edges, edges[1:], strict=False)])
