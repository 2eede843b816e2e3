"""One machine has nobody to repair from: a scrub says exactly what is wrong, whom it touches, and when it is well again."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from holdfast.cli import app
from holdfast.clock import SystemClock
from holdfast.errors import CorruptError, MissingError
from holdfast.manifest import OCI_MANIFEST, Reference
from holdfast.meta.installation import installation_id
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.meta.sqlite import SqliteStore
from holdfast.names import repository, tag
from holdfast.rpc.node import Want
from storagenode.disk.tree import Tree
from storagenode.options import NodeOptions
from storagenode.scrubbing.assembly import ScrubOptions
from storagenode.server import NodeServer
from tests.scrub.damage import blobs, damage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from holdfast.digest import Digest
    from tests.scrub.damage import Kept

REPOSITORY = repository("team/app")
LAYERS = 9


class World:
    """A node in this process, metadata as ``holdfast serve`` has them, and the command line beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "meta").mkdir()
        self.config = root / "config.json"
        self.config.write_text(json.dumps({"storage": {"rootDirectory": str(root)}}))
        # Who looks whether the registry runs finds this process.
        (root / "lock").write_text(str(os.getpid()))
        self.store = SqliteStore(root / "meta/holdfast.db", SystemClock())
        cluster_id = installation_id(self.store, lambda: os.urandom(16))
        self.repos = Repositories(self.store, lambda: os.urandom(16), SystemClock())
        self.server = NodeServer(
            NodeOptions(
                root / "node",
                f"unix:{root}/s",
                cluster_id=cluster_id,
                reserve_bytes=0,
                metadata=root / "meta/holdfast.db",
                scrub=ScrubOptions(bytes_per_second=0),
            )
        )
        self.server.start()
        self.node = self.server.node
        self.kept = blobs()

    @property
    def tree(self) -> Tree:
        return Tree(str(self.root / "node"))

    def fill(self) -> None:
        """Images of so many layers each; their manifests are blobs like others."""
        for one in self.kept:
            fence = self.repos.fence(one.digest)
            self.node.put_blob(one.digest, one.data)
            self.repos.add_link(REPOSITORY, one.digest, len(one.data), fence)
        for number in range(0, len(self.kept), LAYERS + 1):
            manifest, *layers = self.kept[number : number + LAYERS + 1]
            references = tuple(Reference(layer.digest, len(layer.data)) for layer in layers)
            new = NewManifest(manifest.digest, OCI_MANIFEST, len(manifest.data), references)
            removals, fence = self.repos.removals(REPOSITORY), self.repos.fence(manifest.digest)
            self.repos.put_manifest(REPOSITORY, new, [tag(f"v{number // (LAYERS + 1)}")], fence, removals)

    def tag_of(self, digest: Digest) -> str:
        return f"v{[one.digest for one in self.kept].index(digest) // (LAYERS + 1)}"

    def scrub(self, *words: str) -> tuple[int, dict]:
        words = ("--wait", "--json", "--timeout", "100", "--config", str(self.config), *words)
        done = CliRunner().invoke(app, ["scrub", *words])
        assert done.stdout, done.stderr
        return done.exit_code, json.loads(done.stdout)

    def served(self, one: Kept) -> bytes | None:
        """By the way that promises it: None where the answer does not come to its end."""
        try:
            return b"".join(self.node.read_blob(Want(one.digest, len(one.data)), 0, None))
        except (CorruptError, MissingError):
            return None

    def close(self) -> None:
        self.server.stop(0)
        self.store.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.fill()
    yield world
    world.close()


def verified(*words: str) -> tuple[int, dict]:
    done = CliRunner().invoke(app, ["verify-store", "--json", *words])
    return done.exit_code, json.loads(done.stdout) if done.stdout else {"said": done.stderr}


def everything_below(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in root.rglob("*")}


def lost(told: dict) -> list[str]:
    return sorted(one["digest"] for one in told["lost"])


def texts(digests: Sequence[Digest] | set[Digest]) -> list[str]:
    return sorted(map(str, digests))


def test_fifty_damaged_blobs_are_reported_exactly_and_heal_by_being_pushed_again(world: World) -> None:
    hurt = damage(world.tree, world.kept)
    by_digest = {one.digest: one for one in world.kept}
    code, told = world.scrub()
    assert code == 1
    assert lost(told) == texts(hurt.all)
    (node,) = told["nodes"]
    last = node["last"]
    assert (last["wrong"], last["missing"], last["unclear"]) == (len(hurt.wrong), len(hurt.deleted), 0)
    assert (last["copies"], last["repaired"], last["lost"]) == (1000 - len(hurt.deleted), 0, 50)
    # Each with exactly the image that it is a layer of, or the manifest of.
    assert {(one["digest"], *one["tags"]) for one in told["images"]} == {(str(d), world.tag_of(d)) for d in hurt.all}
    assert {one["repository"] for one in told["images"]} == {REPOSITORY}
    # What is known to be bad is not served at all, and all else as it was; "have it" is said of none of them.
    assert all(world.served(one) == (None if one.digest in hurt.all else one.data) for one in world.kept)
    assert world.node.stat_blobs([Want(digest) for digest in hurt.all]) == [None] * 50
    for digest in hurt.all:
        world.node.put_blob(digest, by_digest[digest].data)
    code, told = world.scrub()
    assert (code, told["well"], lost(told), told["images"]) == (0, True, [], [])
    assert all(world.served(one) == one.data for one in world.kept)


def test_before_a_scrub_nothing_damaged_ends_as_a_complete_answer_where_that_is_promised(world: World) -> None:
    hurt = damage(world.tree, world.kept)
    assert all(world.served(one) == (None if one.digest in hurt.all else one.data) for one in world.kept)


def test_a_stopped_node_s_directory_is_checked_and_left_as_it_is(world: World) -> None:
    code, told = verified(str(world.config))
    assert (code, "is running" in told["said"]) == (78, True)
    world.server.stop(0)
    code, told = verified(str(world.root))
    assert (code, told["well"], told["disks"][0]["copies"], told["unlinked"]) == (0, True, 1000, 0)
    hurt = damage(world.tree, world.kept)
    stray, misplaced = world.root / "node/blobs/000/notes.txt", world.root / f"node/blobs/fff/sha256-{'0' * 64}"
    for path in (stray, misplaced):
        path.write_text("not ours")
    before = everything_below(world.root)
    code, told = verified(str(world.config))
    assert everything_below(world.root) == before
    (disk,) = told["disks"]
    assert (code, told["well"], told["metadata"]) == (1, False, True)
    assert sorted(one["digest"] for one in disk["wrong"]) == texts(hurt.wrong)
    assert sorted(told["missing"]) == texts(hurt.all)
    assert {(one["digest"], *one["tags"]) for one in told["images"]} == {(str(d), world.tag_of(d)) for d in hurt.all}
    assert [str(world.root / "node" / name) for name in disk["stray"]] == [str(stray), str(misplaced)]
