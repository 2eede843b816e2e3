"""An S3 server as a process: ``python -m tests.fakes.s3_child``. Prints its port, and ends with whoever holds its standard input.

It is moto's, and fails when told to. A fault is put to ``/~fault`` as JSON: ``method`` and ``part`` (of path and query) say which
requests it is for, ``times`` how many of them, ``how`` what becomes of them:

    503, 429    refused by this status
    lost        carried out, and the connection is cut before the answer
    cut         of the answer only the first half comes
    unheard     the connection is cut and nothing is carried out
    hangs       no answer before the faults are taken back (a DELETE of ``/~fault``)
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Failing:
    def __init__(self) -> None:
        self._inner = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._faults: list[dict[str, Any]] = []
        self._asked: list[str] = []
        self._released = threading.Event()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/~fault":
            return self._told(environ, method, start)
        if path == "/~asked":
            return self._tell(start)
        asked = f"{path}?{environ['QUERY_STRING']}"
        return self._carry_out(self._fault(method, asked), environ, start)

    def _tell(self, start: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            asked, self._asked = self._asked, []
        return _answer(start, "200 OK", json.dumps(asked).encode())

    def _carry_out(self, how: str, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if how in {"503", "429"}:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return _answer(start, f"{how} Slow Down", b"<Error><Code>SlowDown</Code></Error>")
        if how == "hangs":
            self._released.wait(120)
        if how == "lost":
            list(self._inner(environ, lambda *_: lambda _data: None))
        if how in {"unheard", "hangs", "lost"}:
            return _hang_up(environ)
        answer = self._inner(environ, start)
        return _half(answer, environ) if how == "cut" else answer

    def _fault(self, method: str, asked: str) -> str:
        with self._lock:
            self._asked.append(f"{method} {asked}")
            for fault in self._faults:
                if fault["times"] and fault["method"] in {method, ""} and fault["part"] in asked:
                    fault["times"] -= 1
                    return str(fault["how"])
        return ""

    def _told(self, environ: dict[str, Any], method: str, start: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            if method == "DELETE":
                self._faults = []
                self._released.set()
                self._released = threading.Event()
            else:
                self._faults.append(json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))
        return _answer(start, "204 No Content", b"")


def _answer(start: Callable[..., Any], status: str, body: bytes) -> Iterable[bytes]:
    start(status, [("Content-Length", str(len(body)))])
    return [body]


def _hang_up(environ: dict[str, Any]) -> Iterable[bytes]:
    environ["werkzeug.socket"].shutdown(2)
    return []


def _half(answer: Iterable[bytes], environ: dict[str, Any]) -> Iterable[bytes]:
    body = b"".join(answer)
    yield body[: len(body) // 2]
    environ["werkzeug.socket"].shutdown(2)


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = make_server("127.0.0.1", 0, Failing(), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
