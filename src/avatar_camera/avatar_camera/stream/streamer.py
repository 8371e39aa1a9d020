# SPDX-License-Identifier: Apache-2.0
"""The thread that owns the encoder: looks who watches, starts it, ends it, says how it is."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from avatar_camera.ffmpeg import Ffmpeg, NoFfmpeg, find
from avatar_camera.stream import commands
from avatar_camera.stream.demand import Demand
from avatar_camera.stream.device import NoDevice
from avatar_camera.stream.encoder import Encoder
from avatar_camera.stream.frames import Format
from avatar_camera.stream.intake import Intake
from avatar_camera.stream.mediamtx import PATH, USER, MediaServer
from avatar_camera.stream.recorder import Recorder
from avatar_camera.stream.settings import AUTO, DEVICE, Settings
from avatar_camera.stream.snapshots import (
    DEVICE_FRAME_WITHIN_S,
    FRAME_WITHIN_S,
    Refusal,
    Snapshots,
)
from avatar_camera.stream.sources import IMAGE_ENCODING, DeviceSource, Plan, Source, TopicSource
from avatar_camera.stream.status import Status
from avatar_camera.stream.supervision import NO_DEVICE, Action, Reason, State, Supervision
from avatar_camera.stream.trial import best_encoder
from avatar_camera.stream.watcher import Watcher

STATUS_S = 1.0
WATCHED_STEP_S = 0.25
MAX_THREADS = 4
RECORDINGS, SNAPSHOTS = 'recordings', 'snapshots'
RECORDING_WITHIN_S = 10.0
PUBLISHER = 'stream'

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outside:
    """What the streamer needs of the node; called from its threads."""

    want_frames: Callable[[bool], None]
    """Frames of the topic are wanted from now on, or not."""
    publish: Callable[[Status], None]
    has_camera: Callable[[], bool]
    """Whether anybody sends frames."""
    wants_images: Callable[[], bool]
    """Whether anybody wants a device's frames."""
    give_image: Callable[[str, Format, memoryview], None]
    """Publish a device's frame: encoding, format, data."""
    ended: Callable[[], None]
    """The thread ended by an error."""


class Streamer:
    """Frames come in by `on_frame`, services by `snapshot` and `record`, from any thread."""

    def __init__(self, settings: Settings, outside: Outside) -> None:
        self._settings, self._outside = settings, outside
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._closing = False
        self.intake = Intake(self._woken.set)
        by_id = settings.by_id_dir
        self._source: Source = (
            DeviceSource((by_id, by_id.with_name('by-path'))) if settings.source == DEVICE
            else TopicSource(self.intake))
        self._demand = Demand()
        self._supervision = Supervision(self._source.needs_frames)
        self._watcher = Watcher(
            MediaServer(settings.api_port, lambda: settings.token('api', '')), self._woken.set)
        self._snapshots = Snapshots(
            settings.state_dir / SNAPSHOTS, self.intake, self._usable_ffmpeg, self._woken.set,
            self._why_no_frame, self._live_url,
            FRAME_WITHIN_S if self._source.needs_frames else DEVICE_FRAME_WITHIN_S,
            settings.quota.least_free)
        self._recorder = Recorder(
            settings.state_dir / RECORDINGS, settings.quota,
            lambda path: commands.record(
                self._usable_ffmpeg(), settings.url('read', USER), str(path)),
            self._snapshots.add_thumbnail)
        self._next_status_s = float('-inf')
        self._ffmpeg: Ffmpeg | None = None
        self._encoder: Encoder | None = None
        self._plan: Plan | None = None
        self._exits: deque[tuple[Encoder, list[str]]] = deque()
        self._detail = ''
        self._publishes = False
        self._subscribed = False
        self._status = Status(source=settings.source)
        self._logged: tuple[State, Reason] = (State.OFF, Reason.NONE)
        self._thread = threading.Thread(target=self._run, name='streamer', daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._watcher.start()
        self._thread.start()

    def close(self) -> None:
        """End the encoder and the thread."""
        self._closing = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def configure(self, settings: Settings) -> None:
        """Take other settings; viewers stay connected."""
        self._settings = replace(settings, encoder=self._settings.encoder)
        self._woken.set()

    def on_frame(self, encoding: str, width: int, height: int, step: int, big_endian: bool,
                 data: memoryview) -> None:
        """Take a frame of the camera, now."""
        offered = self.intake.put(encoding, width, height, step, big_endian, data)
        now_s = time.monotonic()
        with self._lock:
            newest = self.intake.newest
            if newest is not None and newest.at_s > self.intake.bad_s:
                self._supervision.on_frame(now_s)
            if offered:
                self._supervision.on_offered(now_s)

    def look(self) -> None:
        """Find out at once who watches."""
        self._watcher.look()

    # ---- asked by services, in their threads

    def snapshot(self) -> str:
        """Write the newest frame to a file; return its name. Raises Refusal."""
        return self._snapshots.take()

    def _why_no_frame(self) -> str:
        if not self._source.needs_frames:
            return self._status.detail or 'the camera sends no pictures'
        return ('the camera sends no pictures' if self._outside.has_camera() else
                'no camera is there')

    def _live_url(self) -> str | None:
        """Return where the picture of a device can be read whose frames we do not see."""
        plan = self._plan
        if self._source.needs_frames or plan is None or plan.images is not None:
            return None
        live = self._status.state is State.LIVE
        return self._settings.url('read', USER) if live else None

    def record(self, on: bool) -> str:
        """Begin or end a recording; return the name of its file. Raises Refusal."""
        recorder = self._recorder
        if not on:
            return self._end_recording()
        if not recorder.wanted:
            recorder.begin()
            self._watcher.look()
            self._woken.set()
        if not _becomes(lambda: bool(recorder.name or recorder.ended or self._closing),
                        RECORDING_WITHIN_S):
            status = self._status
            self._end_recording()
            raise Refusal(f'nothing to record: {status.sentence}')
        if not recorder.name:
            raise Refusal(recorder.ended or 'it ends')
        return recorder.name

    def _end_recording(self) -> str:
        recorder = self._recorder
        recorder.wanted = False
        self._woken.set()
        _becomes(lambda: not recorder.running or self._closing, RECORDING_WITHIN_S)
        return recorder.last

    # ---- the thread

    def _run(self) -> None:
        try:
            if self._settings.encoder == AUTO:
                self._settings = replace(self._settings, encoder=best_encoder())
            while not self._closing:
                now_s = time.monotonic()
                self._woken.clear()
                self._round(now_s)
                next_s = min(self._next_status_s, self._supervision.next_s(now_s))
                if self._subscribed:
                    next_s = min(next_s, now_s + WATCHED_STEP_S)
                self._woken.wait(max(0.0, next_s - time.monotonic()))
        finally:
            self._recorder.wanted = False
            self._recorder.end()
            self._end_encoder()
            self._watcher.close()
            if not self._closing:
                self._outside.ended()

    def _round(self, now_s: float) -> None:
        publishes = self._demand.wants(now_s, self._viewers, self._recorder.wanted)
        images = self._snapshots.users > 0
        if self._source.needs_frames:
            self._want_frames(publishes or images)
            images = False
        else:
            images = images or self._outside.wants_images()
        self._publishes = publishes
        self._take_exits(now_s)
        self._supervise(now_s, images)
        with self._lock:
            live = publishes and self._supervision.state(now_s)[0] is State.LIVE
        self._recorder.step(now_s, live)
        self._tell(now_s)

    @property
    def _viewers(self) -> int:
        readers = self._watcher.view.readers(time.monotonic())
        # The recording reads the path, too, and is nobody.
        return max(0, readers - int(self._recorder.running))

    def _want_frames(self, wanted: bool) -> None:
        if wanted == self._subscribed:
            return
        self._subscribed = wanted
        self._outside.want_frames(wanted)
        if not wanted:
            self.intake.forget()

    def _take_exits(self, now_s: float) -> None:
        while self._exits:
            encoder, words = self._exits.popleft()
            if encoder is self._encoder and self._plan is not None:
                reason, detail = self._plan.why_ended(words)
                path = self._watcher.view.path
                if (reason not in NO_DEVICE and not encoder.frames_out
                        and path is not None and path.online):
                    # It never published; ffmpeg does not tell what the server said.
                    reason = Reason.REFUSED
                    detail = f'another program publishes the picture ({PATH})'
                self._failed(now_s, reason, detail)

    def _failed(self, now_s: float, reason: Reason, detail: str) -> None:
        self._detail = detail
        self._end_encoder()
        with self._lock:
            self._supervision.on_failed(now_s, reason)

    def _supervise(self, now_s: float, images: bool) -> None:
        if self._encoder is not None and (self._publishes or images):
            plan = self._make_plan(now_s, images, self._plan)
            if plan != self._plan:
                # Another profile, rate or camera; the media server keeps the viewers meanwhile.
                # First the recording, which would else get pictures of the offline card.
                self._recorder.end()
                self._end_in_order()
        with self._lock:
            hung = self._supervision.is_hung(now_s)
        if hung:
            self._failed(now_s, self._supervision.silence, 'it hung and was ended')
        with self._lock:
            action = self._supervision.decide(now_s, self._publishes or images)
        if action is Action.START and (images or self._watcher.view.path is not None):
            self._start_encoder(now_s, images)
        elif action is Action.END:
            self._end_in_order()

    def _make_plan(self, now_s: float, images: bool, before: Plan | None) -> Plan | None:
        try:
            return self._source.plan(
                self._settings, self._usable_ffmpeg, before, self._publishes, images)
        except NoFfmpeg as problem:
            self._failed(now_s, Reason.NO_FFMPEG, str(problem))
        except NoDevice as problem:
            self._failed(now_s, problem.reason, str(problem))
        return None

    def _start_encoder(self, now_s: float, images: bool) -> None:
        plan = self._make_plan(now_s, images, None)
        if plan is None:
            return
        try:
            ffmpeg = self._usable_ffmpeg()
        except NoFfmpeg as problem:
            self._failed(now_s, Reason.NO_FFMPEG, str(problem))
            return
        threads = min(MAX_THREADS, os.cpu_count() or 1)
        url = self._settings.url('publish', PUBLISHER)
        try:
            encoder = Encoder(
                lambda progress: plan.command(ffmpeg, url, progress, threads),
                self._on_output, self._on_exit, takes_frames=self._source.needs_frames,
                gives_bytes=plan.images.frame_bytes if plan.images is not None else 0,
                on_frame=lambda data: self._on_image(plan, data))
        except OSError as error:
            self._ffmpeg = None
            self._failed(now_s, Reason.NO_FFMPEG, f'{ffmpeg.path} does not start: {error}')
            return
        self._encoder, self._plan = encoder, plan
        with self._lock:
            self._supervision.on_started(now_s)
        if (isinstance(plan.input, Format) and plan.picture is not None
                and self.intake.connect(encoder.offer, plan.input, plan.picture.fps)):
            with self._lock:
                self._supervision.on_offered(now_s)

    def _usable_ffmpeg(self) -> Ffmpeg:
        """Return the ffmpeg of this machine, which may be installed at any time; NoFfmpeg."""
        self._ffmpeg = self._ffmpeg or find(os.environ)
        return self._ffmpeg

    def _end_in_order(self) -> None:
        self._end_encoder()
        with self._lock:
            self._supervision.on_ended()

    def _end_encoder(self) -> None:
        self.intake.disconnect()
        if self._encoder is not None:
            self._encoder.kill()
            self._encoder = self._plan = None

    # ---- from the encoder's threads

    def _on_output(self, encoder: Encoder, _frames: int) -> None:
        with self._lock:
            if encoder is not self._encoder:
                return
            was_live = self._supervision.state(time.monotonic())[0] is State.LIVE
            self._supervision.on_output(time.monotonic())
        if not was_live:
            self._woken.set()

    def _on_image(self, plan: Plan, data: memoryview) -> None:
        images = plan.images
        assert images is not None
        self.intake.put(IMAGE_ENCODING, images.width, images.height, images.row_bytes, False,
                        data)
        self._outside.give_image(IMAGE_ENCODING, images, data)

    def _on_exit(self, encoder: Encoder, words: list[str]) -> None:
        self._exits.append((encoder, words))
        self._woken.set()

    # ---- what is said

    def _tell(self, now_s: float) -> None:
        status = self._look(now_s)
        changed = status.news() != self._status.news()
        if changed or now_s >= self._next_status_s:
            self._next_status_s = now_s + STATUS_S
            self._outside.publish(status)
        self._status = status
        self._log_change()

    def _look(self, now_s: float) -> Status:
        with self._lock:
            state, reason = self._supervision.state(now_s)
            age_s = self._supervision.frame_age_s(now_s)
        detail = self._detail if state is State.STALLED else ''
        view = self._watcher.view
        problem = view.problem(now_s)
        if not self._publishes and problem is None:
            # A device may be read for its frames alone.
            state, reason, detail = State.OFF, Reason.NONE, ''
        elif problem is not None:
            state, (reason, detail) = State.STALLED, problem
        elif reason is Reason.NO_FRAMES:
            detail = ''
            if now_s - self.intake.bad_s < 2 * STATUS_S:
                reason, detail = Reason.BAD_FRAMES, self.intake.bad
            elif not self._outside.has_camera():
                reason = Reason.NO_CAMERA
        settings, plan = self._settings, self._plan
        picture = plan.picture if plan is not None else None
        return replace(
            self._status, state=state, reason=reason, detail=detail,
            profile=settings.profile, fps=settings.fps,
            width=picture.width if picture else 0, height=picture.height if picture else 0,
            viewers=self._viewers, kbit_s=view.kbit_s if picture else 0,
            recording=self._recorder.name, recording_s=self._recorder.seconds(now_s),
            recording_ended=self._recorder.ended,
            encoder=picture.encoder if picture else '',
            age_ms=None if age_s is None else round(age_s * 1000))

    def _log_change(self) -> None:
        status = self._status
        now = (status.state, status.reason)
        if now == self._logged:
            return
        self._logged = now
        if status.state is State.STALLED:
            _log.warning(status.sentence)
        elif status.state is not State.STARTING:
            _log.info(status.sentence)


def _becomes(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.05)
    return True
