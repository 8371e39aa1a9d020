# SPDX-License-Identifier: Apache-2.0
"""The parameters of the stream node; docs/ros_api.md lists the same."""

import os
from dataclasses import dataclass
from pathlib import Path

from avatar_camera.stream.profiles import MAX_FPS, MIN_FPS, PROFILES
from avatar_node.params import param


@dataclass(frozen=True)
class Params:
    """Everything that can be set; what is not read-only may be changed while it runs."""

    profile: str = param('480p', 'largest size of the picture, and its bit rate',
                         choices=tuple(PROFILES))
    fps: int = param(20, 'most pictures per second', unit='1/s', range=(MIN_FPS, MAX_FPS))
    source: str = param('topic', 'where pictures come from: camera/image_raw, or a video device '
                                 'that ffmpeg reads itself', choices=('topic', 'device'),
                        read_only=True)
    device: str = param('', 'video device, or the name of its link in /dev/v4l/by-id or by-path; '
                            'empty = the only camera', read_only=True)
    by_id_dir: str = param('/dev/v4l/by-id', 'folder of the links that name cameras; by-path '
                                             'beside it is looked in, too', read_only=True)
    device_format: str = param('auto', 'pictures of the device; auto = mjpeg, else raw',
                               choices=('auto', 'mjpeg', 'h264', 'raw'), read_only=True)
    encoder: str = param('auto', 'encoder of ffmpeg; auto = that of a Pi 4 where a trial at the '
                                 'start succeeds, else libx264',
                         choices=('auto', 'libx264', 'h264_v4l2m2m'), read_only=True)
    rtsp_port: int = param(8554, 'where the media server takes the picture, on 127.0.0.1',
                           range=(1, 65535), read_only=True)
    api_port: int = param(9997, 'where the media server says who watches, on 127.0.0.1',
                          range=(1, 65535), read_only=True)
    state_dir: str = param('', 'state folder; empty = AVATAR_STATE_DIR, then '
                               '~/.local/state/avatar', read_only=True)
    recordings_mb: int = param(2000, 'most that recordings take together; the oldest go first',
                               unit='MB', range=(10, 1_000_000), read_only=True)
    recordings_free_percent: int = param(10, 'share of the disk that recordings and snapshots '
                                         'leave free', unit='%', range=(1, 90), read_only=True)


def state_dir_of(params: Params) -> Path:
    """Return the state folder."""
    named = params.state_dir or os.environ.get('AVATAR_STATE_DIR') or '~/.local/state/avatar'
    return Path(named).expanduser()
