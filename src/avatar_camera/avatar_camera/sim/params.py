# SPDX-License-Identifier: Apache-2.0
"""Parameters of the simulated camera: those of v4l2_camera, and its faults."""

from dataclasses import dataclass

from avatar_camera.sim.encoding import BYTES
from avatar_camera.sim.faults import FAULTS
from avatar_node.params import param


@dataclass(frozen=True)
class Params:
    """See config/sim_camera.yaml."""

    image_size: tuple[int, int] = param(
        (854, 480), 'width and height of the picture, even [pixels]', range=(32, 3840))
    time_per_frame: tuple[int, int] = param(
        (1, 20), 'seconds per frame as a fraction; 1 to 30 frames a second', range=(1, 30000))
    output_encoding: str = param(
        'yuv422_yuy2', 'encoding of the published picture', choices=tuple(BYTES))
    pixel_format: str = param('YUYV', 'what the camera itself delivers', choices=('YUYV',),
                              read_only=True)
    camera_frame_id: str = param('camera', 'frame id of picture and camera_info', read_only=True)
    fault: str = param('none', 'what goes wrong on purpose', choices=('none', *FAULTS))

    @property
    def frame_rate_hz(self) -> float:
        """Return the frames per second."""
        return self.time_per_frame[1] / self.time_per_frame[0]


def problem(params: Params) -> str | None:
    """Return why a combination is refused, or None."""
    if not 1.0 <= params.frame_rate_hz <= 30.0:
        return (f'time_per_frame = {list(params.time_per_frame)}: {params.frame_rate_hz:g} frames '
                'a second, must be 1 to 30')
    width, height = params.image_size
    if width % 2 or height % 2:
        return f'image_size = {width} x {height}: must be even'
    return None
