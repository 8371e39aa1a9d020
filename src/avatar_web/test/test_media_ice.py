# SPDX-License-Identifier: Apache-2.0
"""Servers that help to reach the robot, and credentials that end by themselves."""

import base64
import hashlib
import hmac

import pytest

from avatar_web.media.ice import VALID_S, IceProblem, IceServers, link_header


def test_without_configuration_nobody_outside_is_asked() -> None:
    assert IceServers.parse('').for_page('ann', 0) == []
    assert IceServers.parse(' , ').urls == ()


def test_stun_and_turn_as_the_page_takes_them() -> None:
    servers = IceServers.parse(
        'stun:stun.example.org:3478, turn:10.8.0.1:3478?transport=udp,turns:[fd00::1]', 'geheim')
    stun, turn, turns = servers.for_page('session 1', 1_700_000_000.5)
    assert stun == {'urls': 'stun:stun.example.org:3478'}
    assert turn['urls'] == 'turn:10.8.0.1:3478?transport=udp'
    assert turns['urls'] == 'turns:[fd00::1]'
    # As coturn with use-auth-secret computes it.
    assert turn['username'] == f'{1_700_000_000 + VALID_S}:session_1'
    wanted = hmac.new(b'geheim', turn['username'].encode(), hashlib.sha1).digest()
    assert base64.b64decode(turn['credential']) == wanted
    assert 'geheim' not in str(servers.for_page('x', 0))


@pytest.mark.parametrize('text', [
    'http://example.org', 'stun:', 'stun:a b', 'turn:host;x', 'stun:host?transport=udp',
    'stun:h"ost', 'turn:host:1?transport=sctp', 'stun:host\r\nX: y', ','.join(['stun:a'] * 9)])
def test_what_is_no_server_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(IceProblem):
        IceServers.parse(text, 'x')


def test_turn_needs_a_secret() -> None:
    with pytest.raises(IceProblem, match='turn_secret_file'):
        IceServers.parse('turn:host')


def test_link_header_for_other_clients() -> None:
    assert link_header(IceServers.parse('stun:a, stun:b').for_page('x', 0)) == (
        '<stun:a>; rel="ice-server", <stun:b>; rel="ice-server"')
    assert 'credential-type="password"' in link_header(
        IceServers.parse('turn:a', 'x').for_page('x', 0))
