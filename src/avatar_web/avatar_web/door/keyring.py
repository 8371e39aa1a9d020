# SPDX-License-Identifier: Apache-2.0
"""Which certificate is served: the brought one if it is usable, else the own one; renewed."""

import datetime
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path

from avatar_web.door import tls
from avatar_web.door.tls import Certificate, TlsProblem

WARN_DAYS = 14


def now_utc() -> datetime.datetime:
    """Return the wall clock."""
    return datetime.datetime.now(tls.UTC)


class Keyring:
    """
    The TLS context of a gateway, and the certificates under `folder`.

    `names` are what a new own certificate is for: names first, then addresses. It is made anew
    when it ends soon or a name (not an address: those come and go) is missing in it.
    """

    def __init__(
        self, folder: Path, names: Iterable[str], say: Callable[[str], None],
        clock: Callable[[], datetime.datetime] = now_utc,
    ) -> None:
        self._folder, self._names, self._say, self._clock = folder, tuple(names), say, clock
        self._loaded, self._said = b'', ''
        self._context: ssl.SSLContext | None = None
        self._unkept: tuple[bytes, Certificate] | None = None
        self.certificate: Certificate | None = None

    def server_context(self) -> ssl.SSLContext:
        """Return the context to listen with; it always serves what was loaded last."""
        if self._context is None:
            self.refresh()
        context = tls.context_of(self._loaded)

        def choose(
            handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
        ) -> None:
            # Loading into the context in use would leave an old key of another type beside it.
            if self._context is not None:
                handshake.context = self._context

        context.sni_callback = choose
        return context

    def refresh(self) -> str:
        """Load what is to be served now; return a sentence about it. Blocking (disk, key)."""
        problem = ''
        try:
            pem, certificate = tls.read_file(self._folder / tls.BROUGHT, self._clock())
        except FileNotFoundError:
            pem, certificate = self._own()
        except (OSError, TlsProblem) as failure:
            problem = (f'the certificate that was brought cannot be used: {failure}; '
                       'the own one is served. Bring another: avatar tls')
            pem, certificate = self._own()
        else:
            days = certificate.days_left(self._clock())
            if days < WARN_DAYS:
                problem = (f'the certificate that was brought ends in {days:.0f} days; '
                           'bring another: avatar tls')
        if pem != self._loaded:
            self._context = tls.context_of(pem)
            self._loaded, self.certificate = pem, certificate
        if problem and problem != self._said:
            self._say(problem)
        self._said = problem
        return problem or (f'serving the certificate {certificate.fingerprint}, '
                           f'valid until {certificate.not_after:%Y-%m-%d}')

    def _own(self) -> tuple[bytes, Certificate]:
        path, now = self._folder / tls.OWN, self._clock()
        try:
            pem, certificate = tls.read_file(path, now)
            if certificate.days_left(now) > tls.RENEW_DAYS and not self._missing(certificate):
                return pem, certificate
        except FileNotFoundError:
            pass
        except (OSError, TlsProblem) as problem:
            self._say(f'{path} cannot be used: {problem}; a new certificate is made')
        if self._unkept is not None and self._unkept[1].days_left(now) > tls.RENEW_DAYS:
            return self._unkept
        pem = tls.make_own(self._names, now)
        made = pem, tls.read_pair(pem, pem, now)
        try:
            tls.install(path, pem)
            self._unkept = None
        except OSError as problem:
            self._unkept = made
            self._say(f'the new certificate cannot be kept: {problem}; browsers will ask again '
                      'after the next start')
        return made

    def _missing(self, certificate: Certificate) -> bool:
        return not set(filter(_is_name, self._names)) <= set(certificate.names)


def _is_name(name: str) -> bool:
    return not name.replace('.', '').isdigit() and ':' not in name
