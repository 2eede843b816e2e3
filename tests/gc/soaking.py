"""Clients that push, tag again, mount and delete, and know what has to be there.

Two clients share a repository, all share layers, and half of all images are the same bytes in several repositories: what one
deletes another pushes at the same time. Each client knows its own manifests only, and they are nobody else's in that repository.

What a registry may say: 5xx, that it cannot now, which a client answers by asking again; 400 to a manifest, that a blob of it is
gone, so that the client begins its push again. What it may never say is that something acknowledged is not there.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.meta import keys
from holdfast.meta.store import pages
from tests.gc.test_on_one_machine import MANIFEST, digest_of
from tests.unit.meta.world import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from holdfast.meta.store import Store
    from tests.asking import Asked

# So few that clients share them all the time.
POOL = [b"blob %d" % number * 20 for number in range(40)]
IMAGES = 20
# A node's collector asks before it takes half of all its bytes, and that is what these clients throw away.
BALLAST = tuple(bytes([number]) * (512 << 10) for number in range(32))
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
BYTES = {"Content-Type": "application/octet-stream"}

MOST_MANIFESTS = 12
PATIENCE_SECONDS = 90.0
AGAIN_SECONDS = 0.1


@dataclass(frozen=True)
class Image:
    config: bytes
    layers: tuple[bytes, ...]

    @property
    def blobs(self) -> tuple[bytes, ...]:
        return (self.config, *self.layers)

    @property
    def manifest(self) -> bytes:
        parts = [{"mediaType": LAYER, "digest": digest_of(blob), "size": len(blob)} for blob in self.layers]
        config = {"mediaType": CONFIG, "digest": digest_of(self.config), "size": len(self.config)}
        return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": parts}).encode()


@dataclass
class Client(threading.Thread):
    """Until ``operations`` were acknowledged and ``enough`` is set. For ``prompt_seconds`` a blob without a manifest is safe."""

    door: Asked
    number: int
    clients: int
    operations: int
    prompt_seconds: float
    enough: threading.Event
    late: threading.Event
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    error: BaseException | None = None

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.chance = random.Random(self.number)
        self.shared = max(1, self.clients // 2)
        self.repository = f"soak/r{self.number % self.shared}"
        self.desk = f"soak/mounted{self.number}"
        self.line = self.door.connection()

    def __hash__(self) -> int:
        return self.number

    @property
    def done(self) -> int:
        return sum(self.counted[kind] for kind in ("pushes", "retags", "mounts", "deletes"))

    def run(self) -> None:
        try:
            while not self.late.is_set() and (self.done < self.operations or not self.enough.is_set()):
                self.chance.choice(STEPS)(self)
        except BaseException as error:  # noqa: BLE001 - shown in the test's own thread
            self.error = error
        finally:
            self.line.close()

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Again for as long as the registry says that it cannot now."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            status, told, data = self._ask_once(method, path, body, headers or {})
            if status < 500:
                return status, told, data
            assert time.monotonic() < deadline, f"{method} {path}: {status} for {PATIENCE_SECONDS} s: {data[:500]!r}"
            self.again[f"{status} {data.decode()}"] += 1
            time.sleep(AGAIN_SECONDS)

    def _ask_once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            self.line.request(method, path, body, dict(headers))
            answer = self.line.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.line.close()  # the next request opens it again
            return 599, {}, repr(error).encode()

    def image(self) -> Image:
        """Of a few that this half of the clients pushes everywhere, or one that nobody has pushed before."""
        number = self.chance.randrange(IMAGES)
        about: dict[str, Any] = {"half": self.number // self.shared, "image": number}
        if self.chance.random() < 0.5:
            about |= {"by": self.number, "after": self.done, "chance": self.chance.random()}
        layers = tuple(POOL[(number * step + step) % len(POOL)] for step in (1, 3, 7))
        return Image(json.dumps(about).encode(), layers)

    def push(self) -> None:
        if len(self.blobs) >= MOST_MANIFESTS:
            self.delete()
            return
        image = self.image()
        # A tag that stays with it, whatever policy there is for manifests without any.
        self.bring_all(image, f"{self.number}.{digest_of(image.manifest)[-12:]}")
        self.counted["pushes"] += 1

    def bring_all(self, image: Image, tag: str) -> None:
        data = image.manifest
        while True:
            for blob in image.blobs:
                self.bring(blob)
            status, _, answer = self._put(tag, data)
            if status == 201:
                break
            # A collector was faster than the push: the client is told, and begins again.
            assert status in {400, 404}, answer
            self.counted["pushes begun again"] += 1
        self.tags[tag] = digest_of(data)
        self.blobs[digest_of(data)] = [digest_of(blob) for blob in image.blobs]

    def bring(self, blob: bytes) -> None:
        """As clients do: asked for, mounted from somebody else's repository, or uploaded."""
        digest = digest_of(blob)
        while self.ask("HEAD", f"/v2/{self.repository}/blobs/{digest}")[0] != 200:
            place = self._mounted(self.repository, digest)
            if place is None:
                return
            path = f"{place}{'&' if '?' in place else '?'}digest={digest}"
            asked_before = self.again.total()
            status, _, answer = self.ask("PUT", path, blob, BYTES)
            if status == 201:
                return
            # The upload was begun on a node that went away, or has these bytes already from a request that was told to come again.
            assert status in {404, 416} or (status == 400 and self.again.total() > asked_before), answer
            self.counted["uploads begun again"] += 1

    def _mounted(self, repository: str, digest: str) -> str | None:
        """None, or where to upload."""
        other = f"soak/r{self.chance.randrange(self.shared)}"
        status, told, answer = self.ask("POST", f"/v2/{repository}/blobs/uploads/?mount={digest}&from={other}")
        assert status in {201, 202}, answer
        return None if status == 201 else told["location"]

    def mount(self) -> None:
        """Where nothing ever references it, so that the link goes again after a while."""
        blob = self.chance.choice(POOL)
        digest, began = digest_of(blob), time.monotonic()
        if self._mounted(self.desk, digest) is not None:
            self.counted["mounts that were not"] += 1
            return
        status, _, data = self.ask("GET", f"/v2/{self.desk}/blobs/{digest}")
        if time.monotonic() - began < self.prompt_seconds:
            self.expect(status, f"mounted {digest}")
        assert status != 200 or data == blob
        self.counted["mounts"] += 1

    def tag_again(self) -> None:
        if not self.blobs:
            return
        digest = self.chance.choice(list(self.blobs))
        status, _, data = self.ask("GET", f"/v2/{self.repository}/manifests/{digest}")
        self.expect(status, digest)
        tag = f"{self.number}.moves{self.chance.randrange(2)}"
        status, _, answer = self._put(tag, data)
        assert status == 201, answer
        self.tags[tag] = digest
        self.counted["retags"] += 1

    def _put(self, tag: str, data: bytes) -> tuple[int, Mapping[str, str], bytes]:
        return self.ask("PUT", f"/v2/{self.repository}/manifests/{tag}", data, {"Content-Type": MANIFEST})

    def delete(self) -> None:
        if len(self.blobs) < 3:
            return
        digest = self.chance.choice(list(self.blobs))
        asked_before = self.again.total()
        status, _, answer = self.ask("DELETE", f"/v2/{self.repository}/manifests/{digest}")
        # Not there: deleted by a request whose answer did not come.
        assert status == 202 or (status == 404 and self.again.total() > asked_before), (status, answer)
        del self.blobs[digest]
        self.tags = {tag: named for tag, named in self.tags.items() if named != digest}
        self.counted["deletes"] += 1

    def delete_all(self) -> None:
        for digest in self.blobs:
            status, _, answer = self.ask("DELETE", f"/v2/{self.repository}/manifests/{digest}")
            assert status in {202, 404}, (status, answer)
        self.blobs, self.tags = {}, {}
        self.line.close()

    def pull(self) -> None:
        for digest in self.chance.sample(list(self.blobs), min(1, len(self.blobs))):
            self.look(digest)
        self.counted["pulls"] += 1

    def look(self, digest: str) -> None:
        """Its manifest and every blob of it, with the right bytes."""
        for path in (f"manifests/{digest}", *(f"blobs/{blob}" for blob in self.blobs[digest])):
            status, _, data = self.ask("GET", f"/v2/{self.repository}/{path}")
            self.expect(status, path)
            assert status != 200 or digest_of(data) == path.partition("/")[2]

    def look_at_all(self) -> None:
        for digest in self.blobs:
            self.look(digest)
        for tag, digest in self.tags.items():
            status, told, _ = self.ask("HEAD", f"/v2/{self.repository}/manifests/{tag}")
            self.expect(status, tag)
            assert status != 200 or told["docker-content-digest"] == digest
        self.line.close()

    def expect(self, status: int, what: str) -> None:
        if status != 200:
            self.missing.append(f"{self.repository} {what}: {status}")


# So few pulls that most of the time goes into what a collector could be in the way of.
STEPS = (
    *(Client.push, Client.delete) * 2,
    *(Client.tag_again, Client.mount) * 3,
    Client.pull,
)


@dataclass
class Team:
    """Clients that work at the same time, each at one of these doors; ``keeper`` has pushed something that stays."""

    clients: list[Client]
    keeper: Client
    enough: threading.Event
    late: threading.Event

    @classmethod
    def at(cls, doors: list[Asked], clients: int, operations: int, prompt_seconds: float) -> Team:
        each, enough, late = -(-operations // clients), threading.Event(), threading.Event()
        rest = (prompt_seconds, enough, late)
        made = [Client(doors[n % len(doors)], n, clients, each, *rest) for n in range(clients)]
        keeper = Client(doors[0], clients, clients, 0, *rest)
        return cls(made, keeper, enough, late)

    def work(self, is_enough: Callable[[], bool], most_seconds: float, seconds: float = 1.0) -> None:
        """To the end, or to the first thing that is missing; no longer than that. ``is_enough`` is asked every so many seconds."""
        self.keeper.repository = "soak/keeper"
        self.keeper.bring_all(Image(b"{}", BALLAST), "stays")
        deadline = time.monotonic() + most_seconds
        for client in self.clients:
            client.start()
        while any(client.is_alive() for client in self.clients) and not self.broken():
            if is_enough():
                self.enough.set()
            if time.monotonic() > deadline:
                self.late.set()
            for client in self.clients:
                client.join(seconds / len(self.clients))
        self.require_whole()

    def require_whole(self) -> None:
        if self.broken():
            raise AssertionError("\n".join(self.broken()))

    def broken(self) -> list[str]:
        everybody = (*self.clients, self.keeper)
        errors = [repr(client.error) for client in everybody if client.error is not None]
        return [*errors, *(one for client in everybody for one in client.missing)]

    def look_at_all(self) -> None:
        for client in (*self.clients, self.keeper):
            client.look_at_all()
        self.require_whole()

    def delete_all(self) -> None:
        """Whatever they have pushed and not deleted, but for what stays."""
        for client in self.clients:
            client.delete_all()

    @property
    def done(self) -> int:
        return sum(client.done for client in self.clients)

    @property
    def counted(self) -> Counter[str]:
        return sum((client.counted for client in self.clients), Counter())

    @property
    def needed(self) -> set[str]:
        every = (item for client in (*self.clients, self.keeper) for item in client.blobs.items())
        return {one for digest, blobs in every for one in (digest, *blobs)}

    @property
    def again(self) -> Counter[str]:
        """What the registry said when it could not at that moment, and how often."""
        return sum((client.again for client in self.clients), Counter())

    def told(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.counted.most_common())
        again = self.again.total()
        return f"{self.done} operations by {len(self.clients)} clients ({kinds}, {again} asked again after 5xx)"


def broken_names(store: Store) -> list[str]:
    """Manifests without all of their links, links without a holder, and so on, in all repositories."""
    entries = list(pages(store, *keys.repositories_after(""), keys_only=True))
    return [fault for entry in entries for fault in faults(store, keys.repository_in(entry.key))]


def held_by_anybody(store: Store) -> set[str]:
    return {str(keys.held_in(entry.key)) for entry in pages(store, *keys.HOLDERS, keys_only=True)}


class Cycles:
    """How many collections these nodes have told of. A log is read on from where it was read before."""

    def __init__(self, *logs: Path) -> None:
        self._read = dict.fromkeys(logs, 0)
        self._counted: Counter[Path] = Counter()

    def each(self) -> list[int]:
        for log, start in self._read.items():
            with log.open("rb") as file:
                file.seek(start)
                lines = file.read()
            whole = lines[: lines.rfind(b"\n") + 1]
            self._read[log] = start + len(whole)
            self._counted[log] += whole.count(b'"a collection is over"')
        return [self._counted[log] for log in self._read]


def reporting(team: Team, cycles: Cycles) -> Callable[[], None]:
    """Once a minute where a long run is at."""
    told = began = time.monotonic()

    def tell() -> None:
        nonlocal told
        if time.monotonic() - told > 60:
            told = time.monotonic()
            print(f"{told - began:.0f} s: {team.told()}, collections: {cycles.each()}", flush=True)

    return tell
