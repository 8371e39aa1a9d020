# SPDX-License-Identifier: Apache-2.0
"""Tokens of the media server: for one action, one path, one connection, half a minute."""

import pytest

from avatar_node.media_token import LIFETIME_S, Verifier, make

NOW = 1000.0


def token(secret: str = 's', action: str = 'publish', path: str = 'camera') -> str:
    return make(secret, action, path, NOW, bytes(range(8)))


def test_a_token_is_good_for_the_first_connection_only() -> None:
    verifier = Verifier('s')
    assert verifier.problem(token(), 'publish', 'camera', 'a', NOW) is None
    assert verifier.problem(token(), 'publish', 'camera', 'a', NOW + 1) is None
    assert verifier.problem(token(), 'publish', 'camera', 'b', NOW + 1) == 'the token is spent'


def test_a_connection_without_a_name_cannot_come_again_under_it() -> None:
    assert Verifier('s').problem(token(), 'publish', 'camera', '', NOW) is not None


@pytest.mark.parametrize('given', [
    token('other'), token(action='read'), token(path='microphone'), '', 'x', token()[:-1],
    token() + '0', token().upper(), token().replace('-', '.'), '1000000-٠.' + '0' * 64])
def test_another_secret_action_or_path_and_garbage_are_refused(given: str) -> None:
    assert Verifier('s').problem(given, 'publish', 'camera', 'a', NOW) is not None


def test_a_token_dies_of_age_and_is_then_forgotten() -> None:
    verifier = Verifier('s')
    assert verifier.problem(token(), 'publish', 'camera', 'a', NOW + LIFETIME_S) is None
    assert verifier.problem(token(), 'publish', 'camera', 'a', NOW + LIFETIME_S + 1) is not None
    assert verifier.problem(token(), 'publish', 'camera', 'a', NOW - 5) is not None
    later = make('s', 'read', 'camera', NOW + 100, bytes(8))
    assert verifier.problem(later, 'read', 'camera', 'b', NOW + 100) is None
    assert len(verifier._spent) == 1


def test_without_a_secret_nothing_is_made_and_nothing_admitted() -> None:
    with pytest.raises(ValueError, match='secret'):
        make('', 'publish', 'camera', NOW, bytes(8))
    assert Verifier('').problem(token(), 'publish', 'camera', 'a', NOW) is not None


def test_a_reader_by_rtsp_has_two_names_and_a_third_is_somebody_else() -> None:
    verifier = Verifier('s')
    given = token(action='read')
    for connection in ('connection', 'session', 'connection', 'session'):
        assert verifier.problem(given, 'read', 'camera', connection, NOW, connections=2) is None
    assert verifier.problem(given, 'read', 'camera', 'c', NOW, connections=2) is not None


def test_a_new_verifier_refuses_what_may_be_spent_at_the_one_before() -> None:
    assert Verifier('s', since_s=NOW).problem(token(), 'publish', 'camera', 'a', NOW) is None
    late = Verifier('s', since_s=NOW + 1)
    assert 'before' in str(late.problem(token(), 'publish', 'camera', 'a', NOW + 2))
