# SPDX-License-Identifier: Apache-2.0
"""Sizes and bit rates of the picture; the bit rates began as the ones of the robot before."""

from dataclasses import dataclass

RATES_ARE_FOR_FPS = 20
LEAST_KBIT_S = 50
MIN_FPS, MAX_FPS = 1, 30


@dataclass(frozen=True)
class Rates:
    """Bit rates of an encoder [kbit/s], and the size of its buffer [kbit]."""

    target: int
    most: int
    buffer: int


@dataclass(frozen=True)
class Profile:
    """The largest picture of a profile, and its bit rates at RATES_ARE_FOR_FPS."""

    name: str
    width: int
    height: int
    rates: Rates

    def rates_at(self, fps: int) -> Rates:
        """Return the bit rates at a frame rate."""
        def scaled(kbit: int) -> int:
            return max(LEAST_KBIT_S, round(kbit * max(5, fps) / RATES_ARE_FOR_FPS))
        return Rates(*(scaled(n) for n in (self.rates.target, self.rates.most,
                                           self.rates.buffer)))

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Return the size in which a camera's picture is encoded: whole, never enlarged, even."""
        factor = min(1.0, self.width / width, self.height / height)
        return _even(width * factor), _even(height * factor)


def _even(pixels: float) -> int:
    return max(16, round(pixels / 2) * 2)


PROFILES = {p.name: p for p in (
    Profile('320p', 640, 360, Rates(200, 300, 600)),
    Profile('480p', 854, 480, Rates(350, 500, 1000)),
    Profile('720p', 1280, 720, Rates(600, 900, 1800)),
)}
