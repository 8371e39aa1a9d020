# SPDX-License-Identifier: Apache-2.0
"""The hardware's encoder is used only where it was seen to work."""

import os
from pathlib import Path

from avatar_camera.ffmpeg import find
from avatar_camera.stream.trial import has_hardware, works


def test_an_encoder_is_tried() -> None:
    ffmpeg = find(os.environ)
    assert works(ffmpeg, 'libx264') == ''
    # There is no such device here; on a Pi 5 neither.
    assert works(ffmpeg, 'h264_v4l2m2m')
    # "Unknown encoder 'h264_of_nobody'", in ffmpeg 9 "Encoder not found".
    assert 'encoder' in works(ffmpeg, 'h264_of_nobody').lower()


def test_the_encoder_of_a_pi_is_known_by_its_name(tmp_path: Path) -> None:
    assert not has_hardware(tmp_path)
    (tmp_path / 'video11').mkdir()
    (tmp_path / 'video11' / 'name').write_text('bcm2835-codec-encode\n')
    assert has_hardware(tmp_path)
