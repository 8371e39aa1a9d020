# SPDX-License-Identifier: Apache-2.0
"""When the gateway takes itself for deaf."""

from avatar_web.driving.hearing import DEAF_S, LATER_S, SLEPT_S, Hearing


def test_without_a_pause_silence_is_somebody_elses():
    hearing = Hearing()
    hearing.slept(SLEPT_S, 10.0)
    assert not hearing.is_deaf(1000.0)


def test_silence_after_a_pause_is_deafness():
    hearing = Hearing()
    hearing.slept(1.2, 10.0)
    assert not hearing.is_deaf(10.0 + DEAF_S)
    assert hearing.is_deaf(10.1 + DEAF_S)


def test_what_had_waited_proves_nothing_and_what_comes_later_does():
    hearing = Hearing()
    hearing.slept(1.2, 10.0)
    hearing.heard(10.0 + LATER_S)
    assert hearing.is_deaf(20.0)
    hearing.heard(10.1 + LATER_S)
    assert not hearing.is_deaf(20.0)


def test_another_pause_begins_anew():
    hearing = Hearing()
    hearing.slept(1.2, 10.0)
    hearing.slept(1.2, 13.0)
    assert not hearing.is_deaf(15.0)
