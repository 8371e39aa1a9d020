# SPDX-License-Identifier: Apache-2.0
"""
What the usual recipe does: stamped pictures straight into ffmpeg, which publishes them.

    python bench/bare_camera.py WIDTH HEIGHT FPS KBIT_S rtsp://127.0.0.1:8554/camera

No ROS, no supervision: what is measured beside ours. Ends with its ffmpeg, or on SIGTERM.
"""

import signal
import subprocess
import sys
import time

from stamped import Pictures


def command(width: int, height: int, fps: int, kbit_s: int, url: str) -> list[str]:
    """Return ffmpeg with the arguments everybody uses for little delay."""
    return [
        'ffmpeg', '-hide_banner', '-loglevel', 'warning', '-fflags', 'nobuffer', '-f', 'rawvideo',
        '-pixel_format', 'rgb24', '-video_size', f'{width}x{height}', '-framerate', str(fps),
        '-i', 'pipe:0', '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency',
        '-profile:v', 'baseline', '-pix_fmt', 'yuv420p', '-g', str(fps), '-bf', '0',
        '-b:v', f'{kbit_s}k', '-f', 'rtsp', '-rtsp_transport', 'tcp', url]


def main() -> int:
    """Publish until ended."""
    width, height, fps, kbit_s = map(int, sys.argv[1:5])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    pictures = Pictures(width, height)
    encoder = subprocess.Popen(command(width, height, fps, kbit_s, sys.argv[5]),
                               stdin=subprocess.PIPE, bufsize=0)
    assert encoder.stdin is not None
    start = time.monotonic()
    number = 0
    try:
        while True:
            time.sleep(max(0.0, start + number / fps - time.monotonic()))
            # A machine that stood still must not get all it missed in one burst.
            number = max(number, int((time.monotonic() - start) * fps)) + 1
            view = memoryview(pictures.at(time.monotonic()))
            while view:
                view = view[encoder.stdin.write(view):]
    except BrokenPipeError:
        return encoder.wait()
    finally:
        encoder.kill()
        encoder.wait()


if __name__ == '__main__':
    sys.exit(main())
