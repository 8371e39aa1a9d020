# SPDX-License-Identifier: Apache-2.0
"""The pure cores of the stream node: profiles, pace, demand, frames, versions."""

from __future__ import annotations

import random

import pytest

from avatar_camera.stream.demand import LINGER_S, Demand
from avatar_camera.stream.ending import meaning_of
from avatar_camera.stream.frames import BadFrame, format_of, packed
from avatar_camera.stream.pace import Pace
from avatar_camera.stream.profiles import PROFILES, Rates
from avatar_camera.stream.supervision import Reason


def test_bit_rates_are_those_of_the_robot_before() -> None:
    assert PROFILES['480p'].rates_at(20) == Rates(350, 500, 1000)
    assert PROFILES['480p'].rates_at(10) == Rates(175, 250, 500)
    assert PROFILES['720p'].rates_at(30) == Rates(900, 1350, 2700)
    assert PROFILES['320p'].rates_at(1).target == 50


@pytest.mark.parametrize('camera, encoded', [
    ((1280, 720), (854, 480)), ((854, 480), (854, 480)), ((640, 480), (640, 480)),
    ((1280, 960), (640, 480)), ((320, 240), (320, 240)), ((1919, 1079), (854, 480)),
    ((33, 4000), (16, 480))])
def test_a_picture_fits_its_profile_and_is_never_enlarged(
    camera: tuple[int, int], encoded: tuple[int, int],
) -> None:
    assert PROFILES['480p'].fit(*camera) == encoded


@pytest.mark.parametrize('camera_fps, fps, taken', [
    (30, 20, 20), (30, 10, 10), (60, 30, 30), (20, 20, 20), (25, 20, 20), (10, 20, 10),
    (1, 30, 1)])
def test_frames_are_dropped_evenly(camera_fps: int, fps: int, taken: int) -> None:
    pace, chance, times = Pace(fps), random.Random(1), []
    for number in range(camera_fps * 20):
        now_s = number / camera_fps + chance.uniform(0, 0.2 / camera_fps)
        if pace.takes(now_s):
            times.append(now_s)
    assert abs(len(times) / 20 - taken) <= 0.1 * taken
    gaps = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert max(gaps) <= 2.3 / min(camera_fps, fps)


def test_after_a_pause_frames_do_not_come_in_a_burst() -> None:
    pace = Pace(10)
    assert pace.takes(0.0)
    assert sum(pace.takes(5.0 + i / 100) for i in range(10)) <= 2


def test_encoding_lasts_five_seconds_longer_than_its_reason() -> None:
    demand = Demand()
    assert not demand.wants(0.0, 0, recording=False)
    assert demand.wants(1.0, 1, recording=False)
    assert demand.wants(1.0 + LINGER_S - 0.1, 0, recording=False)
    assert not demand.wants(1.0 + LINGER_S, 0, recording=False)
    assert demand.wants(20.0, 0, recording=True)


def test_padding_of_rows_is_taken_out() -> None:
    wanted = format_of('rgb8', 2, 3)
    rows = b''.join(bytes([y] * 6) + b'\xff\xff' for y in range(3))
    assert packed(memoryview(rows), 8, wanted) == b'\0' * 6 + b'\1' * 6 + b'\2' * 6
    tight = memoryview(bytes(18))
    assert packed(tight, 6, wanted) is tight


@pytest.mark.parametrize('size, step', [(0, 6), (17, 6), (19, 6), (18, 5), (18, 0), (18, 7)])
def test_frames_of_a_wrong_size_are_refused(size: int, step: int) -> None:
    with pytest.raises(BadFrame, match='bytes|data'):
        packed(memoryview(bytes(size)), step, format_of('rgb8', 2, 3))


@pytest.mark.parametrize('encoding, width, height', [
    ('x' * 1000, 640, 480), ('', 640, 480), ('rgb8', 0, 480), ('rgb8', 65535, 65535)])
def test_formats_that_nobody_knows_are_refused(encoding: str, width: int, height: int) -> None:
    with pytest.raises(BadFrame) as refused:
        format_of(encoding, width, height)
    assert len(str(refused.value)) < 400


def test_the_order_of_bytes_counts() -> None:
    assert format_of('mono16', 4, 4, True).pixel_format == 'gray16be'
    assert format_of('mono16', 4, 4, False).pixel_format == 'gray16le'


@pytest.mark.parametrize('lines, reason, detail', [
    (['[rtsp @ 0x55] method ANNOUNCE failed: 400 Bad Request',
      'Could not write header for output file #0: Server returned 400 Bad Request',
      'Error initializing output stream 0:0 --'],
     Reason.REFUSED, 'method ANNOUNCE failed: 400 Bad Request'),
    (['[tcp @ 0x1] Connection to tcp://127.0.0.1:8554 failed: Connection refused',
      'Conversion failed!'],
     Reason.SERVER_DOWN, 'Connection to tcp://127.0.0.1:8554 failed: Connection refused'),
    (['[video4linux2,v4l2 @ 0x1] ioctl(VIDIOC_STREAMON): Device or resource busy'],
     Reason.DEVICE_BUSY, 'ioctl(VIDIOC_STREAMON): Device or resource busy'),
    (['[video4linux2,v4l2 @ 0x1] Dequeued v4l2 buffer contains 14031 bytes, but 614400 were '
      'expected. Flags: 0x00002001.',
      '[video4linux2,v4l2 @ 0x1] ioctl(VIDIOC_DQBUF): No such device'],
     Reason.NO_CAMERA, 'ioctl(VIDIOC_DQBUF): No such device'),
    (['something new', 'Conversion failed!'], Reason.ENCODER_FAILED, 'something new'),
    ([], Reason.ENCODER_FAILED, 'it ended without a word')])
def test_the_last_words_of_an_encoder(lines: list[str], reason: Reason, detail: str) -> None:
    assert meaning_of(lines) == (reason, detail)
