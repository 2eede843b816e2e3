"""Object servers that are programs of their own, started once for all tests of a process. Tests use places of their own.

place = shared_versity().place()
options = NodeOptions(..., bucket=place.bucket())

S3 is versitygw, on a directory; Azure Blob is Azurite, in memory. For Google's object store there is no program that knows the
requests of uploads in parts, so ``gcs_child`` answers them as Google describes them.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import hashlib
import hmac
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.certificates import Authority
from tests.clients import install
from tests.clients.programs import daemon, lacking, need
from tests.fakes.places import BUCKET, Rented
from tests.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_AZURE_VERSION: Final = "2021-12-02"
# Node reads a few hundred modules before it answers; on a busy machine that takes its time.
_READY_SECONDS: Final = 150.0


@dataclass(frozen=True)
class ObjectServer:
    """``pid``: whose memory and time it takes."""

    driver: Mapping[str, Any]
    pid: int
    environment: Mapping[str, str] = field(default_factory=dict)

    def place(self) -> Rented:
        return Rented({**self.driver, "rootdirectory": f"/t{secrets.token_hex(8)}"}, self.environment)


@contextlib.contextmanager
def versity(directory: Path) -> Iterator[ObjectServer]:
    """Keeps everything below ``directory``, which is deleted with it by whoever made it."""
    program, port, secret = need("versitygw"), free_port(), secrets.token_hex(16)
    (directory / "buckets" / BUCKET).mkdir(parents=True)
    argv = [program, "--port", f"127.0.0.1:{port}", "--quiet", "--keep-alive", "posix", str(directory / "buckets")]
    settings = {"ROOT_ACCESS_KEY": "tester", "ROOT_SECRET_KEY": secret}
    driver = {
        "name": "s3",
        "bucket": BUCKET,
        "region": "us-east-1",
        "regionendpoint": f"http://127.0.0.1:{port}",
        "accesskey": "tester",
        "secretkey": secret,
        "chunksize": 5 << 20,
    }
    with daemon(argv, directory / "log", lambda: _listens(port), settings, _READY_SECONDS) as pid:
        yield ObjectServer(driver, pid)


@contextlib.contextmanager
def azurite(directory: Path) -> Iterator[ObjectServer]:
    """Keeps everything in memory."""
    node, script = need("node"), install.AZURITE.path
    if not script.exists():
        lacking("Azurite is not installed; `make system` as root installs it")
    port, account, key = free_port(), "tester", base64.b64encode(secrets.token_bytes(64)).decode()
    argv = [node, str(script), "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent"]
    argv += ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    settings = {"AZURITE_ACCOUNTS": f"{account}:{key}"}
    with daemon(argv, directory / "log", lambda: _listens(port), settings, _READY_SECONDS) as pid:
        _make_container(port, account, key)
        driver = {"name": "azure", "accountname": account, "accountkey": key, "container": BUCKET}
        environment = {
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{port}",
        }
        yield ObjectServer(driver, pid, environment)


@contextlib.contextmanager
def gcs(directory: Path) -> Iterator[ObjectServer]:
    """Keeps everything in memory. It speaks HTTPS, and believes who asks by a service account's key, as Google does."""
    authority = Authority(directory / "authority")
    files, key_file = authority.server("127.0.0.1"), directory / "key.json"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = directory / "public.pem"
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.gcs_child", str(files.certificate), str(files.key), str(public), BUCKET],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        port = int(process.stdout.readline())
        plain = serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        account = {
            "type": "service_account",
            "client_email": "tester@example.com",
            "private_key_id": "one",
            "private_key": private.decode(),
            "gcs_base_url": f"https://127.0.0.1:{port}",
        }
        key_file.write_text(json.dumps(account))
        driver = {"name": "gcs", "bucket": BUCKET, "keyfile": str(key_file), "chunksize": 5 << 20}
        yield ObjectServer(driver, process.pid, {"SSL_CERT_FILE": str(authority.file)})
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _make_container(port: int, account: str, key: str) -> None:
    """https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _AZURE_VERSION}
    named = "\n".join(f"{name}:{value}" for name, value in headers.items())
    signed = "PUT" + "\n" * 12 + f"{named}\n/{account}/{account}/{BUCKET}\nrestype:container"
    made = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
    headers |= {"Authorization": f"SharedKey {account}:{base64.b64encode(made).decode()}", "Content-Length": "0"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("PUT", f"/{account}/{BUCKET}?restype=container", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 201, (answer.status, answer.read())


def _shared(server: Callable[[Path], contextlib.AbstractContextManager[ObjectServer]]) -> ObjectServer:
    directory = Path(tempfile.mkdtemp(prefix="holdfast-objects-"))
    stack = contextlib.ExitStack()
    stack.callback(shutil.rmtree, directory, ignore_errors=True)
    started = stack.enter_context(server(directory))
    process = os.getpid()

    def end() -> None:
        if os.getpid() == process:
            stack.close()

    atexit.register(end)
    return started


@functools.cache
def shared_versity() -> ObjectServer:
    return _shared(versity)


@functools.cache
def shared_azurite() -> ObjectServer:
    return _shared(azurite)


@functools.cache
def shared_gcs() -> ObjectServer:
    return _shared(gcs)


SERVERS: Final = {"versitygw": shared_versity, "azurite": shared_azurite, "gcs": shared_gcs}
"""By name, not started yet."""
