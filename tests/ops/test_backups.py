"""Backup, restore, compare, recover on one machine, as an operator does it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.clock import SystemClock
from holdfast.errors import RolledBackError
from holdfast.meta import keys, witness
from holdfast.meta.installation import installation_id
from holdfast.meta.sqlite import SqliteStore
from holdfast.names import repository
from holdfast.rpc.node import Want
from storagenode.store import UploadRecord
from tests.gc.test_on_one_machine import SOON, push_image, stored
from tests.ops.byhand import holdfast, must, new_id, opened
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from pathlib import Path


def layer() -> bytes:
    return os.urandom(1000)


def test_an_old_backup_restored_under_a_newer_store_deletes_nothing_until_an_operator_trusts_it(tmp_path: Path) -> None:
    backup = tmp_path / "names.backup"
    with opened(tmp_path) as server:
        server.push_image("a/app", "old", layer())
        server.witness.leave()
        said = must(tmp_path, "backup", str(backup), "--json").json
        assert (said["repositories"], said["tags"], said["manifests"], said["links"]) == (1, 1, 1, 3)
        new = server.push_image("a/app", "new", layer())
        server.witness.leave()
    must(tmp_path, "restore", str(backup), "--replace", "--yes")
    with opened(tmp_path) as server:
        held = server.stored()
        assert held > set(new)
        for _ in range(3):
            with pytest.raises(RolledBackError, match="restored from a backup"):
                server.collected()
        assert server.tags("a/app") == ["old"]
        newer = server.push_image("b/app", "newer", layer())
        with pytest.raises(RolledBackError):
            server.collected()
        assert server.stored() == held | set(newer)
        found = must(tmp_path, "compare", "--json").json
        assert (found["missing"], found["withoutName"], found["silent"]) == (0, 3, [])
        must(tmp_path, "gc", "trust", "--yes")
        assert server.collected().swept == 3
        assert server.stored() == held - set(new) | set(newer)


def test_a_backup_that_is_as_new_as_the_store_is_doubted_as_well(tmp_path: Path) -> None:
    """Nothing that a node can see has changed since; a restore is a restore."""
    with opened(tmp_path) as server:
        server.push_image("a/app", "one", layer())
        server.witness.leave()
        must(tmp_path, "backup", str(tmp_path / "b"))
    must(tmp_path, "restore", str(tmp_path / "b"), "--replace", "--yes")
    with opened(tmp_path) as server:
        with pytest.raises(RolledBackError, match="restored from a backup"):
            server.collected()
        witness.trust(server.names, new_id)
        assert server.collected().swept == 0


def test_what_is_there_is_not_replaced_without_being_told_to(tmp_path: Path) -> None:
    backup = str(tmp_path / "b")
    with opened(tmp_path) as server:
        server.push_image("a/app", "one", layer())
        must(tmp_path, "backup", backup)
        server.push_image("a/app", "two", layer())
    said = holdfast(tmp_path, "restore", backup)
    assert said.code == 1
    assert "is not empty" in said.err
    assert "nothing was changed" in must(tmp_path, "restore", backup, "--replace", "--dry-run").out
    asked = holdfast(tmp_path, "restore", backup, "--replace")
    assert (asked.code, "add --yes" in asked.err) == (1, True)
    with opened(tmp_path) as server:
        assert server.tags("a/app") == ["one", "two"]


@pytest.mark.parametrize("lock", ["data/lock", "data/node/lock"])
def test_a_running_server_or_node_refuses_a_restore(tmp_path: Path, lock: str) -> None:
    with opened(tmp_path):
        must(tmp_path, "backup", str(tmp_path / "b"))
    with (tmp_path / lock).open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = holdfast(tmp_path, "restore", str(tmp_path / "b"), "--replace", "--yes")
    assert said.code == 1
    assert "stop it" in said.err


def test_a_backup_in_a_directory_has_a_name_of_its_own_and_needs_no_stop(tmp_path: Path) -> None:
    with opened(tmp_path) as server:
        server.push_image("a/app", "one", layer())
        (tmp_path / "kept").mkdir()
        must(tmp_path, "backup", str(tmp_path / "kept"))
        (made,) = (tmp_path / "kept").iterdir()
        assert made.name.startswith("holdfast-")
        assert made.stat().st_mode & 0o777 == 0o600


def test_what_is_missing_is_told_and_ends_with_1(tmp_path: Path) -> None:
    with opened(tmp_path) as server:
        image = server.push_image("a/app", "one", layer())
        must(tmp_path, "backup", str(tmp_path / "b"))
        assert must(tmp_path, "compare").out.endswith("0 blobs without a name, 0 B\n")
        server.path(image[2]).write_bytes(b"short")
        server.path(image[1]).unlink()
    for words in (["compare"], ["compare", str(tmp_path / "b")]):
        said = holdfast(tmp_path, *words, "--json")
        assert said.code == 1
        assert (said.json["missing"], said.json["misshapen"]) == (2, 1)
        assert {one["digest"] for one in said.json["named"]} == set(image[1:])
    assert image[2] in holdfast(tmp_path, "compare").out


def test_what_came_from_an_upstream_may_be_absent(tmp_path: Path) -> None:
    with opened(tmp_path) as server:
        digest, repos = digests.of(b"elsewhere"), server.repos
        repos.add_link(repository("mirror/app"), digest, 9, repos.fence(digest), "upstream")
        said = must(tmp_path, "compare", "--json").json
    assert (said["missing"], said["absentFromUpstreams"]) == (0, 1)


def test_a_damaged_backup_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    backup = tmp_path / "b"
    with opened(tmp_path) as server:
        server.push_image("a/app", "one", layer())
        must(tmp_path, "backup", str(backup))
        server.push_image("a/app", "two", layer())
    data = bytearray(backup.read_bytes())
    data[len(data) // 2] ^= 1
    backup.write_bytes(data)
    said = holdfast(tmp_path, "restore", str(backup), "--replace", "--yes")
    assert said.code == 1
    assert "is damaged: its checksum does not fit" in said.err
    with opened(tmp_path) as server:
        assert server.tags("a/app") == ["one", "two"]


def test_what_was_done_is_in_the_audit_log_and_nothing_is_done_without_it(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(settings | {"log": {"audit": str(tmp_path / "audit")}}))
    must(tmp_path, "backup", str(tmp_path / "b"))
    must(tmp_path, "restore", str(tmp_path / "b"), "--replace", "--yes")
    lines = (tmp_path / "audit").read_text().splitlines()
    assert [next(word for word in ("backup", "restore") if f'"{word}"' in line) for line in lines] == [
        "backup",
        "restore",
    ]
    (tmp_path / "config.json").write_text(json.dumps(settings | {"log": {"audit": str(tmp_path / "none/audit")}}))
    assert holdfast(tmp_path, "backup", str(tmp_path / "c")).code != 0
    assert not (tmp_path / "c").exists()


def test_a_backup_of_another_registry_is_not_put_over_these_bytes(tmp_path: Path) -> None:
    with opened(tmp_path / "one"):
        must(tmp_path / "one", "backup", str(tmp_path / "b"))
    with opened(tmp_path / "two"):
        pass
    said = holdfast(tmp_path / "two", "restore", str(tmp_path / "b"), "--replace", "--yes")
    assert said.code == 1
    assert "names other bytes" in said.err


def test_lost_names_come_back_from_the_newest_good_backup_and_what_came_after_it_as_recovered(tmp_path: Path) -> None:
    kept = tmp_path / "data/node/backups"
    with opened(tmp_path) as server:
        server.push_image("a/app", "before", layer())
        kept.mkdir()
        must(tmp_path, "backup", str(kept / "holdfast-x-20260101T000000Z.backup"))
        server.push_image("a/app", "then", layer())
        must(tmp_path, "backup", str(kept / "holdfast-x-20260102T000000Z.backup"))
        must(tmp_path, "backup", str(kept / "holdfast-x-20260103T000000Z.backup"))
        with (kept / "holdfast-x-20260103T000000Z.backup").open("r+b") as damaged:
            damaged.seek(-1, os.SEEK_END)
            damaged.write(b"\0")
        after = server.push_image("b/app", "after", layer(), layer())
        other = server.push_image("c/app", "other", layer())
        index = server.push_index("b/app", "index", after[0])
        lacks = server.push_image("d/app", "lacks", layer())
        half = server.push_index("d/app", "half", lacks[0], other[0])
        signature = server.push_image("c/app", None, layer(), subject=server.described(other[0]))
        server.push_blob("e/app", b'{"schemaVersion": 2, "is": "no manifest"}')
        server.path(lacks[2]).unlink()
    shutil.rmtree(tmp_path / "data/meta")

    planned = must(tmp_path, "recover", "--dry-run", "--json").json
    assert not (tmp_path / "data/meta").exists()
    said = must(tmp_path, "recover", "--yes", "--json").json
    assert said["recovered"] == planned["recovered"]
    assert {one["digest"] for one in said["recovered"]} == {index, other[0], signature[0]}
    assert set(said["lacking"]) == {half, lacks[0]}
    assert must(tmp_path, "recover", "--yes", "--json").json["images"] == 0
    with opened(tmp_path) as server:
        assert server.tags("a/app") == ["before", "then"]
        homes = {digest: f"recovered/{digest.partition(':')[2]}" for digest in (index, other[0])}
        for digest, home in homes.items():
            assert str(server.repos.manifest_by_tag(repository(home), "recovered").digest) == digest
        inside = [digests.parse(digest) for digest in (index, *after)]
        assert set(server.repos.links(repository(homes[index]), inside)) == set(inside)
        (attached,) = server.repos.referrers(repository(homes[other[0]]), digests.parse(other[0]))
        assert str(attached) == signature[0]
        assert must(tmp_path, "compare", "--json").json["missing"] == 0
        with pytest.raises(RolledBackError, match="restored from a backup"):
            server.collected()


def test_names_come_back_without_any_backup_at_all(tmp_path: Path) -> None:
    with opened(tmp_path) as server:
        image = server.push_image("a/app", "one", layer())
    shutil.rmtree(tmp_path / "data/meta")
    must(tmp_path, "recover", "--yes")
    with opened(tmp_path) as server:
        home = repository(f"recovered/{image[0].partition(':')[2]}")
        assert str(server.repos.manifest_by_tag(home, "recovered").digest) == image[0]
        assert server.stored() == set(image)


def test_a_server_that_began_anew_where_names_were_lost_is_no_hindrance(tmp_path: Path) -> None:
    with opened(tmp_path) as server:
        image = server.push_image("a/app", "one", layer())
        registry = server.names.get(keys.CLUSTER_ID).value
    shutil.rmtree(tmp_path / "data/meta")
    with contextlib.closing(SqliteStore(tmp_path / "data/meta/holdfast.db", SystemClock())) as store:
        installation_id(store, new_id)
    must(tmp_path, "recover", "--yes")
    with opened(tmp_path) as server:
        assert server.names.get(keys.CLUSTER_ID).value == registry
        assert server.repos.exists(repository(f"recovered/{image[0].partition(':')[2]}"))


def test_another_registrys_names_are_not_taken_for_these_bytes_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with opened(tmp_path / name) as server:
            server.push_image("a/app", "one", layer())
    shutil.rmtree(tmp_path / "one/data/meta")
    shutil.copytree(tmp_path / "two/data/meta", tmp_path / "one/data/meta")
    said = holdfast(tmp_path / "one", "recover", "--yes")
    assert said.code == 1
    assert "holds repositories, and the bytes are of" in said.err


def test_a_damaged_file_of_names_is_moved_away_first(tmp_path: Path) -> None:
    with opened(tmp_path) as server:
        server.push_image("a/app", "one", layer())
        must(tmp_path, "backup", str(tmp_path / "b"))
    names = tmp_path / "data/meta/holdfast.db"
    names.write_bytes(b"damaged" * 1000)
    said = holdfast(tmp_path, "restore", str(tmp_path / "b"), "--replace", "--yes")
    assert said.code == 1
    assert "move it away with holdfast.db-wal" in said.err
    names.unlink()
    must(tmp_path, "restore", str(tmp_path / "b"))
    with opened(tmp_path) as server:
        assert server.tags("a/app") == ["one"]


def test_a_node_keeps_no_absolute_path_whatever_it_is_at(tmp_path: Path) -> None:
    """So a data directory can be moved at any moment: with open uploads, with trash, quarantine and backups."""
    with opened(tmp_path) as server:
        image = server.push_image("a/app", "one", layer())
        server.witness.leave()
        record = UploadRecord(f"n1-{'0' * 32}", "a/app", "somebody", "sha256")
        server.blobs.new_stage(record).write(b"half", 0)
        (tmp_path / "data/node/backups").mkdir()
        must(tmp_path, "backup", str(tmp_path / "data/node/backups"))
        server.path(image[2]).write_bytes(b"wrong")
        assert server.blobs.stat(Want(digests.parse(image[2]), 1000)) is None
        listed = {str(blob.digest): blob for number in range(4096) for blob in server.blobs.listing(number)}
        assert server.blobs.delete(digests.parse(image[1]), listed[image[1]].stamp)
        for place in ("staging", "quarantine", "trash", "backups"):
            assert any((tmp_path / "data/node" / place).iterdir()), place
        files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        assert [path for path in files if str(tmp_path).encode() in path.read_bytes()] == []


def test_an_image_that_is_only_another_name_for_bytes_is_no_manifest(tmp_path: Path) -> None:
    """Bytes of a manifest under another digest, as a damaged disk may have them."""
    with opened(tmp_path) as server:
        image = server.push_image("a/app", "one", layer())
        server.path(image[2]).write_bytes(server.path(image[0]).read_bytes())
        server.path(image[0]).unlink()
    shutil.rmtree(tmp_path / "data/meta")
    assert must(tmp_path, "recover", "--yes", "--json").json["images"] == 0


def test_where_there_is_no_nodes_directory_nothing_is_made_up(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"storage": {"rootDirectory": str(tmp_path / "data")}}))
    said = holdfast(tmp_path, "recover", "--yes")
    assert said.code == 1
    assert "no storage node's" in said.err
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_a_server_under_restored_metadata_serves_and_collects_nothing_until_it_is_trusted(tmp_path: Path) -> None:
    """The same with real processes, and backups that the node makes by itself."""
    settings = SOON | {"metadataBackups": {"interval": "500ms", "count": 2}}
    kept = tmp_path / "data/node/backups"
    with serving(tmp_path, storage=settings) as server:
        old, _ = push_image(server, "a/app", "old", layer())
        revision = must(tmp_path, "backup", str(tmp_path / "b"), "--json").json["revision"]

        def has_it() -> bool:
            heads = [json.loads(path.read_bytes().split(b"\n")[1]) for path in kept.glob("*.backup")]
            return any(head["revision"] >= revision for head in heads)

        wait_for("a backup by the node", has_it)
        new, of_new = push_image(server, "a/app", "new", layer())
        assert "another server" in holdfast(tmp_path, "restore", str(tmp_path / "b"), "--replace", "--yes").err
        held = stored(server)
    assert len(list(kept.glob("*.backup"))) <= 2
    must(tmp_path, "restore", str(tmp_path / "b"), "--replace", "--yes")
    with serving(tmp_path, storage=settings) as server:
        wait_for("several looks", lambda: server.log.read_text().count("restored from a backup") >= 3)
        assert stored(server) == held
        assert server.request("GET", "/v2/a/app/manifests/old")[1]["docker-content-digest"] == old
        assert server.request("GET", "/v2/a/app/manifests/new")[0] == 404
        must(tmp_path, "gc", "trust", "--yes")
        wait_for("what has no name to go", lambda: not stored(server) & {new, *of_new})
        assert server.request("GET", "/v2/a/app/manifests/old")[0] == 200
