# SPDX-License-Identifier: Apache-2.0
"""Stands in for the first robot's MediaMTX: holds its ports everywhere, and answers nobody."""

import signal
import socket

held = []
for port in (8554, 8889, 9997):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('', port))
    listener.listen()
    held.append(listener)
print('mediamtx: holds', [s.getsockname()[1] for s in held])
signal.pause()
