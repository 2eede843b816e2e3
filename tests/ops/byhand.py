"""A registry of one machine without its processes: the names in SQLite, the bytes in a node's directory, each by its own code.

What a stopped registry leaves behind is the same, and making it takes milliseconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from holdfast import digest as digests
from holdfast.cli import app
from holdfast.clock import SystemClock
from holdfast.manifest import parse
from holdfast.meta.installation import installation_id
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.witness import Witness
from holdfast.names import repository, tag
from storagenode.collecting.collector import Collector, Cycle, Terms
from storagenode.collecting.marks import Marks
from storagenode.disk import identity
from storagenode.disk.doubts import Doubts
from storagenode.disk.fsio import Files
from storagenode.disk.proofs import Proofs
from storagenode.disk.space import Space
from storagenode.disk.stamps import Stamps
from storagenode.disk.store import DiskStore
from storagenode.disk.tree import Tree
from storagenode.disk.witnessbook import WitnessBook
from tests.ops.cluster import Said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLOCK = SystemClock()
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def new_id() -> bytes:
    return secrets.token_bytes(16)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class ByHand:
    """``names`` and ``blobs`` as a server has them open."""

    root: Path
    names: SqliteStore
    blobs: DiskStore
    witness: Witness

    @property
    def repos(self) -> Repositories:
        return Repositories(self.names, new_id, CLOCK)

    def push_blob(self, name: str, data: bytes) -> str:
        digest = digests.of(data)
        fence = self.repos.fence(digest)
        self.blobs.put(digest, data)
        self.repos.add_link(repository(name), digest, len(data), fence)
        return str(digest)

    def push_manifest(self, name: str, where: str | None, body: dict[str, Any]) -> str:
        data = json.dumps(body).encode()
        parsed, digest, repos = parse(data, None), digests.of(data), self.repos
        new = NewManifest(digest, parsed.media_type, len(data), parsed.references, parsed.subject, "")
        fence = repos.fence(digest)
        self.blobs.put(digest, data)
        repos.put_manifest(
            repository(name), new, [tag(where)] if where else [], fence, repos.removals(repository(name))
        )
        return str(digest)

    def push_image(self, name: str, where: str | None, *layers: bytes, **more: Any) -> list[str]:
        """The digests of the manifest, the configuration, the layers."""
        config = b"{}" + os.urandom(8).hex().encode()
        parts = [
            {"mediaType": f"application/vnd.oci.image.{kind}", "digest": self.push_blob(name, data), "size": len(data)}
            for kind, data in (("config.v1+json", config), *(("layer.v1.tar", layer) for layer in layers))
        ]
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]} | more
        return [self.push_manifest(name, where, body), *(part["digest"] for part in parts)]

    def described(self, digest: str, media_type: str = MANIFEST) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": digest, "size": self.path(digest).stat().st_size}

    def push_index(self, name: str, where: str, *children: str) -> str:
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [self.described(child) for child in children]}
        return self.push_manifest(name, where, body)

    def path(self, digest: str) -> Path:
        (found,) = (self.root / "data/node/blobs").glob(f"*/sha256-{digest.partition(':')[2]}")
        return found

    def stored(self) -> set[str]:
        return {str(blob.digest) for number in range(4096) for blob in self.blobs.listing(number)}

    def tags(self, name: str) -> list[str]:
        return list(self.repos.tags(repository(name), "", 100)[0])

    def collected(self) -> Cycle:
        """A mark and a sweep, as the node does them without any grace. Raises RolledBackError."""
        require_right = self.witness.require_right
        collector = Collector(self.blobs, self.names, self.repos, Marks(CLOCK), lambda _: None, require_right)
        collector.cycle(Terms(0.0), lambda: True)
        return collector.cycle(Terms(0.0), lambda: True)


@contextlib.contextmanager
def opened(root: Path) -> Iterator[ByHand]:
    """As ``holdfast serve`` finds it, or makes it."""
    (root / "data").mkdir(parents=True, exist_ok=True)
    (root / "config.json").write_text(json.dumps({"storage": {"rootDirectory": str(root / "data")}}))
    tree, files = Tree(str(root / "data/node")), Files()
    with (
        contextlib.closing(SqliteStore(root / "data/meta/holdfast.db", CLOCK)) as names,
        os.fdopen(identity.lock(tree), "rb"),
    ):
        known = identity.prepare(tree, files, installation_id(names, new_id))
        store = DiskStore(tree, files, Space(tree.root, 0), Stamps(secrets.token_hex(8)), Proofs(CLOCK), Doubts(CLOCK))
        with contextlib.closing(store):
            yield ByHand(root, names, store, Witness(names, known.node_id, WitnessBook(tree, files), new_id))


def holdfast(root: Path, *words: str) -> Said:
    """In this process: a program of its own takes most of its time to begin."""
    done = CliRunner().invoke(app, [*words, "--config", str(root / "config.json")], env={"NO_COLOR": "1"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Said(done.exit_code, done.stdout, done.stderr)


def must(root: Path, *words: str) -> Said:
    said = holdfast(root, *words)
    assert said.code == 0, said.text
    return said
