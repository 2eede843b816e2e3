"""What a certificate says, and whether a key belongs to it.

Promises: the facts that people and programs here decide by. A certificate made elsewhere is read as well; what it does
not say is None or empty.

Never: checks a signature (TLS does), shows a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from holdfast.certs.peer import SCHEME, Peer, parse_peer
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """One certificate. ``peer`` is None where it names no process, or more than one."""

    subject: str
    issuer: str
    is_authority: bool
    peer: Peer | None
    hosts: tuple[str, ...]
    begins: datetime
    ends: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days until it ends; negative once it has ended."""
        return (self.ends - now).days


def facts_of(pem: bytes) -> Facts:
    """The facts of the first certificate in a PEM text, which is the process's own where a chain follows.

    Raises:
        ConfigError: no certificate.
    """
    certificate = _certificate(pem)
    names = _names(certificate)
    return Facts(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        is_authority=is_authority(certificate),
        peer=peer_of(names.get_values_for_type(x509.UniformResourceIdentifier)),
        hosts=(
            *names.get_values_for_type(x509.DNSName),
            *map(str, names.get_values_for_type(x509.IPAddress)),
        ),
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
    )


def peer_of(uris: Iterable[str]) -> Peer | None:
    """The process that a certificate with these URIs names; None for none, for two, and for a role unknown here."""
    ours = [uri for uri in uris if uri.startswith(SCHEME)]
    if len(ours) != 1:
        return None
    try:
        return parse_peer(ours[0])
    except ValueError:
        return None


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def require_pair(certificate: bytes, key: bytes) -> None:
    """Raises ConfigError unless the key is the certificate's."""
    public = _certificate(certificate).public_key()
    try:
        private = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError("no private key in PEM, or one with a passphrase") from error
    if private.public_key() != public:
        raise ConfigError("the key does not belong to the certificate; were both files replaced together?")


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except ValueError as error:
        raise ConfigError("no certificate in PEM") from error


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])
