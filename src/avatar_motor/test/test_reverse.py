# SPDX-License-Identifier: Apache-2.0
"""Reverse: every effort to the wire and back, the unconfirmed middle, the stored answer."""

import pytest

from avatar_motor.kinematics import Efforts
from avatar_motor.protocol import Reverse
from avatar_motor.reverse import from_wire, load_answer, possible, save_answer, to_wire


@pytest.mark.parametrize('reading', [Reverse.INVERTED, Reverse.STRAIGHT])
def test_every_effort_to_the_wire_and_back(reading):
    for effort in range(-255, 256):
        asked = Efforts(effort, -effort)
        assert possible(asked, reading, 255) == asked
        assert from_wire(*to_wire(asked, reading), reading) == asked


def test_unconfirmed_only_the_middle():
    for effort in range(1, 256):
        asked = possible(Efforts(-effort, effort), Reverse.UNCONFIRMED, 255)
        assert asked == Efforts(-128, effort)
        assert to_wire(asked, Reverse.UNCONFIRMED) == (-128, effort)
        # Slower than the middle cannot be had without knowing.
        assert possible(Efforts(-effort, effort), Reverse.UNCONFIRMED, 100) == Efforts(0, effort)


def test_the_answer_is_kept_and_anything_else_is_no_answer(tmp_path):
    assert load_answer(tmp_path) is Reverse.UNCONFIRMED
    for answer in (Reverse.INVERTED, Reverse.STRAIGHT):
        save_answer(tmp_path, answer)
        assert load_answer(tmp_path) is answer
    for garbage in (b'', b'{"reverse": 3}', b'{"reverse": "yes"}', b'[]', b'\xff'):
        (tmp_path / 'reverse.json').write_bytes(garbage)
        assert load_answer(tmp_path) is Reverse.UNCONFIRMED
    with pytest.raises(OSError):
        save_answer(tmp_path / 'none', Reverse.STRAIGHT)
