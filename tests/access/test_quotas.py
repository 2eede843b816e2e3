"""Limits on what may be pushed, over HTTP, by real processes: repositories, and bytes of a namespace."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serving import Server

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
KIB = 1024


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("limited")
    storage = {
        "rootDirectory": str(root / "data"),
        "quotas": {"team/**": "64KiB", "racing/**": "64KiB"},
        "subPaths": {"/few": {"rootDirectory": str(root / "few"), "maxRepos": 3}},
    }
    with serving(root / "registry", storage=storage, http={"workers": 2}) as server:
        yield server


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def push(server: Server, repo: str, data: bytes) -> tuple[int, Any]:
    """A whole blob in one request."""
    status, _, body = server.request("POST", f"/v2/{repo}/blobs/uploads/?digest={digest_of(data)}", data)
    return status, json.loads(body)["errors"][0] if status >= 400 else None


def in_pieces(server: Server, repo: str, data: bytes) -> tuple[int, bytes, str]:
    """As most clients do it; the status of what was refused, or of the end."""
    status, headers, body = server.request("POST", f"/v2/{repo}/blobs/uploads/", b"")
    if status != 202:
        return status, body, ""
    place = headers["location"]
    status, _, body = server.request("PATCH", place, data)
    if status != 202:
        return status, body, place
    status, _, body = server.request("PUT", f"{place}?digest={digest_of(data)}", b"")
    return status, body, place


def image(config: bytes) -> bytes:
    one = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config), "size": len(config)}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": one, "layers": []}).encode()


def put(server: Server, repo: str, manifest: bytes, tag: str = "v1") -> tuple[int, bytes]:
    status, _, body = server.request("PUT", f"/v2/{repo}/manifests/{tag}", manifest, {"Content-Type": MANIFEST})
    return status, body


def test_a_namespace_takes_what_fits_and_says_what_it_has_when_something_does_not(limited: Server) -> None:
    first, second = os.urandom(40 * KIB), os.urandom(20 * KIB)
    assert push(limited, "team/a", first)[0] == 201
    assert push(limited, "team/b", second)[0] == 201
    status, error = push(limited, "team/a", os.urandom(5 * KIB))
    assert (status, error["code"]) == (403, "DENIED")
    assert error["detail"] == {"quota": "team/**", "limit": 64 * KIB, "used": 60 * KIB, "asked": 5 * KIB}
    assert "61,440 are used" in error["message"]

    # What is there already is taken again, mounts count, and other namespaces are nobody's business.
    assert push(limited, "team/a", first)[0] == 201
    mount = f"/v2/team/b/blobs/uploads/?mount={digest_of(first)}&from=team/a"
    assert limited.request("POST", mount, b"")[0] == 403
    assert push(limited, "elsewhere", os.urandom(5 * KIB))[0] == 201

    # A piece that says its length is refused before it is sent, one that grows too long at its end; nothing stays of either.
    status, body, place = in_pieces(limited, "team/a", os.urandom(5 * KIB))
    assert status == 403
    status, headers, _ = limited.request("POST", "/v2/team/a/blobs/uploads/", b"")
    place = headers["location"]
    data = os.urandom(6 * KIB)
    assert limited.request("PATCH", place, data[: 3 * KIB])[0] == 202
    assert limited.request("PATCH", place, data[3 * KIB :])[0] == 202
    assert limited.request("PUT", f"{place}?digest={digest_of(data)}", b"")[0] == 403
    assert limited.request("GET", place)[0] == 404

    # What is deleted is free at once.
    assert limited.request("DELETE", f"/v2/team/b/blobs/{digest_of(second)}")[0] == 202
    status, body, _ = in_pieces(limited, "team/a", second)
    assert status == 201, body


def test_a_manifest_counts_and_an_image_that_is_there_can_be_tagged_in_a_full_namespace(limited: Server) -> None:
    config = os.urandom(62 * KIB)
    manifest = image(config)
    assert push(limited, "racing/tags", config)[0] == 201
    assert put(limited, "racing/tags", manifest)[0] == 201
    room = 64 * KIB - len(config) - len(manifest)
    assert push(limited, "racing/tags", os.urandom(room))[0] == 201
    assert put(limited, "racing/tags", manifest, "v2")[0] == 201
    other = manifest.replace(b'"schemaVersion": 2', b'"schemaVersion":2')
    status, body = put(limited, "racing/tags", other)
    assert (status, json.loads(body)["errors"][0]["code"]) == (403, "DENIED")
    for what in (f"manifests/{digest_of(manifest)}", f"blobs/{digest_of(config)}"):
        assert limited.request("DELETE", f"/v2/racing/tags/{what}")[0] == 202


def test_of_many_first_pushes_at_once_as_many_make_a_repository_as_may_be(limited: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: push(limited, f"few/r{number}", b"one of few"), range(8)))
    assert sorted(status for status, _ in answers) == [201] * 3 + [403] * 5
    refused = next(error for status, error in answers if status == 403)
    assert refused["code"] == "DENIED"
    assert "there are 3 repositories below /few" in refused["message"]
    _, _, body = limited.request("GET", "/v2/_catalog")
    there = [name for name in json.loads(body)["repositories"] if name.startswith("few/")]
    assert len(there) == 3

    # Those that are there go on; others have no limit; one that goes makes room.
    assert push(limited, there[0], b"more")[0] == 201
    assert push(limited, "fewer", b"more")[0] == 201
    assert limited.request("DELETE", f"/v2/{there[1]}/blobs/{digest_of(b'one of few')}")[0] == 202
    assert push(limited, "few/new", b"more")[0] == 201
