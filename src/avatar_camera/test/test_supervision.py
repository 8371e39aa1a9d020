# SPDX-License-Identifier: Apache-2.0
"""When an encoder is started and ended, second by second, without one."""

from __future__ import annotations

from avatar_camera.stream.supervision import (
    FIRST_PAUSE_S,
    HUNG_S,
    LONGEST_PAUSE_S,
    NO_CAMERA_PAUSE_S,
    SILENT_S,
    SOUND_S,
    STALLED_S,
    Action,
    Reason,
    State,
    Supervision,
)


def live(now_s: float = 10.0) -> Supervision:
    """Return one whose encoder put out a picture now."""
    one = Supervision()
    one.decide(now_s - 0.2, wanted=True)
    one.on_frame(now_s - 0.2)
    assert one.decide(now_s - 0.2, wanted=True) is Action.START
    one.on_started(now_s - 0.2)
    one.on_offered(now_s - 0.2)
    one.on_output(now_s)
    return one


def test_nothing_runs_without_a_wish_or_a_camera() -> None:
    one = Supervision()
    one.on_frame(0.0)
    assert one.decide(0.0, wanted=False) is Action.NOTHING
    assert one.state(0.0) == (State.OFF, Reason.NONE)
    one = Supervision()
    assert one.decide(0.0, wanted=True) is Action.NOTHING
    assert one.state(0.5)[0] is State.STARTING
    assert one.state(10.0) == (State.STALLED, Reason.NO_FRAMES)


def test_it_is_live_while_pictures_come_out() -> None:
    one = live(10.0)
    assert one.state(10.0) == (State.LIVE, Reason.NONE)
    assert one.state(10.0 + STALLED_S - 0.1)[0] is State.LIVE
    assert one.decide(10.1, wanted=False) is Action.END


def test_a_camera_of_one_frame_a_second_is_live() -> None:
    one = live(10.0)
    for second in range(11, 30):
        one.on_frame(second)
        one.on_offered(second)
        one.on_output(second + 0.3)
        assert one.state(second + 1.2)[0] is State.LIVE
        assert one.decide(second + 0.9, wanted=True) is Action.NOTHING
        assert not one.is_hung(second + 0.9)


def test_a_silent_camera_ends_the_encoder_so_that_the_card_is_seen() -> None:
    one = live(10.0)
    assert one.decide(9.8 + SILENT_S, wanted=True) is Action.END
    one.on_ended()
    assert one.state(9.8 + SILENT_S) == (State.STALLED, Reason.NO_FRAMES)
    assert one.decide(20.0, wanted=True) is Action.NOTHING
    one.on_frame(20.1)
    assert one.decide(20.1, wanted=True) is Action.START


def test_an_encoder_that_takes_frames_and_gives_none_hangs() -> None:
    one = live(10.0)
    one.on_offered(11.0)
    for tenth in range(110, 110 + int(HUNG_S * 10)):
        one.on_frame(tenth / 10)
        one.on_offered(tenth / 10)
        assert not one.is_hung(tenth / 10)
    assert one.is_hung(11.0 + HUNG_S)
    assert one.state(11.0 + HUNG_S)[0] is State.STALLED


def test_the_end_of_a_camera_is_no_failure_of_the_encoder() -> None:
    """Even if the last picture never comes out: some encoders keep it until the next."""
    one = live(10.0)
    one.on_frame(10.1)
    one.on_offered(10.1)
    for tenth in range(1, 120):
        now_s = 10.1 + tenth / 10
        state, reason = one.state(now_s)
        assert reason in (Reason.NONE, Reason.NO_FRAMES) and not one.is_hung(now_s), now_s
        assert one.decide(now_s, wanted=True) is (
            Action.END if now_s >= 10.1 + SILENT_S else Action.NOTHING)
    assert state is State.STALLED


def test_failures_are_tried_again_ever_more_slowly_until_one_is_sound() -> None:
    one, now_s, starts = Supervision(), 0.0, []
    while now_s < 100:
        one.on_frame(now_s)
        if one.decide(now_s, wanted=True) is Action.START:
            starts.append(now_s)
            one.on_started(now_s)
            one.on_failed(now_s + 0.1, Reason.ENCODER_FAILED)
            assert one.state(now_s + 0.1) == (State.STALLED, Reason.ENCODER_FAILED)
        now_s += 0.1
    pauses = [b - a for a, b in zip(starts, starts[1:], strict=False)]
    assert pauses == sorted(pauses) or max(pauses) < LONGEST_PAUSE_S + 0.5
    assert 9 < pauses[-1] < LONGEST_PAUSE_S + 0.5
    assert len(starts) < 16
    # One that ran well fails for the first time again.
    one.on_started(200.0)
    one.on_output(200.0 + SOUND_S)
    one.on_failed(200.0 + SOUND_S, Reason.ENCODER_FAILED)
    one.on_frame(200.6 + SOUND_S)
    assert one.decide(200.6 + SOUND_S, wanted=True) is Action.START


def test_a_camera_that_was_long_away_has_no_old_failures() -> None:
    one, now_s = Supervision(needs_frames=False), 0.0
    for _ in range(100):
        assert one.decide(now_s, wanted=True) is Action.START
        one.on_failed(now_s, Reason.NO_CAMERA)
        now_s += NO_CAMERA_PAUSE_S
    # It is back, and not ready yet.
    one.on_started(now_s)
    one.on_failed(now_s, Reason.ENCODER_FAILED)
    assert one.decide(now_s + FIRST_PAUSE_S, wanted=True) is Action.START


def test_who_looks_away_and_back_does_not_wait_for_an_old_failure() -> None:
    one = live(10.0)
    for _ in range(10):
        one.on_failed(11.0, Reason.ENCODER_FAILED)
    one.on_frame(11.5)
    assert one.decide(11.5, wanted=True) is Action.NOTHING
    assert one.decide(11.6, wanted=False) is Action.NOTHING
    assert one.decide(11.7, wanted=True) is Action.START


def test_an_encoder_that_has_the_camera_itself_is_watched_by_its_output() -> None:
    one = Supervision(needs_frames=False)
    assert one.decide(0.0, wanted=True) is Action.START
    one.on_started(0.0)
    assert one.state(1.0)[0] is State.STARTING
    one.on_output(1.2)
    assert one.state(1.3)[0] is State.LIVE
    assert one.frame_age_s(1.5) is not None
    assert one.state(1.3 + STALLED_S) == (State.STALLED, Reason.NO_FRAMES)
    assert one.is_hung(1.2 + HUNG_S)
    assert one.silence is Reason.NO_FRAMES
