"""A disk at its reserve: pushes are told to come back, pulls and deletes go on, and a push works again once there is room."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.http.hostile.manifests import INDEX
from tests.serving import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = b"kept from before the disk was full" * 100
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
OTHER = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"a": "b"}}).encode()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A registry that filled up: one blob, one manifest, one upload begun; then no room is left."""
    root = tmp_path_factory.mktemp("full")
    with serving(root) as server:
        assert server.request("POST", f"/v2/full/blobs/uploads/?digest={DIGEST}", DATA)[0] == 201
        assert server.request("PUT", "/v2/full/manifests/v1", MANIFEST)[0] == 201
        location = server.request("POST", "/v2/full/blobs/uploads/")[1]["location"]
        assert server.request("PATCH", location, b"begun")[0] == 202
    with serving(root, storage={"freeSpaceReserve": "100%"}) as server:
        yield server, location


def refused(answer: tuple[int, object, bytes]) -> None:
    status, headers, body = answer
    assert status == 503, body
    assert int(headers["retry-after"]) >= 1
    (error,) = json.loads(body)["errors"]
    assert error["code"] == "UNAVAILABLE"
    assert "space" in error["message"]


@pytest.mark.parametrize("size_bytes", [5, 500_000, 5_000_000])
def test_no_blob_is_taken(full: tuple[Server, str], size_bytes: int) -> None:
    server, location = full
    data = b"n" * size_bytes
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    refused(server.request("POST", f"/v2/full/blobs/uploads/?digest={digest}", data))
    refused(server.request("PATCH", location, data))
    refused(server.request("PUT", f"{location}?digest={digest}", data))
    assert server.request("HEAD", f"/v2/full/blobs/{digest}")[0] == 404


def test_no_upload_is_begun(full: tuple[Server, str]) -> None:
    refused(full[0].request("POST", "/v2/full/blobs/uploads/"))


def test_no_new_manifest_is_taken_and_no_tag_moves(full: tuple[Server, str]) -> None:
    server, _ = full
    refused(server.request("PUT", "/v2/full/manifests/v1", OTHER))
    assert server.request("GET", "/v2/full/manifests/v1")[2] == MANIFEST


def test_pulls_lists_and_mounts_go_on(full: tuple[Server, str]) -> None:
    server, location = full
    assert server.request("GET", f"/v2/full/blobs/{DIGEST}")[2] == DATA
    assert server.request("GET", f"/v2/full/blobs/{DIGEST}", None, {"Range": "bytes=5-9"})[2] == DATA[5:10]
    assert json.loads(server.request("GET", "/v2/full/tags/list")[2])["tags"] == ["v1"]
    assert server.request("POST", f"/v2/elsewhere/blobs/uploads/?mount={DIGEST}&from=full")[0] == 201
    status, headers, _ = server.request("GET", location)
    assert (status, headers["range"]) == (204, "0-4"), "the upload waits for room"
    assert server.request("GET", "/livez")[0] == 200


def test_deletes_go_on(full: tuple[Server, str]) -> None:
    server, _ = full
    assert server.request("DELETE", f"/v2/elsewhere/blobs/{DIGEST}")[0] in {202, 404}
    location = server.request("GET", full[1])[1]["location"]
    assert server.request("DELETE", location)[0] == 204
    assert server.request("DELETE", "/v2/full/manifests/v1")[0] == 202
