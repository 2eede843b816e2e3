"""Head of the conformance suite: ping, the empty repository, every data set, and manifests that are not there.

A data set is pushed, listed, asked for by HEAD and GET, looked up by its subjects and deleted, each step checked at once by another
request, as the suite does with all its ``*_ATOMIC`` switches on. What the suite calls skipped fails here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance import pushes
from tests.conformance.content import DataSet, Form, random_blob
from tests.conformance.data_sets import DATA_SETS, SPARSE
from tests.conformance.oci import ACCEPT, OCI_INDEX, Client

if TYPE_CHECKING:
    from tests.conformance.content import Descriptor
    from tests.conformance.oci import Answer


def test_ping(client: Client) -> None:
    client.expect(200, "GET", "/v2/")


def test_empty_tag_list(client: Client, repo: str) -> None:
    answer = client.send("GET", f"/v2/{repo}/tags/list")
    assert answer.status in (200, 404), str(answer)


def test_empty_referrers(client: Client, repo: str) -> None:
    digest, _ = random_blob(16)
    assert list_referrers(client, repo, digest) == []


@pytest.mark.parametrize("name", DATA_SETS)
def test_data_set(client: Client, repo: str, name: str) -> None:
    run(client, repo, DATA_SETS[name]())


@pytest.mark.parametrize("name", SPARSE)
def test_data_set_where_sparse_manifests_are_allowed(sparse_host: str, repo: str, name: str) -> None:
    client = Client(sparse_host)
    run(client, repo, SPARSE[name]())
    client.close()


def test_missing_manifest_by_digest(client: Client, repo: str) -> None:
    digest, _ = random_blob(1024)
    assert client.get_manifest(repo, digest).status == 404


def test_missing_manifest_by_tag(client: Client, repo: str) -> None:
    assert client.get_manifest(repo, "missing-tag").status == 404


def test_invalid_digest_format(client: Client, repo: str) -> None:
    data = DataSet()
    digest = data.add_image(Form(layer_count=1))["digest"]
    push_blobs(client, repo, data)
    put = client.put_manifest(repo, "sha256:baddigeststring", data.manifests[digest])
    assert (put.status, put.error_code) == (400, "DIGEST_INVALID"), str(put)
    assert client.get_manifest(repo, "sha256:baddigeststring").status in (400, 404)
    data.refused.add(digest)
    check_delete(client, repo, data)


def run(client: Client, repo: str, data: DataSet) -> None:
    push_blobs(client, repo, data)
    pushed = push_manifests_by_digest(client, repo, data)
    for tag in data.tags.keys() - pushed:
        check_manifest_put(
            client, client.put_manifest(repo, tag, *_manifest(data, data.tags[tag])), data, data.tags[tag]
        )
    check_tag_list(client, repo, data)
    check_pull(client, repo, data)
    for subject, wanted in data.referrers.items():
        check_referrers(client, repo, subject, wanted)
    check_delete(client, repo, data)


def push_blobs(client: Client, repo: str, data: DataSet) -> None:
    for digest, content in data.blobs.items():
        pushes.push_any(client, repo, digest, content)


def push_manifests_by_digest(client: Client, repo: str, data: DataSet) -> set[str]:
    """The tags that have been set on the way, by ``?tag=``."""
    done: set[str] = set()
    for digest in data.manifests:
        tags = [tag for tag, named in data.tags.items() if named == digest] if data.tag_parameters else []
        reference = digest + ("?" + "&".join(f"tag={tag}" for tag in tags) if tags else "")
        answer = client.put_manifest(repo, reference, *_manifest(data, digest))
        if digest in data.refused:
            assert (answer.status, answer.error_code) == (400, "DIGEST_INVALID"), str(answer)
            continue
        check_manifest_put(client, answer, data, digest)
        named = {tag.strip() for value in answer.values("OCI-Tag") for tag in value.split(",")}
        assert named == set(tags), str(answer)
        done |= named
    return done


def _manifest(data: DataSet, digest: str) -> tuple[bytes, str]:
    return data.manifests[digest], data.media_type(digest)


def check_manifest_put(client: Client, answer: Answer, data: DataSet, digest: str) -> None:
    assert answer.status == 201, str(answer)
    assert answer.header("Docker-Content-Digest") == digest, str(answer)
    assert answer.header("OCI-Subject") == data.subject(digest), str(answer)
    check_manifest(client.send("GET", answer.location, headers=ACCEPT), data, digest)


def check_manifest(answer: Answer, data: DataSet, digest: str) -> None:
    content, media_type = _manifest(data, digest)
    assert answer.status == 200, str(answer)
    assert answer.header("Content-Type") == media_type, str(answer)
    assert answer.header("Content-Length") == str(len(content)), str(answer)
    assert answer.header("Docker-Content-Digest") == digest, str(answer)
    assert answer.body == (b"" if answer.method == "HEAD" else content), str(answer)


def check_tag_list(client: Client, repo: str, data: DataSet) -> None:
    answer = client.send("GET", f"/v2/{repo}/tags/list")
    assert answer.status == 200, str(answer)
    assert answer.json() == {"name": repo, "tags": sorted(data.tags)}
    if len(data.tags) >= 2:
        half = len(data.tags) // 2
        listed = sorted(data.tags)
        rest = client.expect(200, "GET", f"/v2/{repo}/tags/list?last={listed[half - 1]}")
        assert rest.json()["tags"] == listed[half:], str(rest)


def check_pull(client: Client, repo: str, data: DataSet) -> None:
    """HEAD and GET of everything by every name it has."""
    named = {**{digest: digest for digest in data.manifests}, **data.tags}
    for reference, digest in named.items():
        if digest in data.refused:
            assert client.head_manifest(repo, reference).status == 404, "a refused manifest is visible"
            continue
        check_manifest(client.head_manifest(repo, reference), data, digest)
        check_manifest(client.get_manifest(repo, reference), data, digest)
    for digest, content in data.blobs.items():
        for answer in (client.head_blob(repo, digest), client.get_blob(repo, digest)):
            assert answer.status == 200, str(answer)
            assert answer.header("Content-Length") == str(len(content)), str(answer)
            assert answer.header("Docker-Content-Digest") == digest, str(answer)
            assert answer.body == (b"" if answer.method == "HEAD" else content), str(answer)


def list_referrers(client: Client, repo: str, subject: str, artifact_type: str = "") -> list[Descriptor]:
    query = f"?artifactType={artifact_type.replace('+', '%2B')}" if artifact_type else ""
    answer = client.expect(200, "GET", f"/v2/{repo}/referrers/{subject}{query}")
    assert answer.header("Content-Type") == OCI_INDEX, str(answer)
    assert answer.header("OCI-Filters-Applied") == ("artifactType" if artifact_type else None), str(answer)
    listed = answer.json()
    assert (listed["schemaVersion"], listed["mediaType"]) == (2, OCI_INDEX), str(answer)
    return list(listed["manifests"])


def check_referrers(client: Client, repo: str, subject: str, wanted: list[Descriptor]) -> None:
    assert by_digest(list_referrers(client, repo, subject)) == by_digest(wanted)
    for artifact_type in {descriptor["artifactType"] for descriptor in wanted}:
        filtered = [d for d in wanted if d["artifactType"] == artifact_type]
        assert by_digest(list_referrers(client, repo, subject, artifact_type)) == by_digest(filtered)


def by_digest(descriptors: list[Descriptor]) -> dict[str, Descriptor]:
    """No descriptor twice; an empty map of annotations is the same as none."""
    found = {d["digest"]: {k: v for k, v in d.items() if v not in ({}, "")} for d in descriptors}
    assert len(found) == len(descriptors)
    return found


def check_delete(client: Client, repo: str, data: DataSet) -> None:
    """Tags, then manifests with parents first, then blobs; each gone for the very next request."""
    for tag in data.tags:
        client.expect(202, "DELETE", f"/v2/{repo}/manifests/{tag}")
        assert client.head_manifest(repo, tag).status == 404
    for digest in reversed(data.manifests):
        client.expect(404 if digest in data.refused else 202, "DELETE", f"/v2/{repo}/manifests/{digest}")
        assert client.head_manifest(repo, digest).status == 404
    for digest in data.blobs:
        client.expect(202, "DELETE", f"/v2/{repo}/blobs/{digest}")
        assert client.head_blob(repo, digest).status == 404
    for subject in data.referrers:
        assert list_referrers(client, repo, subject) == []
