# SPDX-License-Identifier: Apache-2.0
"""Stands in for the first robot's program: takes port 5000, board and camera, and stays."""

import os
import signal
import socket
import sys

with socket.socket() as test:  # the check that was added after the first night
    try:
        test.bind(('0.0.0.0', 5000))
    except OSError:
        print('ERROR: Port 5000 is already in use!')
        sys.exit(1)
page = socket.socket()
page.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
page.bind(('0.0.0.0', 5000))
page.listen()
# Opened as pyserial and OpenCV do: nobody else is kept out.
held = [os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        for path in ('/dev/ttyUSB0', '/dev/video0') if os.path.exists(path)]
print('holds port 5000 and', [os.readlink(f'/proc/self/fd/{fd}') for fd in held])
signal.pause()
