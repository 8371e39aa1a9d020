# SPDX-License-Identifier: Apache-2.0
"""The parameters of the camera node; what v4l2_camera knows too is handed on to it."""

from dataclasses import dataclass

from avatar_node.params import param

# Parameters of v4l2_camera itself.
HANDED_ON = ('image_size', 'time_per_frame', 'output_encoding', 'pixel_format', 'camera_frame_id')


@dataclass(frozen=True)
class Params:
    """See config/camera.yaml."""

    device: str = param('', 'video device, or the name of its link in /dev/v4l/by-id or by-path; '
                            'empty = the only camera', read_only=True)
    by_id_dir: str = param('/dev/v4l/by-id', 'folder of the links that name cameras; by-path '
                                             'beside it is looked in, too', read_only=True)
    silent_s: float = param(5.0, 'a driver that sends no picture for so long is ended and started '
                                 'again', unit='s', range=(1.0, 60.0))
    driver: str = param('', 'program of the driver; empty = the v4l2_camera that is installed',
                        read_only=True)
    image_size: tuple[int, int] = param(
        (854, 480), 'width and height of the picture [pixels]', range=(32, 3840), read_only=True)
    time_per_frame: tuple[int, int] = param(
        (1, 20), 'seconds per frame as a fraction', range=(1, 30000), read_only=True)
    output_encoding: str = param('yuv422_yuy2', 'encoding of the published picture',
                                 read_only=True)
    pixel_format: str = param('YUYV', 'what the camera itself delivers', read_only=True)
    camera_frame_id: str = param('camera', 'frame id of picture and camera_info', read_only=True)
