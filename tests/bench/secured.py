"""Pulls and pushes over TLS: Holdfast beside distribution 3, with the same certificate, by the same curl. For a developer's eyes.

    python tests/bench/secured.py [MEBIBYTES]

Prints medians in MB/s of a pull by one client, of four at once, and of a push, the server's processor seconds for a GB of each, and
what its resident memory grew by.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil
import subjects

from tests.certificates import Authority, Files
from tests.serving import free_port, start, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Place:
    """A registry that speaks HTTPS."""

    name: str
    port: int
    pid: int
    authority: Path

    def curl(self, *words: str) -> list[str]:
        return ["curl", "--silent", "--show-error", "--fail", "--cacert", str(self.authority), *words]

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.port}{path}"

    def resident_bytes(self) -> int:
        return sum(one.memory_info().rss for one in self._processes())

    def processor_seconds(self) -> float:
        return sum(one.cpu_times().user + one.cpu_times().system for one in self._processes())

    def _processes(self) -> list[psutil.Process]:
        process = psutil.Process(self.pid)
        return [process, *process.children(recursive=True)]


@contextlib.contextmanager
def ours(root: Path, authority: Authority, shown: Files) -> Iterator[Place]:
    server = start(root, trust=authority.trust, http={"tls": shown.settings})
    try:
        yield Place(subjects.HOLDFAST, server.port, server.process.pid, authority.file)
    finally:
        server.stop()


@contextlib.contextmanager
def theirs(root: Path, authority: Authority, shown: Files) -> Iterator[Place]:
    root.mkdir()
    port = free_port()
    tls = {"certificate": str(shown.certificate), "key": str(shown.key)}
    http = {"addr": f"127.0.0.1:{port}", "secret": "bench", "tls": tls}
    subject = subjects.distribution_subject({"http": http})
    process = subprocess.Popen(
        subject.command(root, port), env=os.environ | dict(subject.environment), stderr=subprocess.DEVNULL
    )
    place = Place(subject.name, port, process.pid, authority.file)
    try:
        words = place.curl("--output", os.devnull, place.url("/v2/"))
        wait_for("the peer", lambda: subprocess.run(words, check=False, capture_output=True).returncode == 0)
        yield place
    finally:
        process.terminate()
        process.wait(30)


def push(place: Place, content: Path, digest: str, number: int) -> None:
    repo = f"bench/r{number}"
    begun = place.curl("--include", "--request", "POST", "--data", "", place.url(f"/v2/{repo}/blobs/uploads/"))
    head = subprocess.run(begun, check=True, capture_output=True, text=True).stdout
    (where,) = (line.split(": ", 1)[1].strip() for line in head.splitlines() if line.lower().startswith("location:"))
    url = (where if where.startswith("https:") else place.url(where)) + ("&" if "?" in where else "?")
    words = ("--upload-file", str(content), "--header", "Content-Type: application/octet-stream")
    subprocess.run(place.curl(*words, f"{url}digest={digest}"), check=True, capture_output=True)


def pull(place: Place, digest: str, clients: int) -> None:
    words = place.curl("--output", os.devnull, place.url(f"/v2/bench/r0/blobs/{digest}"))
    for one in [subprocess.Popen(words) for _ in range(clients)]:
        assert one.wait() == 0


@dataclass(slots=True)
class Taken:
    """What one kind of transfer took, each time: seconds, and the server's processor seconds."""

    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)

    def time(self, place: Place, action: Callable[[], None], times: int = 1) -> None:
        """``times``: how often the content is moved by it."""
        worked, begun = place.processor_seconds(), time.monotonic()
        action()
        self.seconds.append((time.monotonic() - begun) / times)
        self.processor_seconds.append((place.processor_seconds() - worked) / times)


def main(mebibytes: int) -> None:
    size = mebibytes << 20
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        root = Path(name)
        content = root / "content"
        data = os.urandom(size)
        content.write_bytes(data)
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        authority = Authority(root / "authority")
        shown = authority.server()
        places = [stack.enter_context(make(root / make.__name__, authority, shown)) for make in (ours, theirs)]
        taken: dict[tuple[str, str], Taken] = defaultdict(Taken)
        before = {}
        for place in places:
            push(place, content, digest, 0)
            pull(place, digest, 1)
            before[place.name] = place.resident_bytes()
        for number in range(1, ROUNDS + 1):
            for place in places if number % 2 else places[::-1]:
                for clients in (1, 4):
                    pulls = partial(pull, place, digest, clients)
                    taken[f"pull by {clients}", place.name].time(place, pulls, clients)
                taken["push", place.name].time(place, partial(push, place, content, digest, number))
        report(taken, size)
        for place in places:
            print(f"memory grew by  {place.name:14} {(place.resident_bytes() - before[place.name]) / 1e6:7.0f} MB")


def report(taken: dict[tuple[str, str], Taken], size: int) -> None:
    for (what, who), found in taken.items():
        rate = size / 1e6 / statistics.median(found.seconds)
        work = statistics.median(found.processor_seconds) / size * 1e9
        print(f"{what:15} {who:14} {rate:7.0f} MB/s {work:7.2f} s/GB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
