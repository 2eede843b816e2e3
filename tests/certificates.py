"""Certificates for tests: an authority, what it signs for servers and clients, its revocation list."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Files:
    """A certificate and its key."""

    certificate: Path
    key: Path

    @property
    def settings(self) -> dict[str, str]:
        return {"cert": str(self.certificate), "key": str(self.key)}


class Authority:
    """Signs. Its files lie in ``directory``."""

    def __init__(self, directory: Path, name: str = "tests") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority of {name}")])
        self._issued: dict[str, x509.Certificate] = {}
        made = _builder(self._name, self._name, self._key)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        self.file = directory / "ca.crt"
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """A client that believes servers of this authority, and shows nothing of its own."""
        return ssl.create_default_context(cafile=str(self.file))

    def client(self, shown: Files) -> ssl.SSLContext:
        """The same, showing a certificate."""
        context = ssl.create_default_context(cafile=str(self.file))
        context.load_cert_chain(shown.certificate, shown.key)
        return context

    def server(self, *hosts: str, name: str = "server") -> Files:
        names = [x509.IPAddress(ipaddress.ip_address(host)) for host in hosts or ("127.0.0.1",)]
        return self.issue(name, names, usage=ExtendedKeyUsageOID.SERVER_AUTH)

    def issue(
        self,
        name: str,
        names: Sequence[x509.GeneralName] = (),
        *,
        common_names: Sequence[str] | None = None,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        days: int = 2,
    ) -> Files:
        """``name`` names the files, and is the common name if no others are given."""
        key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "example")]
        parts += [x509.NameAttribute(NameOID.COMMON_NAME, one) for one in (common_names or (name,))]
        made = _builder(x509.Name(parts), self._name, key, days)
        made = made.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = self._issued[name] = made.sign(self._key, hashes.SHA256())
        files = Files(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        plain = serialization.NoEncryption()
        files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        files.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return files

    def der(self, name: str) -> bytes:
        """What this authority has issued under a name."""
        return self._issued[name].public_bytes(serialization.Encoding.DER)

    def revocations(self, *names: str) -> bytes:
        """The list of those that do not count any more, as PEM."""
        now = dt.datetime.now(dt.UTC)
        made = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        made = made.last_update(now - _DAY).next_update(now + _DAY)
        for name in names:
            revoked = x509.RevokedCertificateBuilder().serial_number(self._issued[name].serial_number)
            made = made.add_revoked_certificate(revoked.revocation_date(now - _DAY).build())
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 2
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    return made.not_valid_before(now - 2 * _DAY).not_valid_after(now + days * _DAY)
