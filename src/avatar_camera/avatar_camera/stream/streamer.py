# SPDX-License-Identifier: Apache-2.0
"""The thread that owns the encoder: looks who watches, starts it, ends it, says how it is."""

import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from avatar_camera.stream import commands
from avatar_camera.stream.commands import Picture
from avatar_camera.stream.demand import Demand
from avatar_camera.stream.encoder import Encoder
from avatar_camera.stream.ffmpeg import Ffmpeg, NoFfmpeg, find
from avatar_camera.stream.frames import Format
from avatar_camera.stream.intake import Intake
from avatar_camera.stream.mediamtx import HOST, PATH, MediaServer, PathState, Refused, ServerDown
from avatar_camera.stream.profiles import PROFILES
from avatar_camera.stream.status import Status
from avatar_camera.stream.supervision import Action, Reason, State, Supervision
from avatar_node import media_token

# A viewer waits for this, half of it on average, before anything is started.
POLL_S = 0.25
STATUS_S = 1.0
# The media server may be restarted without anybody being told.
SERVER_DOWN_S = 2.0
MAX_THREADS = 4
PUBLISHER = 'stream'

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What may change while it runs, and what may not."""

    profile: str = '480p'
    fps: int = 20
    encoder: str = commands.LIBX264
    ffmpeg: str = 'ffmpeg'
    rtsp_port: int = 8554
    api_port: int = 9997
    secret: str = ''


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
        self._server = MediaServer(settings.api_port, settings.secret)
        self._path: PathState | None = None
        self._path_s = float('-inf')
        self._server_problem: tuple[Reason, str] | None = None
        self._next_poll_s = self._next_status_s = float('-inf')
        self._ffmpeg: Ffmpeg | None = None
        self._encoder: Encoder | None = None
        self._encodes: tuple[Format, Picture] | None = None
        self._exits: deque[tuple[Encoder, str]] = deque()
        self._detail = ''
        self._subscribed = False
        self._kbit_s = 0
        self._status = Status()
        self._logged: tuple[State, Reason] = (State.OFF, Reason.NONE)
        self._thread = threading.Thread(target=self._run, name='streamer', daemon=True)

    def start(self) -> None:
        """Start the thread."""
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

    # ---- the thread

    def _run(self) -> None:
        try:
            while not self._closing:
                now_s = time.monotonic()
                self._woken.clear()
                self._round(now_s)
                next_s = min(self._next_poll_s, self._supervision.next_s(now_s))
                self._woken.wait(max(0.0, next_s - time.monotonic()))
        finally:
            self._end_encoder()
            self._server.close()
            if not self._closing:
                self._ended()

    def _round(self, now_s: float) -> None:
        if now_s >= self._next_poll_s:
            self._next_poll_s = now_s + POLL_S
            self._ask_server(now_s)
        wanted = self._demand.wants(now_s, self._viewers, recording=False)
        self._want_frames(wanted)
        self._take_exits(now_s)
        self._supervise(now_s, wanted)
        self._tell(now_s)

    @property
    def _viewers(self) -> int:
        return self._path.readers if self._path is not None else 0

    def _ask_server(self, now_s: float) -> None:
        try:
            path = self._server.state()
            problem = None
        except ServerDown as error:
            path, problem = None, (Reason.SERVER_DOWN, str(error))
        except Refused as error:
            path, problem = None, (Reason.REFUSED, str(error))
        if path is not None:
            before = self._path
            span_s = now_s - self._path_s
            if before is None or path.bytes_in < before.bytes_in:
                self._kbit_s = 0
            elif span_s > 0:
                rate = (path.bytes_in - before.bytes_in) * 8 / 1000 / span_s
                self._kbit_s = round(self._kbit_s + (rate - self._kbit_s) * min(1.0, span_s))
            self._path_s, self._server_problem = now_s, None
        elif now_s - self._path_s >= SERVER_DOWN_S:
            self._server_problem = problem
        self._path = path

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
                self._failed(now_s, _reason_of(words), words)

    def _failed(self, now_s: float, reason: Reason, detail: str) -> None:
        self._detail = detail
        self._end_encoder()
        with self._lock:
            self._supervision.on_failed(now_s, reason)

    def _supervise(self, now_s: float, wanted: bool) -> None:
        if self._encoder is not None and self._encodes != self._wanted_picture():
            # Another profile, rate or camera; the media server keeps the viewers meanwhile.
            self._end_encoder()
            with self._lock:
                self._supervision.on_ended()
        with self._lock:
            hung = self._supervision.is_hung(now_s)
        if hung:
            self._failed(now_s, Reason.ENCODER_FAILED, 'it hung and was ended')
        with self._lock:
            action = self._supervision.decide(now_s, wanted and self._path is not None)
        if action is Action.START:
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
        settings = self._settings
        try:
            self._ffmpeg = self._ffmpeg or find(settings.ffmpeg)
        except NoFfmpeg as problem:
            self._failed(now_s, Reason.NO_FFMPEG, str(problem))
            return
        ffmpeg, threads = self._ffmpeg, min(MAX_THREADS, os.cpu_count() or 1)
        url = self._url('publish', PUBLISHER)
        try:
            encoder = Encoder(
                lambda progress: commands.encode_frames(
                    ffmpeg, source, picture, url, progress, threads),
                self._on_output, self._on_exit)
        except OSError as error:
            self._ffmpeg = None
            self._failed(now_s, Reason.NO_FFMPEG, f'{ffmpeg.program} does not start: {error}')
            return
        self._encoder, self._encodes = encoder, wanted
        with self._lock:
            self._supervision.on_started(now_s)
        if self.intake.connect(encoder.offer, source, picture.fps):
            with self._lock:
                self._supervision.on_offered(now_s)

    def _url(self, action: str, user: str) -> str:
        settings = self._settings
        token = 'none'
        if settings.secret:
            token = media_token.make(settings.secret, action, PATH, time.monotonic(),
                                     secrets.token_bytes(8))
        return f'rtsp://{user}:{token}@{HOST}:{settings.rtsp_port}/{PATH}'

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

    def _on_exit(self, encoder: Encoder, words: str) -> None:
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
        if self._server_problem is not None:
            state, (reason, detail) = State.STALLED, self._server_problem
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
            viewers=self._viewers, kbit_s=self._kbit_s if picture else 0,
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


def _reason_of(words: str) -> Reason:
    """Return what the last words of an encoder mean."""
    if 'Connection refused' in words:
        return Reason.SERVER_DOWN
    if '401' in words or 'nauthorized' in words or '400 Bad Request' in words:
        return Reason.REFUSED
    return Reason.ENCODER_FAILED
