"""Client certificates as a way of saying who one is.

Promises: who shows a certificate is the one it names, or is refused: one that names nobody, cannot be read or has ended since the
connection was made is never taken for nobody in particular.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.access.ways import Proven
from holdfast.access.identity import Identity, Way
from holdfast.errors import LoginRefusedError

if TYPE_CHECKING:
    from holdfast.access.certificates import CertificateNames
    from holdfast.access.conditions import Facts


class ClientCertificates:
    """Of clients whose certificates TLS has checked against ``http.tls.cacert``."""

    def __init__(self, names: CertificateNames) -> None:
        self._names = names

    def of(self, facts: Facts) -> Proven | None:
        """Raises LoginRefusedError: see the module."""
        connection = facts.connection
        if connection.is_unreadable:
            raise LoginRefusedError("the client certificate cannot be read")
        certificate = connection.certificate
        if certificate is None:
            return None
        if facts.wall_seconds > certificate.ends:
            raise LoginRefusedError("the client certificate has ended")
        name = self._names.name_in(certificate)
        if not name:
            raise LoginRefusedError("the client certificate names nobody here; see http.auth.mtls")
        return Proven(Identity(name, Way.CERTIFICATE))
