"""What a client's certificate says of it.

Promises: the parts that identities and conditions are made of, in the certificate's order. A certificate that cannot be read, be
it in one part, is refused as a whole: nobody comes in by half of one.

Never: checks a signature. TLS has done that before anybody asks here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable

# Nobody's name or address is longer; what is would fill logs and records.
_LONGEST: Final = 1024
_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """``serial`` and ``fingerprint`` (SHA-256) in hexadecimal; ``ends`` as seconds since 1970."""

    subject: str
    issuer: str
    serial: str
    fingerprint: str
    ends: float
    common_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()


def client_certificate(der: bytes) -> ClientCertificate:
    """Raises ValueError: it is malformed, or says what no name may hold."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = _alternative_names(certificate)
        return ClientCertificate(
            subject=_text(certificate.subject.rfc4514_string()),
            issuer=_text(certificate.issuer.rfc4514_string()),
            serial=f"{certificate.serial_number:x}",
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
            ends=certificate.not_valid_after_utc.timestamp(),
            common_names=_texts(
                attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            ),
            uris=_texts(names.get_values_for_type(x509.UniformResourceIdentifier)),
            dns_names=_texts(names.get_values_for_type(x509.DNSName)),
            emails=_texts(names.get_values_for_type(x509.RFC822Name)),
        )
    except (ValueError, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(f"the client certificate cannot be read: {type(error).__name__}") from error


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _texts(values: Iterable[str | bytes]) -> tuple[str, ...]:
    found = tuple(map(_text, values))
    if len(found) > _MOST:
        raise ValueError("more names than anybody has")
    return found


def _text(value: str | bytes) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise ValueError("no printable text of a sensible length")
    return value
