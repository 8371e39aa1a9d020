# SPDX-License-Identifier: Apache-2.0
"""
Which servers help a browser to reach the robot: none, unless somebody configured some.

A STUN server tells a browser its public address, a TURN server relays where nothing else works. A
TURN server is given credentials that end by themselves: with a shared secret (`use-auth-secret`
of coturn) the user name is the time they end, the password its HMAC-SHA1 by the secret.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

VALID_S = 12 * 3600
"""Longer than a drive: a relay that is refused in the middle of one takes the picture away."""

MOST_SERVERS = 8

_URL = re.compile(
    r'(?P<scheme>stuns?|turns?):(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])'
    r'(?P<port>:[0-9]{1,5})?(?P<transport>\?transport=(?:udp|tcp))?', re.ASCII)


class IceProblem(ValueError):
    """An address of an ICE server that is none; the text says which, and what one looks like."""


@dataclass(frozen=True)
class IceServers:
    """The configured servers; `secret` is what the TURN servers share with this robot."""

    urls: tuple[str, ...] = ()
    secret: str = ''

    @classmethod
    def parse(cls, text: str, secret: str = '') -> 'IceServers':
        """Return the servers of a text like `stun:host:3478, turn:host?transport=tcp`."""
        urls = tuple(part.strip() for part in text.split(',') if part.strip())
        for url in urls:
            if not _URL.fullmatch(url):
                raise IceProblem(f'{url!r} is no ICE server; one looks like stun:HOST:3478 or '
                                 'turn:HOST:3478?transport=udp')
            if url.startswith('stun') and '?' in url:
                raise IceProblem(f'{url!r}: a STUN server has no transport')
        if len(urls) > MOST_SERVERS:
            raise IceProblem(f'{len(urls)} ICE servers: more than {MOST_SERVERS} only slow '
                             'the joining down')
        if any(url.startswith('turn') for url in urls) and not secret:
            raise IceProblem('a TURN server without a secret lets nobody in: put what coturn has '
                             'as static-auth-secret into the file turn_secret_file names')
        return cls(urls, secret)

    def for_page(self, who: str, wall_s: float) -> list[dict[str, str]]:
        """
        Return what `RTCPeerConnection({iceServers})` takes.

        `who` only tells people apart in the log of the TURN server; `wall_s` is Unix time, as
        that server's clock shows it.
        """
        user = f'{int(wall_s) + VALID_S}:{_plain(who)}'
        digest = hmac.new(self.secret.encode(), user.encode(), hashlib.sha1).digest()
        credentials = {'username': user, 'credential': base64.b64encode(digest).decode()}
        return [{'urls': url, **(credentials if url.startswith('turn') else {})}
                for url in self.urls]


def link_header(servers: Iterable[dict[str, str]]) -> str:
    """Return the servers as the Link header of WHEP, for clients that are not our page."""
    links = []
    for server in servers:
        link = f'<{server["urls"]}>; rel="ice-server"'
        if 'username' in server:
            link += (f'; username="{server["username"]}"; credential="{server["credential"]}"'
                     '; credential-type="password"')
        links.append(link)
    return ', '.join(links)


def _plain(who: str) -> str:
    return re.sub(r'[^A-Za-z0-9_-]', '_', who)[:32]
