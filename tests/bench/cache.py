"""Holdfast as a pull-through cache beside distribution 3 and beside the upstream itself, in one run.

Every round starts both caches on empty directories and goes through the figures one by one, each place in turn, the first of them
another one each round. What is cold for one place is another image for the next, so that nobody finds what others have fetched.

    python tests/bench/cache.py --rounds 3

Exit codes: 0 also when targets are missed, 1 when something could not be run, 130 on Ctrl-C. Without distribution 3 it is left out
and said so; with CI=true in the environment that is a failure.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict, deque
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import goals
import subjects
from rich.console import Console
from rich.table import Table
from side_by_side import say, spread
from upstream import MEGABYTE, OCI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DIRECT = "the upstream"
FIRST = "first byte of a cold layer, behind the upstream's own (ms)"
IMAGE = "cold pull of an image, of a direct one"
FREE = "the same, from an upstream on this machine without a limit"
CROWD = "all clients at once, cold, of one"
GIVEN = "bytes that they cost the upstream, of the image"
WARM = "warm pull, of one that was pushed here"
HEAD = "bytes of blobs that a HEAD on a miss moves"
GOALS = (
    goals.Goal(FIRST, 10.0, at_least=False, unit="ms"),
    goals.Goal(IMAGE, 1.1, at_least=False),
    goals.Goal(CROWD, 1.2, at_least=False),
    goals.Goal(GIVEN, 1.0, at_least=False),
    goals.Goal(WARM, 1.1, at_least=False),
    goals.Goal(HEAD, 0.0, at_least=False, unit=""),
)
_TOGETHER = 3  # layers of one image at a time, as docker does it
_PULL_SECONDS = 170.0
_LIMIT = 10 * MEGABYTE

numbers = count(1)


class PullError(Exception):
    """An answer that is not the blob that was asked for."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Megabytes, but for the counts."""

    layer: int = 100
    layers: int = 5
    first_bytes: int = 7
    clients: int = 100
    shared: int = 8
    pulls: int = 6
    line: int = 100 * MEGABYTE  # bytes a second, for whole images


QUICK = Sizes(layer=4, layers=3, first_bytes=2, clients=10, shared=2, pulls=1)


@dataclass(frozen=True, slots=True)
class Image:
    repository: str
    layers: tuple[str, ...]
    layer_bytes: int

    @property
    def size_bytes(self) -> int:
        return len(self.layers) * self.layer_bytes

    def targets(self) -> list[str]:
        return [f"/v2/{self.repository}/blobs/{layer}" for layer in self.layers]


@dataclass(frozen=True, slots=True)
class Place:
    """Where images are pulled."""

    name: str
    port: int

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def image(self, layers: int, megabytes: int) -> Image:
        """One that nobody has pulled before; its manifest is here when this returns."""
        repository = f"bench/{layers}x{megabytes}/{next(numbers)}"
        status, data = self.ask("GET", f"/v2/{repository}/manifests/v1", Accept=OCI)
        if status != 200:
            raise PullError(f"{self.name}: the manifest of {repository} was answered with {status}")
        found = tuple(layer["digest"] for layer in json.loads(data)["layers"])
        return Image(repository, found, megabytes * MEGABYTE)


@dataclass(frozen=True, slots=True)
class Upstream(Place):
    def limit(self, bytes_per_second: int) -> None:
        self.ask("PUT", f"/rate/{bytes_per_second}")

    @property
    def given_bytes(self) -> int:
        return int(self.ask("GET", "/given")[1])


@contextmanager
def upstream() -> Iterator[Upstream]:
    port = subjects.free_port()
    program = [sys.executable, str(Path(__file__).with_name("upstream.py")), str(port)]
    with subprocess.Popen(program, stdin=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                except OSError:
                    time.sleep(0.05)
                else:
                    break
            yield Upstream(DIRECT, port)
        finally:
            process.terminate()


class Crowd:
    """Clients of one place in one thread, each with its own list of blobs, one after the other."""

    def __init__(self, place: Place, size_bytes: int) -> None:
        self._place = place
        self._size_bytes = size_bytes
        self._selector = selectors.DefaultSelector()
        self._buffer = memoryview(bytearray(1 << 20))

    def pull(self, lists: Sequence[deque[str]]) -> float:
        """The seconds until the last of them has the last of its blobs."""
        began = time.perf_counter()
        for targets in lists:
            self._ask(targets)
        while self._selector.get_map():
            for key, _ in self._selector.select(_PULL_SECONDS):
                self._take(key)
            if time.perf_counter() - began > _PULL_SECONDS:
                raise PullError(f"{self._place.name}: not all were served in {_PULL_SECONDS:g} s")
        return time.perf_counter() - began

    def _ask(self, targets: deque[str]) -> None:
        if targets:
            sock = asked(self._place, targets.popleft())
            self._selector.register(sock, selectors.EVENT_READ, (targets, [-1]))

    def _take(self, key: selectors.SelectorKey) -> None:
        sock: Any = key.fileobj
        targets, left = key.data
        if left[0] < 0:
            left[0] = self._size_bytes - len(body_begun(self._place, sock))
        count_bytes = sock.recv_into(self._buffer)
        left[0] -= count_bytes
        if count_bytes:
            return
        self._selector.unregister(sock)
        sock.close()
        if left[0]:
            raise PullError(f"{self._place.name}: a blob ended {left[0]} bytes before its end")
        self._ask(targets)


def asked(place: Place, target: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", place.port), _PULL_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(f"GET {target} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
    return sock


def body_begun(place: Place, sock: socket.socket) -> bytes:
    """What came of the body together with the head."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = sock.recv(4096)
        if not part:
            raise PullError(f"{place.name}: the connection ended before an answer")
        head += part
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise PullError(f"{place.name}: {head[:60]!r}")
    return head.partition(b"\r\n\r\n")[2]


def pulled(place: Place, image: Image, clients: int = 1) -> float:
    """Seconds until the last client has the whole image."""
    lists = [deque[str]() for _ in range(clients * (_TOGETHER if len(image.layers) > 1 else 1))]
    for number, target in enumerate(image.targets() * clients):
        lists[number % len(lists)].append(target)
    return Crowd(place, image.layer_bytes).pull(lists)


@dataclass(slots=True)
class Comparison:
    """All values so far, and what could not be run."""

    source: Upstream
    sizes: Sizes
    only: Sequence[str] = ()
    values: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    faults: list[str] = field(default_factory=list)

    def round(self, caches: Sequence[Place], number: int) -> None:
        first = number % max(1, len(caches))
        turned = [*caches[first:], *caches[:first]]
        self._each([self.source, *turned], self.first_byte)
        # Ratios to a direct pull that was taken a moment ago.
        self._each(turned, self.head, self.image, self.free, self.warm, self.crowd)

    def _each(self, places: Sequence[Place], *figures: Callable[[Place], None]) -> None:
        for figure in figures:
            if self.only and figure.__name__ not in self.only:
                continue
            for place in places:
                say(f"  {place.name}: {figure.__name__}")
                os.sync()  # else the last one's dirty pages are written back, and paid for, in this one's fsync
                try:
                    figure(place)
                except (PullError, OSError, http.client.HTTPException) as error:
                    self.faults.append(f"{place.name}, {figure.__name__}: {error}")
                finally:
                    self.source.limit(0)

    def note(self, figure: str, place: Place, value: float) -> None:
        self.values[figure][place.name].append(value)

    def first_byte(self, place: Place) -> None:
        for _ in range(self.sizes.first_bytes):
            image = place.image(1, self.sizes.layer)
            self.source.limit(_LIMIT)
            began = time.perf_counter()
            with asked(place, image.targets()[0]) as sock:
                came = body_begun(place, sock) or sock.recv(1)
                took_millis = (time.perf_counter() - began) * 1000
                self.source.limit(0)
                left_bytes = image.layer_bytes - len(came)
                while left_bytes and (part := sock.recv(1 << 20)):
                    left_bytes -= len(part)
            self.note(FIRST, place, took_millis)

    def head(self, place: Place) -> None:
        image = place.image(1, self.sizes.layer)
        before_bytes = self.source.given_bytes
        place.ask("HEAD", image.targets()[0])
        self.note(HEAD, place, self.source.given_bytes - before_bytes)

    def image(self, place: Place) -> None:
        self._image(IMAGE, place, self.sizes.line)

    def free(self, place: Place) -> None:
        self._image(FREE, place, 0)

    def _image(self, figure: str, place: Place, bytes_per_second: int) -> None:
        direct, cold = (where.image(self.sizes.layers, self.sizes.layer) for where in (self.source, place))
        self.source.limit(bytes_per_second)
        own_seconds = pulled(self.source, direct)
        self.note(figure, place, pulled(place, cold) / own_seconds)

    def warm(self, place: Place) -> None:
        if place.name != subjects.HOLDFAST:
            return
        image = place.image(self.sizes.layers, self.sizes.layer)
        pulled(place, image)
        local = self._pushed(place, image)
        for number in range(self.sizes.pulls):
            # Whoever comes first finds the disk busier.
            pair = (local, image) if number % 2 else (image, local)
            seconds = {one.repository: pulled(place, one) for one in pair}
            self.note(WARM, place, seconds[image.repository] / seconds[local.repository])

    def _pushed(self, place: Place, image: Image) -> Image:
        """The same blobs, in a repository that mirrors nothing."""
        local = Image(f"local/{image.repository}", image.layers, image.layer_bytes)
        for layer in image.layers:
            data = self.source.ask("GET", f"/v2/{image.repository}/blobs/{layer}")[1]
            target = f"/v2/{local.repository}/blobs/uploads/?digest={layer}"
            status, _ = place.ask("POST", target, data, **{"Content-Type": "application/octet-stream"})
            if status != 201:
                raise PullError(f"{place.name}: a push was answered with {status}")
        return local

    def crowd(self, place: Place) -> None:
        if self.values[CROWD][place.name] and place.name != subjects.HOLDFAST:
            return  # each of its clients costs a download of its own: once is enough
        alone, together = (place.image(1, self.sizes.shared) for _ in range(2))
        self.source.limit(_LIMIT)
        own_seconds = pulled(place, alone)
        before_bytes = self.source.given_bytes
        all_seconds = pulled(place, together, self.sizes.clients)
        self.note(CROWD, place, all_seconds / own_seconds)
        self.note(GIVEN, place, (self.source.given_bytes - before_bytes) / together.size_bytes)


def makers(source: Upstream) -> dict[str, Callable[[], subjects.Subject]]:
    url = f"http://127.0.0.1:{source.port}"
    entry = {"urls": [url], "onDemand": True, "content": [{"prefix": "bench/**"}]}
    return {
        subjects.HOLDFAST: lambda: subjects.holdfast_subject({"extensions": {"sync": {"registries": [entry]}}}),
        subjects.DISTRIBUTION: lambda: subjects.distribution_subject({"proxy": {"remoteurl": url}}),
    }


def compare(arguments: argparse.Namespace, comparison: Comparison, directory: Path) -> None:
    chosen = []
    for name, make in makers(comparison.source).items():
        try:
            chosen.append(make())
        except subjects.SubjectError as error:
            say(f"SKIPPED {name}: {error}")
            if os.environ.get("CI") == "true":
                comparison.faults.append(f"{name}: {error}")
    for number in range(arguments.rounds):
        say(f"round {number + 1} of {arguments.rounds}")
        with ExitStack() as guard:
            running = [guard.enter_context(subjects.running(one, directory / one.name)) for one in chosen]
            comparison.round([Place(one.subject.name, one.endpoint.port) for one in running], number)


def behind(values: dict[str, dict[str, list[float]]]) -> None:
    """First bytes as what they come later than the upstream's own at its median."""
    own = values[FIRST].pop(DIRECT, [])
    if own:
        say(f"first byte of the upstream itself: {spread(own)} ms")
        for name, found in values[FIRST].items():
            values[FIRST][name] = [value - statistics.median(own) for value in found]


def tables(comparison: Comparison) -> tuple[Table, Table]:
    names = (subjects.HOLDFAST, subjects.DISTRIBUTION)
    medians = Table("figure", title="Medians (lowest - highest)", title_justify="left")
    for name in names:
        medians.add_column(name, justify="right")
    for figure in (FIRST, IMAGE, FREE, CROWD, GIVEN, WARM, HEAD):
        medians.add_row(figure, *(spread(comparison.values[figure].get(name, ())) for name in names))
    verdicts = Table("figure", "target", "reached", "verdict", title="Targets", title_justify="left")
    for outcome in goals.judge(GOALS, comparison.values, subjects.HOLDFAST):
        reached = "-" if outcome.reached is None else f"{outcome.reached:.2f}"
        verdicts.add_row(outcome.goal.figure, outcome.goal.wording, reached, outcome.verdict)
    return medians, verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description="Holdfast and distribution 3 as pull-through caches.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that everything runs, not how fast")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values there")
    parser.add_argument("--directory", type=Path, help="parent of the data directories; default: the temporary one")
    names = ("first_byte", "head", "image", "free", "warm", "crowd")
    parser.add_argument("--only", action="append", choices=names, help="this figure alone; repeatable")
    arguments = parser.parse_args()
    prefix = "holdfast-cache-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=arguments.directory) as directory, upstream() as source:
        comparison = Comparison(source, QUICK if arguments.quick else Sizes(), arguments.only or ())
        try:
            compare(arguments, comparison, Path(directory))
        except KeyboardInterrupt:
            say("interrupted; servers are stopped and their data is removed")
            return 130
    behind(comparison.values)
    console = Console(width=None if sys.stdout.isatty() else 140)
    for table in tables(comparison):
        console.print(table)
    if arguments.json:
        record = {"schema": 1, "values": comparison.values, "faults": comparison.faults}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for fault in comparison.faults:
        say(f"FAULT: {fault}")
    return 1 if comparison.faults else 0


if __name__ == "__main__":
    sys.exit(main())
