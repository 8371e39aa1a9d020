# SPDX-License-Identifier: Apache-2.0
"""What a person sees of the picture, and that the page was never loaded anew."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import expect

from tests.page.desk import Desk

PICTURE_MS = 20_000
"""In this time a picture comes back after every fault here, on a busy machine, too."""


def sees(desk: Desk, look: str, timeout_ms: float = PICTURE_MS) -> None:
    """Wait until the stage shows a picture that is `live`, `old`, or none (`away`)."""
    expect(desk.page.locator('#stage')).to_have_attribute(
        'data-picture', look, timeout=timeout_ms)


def age_ms(desk: Desk) -> int:
    """Return the age that the page says it measured."""
    chip = desk.page.locator('#chip-picture')
    expect(chip).to_contain_text('(measured)')
    found = re.search(r'(\d+) ms', chip.inner_text())
    assert found, chip.inner_text()
    return int(found[1])


def size(desk: Desk) -> tuple[int, int]:
    """Return the size of what is played."""
    width, height = desk.page.locator('#picture').evaluate(
        'video => [video.videoWidth, video.videoHeight]')
    return width, height


def joins(desk: Desk) -> int:
    """Return how often this desk has joined a session."""
    return sum(url.endswith('/whep/camera') for url in desk.requests)


@contextmanager
def never_reloaded(desk: Desk) -> Iterator[None]:
    """Prove that one and the same page lived through all of it."""
    desk.page.evaluate('globalThis.neverReloaded = true')
    yield
    assert desk.page.evaluate('globalThis.neverReloaded') is True


CROWDED = """() => {
  const boxes = ['#picture-note', '#why', '#blind', '#picture-tools', '#chip-link',
    '#chip-picture', '#wide', '#lease'].map((id) => [id, document.querySelector(id)])
    .filter(([, element]) => element.checkVisibility({visibilityProperty: true}))
    .map(([id, element]) => [id, element.getBoundingClientRect()]);
  const stage = document.querySelector('#stage').getBoundingClientRect();
  const cut = boxes.filter(([id, box]) => id !== '#lease' && (box.top < stage.top
    || box.bottom > stage.bottom || box.left < stage.left || box.right > stage.right))
    .map(([id]) => `${id} is cut off`);
  const over = boxes.flatMap(([one, a], at) => boxes.slice(at + 1)
    .filter(([, b]) => a.left < b.right && b.left < a.right
      && a.top < b.bottom && b.top < a.bottom)
    .map(([other]) => `${one} and ${other} overlap`));
  return [...cut, ...over];
}"""


def crowded(desk: Desk) -> list[str]:
    """Return what of the stage's words and buttons is cut off by it or lies over another."""
    found: list[str] = desk.page.evaluate(CROWDED)
    return found
