"""A registry in memory behind the standard library's HTTP server, small and wilful.

Speaks enough of the distribution API for a load generator: uploads (POST, PATCH, PUT, DELETE), blobs, manifests, tag lists,
the catalog, deletes. What it can be told to do:

    FakeRegistry(login="basic" | "bearer")        asks for alice:s3cret; the realm is /token, tokens are good for one scope
    FakeRegistry(redirect_blobs=True)             GET of a blob answers 307 to /elsewhere/...
    FakeRegistry(chunked_lists=True)              tag lists and catalog come in chunks
    FakeRegistry(one_at_a_time=True)              nobody is answered while somebody else reads slowly
    FakeRegistry(tls=context)                     speaks HTTPS
    FakeRegistry(close_after=5)                   every connection ends after five answers, without a word
    registry.offers_lists = False                 tag lists and catalog answer 404
    registry.refuse["PATCH"] = 500                that method answers so, with an OCI error body

``registry.seen`` holds (method, path, Authorization) of every request in order, ``registry.tokens_given`` counts realm answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import ssl
    from typing import Self

LOGIN = "Basic " + base64.b64encode(b"alice:s3cret").decode()
_UPLOAD = re.compile(r"/v2/(.+)/blobs/uploads/(.*)")
_BLOB = re.compile(r"/v2/(.+)/blobs/(sha256:[0-9a-f]{64})")
_MANIFEST = re.compile(r"/v2/(.+)/manifests/(.+)")
_TAGS = re.compile(r"/v2/(.+)/tags/list")


class FakeRegistry:
    """Serves from the moment it is made until :meth:`close`."""

    def __init__(
        self,
        *,
        login: str = "",
        redirect_blobs: bool = False,
        chunked_lists: bool = False,
        close_after: int = 0,
        tls: ssl.SSLContext | None = None,
        one_at_a_time: bool = False,
    ) -> None:
        self.login = login
        self.redirect_blobs = redirect_blobs
        self.chunked_lists = chunked_lists
        self.close_after = close_after
        self.one_at_a_time = one_at_a_time
        self.offers_lists = True
        self.refuse: dict[str, int] = {}
        self.seen: list[tuple[str, str, str | None]] = []
        self.tokens_given = 0
        self.uploads: dict[str, bytearray] = {}
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.registry = self
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    registry: FakeRegistry

    def handle_error(self, request, client_address):
        """Clients that hang up are no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    answered = 0
    reply = ()

    def log_message(self, *_):
        """Quiet."""

    def handle_any(self):
        registry = self.server.registry
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        with registry.lock:
            registry.seen.append((self.command, path, self.headers.get("Authorization")))
            if path == "/token":
                self._token(query)
            elif not path.startswith("/elsewhere/") and not self._allowed(path):
                pass
            elif self.command in registry.refuse:
                self._answer(registry.refuse[self.command], b'{"errors":[{"code":"DENIED"}]}')
            else:
                self._route(path, query, body)
            if registry.one_at_a_time:
                self._write(*self.reply)
        if not registry.one_at_a_time:
            self._write(*self.reply)
        self.answered += 1
        if registry.close_after and self.answered >= registry.close_after:
            self.close_connection = True

    def __getattr__(self, name):
        # The standard library looks for do_GET, do_HEAD and so on.
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def _allowed(self, path):
        registry, header = self.server.registry, self.headers.get("Authorization")
        if not registry.login:
            return True
        if registry.login == "basic":
            if header == LOGIN:
                return True
            self._answer(401, b"{}", {"WWW-Authenticate": 'Basic realm="fake"'})
            return False
        repository = re.match(r"/v2/(.+?)/(?:blobs|manifests|tags)/", path)
        scope = f"repository:{repository[1]}:pull,push" if repository else ""
        if header and header.startswith("Bearer ") and (not scope or scope in header):
            return True
        challenge = f'Bearer realm="{registry.url}/token",service="fake",scope="{scope}"'
        self._answer(401, b"{}", {"WWW-Authenticate": challenge})
        return False

    def _token(self, query):
        registry = self.server.registry
        if self.headers.get("Authorization") not in {LOGIN, None}:
            self._answer(401, b"{}")
            return
        registry.tokens_given += 1
        token = "for-" + "+".join(query.get("scope", []))
        self._answer(200, json.dumps({"token": token, "expires_in": 300}).encode())

    def _route(self, path, query, body):
        if path == "/v2/":
            self._answer(200, b"{}")
        elif match := _UPLOAD.fullmatch(path):
            self._upload(match[1], match[2], query, body)
        elif match := _BLOB.fullmatch(path.replace("/elsewhere/", "/v2/x/blobs/")):
            self._blob(match[2], path)
        elif match := _MANIFEST.fullmatch(path):
            self._manifest(match[1], match[2], body)
        elif (match := _TAGS.fullmatch(path)) or path == "/v2/_catalog":
            self._list(match[1] if match else None)
        else:
            self._answer(404, b"{}")

    def _upload(self, repository, name, query, body):
        registry = self.server.registry
        if self.command == "POST":
            name = f"u{len(registry.seen)}"
            registry.uploads[name] = bytearray()
            self._answer(202, b"", {"Location": f"/v2/{repository}/blobs/uploads/{name}?state=1"})
        elif name not in registry.uploads:
            self._answer(404, b"{}")
        elif self.command == "PATCH":
            registry.uploads[name] += body
            self._answer(202, b"", {"Location": f"{registry.url}/v2/{repository}/blobs/uploads/{name}?state=2"})
        elif self.command == "PUT":
            data = bytes(registry.uploads.pop(name)) + body
            found = f"sha256:{hashlib.sha256(data).hexdigest()}"
            registry.blobs[found] = data
            self._answer(201 if query["digest"] == [found] else 400, b"")
        else:
            registry.uploads.pop(name)
            self._answer(204, b"")

    def _blob(self, digest, path):
        registry = self.server.registry
        if self.command == "DELETE":
            self._answer(202 if registry.blobs.pop(digest, None) else 404, b"")
        elif digest not in registry.blobs:
            self._answer(404, b'{"errors":[{"code":"BLOB_UNKNOWN"}]}')
        elif registry.redirect_blobs and self.command == "GET" and not path.startswith("/elsewhere/"):
            self._answer(307, b"", {"Location": f"{registry.url}/elsewhere/{digest}"})
        else:
            self._answer(200, registry.blobs[digest])

    def _manifest(self, repository, reference, body):
        registry = self.server.registry
        if self.command == "PUT":
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            registry.manifests[repository, reference] = registry.manifests[repository, digest] = body
            self._answer(201, b"", {"Docker-Content-Digest": digest})
        elif self.command == "DELETE":
            self._answer(202 if registry.manifests.pop((repository, reference), None) else 404, b"")
        elif (repository, reference) in registry.manifests:
            self._answer(200, registry.manifests[repository, reference])
        else:
            self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')

    def _list(self, repository):
        if not self.server.registry.offers_lists:
            self._answer(404, b"{}")
            return
        held = self.server.registry.manifests
        if repository is None:
            record = {"repositories": sorted({name for name, _ in held})}
        else:
            record = {"name": repository, "tags": sorted(r for n, r in held if n == repository and ":" not in r)}
        self._answer(200, json.dumps(record).encode(), chunked=self.server.registry.chunked_lists)

    def _answer(self, status, body, headers=None, *, chunked=False):
        self.reply = (status, body, headers or {}, chunked)

    def _write(self, status, body, headers, chunked):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        elif status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
