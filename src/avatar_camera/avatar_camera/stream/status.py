# SPDX-License-Identifier: Apache-2.0
"""What `camera/stream_state` says: values for programs, a sentence for people. Pure."""

from dataclasses import dataclass

from avatar_camera.stream.supervision import Reason, State

_WHY = {
    Reason.NO_CAMERA: 'no camera is there',
    Reason.NO_FRAMES: 'the camera sends no pictures',
    Reason.BAD_FRAMES: 'the camera sends pictures that cannot be used',
    Reason.DEVICE_BUSY: 'another program holds the camera',
    Reason.NO_FFMPEG: 'ffmpeg cannot be used',
    Reason.ENCODER_FAILED: 'the encoder puts out no pictures',
    Reason.SERVER_DOWN: 'the media server does not answer',
    Reason.REFUSED: 'the media server refuses us',
}


@dataclass(frozen=True)
class Status:
    """All that is known of the picture now."""

    state: State = State.OFF
    reason: Reason = Reason.NONE
    detail: str = ''
    profile: str = ''
    fps: int = 0
    width: int = 0
    height: int = 0
    viewers: int = 0
    kbit_s: int = 0
    recording: str = ''
    recording_s: int = 0
    recording_ended: str = ''
    encoder: str = ''
    source: str = 'topic'
    age_ms: int | None = None

    @property
    def ok(self) -> bool:
        """Return whether it is as it should be."""
        return self.state is not State.STALLED and self.reason is Reason.NONE

    @property
    def sentence(self) -> str:
        """Return a sentence a person understands."""
        if self.state is State.OFF:
            return 'Nobody is watching.'
        why = _WHY.get(self.reason, '')
        if why and self.detail:
            why = f'{why}: {self.detail}'
        if self.state is State.STARTING:
            return f'Starting: {why}.' if why else 'Starting.'
        if self.state is State.STALLED:
            return f'No picture: {why}.'
        who = '1 viewer' if self.viewers == 1 else f'{self.viewers} viewers'
        recorded = ', being recorded' if self.recording else ''
        return f'{self.profile} at {self.fps} fps, {who}{recorded}.'

    def values(self) -> dict[str, object]:
        """Return the values of the message."""
        return {
            'state': self.state.value, 'reason': self.reason.value, 'detail': self.detail,
            'profile': self.profile, 'fps': self.fps, 'width': self.width,
            'height': self.height, 'viewers': self.viewers, 'kbit_s': self.kbit_s,
            'recording': self.recording, 'recording_s': self.recording_s,
            'recording_ended': self.recording_ended, 'encoder': self.encoder,
            'source': self.source, 'age_ms': '' if self.age_ms is None else self.age_ms,
        }

    def news(self) -> tuple[object, ...]:
        """Return what is published at once when it changes; the rest once a second."""
        return (self.state, self.reason, self.detail, self.profile, self.fps, self.width,
                self.height, self.viewers, self.recording, self.recording_ended)
