"""Garbage on one machine: real processes, and what is on the node's disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.asking import Asked
    from tests.serving import Server

SOON = {"gc": True, "gcDelay": "3s", "gcInterval": "300ms", "uploadExpiry": "4s"}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def push_blob(server: Asked, repository: str, data: bytes) -> str:
    digest = digest_of(data)
    path = f"/v2/{repository}/blobs/uploads/?digest={digest}"
    status, _, answer = server.request("POST", path, data, {"Content-Type": "application/octet-stream"})
    assert status == 201, answer
    return digest


def push_image(server: Asked, repository: str, tag: str, *layers: bytes) -> tuple[str, list[str]]:
    config = push_blob(server, repository, b"{}" + os.urandom(8).hex().encode())
    digests = [push_blob(server, repository, layer) for layer in layers]
    text = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 18},
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": len(layer)}
            for digest, layer in zip(digests, layers, strict=True)
        ],
    }
    data = json.dumps(text).encode()
    status, _, answer = server.request("PUT", f"/v2/{repository}/manifests/{tag}", data, {"Content-Type": MANIFEST})
    assert status == 201, answer
    return digest_of(data), [config, *digests]


def stored(server: Server) -> set[str]:
    """What the node holds, the trash not counted."""
    return {f"sha256:{path.name.rpartition('-')[2]}" for path in (server.root / "data/node/blobs").rglob("*-*")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("gc"), storage=SOON) as server:
        yield server


def test_what_a_deleted_image_had_for_itself_goes_and_what_is_shared_stays(server: Server) -> None:
    shared, own = os.urandom(1000), os.urandom(1000)
    gone, of_gone = push_image(server, "a/app", "one", shared, own)
    stays, of_stays = push_image(server, "a/app", "two", shared)
    other, of_other = push_image(server, "b/app", "one", shared)
    assert server.request("DELETE", f"/v2/a/app/manifests/{gone}")[0] == 202
    wait_for("the deleted image to go", lambda: not stored(server) & {gone, of_gone[0], digest_of(own)})
    assert stored(server) >= {stays, other, *of_stays, *of_other}
    assert server.request("GET", f"/v2/a/app/blobs/{digest_of(shared)}")[2] == shared
    assert server.request("GET", f"/v2/a/app/blobs/{digest_of(own)}")[0] == 404


def test_a_blob_whose_manifest_never_came_goes_and_can_be_pushed_again(server: Server) -> None:
    data = os.urandom(1000)
    digest = push_blob(server, "c/app", data)
    wait_for("the blob to go", lambda: digest not in stored(server))
    assert server.request("HEAD", f"/v2/c/app/blobs/{digest}")[0] == 404
    push_image(server, "c/app", "v1", data)
    assert server.request("GET", f"/v2/c/app/blobs/{digest}")[2] == data


def test_a_client_that_keeps_asking_for_a_blob_keeps_it(server: Server) -> None:
    """As docker does while its other layers are still on their way."""
    kept, other = os.urandom(1000), os.urandom(1000)
    digest, witness = push_blob(server, "d/app", kept), push_blob(server, "d/app", other)

    def other_is_gone() -> bool:
        assert server.request("HEAD", f"/v2/d/app/blobs/{digest}")[0] == 200
        return witness not in stored(server)

    wait_for("the other blob to go", other_is_gone)


def test_an_old_backup_of_the_metadata_deletes_nothing(tmp_path: Path) -> None:
    metadata = tmp_path / "data/meta"
    with serving(tmp_path, storage={"gc": False}) as server:
        push_image(server, "a/app", "old", os.urandom(1000))
    with serving(tmp_path, storage=SOON) as server:
        node = server.root / "data/node/witness.json"
        wait_for("the node to leave a word", node.exists)
    shutil.copytree(metadata, tmp_path / "backup")
    with serving(tmp_path, storage=SOON) as server:
        before = node.read_text()
        push_image(server, "a/app", "new", os.urandom(1000))
        held = stored(server)
        wait_for("the node to leave another word", lambda: node.read_text() != before)
    shutil.rmtree(metadata)
    shutil.copytree(tmp_path / "backup", metadata)
    with serving(tmp_path, storage=SOON) as server:
        wait_for("several looks", lambda: server.log.read_text().count("older than what this node has seen") >= 3)
        assert stored(server) == held
        assert server.request("GET", "/v2/a/app/manifests/old")[0] == 200
        # A push goes on, and changes nothing about it.
        push_image(server, "a/app", "newer", os.urandom(1000))
        seen = server.log.read_text().count("older than what this node has seen")
        wait_for("more looks", lambda: server.log.read_text().count("older than") >= seen + 3)
        assert stored(server) >= held
        command = [sys.executable, "-m", "holdfast.cli", "gc", "trust", "--yes", "--config", str(server.config)]
        assert subprocess.run(command, check=False).returncode == 0
        wait_for("what has no name to go", lambda: not stored(server) >= held)
        assert server.request("GET", "/v2/a/app/manifests/old")[0] == 200
        assert server.request("GET", "/v2/a/app/manifests/newer")[0] == 200
