# SPDX-License-Identifier: Apache-2.0
import re

from avatar_node.environment import (
    DDS_FRAMES_PROFILE,
    DDS_PROFILE,
    PROFILE_VARIABLE,
    dds_environment,
    hold_frames,
)


def profile(path) -> str:
    """Return a profile without its comments."""
    return re.sub(r'<!--.*?-->\n', '', path.read_text(), flags=re.DOTALL)


def test_the_profile_for_frames_is_the_other_one_with_buffers() -> None:
    frames = profile(DDS_FRAMES_PROFILE)
    buffers = re.findall(r' *<(?:send|receive)BufferSize>\d+</\w+>\n', frames)
    assert len(buffers) == 2
    for line in buffers:
        frames = frames.replace(line, '')
    assert frames == profile(DDS_PROFILE)


def test_only_our_own_profile_is_exchanged() -> None:
    environ = dds_environment({})
    hold_frames(environ)
    assert environ[PROFILE_VARIABLE] == str(DDS_FRAMES_PROFILE)
    other = dds_environment({'AVATAR_DDS_PROFILE': __file__})
    hold_frames(other)
    assert other[PROFILE_VARIABLE] == __file__
