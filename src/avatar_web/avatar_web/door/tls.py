# SPDX-License-Identifier: Apache-2.0
"""
Certificates: the robot's own, or one that its owner brought.

Key and chain are one PEM file (mode 0600), replaced by a rename: a kill at any moment leaves the
old pair or the new one, never half of each. The own certificate is signed by itself, so browsers
ask once; `avatar tls show` prints the fingerprint to compare.
"""

import datetime
import ipaddress
import os
import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

OWN, BROUGHT = 'own.pem', 'brought.pem'

# Safari refuses more than 825 days, and others follow; renewed well before the end.
OWN_DAYS, RENEW_DAYS = 397, 30

MOST_PEM_BYTES = 200_000

UTC = datetime.timezone.utc


class TlsProblem(ValueError):
    """A certificate or key cannot be used; the text says why."""


@dataclass(frozen=True)
class Certificate:
    """What people want to know about a certificate."""

    names: tuple[str, ...]
    not_before: datetime.datetime
    not_after: datetime.datetime
    fingerprint: str

    def days_left(self, now: datetime.datetime) -> float:
        """Return for how many days it is valid; negative if it is not any more."""
        return (self.not_after - now).total_seconds() / 86400


def read_pair(cert_pem: bytes, key_pem: bytes, now: datetime.datetime) -> Certificate:
    """Return the first certificate of a chain; TlsProblem if it cannot be served with this key."""
    if len(cert_pem) > MOST_PEM_BYTES or len(key_pem) > MOST_PEM_BYTES:
        raise TlsProblem(f'certificate or key is larger than {MOST_PEM_BYTES} bytes')
    try:
        cert = x509.load_pem_x509_certificate(cert_pem)
    except ValueError as problem:
        raise TlsProblem('the certificate is not PEM ("-----BEGIN CERTIFICATE-----")') from problem
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except TypeError as problem:
        raise TlsProblem('the key has a password; remove it: openssl pkey -in KEY -out NEW'
                         ) from problem
    except ValueError as problem:
        raise TlsProblem('the key is not a PEM private key') from problem
    if _public(key.public_key()) != _public(cert.public_key()):
        raise TlsProblem('the key does not belong to the (first) certificate')
    about = _about(cert)
    if now > about.not_after:
        raise TlsProblem(f'the certificate ended on {about.not_after:%Y-%m-%d}')
    if now < about.not_before:
        raise TlsProblem(f'the certificate begins only on {about.not_before:%Y-%m-%d}; '
                         'is the clock of the robot right?')
    context_of(cert_pem + b'\n' + key_pem)
    return about


def _public(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined, no-any-return]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _about(cert: x509.Certificate) -> Certificate:
    try:
        alternatives = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [*alternatives.get_values_for_type(x509.DNSName),
                 *map(str, alternatives.get_values_for_type(x509.IPAddress))]
    except x509.ExtensionNotFound:
        raise TlsProblem('the certificate names no host (subjectAltName)') from None
    if hasattr(cert, 'not_valid_after_utc'):
        begin, end = cert.not_valid_before_utc, cert.not_valid_after_utc
    else:  # cryptography before 42, as Ubuntu 22.04 has it
        begin = cert.not_valid_before.replace(tzinfo=UTC)
        end = cert.not_valid_after.replace(tzinfo=UTC)
    digest = cert.fingerprint(hashes.SHA256()).hex().upper()
    fingerprint = ':'.join(digest[i:i + 2] for i in range(0, len(digest), 2))
    return Certificate(tuple(names), begin, end, fingerprint)


def make_own(names: Iterable[str], now: datetime.datetime) -> bytes:
    """Return key and certificate for these names and addresses, as one PEM."""
    names = list(names)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A day back: the clock of who looks may be behind ours.
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=OWN_DAYS))
        .add_extension(x509.SubjectAlternativeName(_alternative(n) for n in names), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256())
    )
    return cert.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption())


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def install(path: Path, pem: bytes) -> None:
    """Put key and chain in place, whole or not at all, readable by nobody else."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f'{path.name}.new')
    with suppress(FileNotFoundError):
        new.unlink()
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, 'wb') as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def read_file(path: Path, now: datetime.datetime) -> tuple[bytes, Certificate]:
    """Return the PEM of a file that `install` wrote; TlsProblem or OSError if it is none."""
    if path.stat().st_size > 2 * MOST_PEM_BYTES:
        raise TlsProblem(f'{path} is too large')
    pem = path.read_bytes()
    return pem, read_pair(pem, pem, now)


def context_of(pem: bytes) -> ssl.SSLContext:
    """Return a server's context with this key and chain; TlsProblem if OpenSSL refuses them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL reads files only; this one is nowhere but in memory.
    fd = os.memfd_create('pem')
    try:
        with open(fd, 'wb', closefd=False) as file:
            file.write(pem)
        context.load_cert_chain(f'/proc/self/fd/{fd}')
    except ssl.SSLError as problem:
        raise TlsProblem(f'OpenSSL refuses certificate or key: {problem.reason}') from problem
    finally:
        os.close(fd)
    return context
