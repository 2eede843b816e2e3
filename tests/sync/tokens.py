"""A token service as distribution's token specification has it, small, honest, and told how to behave.

    TokenService(directory)                 signs for everybody; alice:s3cret may see "private/" too
    service.get_offered = False             only POST works
    service.life_seconds = 60               what it promises
    service.asked                           every request: (method, Authorization or None, fields)
    service.allows(authorization, name)     for a registry of the tests that does not judge tokens itself

``certificate`` is what a registry trusts. Tokens are ES256 with the certificate in the header, as docker-registry 2.8 reads them.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from tests.sync.peers import LOGIN

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

ISSUER, SERVICE, IDENTITY_TOKEN = "tests", "registry.tests", "an-identity-token"


class TokenService:
    """Serves from the moment it is made until its block ends."""

    def __init__(self, directory: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "token service of the tests")])
        now = datetime.now(UTC)
        self._certificate = (
            x509.CertificateBuilder(name, name, self._key.public_key(), 1, now - timedelta(1), now + timedelta(1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = directory / "token.crt"
        self.certificate.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self.get_offered = True
        self.life_seconds = 300
        self.asked: list[tuple[str, str | None, dict[str, list[str]]]] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = self
        self.realm = f"http://127.0.0.1:{self._server.server_address[1]}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def token(self, scopes: list[str], *, trusted: bool = True) -> str:
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":", 2)
            if trusted or not (name.startswith("private/") or "push" in actions):
                access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        head = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        claims = {
            "iss": ISSUER, "sub": "alice", "aud": SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now, "jti": "1",
            "access": access,
        }  # fmt: skip
        text = ".".join(_b64(json.dumps(part).encode()) for part in (head, claims))
        r, s = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def allows(self, authorization: str | None, name: str) -> bool:
        """Whether this is a token of ours for pulling from the repository."""
        scheme, _, text = (authorization or "").partition(" ")
        try:
            claims = jwt.decode(text, self._key.public_key(), ["ES256"], audience=SERVICE)
        except jwt.PyJWTError:
            return False
        pull = {"type": "repository", "name": name, "actions": ["pull"]}
        return scheme == "Bearer" and pull in claims["access"]

    def answer(
        self, method: str, authorization: str | None, fields: dict[str, list[str]]
    ) -> tuple[int, dict[str, Any]]:
        self.asked.append((method, authorization, fields))
        if method == "GET" and not self.get_offered:
            return 405, {}
        password = fields.get("username") == ["alice"] and fields.get("password") == ["s3cret"]
        trusted = authorization == LOGIN or password or fields.get("refresh_token") == [IDENTITY_TOKEN]
        if not trusted and (authorization or method == "POST"):
            return 401, {}
        scopes = [one for value in fields.get("scope", []) for one in value.split()]
        return 200, {"token": self.token(scopes, trusted=trusted), "expires_in": self.life_seconds}


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    service: TokenService


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._give(parse_qs(urlsplit(self.path).query))

    def do_POST(self) -> None:
        self._give(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))

    def _give(self, fields: dict[str, list[str]]) -> None:
        status, record = self.server.service.answer(self.command, self.headers.get("Authorization"), fields)
        body = json.dumps(record).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
