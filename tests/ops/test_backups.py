"""Backup, restore, compare, recover on one machine: real processes, as an operator does it."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from holdfast.cli import app
from tests.gc.test_on_one_machine import MANIFEST, SOON, digest_of, push_blob, push_image, stored
from tests.ops.cluster import Said
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clients.programs import Program

pytestmark = pytest.mark.slow


def holdfast(root: Path, *words: str) -> Said:
    """In this process: a program of its own takes most of its time to begin."""
    done = CliRunner().invoke(app, [*words, "--config", str(root / "config.json")], env={"NO_COLOR": "1"})
    return Said(done.exit_code, done.stdout, done.stderr)


def must(root: Path, *words: str) -> Said:
    said = holdfast(root, *words)
    assert said.code == 0, said.text
    return said


def status_of(server, path: str) -> int:
    return server.request("GET", f"/v2/{path}")[0]


def test_an_old_backup_restored_under_a_newer_store_deletes_nothing_until_an_operator_trusts_it(tmp_path: Path) -> None:
    backup = tmp_path / "names.backup"
    with serving(tmp_path, storage=SOON) as server:
        old, _ = push_image(server, "a/app", "old", os.urandom(1000))
        said = must(tmp_path, "backup", str(backup), "--json").json
        assert (said["repositories"], said["tags"], said["manifests"], said["links"]) == (1, 1, 1, 3)
        new, of_new = push_image(server, "a/app", "new", os.urandom(1000))
        held = stored(server)
        refused = holdfast(tmp_path, "restore", str(backup), "--replace", "--yes")
        assert refused.code == 1
        assert "another server" in refused.err
    assert holdfast(tmp_path, "restore", str(backup)).code == 1
    assert "nothing was changed" in must(tmp_path, "restore", str(backup), "--replace", "--dry-run").out
    assert holdfast(tmp_path, "restore", str(backup), "--replace").code == 1  # nobody to ask
    must(tmp_path, "restore", str(backup), "--replace", "--yes")
    with serving(tmp_path, storage=SOON) as server:
        wait_for("several looks", lambda: server.log.read_text().count("restored from a backup") >= 3)
        assert stored(server) == held
        assert server.request("GET", "/v2/a/app/manifests/old")[1]["docker-content-digest"] == old
        assert (status_of(server, "a/app/manifests/new"), status_of(server, f"a/app/blobs/{of_new[1]}")) == (404, 404)
        newer, _ = push_image(server, "b/app", "newer", os.urandom(1000))
        found = must(tmp_path, "compare", "--json").json
        assert (found["missing"], found["withoutName"], found["silent"]) == (0, 3, [])
        must(tmp_path, "gc", "trust", "--yes")
        wait_for("what has no name to go", lambda: not stored(server) & {new, *of_new})
        assert stored(server) == held - {new, *of_new} | stored(server) & {newer} | stored(server) - held
        for name in ("a/app/manifests/old", "b/app/manifests/newer"):
            assert status_of(server, name) == 200


def test_what_is_missing_is_told_and_ends_with_1(tmp_path: Path) -> None:
    layer = os.urandom(1000)
    with serving(tmp_path, storage={"gc": False}) as server:
        push_image(server, "a/app", "one", layer)
        must(tmp_path, "backup", str(tmp_path / "b"))
        assert must(tmp_path, "compare").out.endswith("0 blobs without a name, 0 B\n")
    (blob,) = (tmp_path / "data/node/blobs").rglob(f"*{digest_of(layer).partition(':')[2]}")
    blob.write_bytes(layer[:10])
    for words in (["compare"], ["compare", str(tmp_path / "b")]):
        said = holdfast(tmp_path, *words, "--json")
        assert said.code == 1
        assert (said.json["missing"], said.json["misshapen"]) == (1, 1)
        assert said.json["named"][0] == {"digest": digest_of(layer), "sizes": [1000], "repositories": ["a/app"]}
    assert digest_of(layer) in holdfast(tmp_path, "compare").out


def test_a_damaged_backup_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    backup = tmp_path / "names.backup"
    with serving(tmp_path) as server:
        push_image(server, "a/app", "one", os.urandom(1000))
        must(tmp_path, "backup", str(backup))
    data = bytearray(backup.read_bytes())
    data[len(data) // 2] ^= 1
    backup.write_bytes(data)
    said = holdfast(tmp_path, "restore", str(backup), "--replace", "--yes")
    assert said.code == 1
    assert "is damaged: its checksum does not fit" in said.err
    with serving(tmp_path) as server:
        assert status_of(server, "a/app/manifests/one") == 200


def test_a_backup_of_another_registry_is_not_put_over_these_bytes(tmp_path: Path) -> None:
    with serving(tmp_path / "one") as server:
        push_image(server, "a/app", "one", os.urandom(1000))
        must(tmp_path / "one", "backup", str(tmp_path / "b"))
    with serving(tmp_path / "two"):
        pass
    said = holdfast(tmp_path / "two", "restore", str(tmp_path / "b"), "--replace", "--yes")
    assert said.code == 1
    assert "names other bytes" in said.err


@pytest.mark.clients
def test_an_image_is_pulled_from_a_registry_whose_names_were_lost_and_restored(
    tmp_path: Path, skopeo: Program, image
) -> None:
    made = image(platforms=("linux/amd64", "linux/arm64"))
    with serving(tmp_path) as server:
        skopeo("copy", "--all", "--dest-tls-verify=false", made.oci, f"docker://{server.host}/team/app:v1")
        must(tmp_path, "backup", str(tmp_path / "b"))
    shutil.rmtree(tmp_path / "data/meta")
    must(tmp_path, "restore", str(tmp_path / "b"))
    with serving(tmp_path) as server:
        name = f"docker://{server.host}/team/app:v1"
        skopeo("copy", "--all", "--src-tls-verify=false", name, f"oci:{tmp_path}/out:v1")
        assert server.request("HEAD", "/v2/team/app/manifests/v1")[1]["docker-content-digest"] == made.digest
        skopeo("copy", "--all", "--dest-tls-verify=false", made.oci, f"docker://{server.host}/team/other:v1")


def push_manifest(server, repository: str, reference: str, body: dict) -> str:
    data = json.dumps(body).encode()
    kind = {"Content-Type": body["mediaType"]}
    status, _, answer = server.request("PUT", f"/v2/{repository}/manifests/{reference}", data, kind)
    assert status == 201, answer
    return digest_of(data)


def test_names_that_are_lost_come_back_from_a_nodes_own_backup_and_what_came_after_it_as_recovered(
    tmp_path: Path,
) -> None:
    often = {"gc": False, "metadataBackups": {"interval": "500ms", "count": 2}}
    backups = tmp_path / "data/node/backups"
    with serving(tmp_path, storage=often) as server:
        before, _ = push_image(server, "a/app", "before", os.urandom(1000))

        def has_it() -> bool:
            said = [json.loads(path.read_bytes().split(b"\n")[1]) for path in backups.glob("*.backup")]
            return any(one["revision"] >= revision for one in said)

        revision = must(tmp_path, "backup", str(tmp_path / "b"), "--json").json["revision"]
        wait_for("the node to make a backup", has_it)
        wait_for("no more than two", lambda: len(list(backups.iterdir())) <= 2)
    with serving(tmp_path, storage={"gc": False, "metadataBackups": {"enable": False}}) as server:
        after, of_after = push_image(server, "b/app", "after", os.urandom(1000))
        other, _ = push_image(server, "c/app", "other", os.urandom(1000))
        index = push_manifest(
            server,
            "b/app",
            "index",
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": [{"mediaType": MANIFEST, "digest": after, "size": size_of(server, after)}],
            },
        )
        lacks, of_lacks = push_image(server, "d/app", "lacks", os.urandom(1000))
        push_blob(server, "e/app", b'{"schemaVersion": 2, "is": "no manifest"}')
    for path in (tmp_path / "data/node/blobs").rglob(f"*{of_lacks[1].partition(':')[2]}"):
        path.unlink()
    shutil.rmtree(tmp_path / "data/meta")

    planned = must(tmp_path, "recover", "--dry-run", "--json").json
    assert not (tmp_path / "data/meta").exists()
    said = must(tmp_path, "recover", "--yes", "--json").json
    assert said["recovered"] == planned["recovered"]
    assert {one["digest"] for one in said["recovered"]} == {index, other}
    assert said["lacking"] == [lacks]
    assert must(tmp_path, "recover", "--yes", "--json").json["images"] == 0
    with serving(tmp_path, storage={"gcDelay": "1s", "gcInterval": "300ms"}) as server:
        assert server.request("GET", "/v2/a/app/manifests/before")[1]["docker-content-digest"] == before
        for digest in (index, other):
            path = f"/v2/recovered/{digest.partition(':')[2]}/manifests/recovered"
            assert server.request("GET", path)[1]["docker-content-digest"] == digest
        home = index.partition(":")[2]
        assert status_of(server, f"recovered/{home}/manifests/{after}") == 200
        assert all(status_of(server, f"recovered/{home}/blobs/{digest}") == 200 for digest in of_after)
        wait_for("looks", lambda: server.log.read_text().count("restored from a backup") >= 2)
        assert must(tmp_path, "compare", "--json").json["missing"] == 0


def size_of(server, digest: str) -> int:
    (path,) = (server.root / "data/node/blobs").rglob(f"*{digest.partition(':')[2]}")
    return path.stat().st_size


def test_names_come_back_without_any_backup_at_all(tmp_path: Path) -> None:
    with serving(tmp_path, storage={"gc": False}) as server:
        one, _ = push_image(server, "a/app", "one", os.urandom(1000))
    shutil.rmtree(tmp_path / "data/meta")
    must(tmp_path, "recover", "--yes")
    with serving(tmp_path, storage={"gc": False}) as server:
        path = f"/v2/recovered/{one.partition(':')[2]}/manifests/recovered"
        assert server.request("GET", path)[1]["docker-content-digest"] == one
