# SPDX-License-Identifier: Apache-2.0
"""The stream node: ROS on one side, the streamer's thread on the other."""

import logging
import os
import signal
import sys
import time
from array import array
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Empty
from std_srvs.srv import SetBool, Trigger

from avatar_camera.stream.frames import Format
from avatar_camera.stream.params import Params, state_dir_of
from avatar_camera.stream.recorder import Quota
from avatar_camera.stream.settings import DEVICE, Settings
from avatar_camera.stream.snapshots import Refusal
from avatar_camera.stream.status import Status
from avatar_camera.stream.streamer import Outside, Streamer
from avatar_node import diagnostics
from avatar_node.environment import hold_frames
from avatar_node.params import Parameters
from avatar_node.qos import COMMAND, STATE
from avatar_node.run import run

IMAGES = 'camera/image_raw'
PAUSE_S = 0.002
SECRET = 'AVATAR_MEDIA_SECRET'


class StreamNode(Node):
    """Callbacks only hand over."""

    def __init__(self, **options: Any) -> None:
        """Start the streamer; images are subscribed while they are wanted."""
        super().__init__('stream', **options)
        self.failed = False
        self._params = Parameters(self, Params, changed=self._configure)
        self._secret = os.environ.get(SECRET, '')
        self._images: Any = None
        self._images_wanted = False
        self._image_topic = self.resolve_topic_name(IMAGES)
        # An executor does not like subscriptions to vanish while it waits for them: in its thread.
        self._wish = self.create_guard_condition(self._subscribe_as_wanted)
        self._state = self.create_publisher(DiagnosticStatus, 'camera/stream_state', STATE)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._log_handler = LogHandler(self)
        self._python_log = logging.getLogger('avatar_camera')
        self._python_log.setLevel(logging.INFO)
        self._python_log.addHandler(self._log_handler)
        params = self._params.value
        self._own_images: Any = None
        if params.source == DEVICE:
            self._own_images = self.create_publisher(Image, IMAGES, COMMAND)
        self._streamer = Streamer(self._settings(params), Outside(
            want_frames=self._want_images, publish=self._publish,
            has_camera=lambda: self.count_publishers(self._image_topic) > 0,
            wants_images=lambda: self._own_images.get_subscription_count() > 0,
            give_image=self._give_image, ended=self._on_end))
        self.create_subscription(
            Empty, 'camera/look', lambda _: self._streamer.look(), COMMAND)
        # They wait for a picture and for the disk, which the frames must not.
        self._slow = ThreadPoolExecutor(1, 'services')
        # In a group of their own: one that waits would keep the others of its group waiting.
        group = MutuallyExclusiveCallbackGroup()
        self.create_service(Trigger, 'camera/snapshot', self._snapshot, callback_group=group)
        self.create_service(SetBool, 'camera/record', self._record, callback_group=group)
        self._streamer.start()

    def destroy_node(self) -> None:
        """End the encoder."""
        self._streamer.close()
        self._slow.shutdown(wait=False)
        self._python_log.removeHandler(self._log_handler)
        super().destroy_node()  # type: ignore[no-untyped-call]

    def _settings(self, params: Params) -> Settings:
        return Settings(
            profile=params.profile, fps=params.fps, encoder=params.encoder, source=params.source,
            device=params.device, by_id_dir=Path(params.by_id_dir),
            device_format=params.device_format,
            rtsp_port=params.rtsp_port, api_port=params.api_port, secret=self._secret,
            state_dir=state_dir_of(params),
            quota=Quota(params.recordings_mb * 1_000_000, params.recordings_free_percent / 100))

    def _configure(self, params: Params) -> None:
        self._streamer.configure(self._settings(params))

    # ---- images

    def _want_images(self, wanted: bool) -> None:
        self._images_wanted = wanted
        self._wish.trigger()

    def _subscribe_as_wanted(self) -> None:
        if self._images_wanted and self._images is None:
            # Reliable: a frame is many packets, and with the small buffers of a Raspberry Pi's
            # kernel some get lost. Keep-last 1: an old frame is never waited for.
            self._images = self.create_subscription(Image, IMAGES, self._on_image, COMMAND)
        elif not self._images_wanted and self._images is not None:
            self.destroy_subscription(self._images)
            self._images = None

    def _on_image(self, image: Image) -> None:
        self._streamer.on_frame(
            image.encoding, image.width, image.height, image.step, bool(image.is_bigendian),
            memoryview(image.data))

    def _give_image(self, encoding: str, form: Format, data: memoryview) -> None:
        """Publish a frame of the device, for rviz and rqt."""
        if not self._own_images.get_subscription_count():
            return
        message = Image(width=form.width, height=form.height, encoding=encoding,
                        step=form.row_bytes, data=array('B', data))
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = 'camera_optical_frame'
        self._publish_or_end(self._own_images, message)

    # ---- services

    async def _snapshot(self, _request: Any, response: Any) -> Any:
        return await self._answer(response, self._streamer.snapshot)

    async def _record(self, request: Any, response: Any) -> Any:
        return await self._answer(response, lambda: self._streamer.record(request.data))

    async def _answer(self, response: Any, do: Callable[[], str]) -> Any:
        doing = self._slow.submit(do)
        await _Patience(doing)
        try:
            response.message, response.success = doing.result(), True
        except Refusal as problem:
            response.message = str(problem)
        return response

    # ---- from the streamer's thread

    def _publish(self, status: Status) -> None:
        level = diagnostics.OK if status.ok else diagnostics.WARN
        values = status.values()
        stamp = self.get_clock().now().to_msg()
        self._publish_or_end(self._state, diagnostics.status(
            'camera/stream_state', level, status.sentence, values))
        self._publish_or_end(self._diagnostics, diagnostics.array(stamp, [diagnostics.status(
            'stream: picture', level, status.sentence, values)]))

    def _publish_or_end(self, publisher: Any, message: Any) -> None:
        try:
            publisher.publish(message)
        except RuntimeError:  # RCLError is one
            # A signal ends the context under our hands; `destroy_node` follows.
            if self.context.ok():
                raise

    def _on_end(self) -> None:
        """End the process: without its thread the node must not look alive."""
        self.failed = True
        os.kill(os.getpid(), signal.SIGTERM)


class _Patience:
    """
    Awaits what another thread does.

    rclpy asks a coroutine that waits again and again without a pause; so it pauses here, for so
    short a time that a frame which comes meanwhile is not late.
    """

    def __init__(self, doing: 'Future[str]') -> None:
        self._doing = doing

    def __await__(self) -> Generator[None, None, None]:
        while not self._doing.done():
            time.sleep(PAUSE_S)
            yield


class LogHandler(logging.Handler):
    """Writes what the ROS-free modules log into the node's log."""

    def __init__(self, node: Node) -> None:
        """Take everything from INFO on."""
        super().__init__(logging.INFO)
        self._logger: Any = node.get_logger()  # type: ignore[no-untyped-call]

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        text = self.format(record)
        # rclpy wants a line of code of its own for each level.
        if record.levelno < logging.WARNING:
            self._logger.info(text)
        else:
            self._logger.warning(text)


def main(args: list[str] | None = None) -> int:
    """Run the stream node; the exit code is not 0 if its thread failed."""
    hold_frames(os.environ)
    return run(StreamNode, args)


if __name__ == '__main__':
    sys.exit(main())
