# SPDX-License-Identifier: Apache-2.0
"""The thread that owns the encoder: looks who watches, starts it, ends it, says how it is."""

import contextlib
import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from avatar_camera.ffmpeg import Ffmpeg, NoFfmpeg, find
from avatar_camera.stream import commands, files, jpeg
from avatar_camera.stream.commands import Picture
from avatar_camera.stream.demand import Demand
from avatar_camera.stream.encoder import Encoder
from avatar_camera.stream.ending import meaning_of
from avatar_camera.stream.frames import Format
from avatar_camera.stream.intake import Frame, Intake
from avatar_camera.stream.mediamtx import HOST, PATH, USER, MediaServer
from avatar_camera.stream.profiles import PROFILES
from avatar_camera.stream.recorder import Quota, Recorder
from avatar_camera.stream.status import Status
from avatar_camera.stream.supervision import Action, Reason, State, Supervision
from avatar_camera.stream.watcher import Watcher
from avatar_node import media_token

STATUS_S = 1.0
WATCHED_STEP_S = 0.25
MAX_THREADS = 4
RECORDINGS, SNAPSHOTS = 'recordings', 'snapshots'
# A snapshot may show what arrived this long before it was asked for.
RECENT_S = 0.5
FRAME_WITHIN_S = 4.0
RECORDING_WITHIN_S = 10.0
PUBLISHER = 'stream'

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What may change while it runs, and what may not."""

    profile: str = '480p'
    fps: int = 20
    encoder: str = commands.LIBX264
    rtsp_port: int = 8554
    api_port: int = 9997
    secret: str = ''
    state_dir: Path = Path('.')
    quota: Quota = field(default_factory=Quota)


class Refusal(RuntimeError):
    """What was asked for cannot be done; the text says why."""


class Streamer:
    """
    `frames_wanted(bool)` and `publish(status)` are called from its thread.

    Frames come in by `on_frame`, from any thread.
    """

    def __init__(
        self, settings: Settings, frames_wanted: Callable[[bool], None],
        publish: Callable[[Status], None], has_camera: Callable[[], bool] = lambda: True,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """has_camera: whether anybody sends frames; ended: the thread ended by an error."""
        self._settings = settings
        self._frames_wanted, self._publish = frames_wanted, publish
        self._has_camera, self._ended = has_camera, ended
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._closing = False
        self.intake = Intake(self._woken.set)
        self._demand = Demand()
        self._supervision = Supervision()
        self._watcher = Watcher(
            MediaServer(settings.api_port, lambda: self._token('api', '')), self._woken.set)
        self._recorder = Recorder(
            settings.state_dir / RECORDINGS, settings.quota, self._record, self._add_thumbnail)
        self._frame_users = 0
        self._next_status_s = float('-inf')
        self._ffmpeg: Ffmpeg | None = None
        self._encoder: Encoder | None = None
        self._encodes: tuple[Format, Picture] | None = None
        self._exits: deque[tuple[Encoder, list[str]]] = deque()
        self._detail = ''
        self._subscribed = False
        self._status = Status()
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
        self._settings = settings
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

    # ---- asked by services, in their threads

    def snapshot(self) -> str:
        """Write the newest frame to a file; return its name. Raises Refusal."""
        frame = self._frame()
        try:
            path = files.new_file(self._settings.state_dir / SNAPSHOTS, '.jpg')
        except OSError as error:
            raise Refusal(f'no snapshot can be written: {error}') from error
        try:
            jpeg.write(self._usable_ffmpeg(), frame, path)
        except (jpeg.NoJpeg, NoFfmpeg) as problem:
            path.unlink(missing_ok=True)
            raise Refusal(f'no snapshot: {problem}') from problem
        _log.info('snapshot %s', path.name)
        return path.name

    def _frame(self) -> Frame:
        asked_s = time.monotonic()
        with self._lock:
            self._frame_users += 1
        self._woken.set()
        try:
            frame = self.intake.newer_than(asked_s - RECENT_S, FRAME_WITHIN_S)
        finally:
            with self._lock:
                self._frame_users -= 1
            self._woken.set()
        if frame is not None:
            return frame
        if self.intake.bad_s > asked_s:
            raise Refusal(self.intake.bad)
        raise Refusal('the camera sends no pictures' if self._has_camera() else
                      'no camera is there')

    def record(self, on: bool) -> str:
        """Begin or end a recording; return the name of its file. Raises Refusal."""
        recorder = self._recorder
        if not on:
            return self._end_recording()
        if not recorder.wanted:
            recorder.begin()
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
                self._ended()

    def _round(self, now_s: float) -> None:
        wanted = self._demand.wants(now_s, self._viewers, self._recorder.wanted)
        self._want_frames(wanted or self._frame_users > 0)
        self._take_exits(now_s)
        self._supervise(now_s, wanted)
        with self._lock:
            live = self._supervision.state(now_s)[0] is State.LIVE
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
        self._frames_wanted(wanted)
        if not wanted:
            self.intake.forget()

    def _take_exits(self, now_s: float) -> None:
        while self._exits:
            encoder, words = self._exits.popleft()
            if encoder is self._encoder:
                reason, detail = meaning_of(words)
                path = self._watcher.view.path
                if not encoder.frames_out and path is not None and path.online:
                    # It never published; ffmpeg does not tell what the server said.
                    reason = Reason.REFUSED
                    detail = f'another program publishes the picture ({PATH})'
                self._failed(now_s, reason, detail)

    def _failed(self, now_s: float, reason: Reason, detail: str) -> None:
        self._detail = detail
        self._end_encoder()
        with self._lock:
            self._supervision.on_failed(now_s, reason)

    def _supervise(self, now_s: float, wanted: bool) -> None:
        if self._encoder is not None and self._encodes != self._wanted_picture():
            # Another profile, rate or camera; the media server keeps the viewers meanwhile. First
            # the recording, which would else get some pictures of the offline card.
            self._recorder.end()
            self._end_encoder()
            with self._lock:
                self._supervision.on_ended()
        with self._lock:
            hung = self._supervision.is_hung(now_s)
        if hung:
            self._failed(now_s, Reason.ENCODER_FAILED, 'it hung and was ended')
        with self._lock:
            action = self._supervision.decide(now_s, wanted)
        if action is Action.START and self._watcher.view.path is not None:
            self._start_encoder(now_s)
        elif action is Action.END:
            self._end_encoder()
            with self._lock:
                self._supervision.on_ended()

    def _wanted_picture(self) -> tuple[Format, Picture] | None:
        frame = self.intake.newest
        if frame is None:
            return self._encodes
        settings = self._settings
        profile = PROFILES[settings.profile]
        width, height = profile.fit(frame.format.width, frame.format.height)
        return frame.format, Picture(
            width, height, settings.fps, profile.rates_at(settings.fps), settings.encoder)

    def _start_encoder(self, now_s: float) -> None:
        wanted = self._wanted_picture()
        if wanted is None:
            return
        source, picture = wanted
        try:
            ffmpeg = self._usable_ffmpeg()
        except NoFfmpeg as problem:
            self._failed(now_s, Reason.NO_FFMPEG, str(problem))
            return
        threads = min(MAX_THREADS, os.cpu_count() or 1)
        url = self._url('publish', PUBLISHER)
        try:
            encoder = Encoder(
                lambda progress: commands.encode_frames(
                    ffmpeg, source, picture, url, progress, threads),
                self._on_output, self._on_exit)
        except OSError as error:
            self._ffmpeg = None
            self._failed(now_s, Reason.NO_FFMPEG, f'{ffmpeg.path} does not start: {error}')
            return
        self._encoder, self._encodes = encoder, wanted
        with self._lock:
            self._supervision.on_started(now_s)
        if self.intake.connect(encoder.offer, source, picture.fps):
            with self._lock:
                self._supervision.on_offered(now_s)

    def _usable_ffmpeg(self) -> Ffmpeg:
        """Return the ffmpeg of this machine, which may be installed at any time; NoFfmpeg."""
        self._ffmpeg = self._ffmpeg or find(os.environ)
        return self._ffmpeg

    def _token(self, action: str, path: str) -> str:
        """Return a password that is good once."""
        secret = self._settings.secret
        if not secret:
            return 'none'  # whoever started us without a secret runs a server without doors
        token: str = media_token.make(
            secret, action, path, time.monotonic(), secrets.token_bytes(8))
        return token

    def _url(self, action: str, user: str) -> str:
        token = self._token(action, PATH)
        return f'rtsp://{user}:{token}@{HOST}:{self._settings.rtsp_port}/{PATH}'

    def _record(self, path: Path) -> list[str]:
        return commands.record(self._usable_ffmpeg(), self._url('read', USER), str(path))

    def _add_thumbnail(self, path: Path) -> None:
        frame, ffmpeg = self.intake.newest, self._ffmpeg
        if frame is None or ffmpeg is None:
            return

        def make() -> None:
            with contextlib.suppress(jpeg.NoJpeg):  # a recording is one without it, too
                jpeg.write(ffmpeg, frame, path.with_suffix(files.THUMBNAIL),
                           jpeg.THUMBNAIL_WIDTH)

        threading.Thread(target=make, name='thumbnail', daemon=True).start()

    def _end_encoder(self) -> None:
        self.intake.disconnect()
        if self._encoder is not None:
            self._encoder.kill()
            self._encoder = self._encodes = None

    # ---- from the encoder's threads

    def _on_output(self, encoder: Encoder, _frames: int) -> None:
        with self._lock:
            if encoder is not self._encoder:
                return
            was_live = self._supervision.state(time.monotonic())[0] is State.LIVE
            self._supervision.on_output(time.monotonic())
        if not was_live:
            self._woken.set()

    def _on_exit(self, encoder: Encoder, words: list[str]) -> None:
        self._exits.append((encoder, words))
        self._woken.set()

    # ---- what is said

    def _tell(self, now_s: float) -> None:
        status = self._look(now_s)
        changed = status.news() != self._status.news()
        if changed or now_s >= self._next_status_s:
            self._next_status_s = now_s + STATUS_S
            self._publish(status)
        self._status = status
        self._log_change()

    def _look(self, now_s: float) -> Status:
        with self._lock:
            state, reason = self._supervision.state(now_s)
            age_s = self._supervision.frame_age_s(now_s)
        detail = self._detail if state is State.STALLED else ''
        view = self._watcher.view
        problem = view.problem(now_s)
        if problem is not None:
            state, (reason, detail) = State.STALLED, problem
        elif reason is Reason.NO_FRAMES:
            detail = ''
            if now_s - self.intake.bad_s < 2 * STATUS_S:
                reason, detail = Reason.BAD_FRAMES, self.intake.bad
            elif not self._has_camera():
                reason = Reason.NO_CAMERA
        settings, encodes = self._settings, self._encodes
        picture = encodes[1] if encodes is not None else None
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
