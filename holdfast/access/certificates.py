"""Who a client certificate names: the first of the configured parts that it has.

    CommonName, CN          the subject's common name
    Subject, DN             the whole subject, as RFC 4514 writes it: "CN=ann,O=example"
    Email, RFC822Name       the alternative name of this kind at emailSanIndex
    URI, URL                that at uriSanIndex; with uriSanPattern what the pattern's first group matches in it
    DNSName, DNS            that at dnsSanIndex

Promises: as zot, which looks at the common name alone unless told otherwise. A part that is not there, is empty, or whose pattern
does not match passes the question on to the next. Unlike zot, a certificate with two common names has none.

Never: guesses. Whom no part names is nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.patterns.expressions import Expression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.certs.client import ClientCertificate
    from holdfast.config.auth import Mtls

_KINDS: Final = {
    "commonname": "commonname",
    "cn": "commonname",
    "subject": "subject",
    "dn": "subject",
    "email": "email",
    "rfc822name": "email",
    "uri": "uri",
    "url": "uri",
    "dnsname": "dns",
    "dns": "dns",
}


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """``attributes``: words of the module's table, in any case.

    Raises:
        ValueError: an attribute that is none of them.
    """

    attributes: tuple[str, ...] = ("CommonName",)
    uri_pattern: Expression | None = None
    uri_index: int = 0
    dns_index: int = 0
    email_index: int = 0

    def __post_init__(self) -> None:
        if unknown := [word for word in self.attributes if _kind(word) is None]:
            raise ValueError(f"no part of a certificate that names somebody: {unknown[0]}")

    def name_in(self, certificate: ClientCertificate) -> str:
        """Empty: it names nobody."""
        for word in self.attributes:
            name = self._part(_kind(word), certificate)
            if name:
                return name
        return ""

    def _part(self, kind: str | None, certificate: ClientCertificate) -> str:
        if kind == "commonname":
            return certificate.common_names[0] if len(certificate.common_names) == 1 else ""
        if kind == "subject":
            return certificate.subject
        if kind == "email":
            return _at(certificate.emails, self.email_index)
        if kind == "dns":
            return _at(certificate.dns_names, self.dns_index)
        uri = _at(certificate.uris, self.uri_index)
        return uri if self.uri_pattern is None or not uri else self.uri_pattern.first_group_in(uri)


def certificate_names(mtls: Mtls | None) -> CertificateNames:
    """As configured. Raises ValueError: as the class."""
    if mtls is None:
        return CertificateNames()
    return CertificateNames(
        mtls.identity_attributes or CertificateNames().attributes,
        Expression(mtls.uri_san_pattern) if mtls.uri_san_pattern else None,
        mtls.uri_san_index,
        mtls.dns_san_index,
        mtls.email_san_index,
    )


def _kind(word: str) -> str | None:
    return _KINDS.get(word.strip().lower())


def _at(values: Sequence[str], index: int) -> str:
    return values[index] if index < len(values) else ""
