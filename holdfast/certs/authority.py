"""The authority of a cluster, and the certificates that it issues.

    authority      ECDSA P-256, signs certificates and nothing below another authority; O = the cluster's name
    certificate    ECDSA P-256, clientAuth; serverAuth too if it names hosts; hosts and the peer's URI as alternative names

The common name (``role/name``) can be no host's, because clients take a common name for a host where no DNS name is given.
A certificate without hosts is nobody's server: it lacks serverAuth.

Invariants: a certificate begins a little before ``now`` (clocks differ) and ends no later than its authority.

Never: writes a file, asks a clock, shows a key. The keys are made by the operating system's random numbers.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from holdfast.addresses import is_host
from holdfast.certs.facts import is_authority
from holdfast.certs.peer import Peer, is_label
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

AUTHORITY_DAYS: Final = 3650
_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


def make_authority(cluster: str, now: datetime, days: int = AUTHORITY_DAYS) -> Issued:
    """A new authority for the cluster of this name.

    Raises:
        ConfigError: no name of a cluster.
    """
    if not is_label(cluster):
        raise ConfigError("the name of a cluster is 1 to 63 letters, digits, dots, dashes, underscores")
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name((NameOID.ORGANIZATION_NAME, cluster), (NameOID.COMMON_NAME, f"authority of {cluster}"))
    certificate = (
        _builder(name, name, key, now, now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate, key)


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that can sign."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def cluster(self) -> str:
        return str(self.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)

    def issue(self, peer: Peer, hosts: Sequence[str], now: datetime, days: int) -> Issued:
        """A certificate for this process, reachable under ``hosts`` (IP addresses and host names).

        Raises:
            ConfigError: a host that is none, no days, or longer than the authority itself lasts.
        """
        ends = now + timedelta(days=days)
        if days < 1:
            raise ConfigError("a certificate lasts one day at least")
        if ends > self.certificate.not_valid_after_utc:
            last = self.certificate.not_valid_after_utc
            raise ConfigError(f"the authority itself ends on {last:%Y-%m-%d}; ask for fewer days, or make a new one")
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(
            (NameOID.ORGANIZATION_NAME, peer.cluster),
            (NameOID.COMMON_NAME, f"{peer.role}/{peer.name}"),
        )
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        names: list[x509.GeneralName] = [*map(_host, hosts), x509.UniformResourceIdentifier(peer.uri)]
        certificate = (
            _builder(subject, self.certificate.subject, key, now, ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_signed_by(self.certificate), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return _pem(certificate, key)


def open_authority(certificate: bytes, key: bytes) -> Authority:
    """The authority in these two PEM texts.

    Raises:
        ConfigError: not readable, not made by ``make_authority``, or the two do not belong together.
    """
    try:
        parsed = x509.load_pem_x509_certificate(certificate)
        signer = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError("the authority's files hold no certificate and no plain private key in PEM") from error
    if not isinstance(signer, ec.EllipticCurvePrivateKey) or signer.public_key() != parsed.public_key():
        raise ConfigError("the authority's key does not belong to its certificate")
    if not is_authority(parsed):
        raise ConfigError("this certificate is no authority's, and may not sign others")
    organizations = parsed.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    if len(organizations) != 1 or not is_label(str(organizations[0].value)):
        raise ConfigError("the authority's certificate names no cluster; make one by `holdfast certs init`")
    return Authority(parsed, signer)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(ends)
    )


def _name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def _host(text: str) -> x509.GeneralName:
    if not is_host(text):
        raise ConfigError(f"{text!r} is neither an IP address nor a host name; write it without scheme and port")
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text.removesuffix("."))


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed_by(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Issued(certificate.public_bytes(serialization.Encoding.PEM), plain)
