"""Clients that push, tag again, mount and delete, with a collector that never rests: nothing is missing, and nothing is left.

The short form runs with the other tests. The long one (``-m soak``) is 16 clients and at least 100,000 operations, with cycles a
second apart.
"""

from __future__ import annotations

import json
import os
import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.gc.test_on_one_machine import MANIFEST, digest_of, stored
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serving import Server

# So few that clients share them all the time.
POOL = [b"blob %d" % number * 50 for number in range(40)]
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass
class Client(threading.Thread):
    """One repository of its own, in which it knows what has to be there: manifests by tag, and their blobs."""

    server: Server
    number: int
    operations: int
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    refused: int = 0
    done: int = 0
    error: BaseException | None = None

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.chance = random.Random(self.number)
        self.repository = f"soak/r{self.number}"

    def __hash__(self) -> int:
        return self.number

    def run(self) -> None:
        try:
            while self.done < self.operations:
                step = self.chance.choice((self.push, self.push, self.tag_again, self.delete, self.pull))
                step()
                self.done += 1
        except BaseException as error:  # noqa: BLE001 - shown in the test's own thread
            self.error = error

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
        return self.server.request(method, f"/v2/{self.repository}/{path}", body, headers)

    def push(self) -> None:
        layers = self.chance.sample(POOL, 3)
        config = json.dumps({"by": self.number, "at": self.done}).encode()
        for blob in (config, *layers):
            self.bring(blob)
        parts = [{"mediaType": LAYER, "digest": digest_of(blob), "size": len(blob)} for blob in layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
            "layers": parts,
        }
        data = json.dumps(manifest).encode()
        tag = f"t{self.chance.randrange(4)}"
        status, _, _ = self.ask("PUT", f"manifests/{tag}", data, **{"Content-Type": MANIFEST})
        if status != 201:
            self.refused += 1  # a collector was faster than the push: the client is told, and pushes again
            return
        digest = digest_of(data)
        self.tags[tag] = digest
        self.blobs[digest] = [digest_of(blob) for blob in (config, *layers)]

    def bring(self, blob: bytes) -> None:
        """As clients do: asked for, mounted from somebody else's repository, or uploaded."""
        digest = digest_of(blob)
        if self.ask("HEAD", f"blobs/{digest}")[0] == 200:
            return
        other = f"soak/r{self.chance.randrange(4)}"
        status, told, _ = self.ask("POST", f"blobs/uploads/?mount={digest}&from={other}")
        if status == 201:
            return
        assert status == 202, status
        place = told["location"]
        path = f"{place}{'&' if '?' in place else '?'}digest={digest}"
        status, _, answer = self.server.request("PUT", path, blob, {"Content-Type": "application/octet-stream"})
        assert status == 201, answer

    def tag_again(self) -> None:
        if not self.tags:
            return
        digest = self.chance.choice(list(self.tags.values()))
        status, _, data = self.ask("GET", f"manifests/{digest}")
        self.expect(status, digest)
        assert self.ask("PUT", "manifests/again", data, **{"Content-Type": MANIFEST})[0] == 201
        self.tags["again"] = digest

    def delete(self) -> None:
        if len(self.blobs) < 3:
            return
        digest = self.chance.choice(list(self.blobs))
        assert self.ask("DELETE", f"manifests/{digest}")[0] == 202
        del self.blobs[digest]
        self.tags = {tag: named for tag, named in self.tags.items() if named != digest}

    def pull(self) -> None:
        for digest in self.chance.sample(list(self.blobs), min(2, len(self.blobs))):
            self.look(digest)

    def look(self, digest: str) -> None:
        """Its manifest and every blob of it, with the right bytes."""
        status, _, data = self.ask("GET", f"manifests/{digest}")
        self.expect(status, digest)
        assert digest_of(data) == digest
        for blob in self.blobs[digest]:
            status, _, data = self.ask("GET", f"blobs/{blob}")
            self.expect(status, blob)
            assert status != 200 or digest_of(data) == blob

    def expect(self, status: int, digest: str) -> None:
        if status != 200:
            self.missing.append(f"{digest}: {status}")


def soak(root: Path, clients: int, operations: int, storage: dict[str, Any]) -> list[Client]:
    # Clients remember what tags have left, and without any policy that goes.
    stays = {"policies": [{"repositories": ["**"], "deleteUntagged": False}]}
    with serving(root, storage={**storage, "retention": stays}) as server:
        team = [Client(server, number, operations // clients) for number in range(clients)]
        for client in team:
            client.start()
        for client in team:
            client.join()
        for client in team:
            assert client.error is None, client.error
            for digest in client.blobs:
                client.look(digest)
            assert client.missing == []
        needed = {one for client in team for digest, blobs in client.blobs.items() for one in (digest, *blobs)}
        wait_for("all garbage to go", lambda: stored(server) == needed, 120)
        cycles = [line for line in server.told("went to the trash") if line.get("swept")]
        assert cycles, "nothing was collected, so nothing was tried"
        for client in team:
            for digest in client.blobs:
                client.look(digest)
            assert client.missing == []
    return team


def test_nothing_acknowledged_is_missing_and_nothing_is_left(tmp_path: Path) -> None:
    storage = {"gc": True, "gcDelay": "300ms", "gcInterval": "100ms", "uploadExpiry": "1s"}
    team = soak(tmp_path, 4, 400, storage)
    assert sum(client.done for client in team) == 400


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_hundred_thousand_operations(tmp_path: Path) -> None:
    operations = int(os.environ.get("OPERATIONS", "100000"))
    storage = {"gc": True, "gcDelay": "2s", "gcInterval": "1s", "uploadExpiry": "10s"}
    team = soak(tmp_path, 16, operations, storage)
    done, refused = sum(client.done for client in team), sum(client.refused for client in team)
    print(f"\n{done} operations, {refused} pushes were told to begin again, 0 blobs missing, 0 orphans left")
    assert done >= operations - 16
