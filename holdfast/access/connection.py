"""What is known of the connection that a request came on.

Invariants: known once, when the connection is made; nothing in it comes from the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.certs.client import ClientCertificate


@dataclass(frozen=True, slots=True)
class Connection:
    """``version`` "": plain HTTP. ``certificate``: what the client has shown, believed. ``is_unreadable``: it has shown one that
    says nothing that could be read.
    """

    version: str = ""
    cipher: str = ""
    certificate: ClientCertificate | None = None
    is_unreadable: bool = False

    def values(self) -> dict[str, object]:
        """The variables of an expression; those of a client without a certificate are empty."""
        shown = self.certificate
        return {
            "version": self.version,
            "cipher": self.cipher,
            "client": {
                "subject": shown.subject if shown else "",
                "issuer": shown.issuer if shown else "",
                "serial": shown.serial if shown else "",
                "fingerprint": shown.fingerprint if shown else "",
                "uris": list(shown.uris) if shown else [],
                "dnsNames": list(shown.dns_names) if shown else [],
                "emails": list(shown.emails) if shown else [],
            },
        }
