# SPDX-License-Identifier: Apache-2.0
"""The gate of one input: only a zero, or a silence that was listened to, opens it."""

from avatar_motor.attention import GAP_S, Attention
from avatar_motor.inputs import NEUTRAL_S, Input
from avatar_motor.limits import NEUTRAL, Velocity

GO = Velocity(0.3, 0.0)
SETTLED = 100.0


def after_start() -> Input:
    return Input(silent_from_s=SETTLED)


def test_at_the_start_it_is_closed_and_a_zero_opens_it():
    input_ = after_start()
    input_.receive(GO, 98.0)
    assert not input_.is_open
    input_.receive(NEUTRAL, 98.05)
    input_.receive(GO, 98.1)
    assert input_.is_open and input_.velocity == GO


def test_silence_counts_only_once_everybody_could_be_discovered():
    input_ = after_start()
    input_.listened(0.0, SETTLED + NEUTRAL_S - 0.01)
    assert not input_.is_open
    input_.listened(0.0, SETTLED + NEUTRAL_S + 0.001)
    assert input_.is_open
    held = after_start()
    for i in range(100):
        held.receive(GO, SETTLED - 1.0 + 0.05 * i)
        held.listened(0.0, held.heard_s)
        assert not held.is_open


def test_a_held_command_never_opens_a_closed_gate():
    input_ = after_start()
    input_.receive(NEUTRAL, 200.0)
    input_.close(200.1)
    for i in range(100):
        now_s = 200.1 + 0.05 * i
        input_.receive(GO, now_s)
        input_.listened(0.0, now_s)
        assert not input_.is_open
    input_.listened(0.0, now_s + NEUTRAL_S - 0.001)
    assert not input_.is_open
    input_.listened(0.0, now_s + NEUTRAL_S + 0.001)
    assert input_.is_open


def test_silence_that_nobody_listened_to_does_not_open():
    input_ = after_start()
    input_.close(500.0)
    input_.listened(500.2, 500.2 + NEUTRAL_S - 0.001)
    input_.receive(GO, 501.0)
    assert not input_.is_open
    input_.listened(500.2, 501.0 + NEUTRAL_S + 0.001)
    assert input_.is_open


def test_a_receiver_that_answers_late_or_is_not_asked_listens_anew():
    attention = Attention()
    attention.answered(10.0, 10.01)
    assert attention.since_s == 10.01  # what was before nobody knows
    for i in range(1, 10):
        attention.answered(10.0 + 0.05 * i, 10.01 + 0.05 * i)
    assert attention.since_s == 10.01
    attention.answered(10.5, 10.51 + GAP_S)
    assert attention.since_s == 10.51 + GAP_S
    attention.answered(11.0, 11.01)
    assert attention.since_s == 11.01


def test_silence_before_the_closing_does_not_count():
    input_ = after_start()
    input_.close(500.0)
    input_.listened(0.0, 500.1)
    input_.receive(GO, 500.1)
    assert not input_.is_open


def test_a_zero_received_before_the_closing_does_not_open():
    input_ = after_start()
    input_.close(500.0)
    input_.receive(NEUTRAL, 499.999)
    input_.receive(GO, 500.05)
    assert not input_.is_open


def test_what_came_late_stops_but_neither_moves_nor_opens():
    input_ = after_start()
    input_.receive(NEUTRAL, 200.0)
    input_.receive(GO, 200.1)
    input_.receive(Velocity(0.1, 0.0), 200.2, late=True)
    assert (input_.velocity, input_.heard_s) == (GO, 200.1)
    input_.close(200.3)
    input_.receive(NEUTRAL, 200.31, late=True)
    assert input_.velocity == NEUTRAL
    input_.receive(GO, 200.35)
    assert not input_.is_open


def test_a_bad_command_stops_and_counts_as_held():
    input_ = after_start()
    input_.receive(NEUTRAL, 200.0)
    input_.receive(GO, 200.1)
    input_.receive(None, 200.15)
    assert input_.velocity == NEUTRAL and input_.bad_s == 200.15
    assert input_.is_held(200.2) and not input_.is_held(200.5)
    input_.close(200.2)
    input_.receive(None, 200.45)
    input_.listened(0.0, 200.6)
    assert not input_.is_open


def test_held_means_the_newest_command_is_young_and_not_zero():
    input_ = after_start()
    assert not input_.is_held(1.0)
    input_.receive(GO, 200.0)
    assert input_.is_held(200.29) and not input_.is_held(200.31)
    input_.receive(GO, 201.0)
    input_.receive(NEUTRAL, 201.0)
    assert not input_.is_held(201.0)
