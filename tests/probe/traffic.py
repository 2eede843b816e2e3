"""Clients that push, retag, delete, mount and pull through all gateways while things break, and write down every acknowledgement.

Each request goes to the next gateway in turn. What fails is tried again as docker does it: the whole step, a blob's push from its
beginning, a few times, with pauses that are shorter than docker's. What is left after that is an error that no retry cured.

Every answer that was not earned is noted at once: content that was acknowledged and is not found, a tag that points elsewhere,
other bytes. Afterwards ``Traffic.check`` compares everything, through the gateways and on every disk.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.atwork import AtWork
from tests.crash.compare import Comparison, Findings
from tests.crash.ledger import MANIFEST_TYPE, Content, Image, Ledger
from tests.crash.traffic import Answer
from tests.probe.cluster import SETTLE_SECONDS
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.probe.cluster import Cluster, Gateway

# docker waits 5, 10, 15 and 20 seconds.
_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
_SOCKET_SECONDS = 60.0
_IMAGES = 6
_UNUSED = 6
_TAGS = 4
_SHARED = 6
# (share, least, most) of the sizes of layers: beyond 1 MiB they go by stream, below in one message.
_SIZES = ((0.85, 100, 20_000), (0.13, 1 << 20, 2 << 20), (0.02, 4 << 20, 8 << 20))
_MOVE_SECONDS = 300.0


@dataclass
class Tally:
    """What all clients have seen together."""

    operations: int = 0
    retried: int = 0
    refused: int = 0
    uncured: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    longest_seconds: float = 0.0
    warnings: int = 0
    may_refuse: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def done(self, seconds: float, retries: int) -> None:
        with self.lock:
            self.operations += 1
            self.retried += retries > 0
            self.longest_seconds = max(self.longest_seconds, seconds)

    def __str__(self) -> str:
        return (
            f"{self.operations} operations, lost {len(self.wrong)}, uncured {len(self.uncured)}"
            f" ({self.retried} retried, {self.refused} refused, longest {self.longest_seconds:.1f} s)"
        )


class Lines:
    """Connections to all gateways, used in turn. For one thread."""

    def __init__(self, gateways: Callable[[], Sequence[Gateway]], turn: int) -> None:
        self._gateways = gateways
        self._turn = turn
        self._open: dict[tuple[str, int], http.client.HTTPConnection] = {}

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One request to the next gateway that takes connections, as by a load balancer; an answer without a status is none."""
        gateways = self._gateways()
        for _ in gateways:
            self._turn += 1
            address = gateways[self._turn % len(gateways)].address
            try:
                return self._ask(address, method, path, body, headers or {})
            except ConnectionRefusedError:
                self._open.pop(address).close()
            except (OSError, http.client.HTTPException) as error:
                self._open.pop(address).close()
                return Answer(body=f"{type(error).__name__} from {address[0]}:{address[1]}: {error}".encode())
        return Answer(body=b"no gateway takes connections")

    def _ask(
        self, address: tuple[str, int], method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        connection = self._open.get(address)
        if connection is None:
            connection = self._open[address] = http.client.HTTPConnection(*address, timeout=_SOCKET_SECONDS)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open.clear()


class Client(AtWork):
    """One repository, one thread. ``others`` are the repositories to mount from."""

    def __init__(self, lines: Lines, name: str, others: list[str], seed: int, tally: Tally) -> None:
        self.lines = lines
        self.ledger = Ledger(f"probe/{name}")
        super().__init__(self.ledger.repository)
        self._others = [f"probe/{other}" for other in others]
        self._random = random.Random(seed)
        self._tally = tally

    def step(self) -> None:
        """One step of some kind."""
        ledger = self.ledger
        images = ledger.present(ledger.manifests)
        choices: list[tuple[int, Callable[[], object]]] = [(6, self.push), (2, self.mount)]
        if images:
            choices += [(2, self.retag), (1, self.untag), (8, self.pull), (4, self.look)]
        if len(images) >= _IMAGES:
            choices += [(12, self.remove)]
        unused = len(self._unused())
        choices += [(2 if unused < _UNUSED else 20, self.remove_blob)] * bool(unused)
        self._random.choices([call for _, call in choices], [weight for weight, _ in choices])[0]()

    # -- trying

    def _try(self, what: str, once: Callable[[], Answer]) -> tuple[Answer, int]:
        """Until it is answered; how often it was tried again. The answer is lost if nothing has cured it."""
        began, may_refuse = time.monotonic(), self._tally.may_refuse
        for retries, pause in enumerate((*_PAUSES_SECONDS, 0.0)):
            answer = once()
            if not answer.is_lost:
                self._tally.done(time.monotonic() - began, retries)
                return answer, retries
            may_refuse = may_refuse or self._tally.may_refuse
            if may_refuse:
                threading.Event().wait(_PAUSES_SECONDS[0])
                break
            threading.Event().wait(pause)
        with self._tally.lock:
            if may_refuse:
                self._tally.refused += 1
            else:
                seconds = time.monotonic() - began
                self._tally.uncured.append(f"{what}: {answer} after {seconds:.1f} s")
        return answer, len(_PAUSES_SECONDS)

    def _change(self, may: dict, name: str, new: object, statuses: tuple[int, ...], once: Callable[[], Answer]) -> bool:
        """Try what would make ``may[name]`` be ``new``; True when it was acknowledged.

        A deletion that is tried again may find that the first try has come through.
        """
        absent = None if may is self.ledger.tags else False
        may[name] = (may.get(name) or {absent}) | {new}
        answer, retries = self._try(f"{self.ledger.repository} {name} -> {new}", once)
        if answer.status in statuses or (retries and new == absent and answer.status == 404):
            may[name] = {new}
            self.ledger.acknowledged += 1
            return True
        if not answer.is_lost:
            self._wrong(f"{name} -> {new}: {answer} after {retries} retries")
        return False

    def _wrong(self, what: str) -> None:
        with self._tally.lock:
            self._tally.wrong.append(f"{self.ledger.repository}: {what}")

    def _path(self, rest: str) -> str:
        return f"/v2/{self.ledger.repository}/{rest}"

    # -- what a client does

    def _content(self) -> Content:
        """Some are pushed by several clients, at the same time if it so happens."""
        if self._random.random() < 0.2:
            return Content.random(f"shared {self._random.randrange(_SHARED)}", 3000)
        _, least, most = self._random.choices(_SIZES, [share for share, _, _ in _SIZES])[0]
        return Content.random(self._random.random(), self._random.randrange(least, most))

    def push(self) -> None:
        """An image: two layers, then the manifest, by digest or by tag."""
        blobs = [content for content in (self._content() for _ in range(2)) if self.push_blob(content)]
        if len(blobs) < 2:
            return
        subjects = self.ledger.present(self.ledger.manifests)
        with_subject = self._random.random() < 0.2 and subjects
        image = Image.of(blobs, self.ledger.contents[self._random.choice(subjects)] if with_subject else None)
        self.ledger.images[image.content.digest] = image
        self._push_image(image, self._random.choice(["", *(f"t{n}" for n in range(_TAGS))]))

    def push_blob(self, content: Content) -> bool:
        self.ledger.keep(content)
        way = self._random.choice([self._whole, self._in_pieces, self._streamed])
        return self._change(self.ledger.blobs, content.digest, True, (201,), lambda: way(content))

    def _whole(self, content: Content) -> Answer:
        return self.lines.ask("POST", self._path(f"blobs/uploads/?digest={content.digest}"), content.data)

    def _streamed(self, content: Content) -> Answer:
        """As docker does: everything in one PATCH."""
        return self._in_pieces(content, 1)

    def _in_pieces(self, content: Content, pieces: int = 3) -> Answer:
        begun = self.lines.ask("POST", self._path("blobs/uploads/"))
        if begun.status != 202:
            return begun
        location, size = begun.headers["location"], len(content.data)
        bounds = sorted({0, *(size * n // pieces for n in range(pieces)), size})
        for first, end in pairwise(bounds):
            headers = {"Content-Range": f"{first}-{end - 1}", "Content-Type": "application/octet-stream"}
            answer = self.lines.ask("PATCH", location, content.data[first:end], headers)
            if answer.status != 202:
                return self._begin_anew(answer)
        return self._begin_anew(self.lines.ask("PUT", f"{location}?digest={content.digest}", b""))

    def _begin_anew(self, answer: Answer) -> Answer:
        """An upload that is gone with its node, or that stands elsewhere than its client thinks: another one will do."""
        if answer.status in {404, 416}:
            return Answer(503, answer.headers, b"begin anew: " + answer.body)
        return answer

    def _push_image(self, image: Image, tag: str) -> bool:
        """By digest, and the tag with it, if any: both at once or neither."""
        digest, tags = image.content.digest, self.ledger.tags
        self.ledger.keep(image.content)
        path = self._path(f"manifests/{digest}")
        if tag:
            path = self._path(f"manifests/{tag}")
            tags[tag] = tags.get(tag, {None}) | {digest}
        headers = {"Content-Type": MANIFEST_TYPE}

        def once() -> Answer:
            return self.lines.ask("PUT", path, image.content.data, headers)

        if not self._change(self.ledger.manifests, digest, True, (201,), once):
            return False
        if tag:
            tags[tag] = {digest}
        self.ledger.blobs[digest] = {True}  # a manifest can be read as a blob
        return True

    def retag(self) -> None:
        image = self.ledger.images[self._random.choice(self.ledger.present(self.ledger.manifests))]
        self._push_image(image, f"t{self._random.randrange(_TAGS)}")

    def untag(self) -> None:
        certain = [tag for tag, may in self.ledger.tags.items() if len(may) == 1 and None not in may]
        if certain:
            tag = self._random.choice(certain)
            path = self._path(f"manifests/{tag}")
            self._change(self.ledger.tags, tag, None, (202,), lambda: self.lines.ask("DELETE", path))

    def remove(self) -> None:
        """A manifest, and with it its tags."""
        ledger = self.ledger
        digest = self._random.choice(ledger.present(ledger.manifests))
        tags = [tag for tag, may in ledger.tags.items() if digest in may]
        for tag in tags:
            ledger.tags[tag] = ledger.tags[tag] | {None}
        ledger.blobs.pop(digest, None)  # whether it stays a blob is the registry's affair
        path = self._path(f"manifests/{digest}")
        if self._change(ledger.manifests, digest, False, (202,), lambda: self.lines.ask("DELETE", path)):
            for tag in tags:
                ledger.tags[tag] = ledger.tags[tag] - {digest}
            ledger.forget_absent()

    def remove_blob(self) -> None:
        digest = self._random.choice(self._unused())
        path = self._path(f"blobs/{digest}")
        self._change(self.ledger.blobs, digest, False, (202,), lambda: self.lines.ask("DELETE", path))

    def _unused(self) -> list[str]:
        ledger = self.ledger
        return [d for d in ledger.present(ledger.blobs) if not ledger.used(d) and d not in ledger.manifests]

    def mount(self) -> None:
        """What several clients push is in another's repository, or not: both answers are right."""
        content = Content.random(f"shared {self._random.randrange(_SHARED)}", 3000)
        self.ledger.keep(content)
        may = self.ledger.blobs
        may[content.digest] = may.get(content.digest, {False}) | {True}
        query = f"mount={content.digest}&from={self._random.choice(self._others)}"
        answer, _ = self._try("mount", lambda: self.lines.ask("POST", self._path(f"blobs/uploads/?{query}")))
        if answer.status == 201:
            may[content.digest] = {True}
            self.ledger.acknowledged += 1
        elif answer.status != 202 and not answer.is_lost:
            self._wrong(f"mount: {answer}")

    def pull(self) -> None:
        """By tag or by digest, with all layers."""
        ledger = self.ledger
        certain = [tag for tag, may in ledger.tags.items() if len(may) == 1 and None not in may]
        name = digest = self._random.choice(ledger.present(ledger.manifests))
        if certain and self._random.random() < 0.5:
            name = self._random.choice(certain)
            (digest,) = ledger.tags[name]
        self._get(f"manifests/{name}", digest)
        for blob in ledger.images[digest].blobs if digest in ledger.images else ():
            self._get(f"blobs/{blob}", blob)

    def _get(self, path: str, digest: str) -> None:
        content = self.ledger.contents[digest]
        answer, retries = self._try(f"GET {path}", lambda: self.lines.ask("GET", self._path(path)))
        self._note(answer)
        if not answer.is_lost and (answer.status, answer.body) != (200, content.data):
            self._wrong(
                f"GET {path} after {retries} retries: {answer.status}, {len(answer.body)} bytes, {answer.body[:200]!r}"
            )

    def look(self) -> None:
        digest = self._random.choice(self.ledger.present(self.ledger.blobs) or [""])
        if digest:
            answer, _ = self._try("HEAD", lambda: self.lines.ask("HEAD", self._path(f"blobs/{digest}")))
            self._note(answer)
            if not answer.is_lost and answer.status != 200:
                self._wrong(f"HEAD blobs/{digest}: {answer}")

    def _note(self, answer: Answer) -> None:
        if "warning" in answer.headers:
            with self._tally.lock:
                self._tally.warnings += 1


class Traffic:
    """All clients of one cluster."""

    def __init__(self, cluster: Cluster, clients: int = 4, seed: int = 0) -> None:
        self.cluster = cluster
        self.tally = Tally()
        self.findings = Findings()
        names = [f"c{number}" for number in range(clients)]
        self.clients = [
            Client(
                Lines(self._gateways, number), name, [one for one in names if one != name], seed + number, self.tally
            )
            for number, name in enumerate(names)
        ]
        self.is_going = False

    def _gateways(self) -> list[Gateway]:
        return list(self.cluster.gateways.values())

    def go(self) -> None:
        for client in self.clients:
            client.go()
        self.is_going = True

    def pause(self) -> None:
        self.is_going = False
        for client in self.clients:
            client.ask_to_pause()
        for client in self.clients:
            client.pause()

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.pause()
        for client in self.clients:
            client.lines.close()

    def until(self, operations: int) -> None:
        """Until so many more operations are over, or a client is broken."""
        wanted = self.tally.operations + operations

        def moved() -> bool:
            return self.tally.operations >= wanted or any(client.error for client in self.clients)

        wait_for(f"{operations} operations ({self.tally})", moved, _MOVE_SECONDS)

    @contextlib.contextmanager
    def refusals(self) -> Iterator[None]:
        """What fails in here, after all tries, is no fault."""
        self.tally.may_refuse = True
        try:
            yield
        finally:
            self.tally.may_refuse = False

    # -- comparing

    def check(self) -> None:
        """Everything acknowledged is there, through the gateways and, once repair is done, on the disk of every owner."""
        assert not self.is_going
        assert not self.tally.wrong, "\n".join(self.tally.wrong[:20])
        assert not self.tally.uncured, "\n".join(self.tally.uncured[:20])
        for client in self.clients:
            Comparison(client.lines.ask, client.ledger, self.findings).run()
        assert not self.findings, self.findings
        self.settle()

    def settle(self) -> None:
        """Until repair is done, and every copy of what was acknowledged is on the disk of every owner."""
        self.cluster.settle()
        missing: list[str] = []

        def complete() -> bool:
            missing[:] = self.missing_copies()
            return not missing

        try:
            wait_for("every copy on every owner", complete, SETTLE_SECONDS)
        except AssertionError:
            raise AssertionError(f"{len(missing)} copies are missing: {missing[:10]}") from None

    def missing_copies(self) -> list[str]:
        """Of what was acknowledged, by owner; read from the disks."""
        kept: dict[str, Content] = {}
        for client in self.clients:
            ledger = client.ledger
            for digest in (*ledger.present(ledger.blobs), *ledger.present(ledger.manifests)):
                kept[digest] = ledger.contents[digest]
        return [
            f"{digest} on {name}"
            for digest, content in kept.items()
            for name in sorted(self.cluster.owners(digest))
            if not self.cluster.nodes[name].holds(digest, len(content.data))
        ]
