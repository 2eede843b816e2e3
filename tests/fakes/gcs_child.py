"""Google's object store as a process: ``python -m tests.fakes.gcs_child CERTIFICATE KEY PUBLIC BUCKET``.

Prints its port, and ends with whoever holds its standard input. Its XML requests are those of S3 but for who asks and for
conditions; so this is moto's S3 server behind what differs (https://cloud.google.com/storage/docs/xml-api/overview):

    * Who asks shows a token that a service account's key has signed, whose public half is in the file PUBLIC.
    * "Only if there is none" is ``x-goog-if-generation-match: 0``.
    * S3's own headers, and deleting several at once, are refused, lest anything rest on them.
"""

from __future__ import annotations

import logging
import ssl
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class SpeaksGoogle:
    def __init__(self, public: str) -> None:
        self._inner = DomainDispatcherApplication(create_backend_app)
        self._public = public

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if not self._is_known(environ.get("HTTP_AUTHORIZATION", "")):
            return _refused(environ, start, "401 Unauthorized")
        foreign = [name for name in environ if name.startswith("HTTP_X_AMZ_")]
        is_delete_of_several = environ["REQUEST_METHOD"] == "POST" and environ["QUERY_STRING"] in {"delete", "delete="}
        if foreign or is_delete_of_several or environ.get("HTTP_IF_NONE_MATCH"):
            return _refused(environ, start, "400 Bad Request")
        if environ.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", "") == "0":
            environ["HTTP_IF_NONE_MATCH"] = "*"
        return self._inner(environ, start)

    def _is_known(self, said: str) -> bool:
        scheme, _, token = said.partition(" ")
        try:
            jwt.decode(
                token, self._public, algorithms=["RS256"], options={"verify_aud": False, "require": ["exp", "iss"]}
            )
        except jwt.InvalidTokenError:
            return False
        return scheme == "Bearer"

    def make(self, bucket: str) -> None:
        """Before anybody asks."""
        asked = {
            "REQUEST_METHOD": "PUT",
            "PATH_INFO": f"/{bucket}",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "443",
            "HTTP_HOST": "127.0.0.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "https",
            "wsgi.input": sys.stdin.buffer,
            "wsgi.errors": sys.stderr,
            "CONTENT_LENGTH": "0",
        }
        list(self._inner(asked, lambda *_: lambda _data: None))


def _refused(environ: dict[str, Any], start: Callable[..., Any], status: str) -> Iterable[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start(status, [("Content-Length", "0")])
    return []


def main() -> None:
    certificate, key, public, bucket = sys.argv[1:]
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    application = SpeaksGoogle(Path(public).read_text())
    application.make(bucket)
    server = make_server("127.0.0.1", 0, application, threaded=True, ssl_context=context)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
