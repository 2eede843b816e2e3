"""What the compose cluster is for, shown: push, kill a node, pull, add a node, drain another, pull again. Run by ``make demo``.

Promises: a client of its own pulls all the time, whole and comparing every digest; at the end it is said how often, and how often a
second try was needed. Every step has a deadline. Ends with 1 when something did not come about. The cluster is left running, with
five nodes.
Standard library only; drives ``docker compose`` and, in a gateway's container, ``holdfast``.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

FILE: Final = Path(__file__).parent / "compose.yaml"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
KILLED: Final = "store-b1"
ADDED: Final = "store-a3"
DRAINED: Final = "store-a1"
_REQUEST_SECONDS: Final = 30.0
_STEP_SECONDS: Final = 180.0
_TRIES: Final = 5
_MIB: Final = 1 << 20
_BEGUN: Final = time.monotonic()


class DemoError(Exception):
    """A step did not come about; the message says which."""


def tell(text: str) -> None:
    passed = f"{time.monotonic() - _BEGUN:5.0f} s "
    print(f"\n{passed} *** {text}" if text[:1].isupper() else f"{passed}     {text}", flush=True)  # noqa: T201 - what this is for


@dataclass(frozen=True, slots=True)
class Compose:
    """The cluster's containers, by the names of their services."""

    words: tuple[str, ...]

    def __call__(self, *words: str) -> str:
        """Raises DemoError."""
        tell("$ " + shlex.join([Path(self.words[0]).name, *self.words[1:], *words]))
        return self.quietly(*words)

    def quietly(self, *words: str) -> str:
        """Raises DemoError."""
        argv = [*self.words, "--file", str(FILE), *words]
        try:
            done = subprocess.run(  # noqa: S603 - the program that the caller named
                argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_STEP_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"{shlex.join(words)} took longer than {_STEP_SECONDS:g} s") from error
        if done.returncode:
            raise DemoError(f"{shlex.join(words)}: {(done.stderr or done.stdout).strip()[-800:]}")
        return done.stdout

    def holdfast(self, *words: str) -> str:
        """Raises DemoError."""
        tell(f"$ holdfast {shlex.join(words)}")
        return self.quietly("exec", "-T", "gateway-1", "holdfast", *words)

    def nodes(self) -> dict[str, dict[str, Any]]:
        """By service."""
        listed = json.loads(self.quietly("exec", "-T", "gateway-1", "holdfast", "node", "ls", "--json"))
        return {node["address"].partition(":")[0]: node for node in listed}


@dataclass
class Client:
    """A client of the registry: one connection a request, a second try where the first one fails, no third opinion on digests."""

    host: str
    pulls: int = 0
    retries: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, dict[str, str], bytes]:
        """Raises DemoError: none of a few tries got an answer other than 5xx."""
        headers = {"Content-Type": kind or "application/octet-stream", "Accept": MANIFEST}
        for attempt in range(_TRIES):
            try:
                status, got, data = self.once(method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                trouble = repr(error)
            else:
                if status < 500:
                    return status, got, data
                trouble = f"{status} {data[:200]!r}"
            self.retries.append(f"{method} {path}: {trouble}")
            time.sleep(0.5 * attempt)
        raise DemoError(f"{_TRIES} tries of {self.retries[-1]}")

    def once(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        with contextlib.closing(http.client.HTTPConnection(self.host, timeout=_REQUEST_SECONDS)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def must(
        self, method: str, path: str, *want: int, body: bytes = b"", kind: str = ""
    ) -> tuple[dict[str, str], bytes]:
        status, headers, data = self.ask(method, path, body, kind)
        if status not in want:
            raise DemoError(f"{method} {path}: {status} {data[:300]!r}")
        return headers, data

    def push(self, repository: str, tag: str, blobs: list[bytes]) -> None:
        described = [self._blob(repository, blob) for blob in (b"{}", *blobs)]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json"} | described[0],
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar"} | one for one in described[1:]],
        }
        path = f"/v2/{repository}/manifests/{tag}"
        self.must("PUT", path, 201, body=json.dumps(manifest).encode(), kind=MANIFEST)

    def _blob(self, repository: str, blob: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        headers, _ = self.must("POST", f"/v2/{repository}/blobs/uploads/", 202)
        location = headers["location"]
        self.must("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", 201, body=blob)
        return {"digest": digest, "size": len(blob)}

    def pull(self, repository: str, tag: str) -> int:
        """All of it; how many bytes. Raises DemoError: not there, or not what was pushed."""
        _, data = self.must("GET", f"/v2/{repository}/manifests/{tag}", 200)
        total = 0
        for layer in json.loads(data)["layers"]:
            _, blob = self.must("GET", f"/v2/{repository}/blobs/{layer['digest']}", 200)
            if f"sha256:{hashlib.sha256(blob).hexdigest()}" != layer["digest"]:
                raise DemoError(f"other bytes than were pushed: {layer['digest']}")
            total += len(blob)
        self.pulls += 1
        return total


class Watcher:
    """Somebody who pulls all the time, and what went wrong with it."""

    def __init__(self, host: str, tag: str) -> None:
        self.client = Client(host)
        self.error = ""
        self._tag = tag
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join(_STEP_SECONDS)

    def _run(self) -> None:
        while not self._enough.wait(0.2):
            try:
                self.client.pull("demo/app", self._tag)
            except DemoError as error:
                self.error = str(error)
                return


def show(compose: Compose, host: str) -> None:
    """Raises DemoError."""
    client = Client(host)
    tell("The cluster: three etcd members, four storage nodes in two zones, two gateways, a balancer")
    until("the registry is ready", lambda: is_ready(client))
    tag = f"v{int(time.time())}"
    tell(f"Push an image of 3 layers, 24 MiB: {host}/demo/app:{tag}")
    begun = time.monotonic()
    client.push("demo/app", tag, [os.urandom(8 * _MIB) for _ in range(3)])
    tell(f"acknowledged after {time.monotonic() - begun:.1f} s: each layer is durable on at least two nodes")
    with Watcher(host, tag) as watcher:
        lose_a_node(compose, client, tag)
        add_a_node(compose)
        drain_a_node(compose, client, tag)
    if watcher.error:
        raise DemoError(f"somebody who pulled all the time saw an error: {watcher.error}")
    retries = len(watcher.client.retries)
    tell(
        f"Meanwhile somebody pulled the image {watcher.client.pulls} times, whole; requests tried twice: {retries}, failed: 0"
    )


def lose_a_node(compose: Compose, client: Client, tag: str) -> None:
    tell(f"Kill a storage node: {KILLED}")
    compose("kill", "-s", "SIGKILL", KILLED)
    tell(f"pulled {client.pull('demo/app', tag) >> 20} MiB, every digest right")
    client.push("demo/app", f"{tag}-meanwhile", [os.urandom(_MIB)])
    tell("pushed another image: what the dead node should have is with another one for now")
    compose("start", KILLED)
    until(f"{KILLED} is back", lambda: compose.nodes()[KILLED]["alive"])


def add_a_node(compose: Compose) -> None:
    tell(f"Add a fifth node: {ADDED}")
    compose("up", "--detach", ADDED)
    until(f"{ADDED} has joined; it holds nothing yet", lambda: (compose.nodes().get(ADDED) or {}).get("alive"))
    compose.holdfast("layout", "apply", "--yes", "--wait", f"--timeout={_STEP_SECONDS * 0.8:g}")
    tell(f"it has a copy of {compose.nodes()[ADDED]['partitions']} of 4096 partitions")


def drain_a_node(compose: Compose, client: Client, tag: str) -> None:
    tell(f"Drain another: {DRAINED}")
    node = compose.nodes()[DRAINED]["node"]
    compose.holdfast("node", "drain", node, "--yes", "--wait", f"--timeout={_STEP_SECONDS * 0.8:g}")
    compose("stop", DRAINED)
    tell(f"pulled {client.pull('demo/app', tag) >> 20} MiB without it, every digest right")
    tell(f"And back: {DRAINED}")
    compose("start", DRAINED)
    until(f"{DRAINED} is back", lambda: compose.nodes()[DRAINED]["alive"])
    compose.holdfast("node", "undrain", node, "--yes")


def is_ready(client: Client) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return client.once("GET", "/readyz", b"", {})[0] == 200
    return False


def until(what: str, holds: Callable[[], object]) -> None:
    """Raises DemoError: it does not, for too long."""
    deadline = time.monotonic() + _STEP_SECONDS
    while True:
        with contextlib.suppress(DemoError, KeyError):
            if holds():
                return tell(what)
        if time.monotonic() > deadline:
            raise DemoError(f"waited {_STEP_SECONDS:g} s in vain: {what}")
        time.sleep(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["wait", "show"], help="wait until the registry is ready, or show all of it")
    parser.add_argument("--compose", default="docker compose", help="the compose program")
    parsed = parser.parse_args()
    compose = Compose(tuple(shlex.split(parsed.compose)))
    try:
        host = compose.quietly("port", "balancer", "5000").strip().replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - what is printed
        if parsed.step == "wait":
            until(f"the registry answers on {host}", lambda: is_ready(Client(host)))
        else:
            show(compose, host)
    except DemoError as error:
        tell(f"It did not work: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
