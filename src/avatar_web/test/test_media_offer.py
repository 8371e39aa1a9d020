# SPDX-License-Identifier: Apache-2.0
"""Offers of browsers: which can become a picture."""

import pytest

from avatar_web.media.offer import OfferProblem, check

SESSION = ('v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\n'
           'a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 00:11\r\n')
VIDEO = 'm=video 9 UDP/TLS/RTP/SAVPF 96 102\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\n'
H264 = 'a=rtpmap:102 H264/90000\r\n'


def test_an_offer_to_receive_h264_passes() -> None:
    text = SESSION + VIDEO + H264
    assert check(text.encode()) == text
    assert check(text.replace('\r\n', '\n').encode())
    assert check(text.replace('recvonly', 'sendrecv').encode())
    assert check((SESSION + 'm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n' + VIDEO + H264).encode())


@pytest.mark.parametrize(('body', 'code'), [
    (b'', 'sdp'), (b'\xff\xfe', 'sdp'), (b'hello', 'sdp'), (b'{}', 'sdp'),
    (SESSION.encode(), 'sdp'),
    ((SESSION + VIDEO.replace('recvonly', 'sendonly') + H264).encode(), 'sdp'),
    ((SESSION + VIDEO.replace('recvonly', 'inactive') + H264).encode(), 'sdp'),
    ((SESSION + VIDEO + H264 + '\0').encode(), 'sdp'),
    ((SESSION.replace('a=ice-ufrag', 'a=x') + VIDEO + H264).encode(), 'sdp'),
    ((SESSION + VIDEO).encode(), 'no_h264'),
    # H.264 that is somewhere else than in the video.
    ((SESSION + VIDEO + 'm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n' + H264).encode(), 'no_h264'),
])
def test_any_other_says_what_is_wrong(body: bytes, code: str) -> None:
    with pytest.raises(OfferProblem) as problem:
        check(body)
    assert problem.value.code == code
    assert str(problem.value)
