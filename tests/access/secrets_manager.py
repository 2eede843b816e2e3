"""AWS Secrets Manager's GetSecretValue, as far as keys of tokens need it: it checks the signature as AWS does (SigV4).

with SecretsManager() as aws:
    environment.update(aws.environment)     who we are there, and where it is
    aws.secrets["jwt/keys"] = text
    aws.refuses = True                      as AWS does without a policy
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

if TYPE_CHECKING:
    from typing import Self

REGION = "eu-west-1"
_KEY, _SECRET = "AKIATESTSTESTSTESTST", "a secret of the tests"


class SecretsManager:
    """Serves from the moment it is made until its block ends."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.refuses = False
        # The names asked for with a right signature, and how many wrong ones came.
        self.asked: list[str] = []
        self.forged = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        nowhere = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
        who = {"AWS_ACCESS_KEY_ID": _KEY, "AWS_SECRET_ACCESS_KEY": _SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
        return {**nowhere, **who, "AWS_ENDPOINT_URL": self.url}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: SecretsManager


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        aws = self.server.owner
        if not self._is_signed(body):
            aws.forged += 1
            self._say(403, {"__type": "InvalidSignatureException", "message": "wrong"})
            return
        name = json.loads(body)["SecretId"]
        aws.asked.append(name)
        if aws.refuses:
            self._say(400, {"__type": "AccessDeniedException", "message": "words of AWS's own"})
        elif self.headers["X-Amz-Target"] != "secretsmanager.GetSecretValue" or name not in aws.secrets:
            self._say(400, {"__type": "ResourceNotFoundException", "message": "none"})
        else:
            self._say(200, {"Name": name, "SecretString": aws.secrets[name]})

    def _is_signed(self, body: bytes) -> bool:
        _, _, said = self.headers.get("Authorization", "").partition(" ")
        fields = dict(part.strip().split("=", 1) for part in said.split(",") if "=" in part)
        signed = {
            name: self.headers[name] for name in fields.get("SignedHeaders", "").split(";") if name in self.headers
        }
        request = AWSRequest("POST", self.server.owner.url + self.path, signed, body)
        request.context["timestamp"] = self.headers.get("X-Amz-Date", "")
        signer = SigV4Auth(Credentials(_KEY, _SECRET), "secretsmanager", REGION)
        scope = f"{_KEY}/{request.context['timestamp'][:8]}/{REGION}/secretsmanager/aws4_request"
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return (fields.get("Credential"), fields.get("Signature")) == (scope, expected) and "host" in signed

    def _say(self, status: int, what: dict[str, str]) -> None:
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, _format: str, *args: object) -> None:
        """Nothing."""
