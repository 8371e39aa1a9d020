# SPDX-License-Identifier: Apache-2.0
"""The robot's picture from camera to Chromium: real nodes, ffmpeg, MediaMTX and faults."""
