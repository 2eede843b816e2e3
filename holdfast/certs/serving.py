"""What a server shows its clients, and whom of them it believes: files that become a TLS context.

Promises: TLS 1.2 or newer with suites that keep no key for later (ECDHE, AEAD), HTTP/1.1, no renegotiation, no compression. Every
fault of the files is told with the configuration's path, what is wrong and what to do. A context is made whole or not at all, so
whoever keeps the one before serves on while files are being replaced.

The authority's file may hold certificates of several authorities, intermediate ones too, and their revocation lists; with a list in
it each client certificate is looked up, and one whose issuer has no valid list is refused.

Never: asks a terminal for a passphrase, puts contents of a file into a message.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509

from holdfast.certs.facts import facts_of, require_pair
from holdfast.certs.files import read
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

# Mozilla's "intermediate" suites of TLS 1.2 without those that need a file of Diffie-Hellman parameters; OpenSSL adds TLS 1.3's.
_SUITES: Final = ":".join(
    f"ECDHE-{kind}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for kind in ("ECDSA", "RSA")
)
_LIST: Final = b"-----BEGIN X509 CRL-----"
_AT: Final = "http.tls"


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """``authority`` None: no client is asked for a certificate. ``requires_client``: none comes in without."""

    certificate: Path
    key: Path
    authority: Path | None = None
    requires_client: bool = False

    def stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Another one after a file has changed; None for a file that is not there."""
        return tuple(_stamp(path) for path in (self.certificate, self.key, self.authority) if path is not None)

    def missing(self) -> dict[str, Path]:
        """Those that are not there, by their keys in the configuration."""
        named = {"cert": self.certificate, "key": self.key, "cacert": self.authority}
        return {key: path for key, path in named.items() if path is not None and not path.exists()}


def server_context(files: ServerFiles) -> ssl.SSLContext:
    """Raises ConfigError: a file cannot be read, or does not hold what it should; ``detail`` says which."""
    _require(files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        # A passphrase given, be it an empty one, keeps OpenSSL from asking the terminal.
        context.load_cert_chain(files.certificate, files.key, password="")
    except OSError as error:  # an SSLError is one
        raise _fault("cert", f"cannot be used: {_reason(error)}", "replace certificate and key together") from error
    if files.authority is not None:
        _believe(context, files.authority, requires=files.requires_client)
    return context


def _require(files: ServerFiles) -> None:
    """Of all that may be wrong with the files, what a person can mend."""
    certificate = _content("cert", files.certificate)
    key = _content("key", files.key)
    try:
        facts_of(certificate)
    except ConfigError as error:
        raise _fault("cert", f"{files.certificate}: {error.message}", "name the PEM file of the chain") from error
    try:
        require_pair(certificate, key)
    except ConfigError as error:
        raise _fault("key", f"{files.key}: {error.message}", "name the key that belongs to http.tls.cert") from error


def _believe(context: ssl.SSLContext, authority: Path, *, requires: bool) -> None:
    content = _content("cacert", authority)
    remedy = "name the PEM file of the authority that signs client certificates"
    try:
        x509.load_pem_x509_certificates(content)
        context.load_verify_locations(authority)
    except ValueError as error:
        raise _fault("cacert", f"{authority}: no certificate in PEM", remedy) from error
    except OSError as error:
        raise _fault("cacert", f"{authority}: {_reason(error)}", remedy) from error
    context.verify_mode = ssl.CERT_REQUIRED if requires else ssl.CERT_OPTIONAL
    # Who believes an intermediate authority need not believe the one above it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if _LIST in content:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _content(key: str, path: Path) -> bytes:
    try:
        return read(path)
    except ConfigError as error:
        raise _fault(key, error.message, "name a file that this process may read") from error


def _fault(key: str, message: str, remedy: str) -> ConfigError:
    path = f"{_AT}.{key}"
    return ConfigError(f"{path}: {message}", [{"path": path, "message": message, "remedy": remedy}])


def _reason(error: OSError) -> str:
    return (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or "unreadable"


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino
