"""The older conformance suite (distribution-spec v1.1.1), case by case, named by its workflows and cases.

Where that suite lets a registry choose (201 or 202 on a POST with the blob in it, 202 or 405 on deletes), this one wants the full
answer. Bodies go out with their length here, as in that suite. Each case makes what it needs, so that any of them runs alone.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.content import EMPTY_JSON, LAYER_GZIP, OCI_CONFIG, digest_of, random_blob
from tests.conformance.oci import ERROR_CODES, OCI_INDEX, OCI_MANIFEST, OCTETS, with_query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.content import Descriptor
    from tests.conformance.oci import Answer, Client

INVALID_NAME = ".INVALID_MANIFEST_NAME"
BAGEL = "application/vnd.nhl.peanut.butter.bagel"
CROISSANT = "application/vnd.nba.strawberry.jam.croissant"
CHUNKS = (b"0123456789abc", b"defghijklmnopqrstuvwxyz")
TYPE = ("Content-Type", OCTETS)


def described(media_type: str, data: bytes, **more: object) -> Descriptor:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


@dataclass(frozen=True, slots=True)
class Image:
    """One config, one layer, one manifest with an unknown member in its config descriptor and indented JSON."""

    config: bytes
    layer: bytes
    manifest: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def image() -> Image:
    config = indented(
        {"architecture": "amd64", "os": "linux", "author": secrets.token_hex(8), "rootfs": {"type": "layers"}}
    )
    layer = secrets.token_bytes(168)
    # The unknown member stands in the descriptor, not only at the top.
    config_descriptor = described(OCI_CONFIG, config, newUnspecifiedField="aGVsbG8gd29ybGQ=")
    return Image(config, layer, manifest_of(config_descriptor, [described(LAYER_GZIP, layer)]))


def manifest_of(config: Descriptor, layers: list[Descriptor], media_type: str = OCI_MANIFEST, **more: object) -> bytes:
    head = {"schemaVersion": 2} | ({"mediaType": media_type} if media_type else {})
    return indented({**head, **more, "config": config, "layers": layers})


def indented(value: object) -> bytes:
    return json.dumps(value, indent="\t").encode()


def put_manifest(client: Client, repo: str, reference: str, data: bytes, media_type: str = OCI_MANIFEST) -> Answer:
    headers = [("Content-Type", media_type)]
    return client.expect(201, "PUT", f"/v2/{repo}/manifests/{reference}", data, length=len(data), headers=headers)


def push_image(client: Client, repo: str, *tags: str) -> Image:
    pushed = image()
    client.push_blob(repo, digest_of(pushed.config), pushed.config)
    client.push_blob(repo, digest_of(pushed.layer), pushed.layer)
    for reference in (pushed.digest, *tags):
        put_manifest(client, repo, reference, pushed.manifest)
    return pushed


@pytest.fixture
def pulled(client: Client, repo: str) -> list[Image]:
    """Setup of the pull workflow: two images in one repository, the first with a tag."""
    return [push_image(client, repo, "tagtest0"), push_image(client, repo)]


# Pull


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_pull_of_a_nonexistent_blob_yields_404(client: Client, repo: str, pulled: list[Image], method: str) -> None:
    client.expect(404, method, f"/v2/{repo}/blobs/{digest_of(b'hello world')}")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_pull_of_an_existing_blob_yields_200(client: Client, repo: str, pulled: list[Image], method: str) -> None:
    digest = digest_of(pulled[0].config)
    answer = client.expect(200, method, f"/v2/{repo}/blobs/{digest}")
    assert answer.header("Docker-Content-Digest") == digest


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_pull_of_a_nonexistent_manifest_yields_404(client: Client, repo: str, pulled: list[Image], method: str) -> None:
    """No tag has this form; it is still 404 and not 400."""
    client.expect(404, method, f"/v2/{repo}/manifests/{INVALID_NAME}")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_pull_of_manifests_by_digest_and_tag_yields_200(
    client: Client, repo: str, pulled: list[Image], method: str
) -> None:
    for reference, wanted in ((pulled[0].digest, pulled[0]), (pulled[1].digest, pulled[1]), ("tagtest0", pulled[0])):
        answer = client.expect(200, method, f"/v2/{repo}/manifests/{reference}", headers=[("Accept", OCI_MANIFEST)])
        assert answer.header("Docker-Content-Digest") == wanted.digest
        assert answer.header("Content-Type") == OCI_MANIFEST


def test_pull_400_body_contains_a_conforming_json_message(client: Client, repo: str, pulled: list[Image]) -> None:
    answer = client.send("GET", f"/v2/{repo}/manifests/sha256:totallywrong", headers=[("Content-Type", OCI_MANIFEST)])
    assert answer.status in (400, 404)
    assert answer.error_code in ERROR_CODES


# Push


def test_push_blob_upload_streamed(client: Client, repo: str) -> None:
    digest, data = random_blob(42)
    answer = client.expect(202, "PATCH", client.start_upload(repo).location, data, length=42, headers=[TYPE])
    # That suite announces the blob's length on the closing PUT and sends no body; its HTTP client makes that 0.
    closed = client.expect(201, "PUT", with_query(answer.location, digest=digest), headers=[TYPE])
    assert closed.location == f"/v2/{repo}/blobs/{digest}"


def test_push_get_of_a_nonexistent_blob_yields_404(client: Client, repo: str) -> None:
    assert client.get_blob(repo, digest_of(b"hello world")).status == 404


def test_push_monolithic_post_with_digest_and_blob_yields_201(client: Client, repo: str) -> None:
    digest, data = random_blob(200)
    target = with_query(f"/v2/{repo}/blobs/uploads/", digest=digest)
    answer = client.expect(201, "POST", target, data, length=200, headers=[TYPE])
    assert answer.location == f"/v2/{repo}/blobs/{digest}"
    assert client.get_blob(repo, digest).body == data


def test_push_monolithic_put_yields_201_also_when_the_blob_is_there(client: Client, repo: str) -> None:
    digest, data = random_blob(200)
    for _ in range(2):
        client.push_blob(repo, digest, data)
        assert client.get_blob(repo, digest).body == data


@dataclass(slots=True)
class Chunked:
    """An upload that stands after its first chunk, and the Location it began with."""

    data: bytes
    first: str
    started: Answer
    patched: Answer


@pytest.fixture
def chunked(client: Client, repo: str) -> Iterator[Chunked]:
    started = client.start_upload(repo)
    first = f"0-{len(CHUNKS[0]) - 1}"
    patched = patch(client, started, 0)
    assert patched.status == 202, str(patched)
    assert patched.header("Range") == first
    return Chunked(b"".join(CHUNKS), first, started, patched)


def patch(client: Client, at: Answer, number: int) -> Answer:
    first = sum(map(len, CHUNKS[:number]))
    content_range = ("Content-Range", f"{first}-{first + len(CHUNKS[number]) - 1}")
    data = CHUNKS[number]
    return client.send("PATCH", at.location, data, length=len(data), headers=[TYPE, content_range])


def test_push_chunked_out_of_order_returns_416(client: Client, repo: str) -> None:
    assert patch(client, client.start_upload(repo), 1).status == 416


def test_push_chunked_retry_of_the_previous_chunk_returns_416(client: Client, chunked: Chunked) -> None:
    """On the Location of the POST, which a PATCH has answered with another since."""
    answer = patch(client, chunked.started, 0)
    assert answer.status == 416
    # Beyond the suite: with both headers on the 416 a client goes on without asking.
    assert answer.header("Range") == chunked.first
    assert answer.header("Location")


def test_push_chunked_get_on_the_stale_location_returns_204_with_range_and_location(
    client: Client, chunked: Chunked
) -> None:
    answer = client.expect(204, "GET", chunked.started.location)
    assert answer.header("Range") == chunked.first
    assert answer.header("Location")


def test_push_chunked_second_chunk_and_put_yield_201(client: Client, repo: str, chunked: Chunked) -> None:
    assert patch(client, chunked.started, 0).status == 416
    answer = patch(client, client.expect(204, "GET", chunked.started.location), 1)
    assert answer.status == 202, str(answer)
    digest = digest_of(chunked.data)
    client.expect(201, "PUT", with_query(answer.location, digest=digest), headers=[TYPE])
    assert client.get_blob(repo, digest).body == chunked.data


def test_push_mount_without_from_of_an_unknown_digest_yields_a_session(client: Client, repo: str) -> None:
    digest, _ = random_blob(16)
    answer = client.expect(202, "POST", with_query(f"/v2/{repo}/blobs/uploads/", mount=digest))
    assert answer.location.startswith(f"/v2/{repo}/blobs/uploads/")


def test_push_mount_of_another_repositorys_blob_yields_201(client: Client, repo: str, repo2: str) -> None:
    digest, data = random_blob(42)
    client.push_blob(repo2, digest, data)
    query = {"mount": digest, "from": repo2}
    answer = client.expect(201, "POST", with_query(f"/v2/{repo}/blobs/uploads/", **query))
    assert answer.location == f"/v2/{repo}/blobs/{digest}"
    assert client.expect(200, "GET", answer.location).body == data


def test_push_mount_without_from_discovers_the_content(client: Client, repo: str, repo2: str) -> None:
    digest, data = random_blob(42)
    client.push_blob(repo2, digest, data)
    client.expect(201, "POST", with_query(f"/v2/{repo}/blobs/uploads/", mount=digest))
    assert client.get_blob(repo, digest).body == data


def test_push_get_of_a_nonexistent_manifest_yields_404(client: Client, repo: str) -> None:
    client.expect(404, "GET", f"/v2/{repo}/manifests/{INVALID_NAME}")


def test_push_accepts_a_manifest_under_four_tags(client: Client, repo: str) -> None:
    pushed = push_image(client, repo)
    for number in range(4):
        answer = put_manifest(client, repo, f"test{number}", pushed.manifest)
        assert client.expect(200, "GET", answer.location).body == pushed.manifest
    assert client.expect(200, "GET", f"/v2/{repo}/manifests/{pushed.digest}").body == pushed.manifest


def test_push_accepts_a_manifest_without_layers_and_without_media_type(client: Client, repo: str) -> None:
    pushed = push_image(client, repo)
    data = manifest_of(described(OCI_CONFIG, pushed.config), [], media_type="")
    put_manifest(client, repo, "emptylayer", data)
    answer = client.expect(200, "GET", f"/v2/{repo}/manifests/emptylayer")
    assert (answer.header("Content-Type"), answer.body) == (OCI_MANIFEST, data)


# Content discovery


def tags_of(client: Client, repo: str, query: str = "") -> list[str]:
    return list(client.expect(200, "GET", f"/v2/{repo}/tags/list{query}").json()["tags"])


def test_discovery_tags_are_listed_limited_and_started_after(client: Client, repo: str) -> None:
    wanted = [f"test{number}" for number in range(4)]
    push_image(client, repo, *wanted)
    assert tags_of(client, repo) == wanted
    assert tags_of(client, repo, "?n=2") == wanted[:2]
    assert tags_of(client, repo, f"?n=2&last={wanted[1]}") == wanted[2:]


def test_discovery_referrers_of_an_unknown_digest_are_an_empty_list(client: Client, repo: str) -> None:
    answer = client.expect(200, "GET", f"/v2/{repo}/referrers/{digest_of(b'hello world')}")
    assert answer.header("Content-Type") == OCI_INDEX
    assert answer.json()["manifests"] == []


def push_referrers(client: Client, repo: str, subject: Descriptor) -> dict[str, dict[str, Any]]:
    """Two kinds of artifact in two forms each, and an index over the first two; by digest, with what must be listed."""
    client.push_blob(repo, digest_of(b"{}"), b"{}")
    listed: dict[str, dict[str, Any]] = {}
    for artifact_type, content in ((BAGEL, b"peanut butter"), (CROISSANT, b"strawberry jam")):
        client.push_blob(repo, digest_of(content), content)
        blob = described(artifact_type, content)
        empty = described(EMPTY_JSON, b"{}")
        for config, layer, more in ((blob, empty, {}), (empty, blob, {"artifactType": artifact_type})):
            note = {f"org.example.{len(listed)}": artifact_type}
            data = manifest_of(config, [layer], subject=subject, annotations=note, **more)
            put_referrer(client, repo, data, OCI_MANIFEST, subject)
            listed[digest_of(data)] = described(OCI_MANIFEST, data, artifactType=artifact_type, annotations=note)
    children = [{key: d[key] for key in ("mediaType", "digest", "size")} for d in list(listed.values())[:2]]
    kind, note = "application/vnd.food.stand", {"org.example.index": "stand"}
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "artifactType": kind, "manifests": children, "subject": subject}
    index = indented(body | {"annotations": note})
    put_referrer(client, repo, index, OCI_INDEX, subject)
    listed[digest_of(index)] = described(OCI_INDEX, index, artifactType=kind, annotations=note)
    return listed


def put_referrer(client: Client, repo: str, data: bytes, media_type: str, subject: Descriptor) -> None:
    answer = put_manifest(client, repo, digest_of(data), data, media_type)
    assert answer.header("OCI-Subject") == subject["digest"], str(answer)


def test_discovery_five_referrers_are_listed_with_their_annotations(client: Client, repo: str) -> None:
    subject = described(OCI_MANIFEST, push_image(client, repo, "tagtest0").manifest)
    wanted = push_referrers(client, repo, subject)
    answer = client.expect(200, "GET", f"/v2/{repo}/referrers/{subject['digest']}")
    assert answer.header("Content-Type") == OCI_INDEX
    assert {d["digest"]: d for d in answer.json()["manifests"]} == wanted
    assert len(wanted) == 5


def test_discovery_referrers_are_filtered_by_artifact_type(client: Client, repo: str) -> None:
    subject = described(OCI_MANIFEST, push_image(client, repo).manifest)
    wanted = push_referrers(client, repo, subject)
    answer = client.expect(200, "GET", f"/v2/{repo}/referrers/{subject['digest']}?artifactType={BAGEL}")
    assert answer.header("OCI-Filters-Applied") == "artifactType"
    assert {d["digest"] for d in answer.json()["manifests"]} == {
        k for k, d in wanted.items() if d["artifactType"] == BAGEL
    }


def test_discovery_a_missing_subject_has_its_referrer(client: Client, repo: str) -> None:
    subject = described(OCI_MANIFEST, secrets.token_bytes(16))
    client.push_blob(repo, digest_of(b"{}"), b"{}")
    empty = described(EMPTY_JSON, b"{}")
    data = manifest_of(empty, [empty], subject=subject, artifactType=BAGEL)
    put_referrer(client, repo, data, OCI_MANIFEST, subject)
    answer = client.expect(200, "GET", f"/v2/{repo}/referrers/{subject['digest']}")
    assert [d["digest"] for d in answer.json()["manifests"]] == [digest_of(data)]


# Content management


def test_management_deletes_tag_then_manifest_then_blobs(client: Client, repo: str) -> None:
    pushed = push_image(client, repo, "tagtest0", "kept")
    client.expect(202, "DELETE", f"/v2/{repo}/manifests/tagtest0")
    assert tags_of(client, repo) == ["kept"]
    client.expect(202, "DELETE", f"/v2/{repo}/manifests/{pushed.digest}")
    client.expect(404, "GET", f"/v2/{repo}/manifests/{pushed.digest}")
    assert tags_of(client, repo) == []
    for data in (pushed.config, pushed.layer):
        client.expect(202, "DELETE", f"/v2/{repo}/blobs/{digest_of(data)}")
        client.expect(404, "GET", f"/v2/{repo}/blobs/{digest_of(data)}")
