# SPDX-License-Identifier: Apache-2.0
"""
What the usual recipe does: the pictures of sim_camera straight into ffmpeg, which publishes them.

    python bench/bare_camera.py WIDTH HEIGHT FPS KBIT_S rtsp://127.0.0.1:8554/camera

No ROS, no supervision: what is measured beside ours. Ends with its ffmpeg, or on SIGTERM.
"""

import signal
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np

from avatar_camera.sim.encoding import Encoder
from avatar_camera.sim.view import View

ENCODING, PIXEL_FORMAT = 'yuv422_yuy2', 'yuyv422'
# It turns on the spot, so that the pictures differ as they do on a drive.
TURN_RADPS = 0.2


def command(width: int, height: int, fps: Fraction, kbit_s: int, url: str) -> list[str]:
    """Return ffmpeg with the arguments everybody uses for little delay."""
    return [
        'ffmpeg', '-hide_banner', '-loglevel', 'warning', '-fflags', 'nobuffer', '-f', 'rawvideo',
        '-pixel_format', PIXEL_FORMAT, '-video_size', f'{width}x{height}', '-framerate', str(fps),
        '-i', 'pipe:0', '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency',
        '-profile:v', 'baseline', '-pix_fmt', 'yuv420p', '-g', str(round(fps)), '-bf', '0',
        '-b:v', f'{kbit_s}k', '-f', 'rtsp', '-rtsp_transport', 'tcp', url]


def main() -> int:
    """Publish until ended."""
    width, height, kbit_s = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4])
    fps = Fraction(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    view, pixels = View(width, height), Encoder(ENCODING, width, height)
    frame = np.zeros(pixels.size, np.uint8)
    ffmpeg = subprocess.Popen(command(width, height, fps, kbit_s, sys.argv[5]),
                               stdin=subprocess.PIPE, bufsize=0)
    assert ffmpeg.stdin is not None
    start = time.monotonic()
    number = 0
    try:
        while True:
            time.sleep(max(0.0, start + float(number / fps) - time.monotonic()))
            # A machine that stood still must not get all it missed in one burst.
            number = max(number, int((time.monotonic() - start) * fps)) + 1
            now = time.monotonic()
            pixels.write(view.draw(0.0, 0.0, TURN_RADPS * now, int(now * 1e3)), frame)
            left = memoryview(frame)
            while left:
                left = left[ffmpeg.stdin.write(left):]
    except BrokenPipeError:
        return ffmpeg.wait()
    finally:
        ffmpeg.kill()
        ffmpeg.wait()


if __name__ == '__main__':
    sys.exit(main())
