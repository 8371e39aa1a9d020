# SPDX-License-Identifier: Apache-2.0
"""The simulated room: what is seen from where, its time stamp, its encodings, where it stops."""

import math
import os
import subprocess

import numpy as np
import pytest

from avatar_camera.ffmpeg import find
from avatar_camera.sim import room, stamp
from avatar_camera.sim.encoding import BYTES, Encoder
from avatar_camera.sim.faults import FAULTS, Frame, spoil
from avatar_camera.sim.params import Params, problem
from avatar_camera.sim.view import View
from avatar_camera.sim.walk import Pose, Walk, clear_of_walls

QUARTER = math.pi / 2


def share(picture, *colours: str) -> float:
    """Return the part of a picture that has these colours, in any shade."""
    numbers = [room.NUMBER[name] for name in colours]
    return float(np.isin(picture & 63, numbers).mean())


@pytest.mark.parametrize('turn, seen', [
    (0.0, ('brick', 'brick dark')), (QUARTER, ('yellow', 'yellow dark')),
    (math.pi, ('plank', 'plank dark')), (-QUARTER, ('blue', 'blue light'))])
def test_every_wall_is_known_by_its_colours(turn, seen):
    picture = View(320, 180).draw(0.0, 0.0, turn, 0)
    walls = (('brick', 'brick dark'), ('yellow', 'yellow dark'), ('plank', 'plank dark'),
             ('blue', 'blue light'))
    shares = {wall: share(picture, *wall) for wall in walls}
    assert max(shares, key=lambda wall: shares[wall]) == seen
    assert shares[seen] > 0.1
    assert share(picture, 'floor', 'floor dark', 'floor line') > 0.2


def test_driving_and_turning_move_the_view():
    view = View(320, 180)
    before = view.draw(0.0, 0.0, 0.0, 0).copy()
    assert share(before, 'floor line') > 0
    assert (view.draw(0.1, 0.0, 0.0, 0) != before).mean() > 0.05
    assert (view.draw(0.0, 0.0, 0.05, 0) != before).mean() > 0.1
    assert (view.draw(0.0, 0.0, 0.0, 0) == before).all()
    # The door is left of the middle, and comes nearer: it grows.
    near = view.draw(2.5, 0.9, 0.2, 0)
    assert share(near, 'door', 'door dark') > 2 * share(before, 'door', 'door dark')


def test_what_is_left_is_left():
    # Turning to the left shows more of the west wall, at the left edge first.
    picture = View(320, 180).draw(0.0, 0.0, 0.4, 0)
    assert share(picture[:, :60], 'yellow', 'yellow dark') > 0.2
    assert share(picture[:, -60:], 'yellow', 'yellow dark') == 0


@pytest.mark.parametrize('size', [(32, 32), (320, 240), (640, 360), (854, 480), (1920, 1080)])
def test_any_size_from_anywhere(size):
    view = View(*size)
    for x in (-1.8, 0.0, 3.8):
        for heading in np.arange(0, 6.3, 0.9):
            picture = view.draw(x, 2.3, float(heading), 7)
            assert picture.shape == (size[1], size[0])
            assert int((picture & 63).max()) < len(room.COLOURS)


@pytest.mark.parametrize('time_ms', [0, 1, 123456789, 2**32 - 1, 2**32 + 5, 0x12345678])
def test_a_stamp_says_what_was_written(time_ms):
    assert stamp.time_of(stamp.bits(time_ms)) == time_ms % 2**32


def test_a_stamp_with_a_wrong_bit_is_none():
    for cell in range(stamp.CELLS):
        cells = stamp.bits(0x12345678)
        cells[cell] ^= 1
        assert stamp.time_of(cells) is None, cell
    assert stamp.time_of([]) is None


@pytest.mark.parametrize('width, height, scaled', [
    (640, 360, (640, 360)), (854, 480, (640, 360)), (1280, 720, (640, 360)), (854, 480, None)])
def test_stamps_survive_an_encoder(width, height, scaled):
    view = View(width, height)
    encoder = Encoder('yuv422_yuy2', width, height)
    out = np.zeros(encoder.size, np.uint8)
    times = [1000 + 50 * n for n in range(20)]
    raw = b''
    for number, time_ms in enumerate(times):
        encoder.write(view.draw(0.02 * number, 0.0, 0.05 * number, time_ms), out)
        raw += out.tobytes()
    size = scaled or (width, height)
    ffmpeg = find(os.environ).path
    encoded = subprocess.run(
        [ffmpeg, '-loglevel', 'error', '-f', 'rawvideo', '-pix_fmt', 'yuyv422',
         '-s', f'{width}x{height}', '-r', '20', '-i', '-', '-vf', f'scale={size[0]}:{size[1]}',
         '-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-profile:v', 'baseline',
         '-preset', 'ultrafast', '-tune', 'zerolatency', '-b:v', '250k', '-maxrate', '250k',
         '-bufsize', '125k', '-g', '20', '-f', 'h264', '-'],
        input=raw, stdout=subprocess.PIPE, check=True).stdout
    assert len(encoded) < len(raw) / 50
    luma = subprocess.run(
        [ffmpeg, '-loglevel', 'error', '-f', 'h264', '-i', '-', '-f', 'rawvideo', '-pix_fmt',
         'gray', '-'], input=encoded, stdout=subprocess.PIPE, check=True).stdout
    count = size[0] * size[1]
    read = [stamp.read(luma[n * count:(n + 1) * count], size[0]) for n in range(len(times))]
    assert read == times


@pytest.mark.parametrize('encoding', BYTES)
def test_encodings(encoding):
    view = View(64, 48)
    picture = view.draw(0.0, 0.0, 0.0, 5)
    encoder = Encoder(encoding, 64, 48)
    assert (encoder.step, encoder.size) == (64 * BYTES[encoding], 64 * 48 * BYTES[encoding])
    out = np.zeros(encoder.size, np.uint8)
    encoder.write(picture, out)
    colours = room.palette()[picture]
    if encoding == 'rgb8':
        assert (out.reshape(48, 64, 3) == colours).all()
    elif encoding == 'bgr8':
        assert (out.reshape(48, 64, 3) == colours[:, :, ::-1]).all()
    else:
        luma = out.reshape(48, 64, -1)[:, :, 0]
        wanted = 16 + colours @ np.array([0.299, 0.587, 0.114]) * 219 / 255
        assert abs(luma - wanted).max() < 1
        assert luma.min() == stamp.BLACK_LUMA and luma.max() == stamp.WHITE_LUMA


def test_an_encoding_that_is_none_is_named():
    with pytest.raises(ValueError, match='h264'):
        Encoder('h264', 64, 48)
    with pytest.raises(ValueError, match='63'):
        Encoder('yuv422_yuy2', 63, 48)


def test_parameters_that_do_not_go_together():
    assert problem(Params()) is None
    assert problem(Params(time_per_frame=(1, 31))) is not None
    assert problem(Params(time_per_frame=(2, 1))) is not None
    assert problem(Params(image_size=(641, 480))) is not None


def test_the_robot_goes_where_odometry_goes():
    walk = Walk()
    walk.follow(Pose(0.0, 0.0, 0.0))
    for step in range(1, 11):
        walk.follow(Pose(0.1 * step, 0.0, 0.0))
    assert walk.pose == pytest.approx(Pose(1.0, 0.0, 0.0)) or walk.pose.x == pytest.approx(1.0)
    walk.follow(Pose(1.0, 0.0, QUARTER))
    assert walk.pose.heading == pytest.approx(QUARTER)


def test_it_goes_on_between_two_messages():
    walk = Walk()
    walk.follow(Pose(0.0, 0.0, QUARTER))
    there = walk.ahead(0.5, 0.0, 0.1)
    assert (there.x, there.y, there.heading) == pytest.approx((0.0, 0.05, QUARTER))
    assert walk.ahead(0.0, 1.0, 0.1).heading == pytest.approx(QUARTER + 0.1)
    assert walk.ahead(100.0, 0.0, 0.1).y <= room.WEST_M - 0.2
    assert walk.pose == Pose(0.0, 0.0, QUARTER)


def test_odometry_that_begins_anew_moves_nothing():
    walk = Walk()
    for step in range(11):
        walk.follow(Pose(0.1 * step, 0.0, 0.0))
    walk.follow(Pose(0.0, 0.0, 0.0))
    assert walk.pose.x == pytest.approx(1.0)
    walk.follow(Pose(math.nan, 0.0, 0.0))
    walk.follow(Pose(0.1, 0.0, 0.0))
    assert walk.pose.x == pytest.approx(1.1)


def test_nothing_is_driven_through():
    walk = Walk()
    for step in range(100):
        walk.follow(Pose(0.1 * step, 0.0, 0.0))
        assert walk.pose.x <= room.NORTH_M - 0.2
    # And back at once, not after as far as odometry believes to be beyond the wall.
    walk.follow(Pose(9.6, 0.0, 0.0))
    assert walk.pose.x < room.NORTH_M - 0.4
    for x, y, _ in room.PILLARS:
        stands = clear_of_walls(x + 0.01, y)
        assert max(abs(stands[0] - x), abs(stands[1] - y)) > room.PILLAR_M / 2


@pytest.mark.parametrize('fault', FAULTS)
def test_faults_spoil_what_they_say(fault):
    good = Frame(64, 48, 128, 'yuv422_yuy2', bytes(range(256)) * 24)
    bad = spoil(good, fault, 1)
    changed = {
        'wrong_size': (bad.width, bad.height, bad.step, len(bad.data)) == (32, 24, 64, 1536),
        'garbage': bad.data != good.data and len(bad.data) == len(good.data),
        'truncated': len(bad.data) == len(good.data) // 2 and bad.step == good.step,
        'zero_bytes': bad.data == b'' and bad.width == 64,
        'unknown_encoding': bad.encoding not in BYTES,
    }
    assert changed.get(fault, bad == good)
