"""An S3 server for tests, in a process of its own, which fails when told to (``s3_child``). It keeps everything in memory.

place = shared_s3().place()
options = NodeOptions(..., bucket=place.bucket())
with place.server.fault("PUT", "/blobs/", "503", times=1): ...
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import http.client
import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fakes.places import BUCKET, Prefix

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class S3Server:
    port: int
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls) -> S3Server:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.s3_child"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        server = cls(int(process.stdout.readline()), process)
        server.ask("PUT", f"/{BUCKET}")
        return server

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        with contextlib.closing(connection):
            connection.request(method, path, body)
            answer = connection.getresponse()
            assert answer.status < 300, answer.status
            return answer.read()

    @contextlib.contextmanager
    def fault(self, method: str, part: str, how: str, times: int = 1_000_000) -> Iterator[None]:
        """Also for requests that are on their way at the end."""
        self.ask("POST", "/~fault", json.dumps({"method": method, "part": part, "how": how, "times": times}).encode())
        try:
            yield
        finally:
            self.ask("DELETE", "/~fault")

    def asked(self) -> list[str]:
        """The requests since this was asked last."""
        found: list[str] = json.loads(self.ask("GET", "/~asked"))
        return found

    def place(self) -> Place:
        return Place(self, f"/t{secrets.token_hex(8)}")

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@dataclass(frozen=True)
class Place(Prefix):
    """A prefix that is one test's."""

    server: S3Server
    root: str

    @property
    def driver(self) -> dict[str, Any]:
        """As in a configuration."""
        return {
            "name": "s3",
            "bucket": BUCKET,
            "region": "us-east-1",
            "regionendpoint": f"http://127.0.0.1:{self.server.port}",
            "accesskey": "tester",
            "secretkey": "no secret at all",
            "rootdirectory": self.root,
            "chunksize": 5 << 20,
        }


@functools.cache
def shared_s3() -> S3Server:
    """One for all tests of this process. Tests use places of their own."""
    server = S3Server.start()
    process = os.getpid()

    def end() -> None:
        if os.getpid() == process:
            server.stop()

    atexit.register(end)
    return server
