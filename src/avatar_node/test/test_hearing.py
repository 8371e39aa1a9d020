# SPDX-License-Identifier: Apache-2.0
"""When a node takes itself for deaf."""

from avatar_node.hearing import DEAF_S, GAP_S, Hearing


def deaf_after_s(hearing: Hearing, start_s: float, is_there: bool = True) -> float:
    """Ask each second from start_s on; return how long after it the answer was yes, or -1."""
    return next((float(s) for s in range(20) if hearing.is_deaf(is_there, start_s + s)), -1.0)


def test_silence_of_a_peer_that_is_there_is_deafness() -> None:
    hearing = Hearing()
    hearing.heard(10.0)
    assert deaf_after_s(hearing, 10.0) == DEAF_S + 1


def test_a_peer_that_is_gone_is_silent() -> None:
    hearing = Hearing()
    hearing.heard(10.0)
    assert deaf_after_s(hearing, 10.0, is_there=False) == -1


def test_a_peer_that_is_back_has_time_to_speak() -> None:
    hearing = Hearing()
    hearing.heard(10.0)
    assert not hearing.is_deaf(False, 100.0)
    assert deaf_after_s(hearing, 101.0) == DEAF_S + 1


def test_who_never_heard_it_would_not_hear_it_after_a_new_start_either() -> None:
    assert deaf_after_s(Hearing(), 10.0) == -1


def test_what_is_said_now_and_then_is_heard() -> None:
    hearing = Hearing()
    for second in range(100):
        hearing.heard(float(second))
        assert not hearing.is_deaf(True, second + DEAF_S / 2)


def test_who_was_held_up_listens_anew() -> None:
    hearing = Hearing()
    hearing.heard(10.0)
    assert not hearing.is_deaf(True, 10.0)
    assert deaf_after_s(hearing, 10.1 + GAP_S + 60.0) == DEAF_S + 1
