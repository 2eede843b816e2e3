"""An issuer of ID tokens with an authority of its own: honest, unless told how to behave.

    with LocalIssuer() as issuer:
        issuer.url, issuer.authority            the configured name, and the PEM that its certificate is checked with
        issuer.token(sub="ann", aud="registry") signed by the newest key; any claim, None leaves one out
        issuer.rotate(forget=True)              signs by another key, and shows no older one any more
        issuer.answers["/keys"] = answer        what a path answers instead: a function of the request's handler
        issuer.asked                            every request: (method, path, form or {})

``route`` adds endpoints; a provider of browser logins puts its own there.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import ssl
import tempfile
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    Answer = Callable[["Handler"], None]

LIFE_SECONDS = 600


class LocalIssuer:
    """Serves from the moment it is made until its block ends. ``plain``: by http, on loopback."""

    def __init__(self, *, plain: bool = False) -> None:
        self.keys: list[tuple[str, ec.EllipticCurvePrivateKey]] = []
        self.shown: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.asked: deque[tuple[str, str, dict[str, list[str]]]] = deque()
        self.claimed_issuer = ""
        self.authority, certificate, key = _certificates()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.issuer = self
        if not plain:
            self._server.socket = _wrapped(self._server, certificate, key)
        self.url = f"http{'' if plain else 's'}://127.0.0.1:{self._server.server_address[1]}"
        self.route("/.well-known/openid-configuration", lambda handler: handler.say(self.document()))
        self.route("/keys", lambda handler: handler.say(self.key_set()))
        self.rotate()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Nobody answers there any more; a second call does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def route(self, path: str, answer: Answer) -> None:
        self.answers[path] = answer

    def rotate(self, *, forget: bool = False) -> str:
        """The id of the key that signs from now on."""
        kid = f"key-{len(self.keys)}"
        self.keys.append((kid, ec.generate_private_key(ec.SECP256R1())))
        self.shown = [kid] if forget else [*self.shown, kid]
        return kid

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.claimed_issuer or self.url,
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }

    def key_set(self) -> dict[str, Any]:
        algorithm = jwt.algorithms.ECAlgorithm
        return {
            "keys": [
                {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": "ES256"}
                for kid, key in self.keys
                if kid in self.shown
            ]
        }

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        said = {"iss": self.url, "sub": "ann", "aud": "registry", "iat": now, "exp": now + LIFE_SECONDS, **changes}
        return {name: value for name, value in said.items() if value is not None}

    def token(self, header: dict[str, Any] | None = None, **changes: Any) -> str:
        kid, key = self.keys[-1]
        # By hand: the library refuses to write much that is wrong, and here it has to be.
        head = {"typ": "JWT", "alg": "ES256", "kid": kid, **(header or {})}
        parts = [_encoded(json.dumps(part).encode()) for part in (head, self.claims(**changes))]
        signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(".".join(parts).encode(), key)
        return ".".join([*parts, _encoded(signature)])


class Handler(BaseHTTPRequestHandler):
    """What the issuer's functions answer with."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 10

    @property
    def path_alone(self) -> str:
        return urlsplit(self.path).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    def do_GET(self) -> None:
        self.form: dict[str, list[str]] = {}
        self._dispatch()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.form = parse_qs(body.decode())
        self._dispatch()

    def _dispatch(self) -> None:
        issuer = self.server.issuer
        issuer.asked.append((self.command, self.path, self.form))
        answer = issuer.answers.get(self.path_alone)
        if answer is None:
            self.say({"error": "not found"}, 404)
        else:
            answer(self)

    def say(self, what: dict[str, Any] | bytes, status: int = 200, **headers: str) -> None:
        body = what if isinstance(what, bytes) else json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, _format: str, *args: object) -> None:
        """Nothing."""


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    issuer: LocalIssuer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that do not trust us hang up; that is their right."""


def _wrapped(server: ThreadingHTTPServer, certificate: bytes, key: bytes) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + key)
        file.flush()
        context.load_cert_chain(Path(file.name))
    # The handshake is the business of the connection's own thread, at its first read.
    return context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)


def _certificates() -> tuple[str, bytes, bytes]:
    """The authority's certificate, and one of 127.0.0.1 with its key."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the tests' issuer")])
    now = datetime.now(UTC)
    until = (now - timedelta(1), now + timedelta(1))
    authority = (
        x509.CertificateBuilder(name, name, authority_key.public_key(), x509.random_serial_number(), *until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    hosts = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    certificate = (
        x509.CertificateBuilder(name, subject, key.public_key(), x509.random_serial_number(), *until)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return (
        authority.public_bytes(serialization.Encoding.PEM).decode(),
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
