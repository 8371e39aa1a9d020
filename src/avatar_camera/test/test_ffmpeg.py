# SPDX-License-Identifier: Apache-2.0
"""Which ffmpeg is used, and what is said where there is none."""

from pathlib import Path

import pytest

from avatar_camera.ffmpeg import Ffmpeg, NoFfmpeg, find, version_of


def program(folder: Path, words: str, name: str = 'ffmpeg') -> str:
    """Make a program that prints what an ffmpeg would."""
    path = folder / name
    path.write_text(f'#!/bin/sh\n{words}\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize('words, version', [
    ('ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright', (4, 4)),
    ('ffmpeg version 7.0.2-static https://', (7, 0)),
    ('ffmpeg version n6.1 Copyright', (6, 1)),
    ('ffmpeg version N-112233-gabc Copyright', (0, 0)), ('', (0, 0))])
def test_versions(words: str, version: tuple[int, int]) -> None:
    assert version_of(words) == version


def test_the_chosen_one_wins_and_is_never_replaced(tmp_path: Path) -> None:
    chosen = program(tmp_path, 'echo ffmpeg version 5.1', 'mine')
    program(tmp_path, 'echo ffmpeg version 6.0')
    assert find({'AVATAR_FFMPEG': chosen, 'PATH': str(tmp_path)}).path == chosen
    old = program(tmp_path, 'echo ffmpeg version 4.3', 'old')
    with pytest.raises(NoFfmpeg, match=r'is ffmpeg 4\.3.*4\.4 or newer'):
        find({'AVATAR_FFMPEG': old})
    with pytest.raises(NoFfmpeg, match='/nowhere does not start'):
        find({'AVATAR_FFMPEG': '/nowhere'})


@pytest.mark.parametrize('words', ['echo ffmpeg version 4.2', 'exit 1', None])
def test_an_old_or_broken_one_of_the_system_is_replaced(tmp_path: Path, words: str | None) -> None:
    pytest.importorskip('imageio_ffmpeg')
    if words:
        program(tmp_path, words)
    found = find({'PATH': str(tmp_path)})
    assert found.version >= (4, 4)
    assert not found.path.startswith(str(tmp_path))


@pytest.mark.parametrize('version, option', [
    ((4, 4), '-vsync'), ((5, 0), '-vsync'), ((5, 1), '-fps_mode'), ((8, 0), '-fps_mode'),
    ((0, 0), '-fps_mode')])
def test_each_version_has_its_option_for_frames_as_they_come(
    version: tuple[int, int], option: str,
) -> None:
    assert Ffmpeg('ffmpeg', version).as_they_come == (option, 'passthrough')
