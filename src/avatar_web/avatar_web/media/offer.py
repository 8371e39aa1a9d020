# SPDX-License-Identifier: Apache-2.0
"""Whether the offer of a browser can become a picture; what is wrong with it, if it cannot."""

import re

MOST_BYTES = 64 * 1024
"""Browsers send 2 to 12 KB."""

_H264 = re.compile(r'a=rtpmap:\d{1,3} H264/90000', re.IGNORECASE)


class OfferProblem(ValueError):
    """An offer that leads to no picture: a code for the page, a sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def check(body: bytes) -> str:
    """Return the text of an offer to receive H.264; OfferProblem for anything else."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise OfferProblem('sdp', 'the offer is not text') from None
    session, *medias = re.split(r'^(?=m=)', text, flags=re.MULTILINE)
    if not session.startswith('v=0') or '\0' in text:
        raise OfferProblem('sdp', 'the offer is not SDP')
    videos = [media for media in medias if media.startswith('m=video ')]
    if not videos:
        raise OfferProblem('sdp', 'the offer asks for no picture')
    if all(_attribute(video, 'sendonly') or _attribute(video, 'inactive') for video in videos):
        raise OfferProblem('sdp', 'the offer does not want to receive a picture')
    if 'a=ice-ufrag:' not in text or 'a=fingerprint:' not in text:
        raise OfferProblem('sdp', 'the offer has no ICE credentials or no fingerprint')
    if not any(_H264.search(video) for video in videos):
        raise OfferProblem('no_h264', 'this browser cannot show H.264, which the robot sends: '
                           'try another browser, or one with its proprietary codecs')
    return text


def _attribute(media: str, name: str) -> bool:
    return re.search(rf'^a={name}\r?$', media, re.MULTILINE) is not None
