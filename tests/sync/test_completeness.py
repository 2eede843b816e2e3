"""What else comes with an image, what does not come, and what comes before it is asked for: one mirror, set up in several ways."""

from __future__ import annotations

import json
import os
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.serving import serving, wait_for
from tests.sync.mirrored import Pull, mirroring, registries
from tests.sync.peers import OCI, OCI_INDEX, Peer, described, digest_of, docker_registry, image
from tests.sync.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.serving import Server

_numbers = count(1)
MIB = 1 << 20
SBOM = "application/vnd.example.sbom"
# Where the mirror has the stock's repositories, and how.
WAYS: dict[str, dict[str, Any]] = {
    "up": {},
    "signed": {"onlySigned": True},
    "tagless": {"onlySigned": True, "syncLegacyCosignTags": False},
    "image": {"prefetch": "image"},
    "all": {"prefetch": "all", "platforms": ["linux/amd64"]},
    "both": {"allowPush": True},
    "fresh": {"manifestCheckInterval": "1h"},
    "own": {"allowPush": True, "prefetch": "all"},
    "v1": {"content": [{"prefix": "**", "destination": "/v1", "tags": {"regex": "^v1", "excludeRegex": "beta"}}]},
    "semver": {"content": [{"prefix": "**", "destination": "/semver", "tags": {"semver": True}}]},
}


@pytest.fixture(scope="module")
def stock() -> Iterator[Stock]:
    with Stock().serving() as stock:
        yield stock


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, stock: Stock) -> Iterator[Server]:
    entries = [entry for way, more in WAYS.items() for entry in registries({f"/{way}": [stock.url]}, **more)]
    with serving(tmp_path_factory.mktemp("mirror"), extensions={"sync": {"registries": entries}}) as server:
        yield server


@pytest.fixture
def repo() -> str:
    return f"team/thing{next(_numbers)}"


def get(server: Server, way: str, repo: str, reference: str = "v1") -> tuple[int, bytes]:
    status, _, body = server.request("GET", f"/v2/{way}/{repo}/manifests/{reference}")
    return status, body


def get_blob(server: Server, way: str, repo: str, blob: bytes) -> tuple[int, bytes]:
    status, _, body = server.request("GET", f"/v2/{way}/{repo}/blobs/{digest_of(blob)}")
    return status, body


def listed(server: Server, place: str, subject: bytes, query: str = "") -> list[dict[str, Any]]:
    status, _, body = server.request("GET", f"/v2/{place}/referrers/{digest_of(subject)}{query}")
    assert status == 200, body
    return list(json.loads(body)["manifests"])


def error_of(body: bytes) -> dict[str, Any]:
    return dict(json.loads(body)["errors"][0])


def signature_tag(manifest: bytes, suffix: str = ".sig") -> str:
    return digest_of(manifest).replace(":", "-") + suffix


def sign(stock: Stock, repo: str, manifest: bytes) -> bytes:
    """As cosign does: an image of its own under a tag made of the digest."""
    payload = b"signed " + digest_of(manifest).encode()
    return stock.manifest(repo, signature_tag(manifest), image(payload), payload, b"{}")


def index_of(*children: tuple[str, bytes]) -> bytes:
    """An index of manifests by architecture."""
    entries = [
        described(manifest, OCI, platform={"os": "linux", "architecture": architecture})
        for architecture, manifest in children
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


def about(subject: bytes, kind: str, text: str) -> bytes:
    """A manifest that refers to another."""
    return image(text.encode(), artifactType=kind, subject=described(subject, OCI))


def log_of(server: Server, event: str) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == event]


# -- tags that are left out


@pytest.mark.parametrize(
    ("way", "tag", "status"),
    [
        ("v1", "v1.2", 200),
        ("v1", "v2", 404),
        ("v1", "v1-beta", 404),
        ("semver", "1.2.3", 200),
        ("semver", "latest", 404),
    ],
)
def test_a_tag_comes_only_if_the_filters_select_it(
    server: Server, stock: Stock, repo: str, way: str, tag: str, status: int
) -> None:
    stock.image(repo, tag, b"layer")
    got, body = get(server, way, repo, tag)
    assert got == status
    if status == 404:
        assert error_of(body)["code"] == "MANIFEST_UNKNOWN"
        assert error_of(body)["detail"]["reason"] == "content.tags"
        assert stock.asked("", repo) == []


def test_a_digest_comes_whatever_the_filters_say_of_tags(server: Server, stock: Stock, repo: str) -> None:
    wanted = stock.image(repo, "latest", b"layer")
    assert get(server, "semver", repo, digest_of(wanted)) == (200, wanted)


def test_cosign_s_tags_are_no_names_that_filters_judge(server: Server, stock: Stock, repo: str) -> None:
    wanted = stock.image(repo, "v1", b"layer")
    signature = sign(stock, repo, wanted)
    assert get(server, "semver", repo, signature_tag(wanted)) == (200, signature)


def test_cosign_s_tags_are_not_asked_for_where_they_are_not_wanted(server: Server, stock: Stock, repo: str) -> None:
    wanted = stock.image(repo, "v1", b"layer")
    sign(stock, repo, wanted)
    assert get(server, "tagless", repo, signature_tag(wanted))[0] == 404
    assert stock.asked("", repo) == []


# -- only what is signed


def test_an_unsigned_image_is_unknown_and_says_why(server: Server, stock: Stock, repo: str) -> None:
    unsigned = stock.image(repo, "v1", b"layer")
    for reference in ("v1", digest_of(unsigned)):
        status, body = get(server, "signed", repo, reference)
        assert (status, error_of(body)["code"]) == (404, "MANIFEST_UNKNOWN")
        assert error_of(body)["detail"] == {"digest": digest_of(unsigned), "reason": "onlySigned"}
    told = log_of(server, "an image is not signed, and only signed ones are mirrored")
    assert digest_of(unsigned) in {line["digest"] for line in told}


def test_a_signed_image_comes_with_its_children_and_its_signature(server: Server, stock: Stock, repo: str) -> None:
    child = stock.image(repo, "child", b"layer")
    index = stock.manifest(repo, "v1", index_of(("amd64", child)))
    signature = sign(stock, repo, index)
    assert get(server, "signed", repo, digest_of(child))[0] == 404
    assert get(server, "signed", repo) == (200, index)
    assert get(server, "signed", repo, digest_of(child)) == (200, child)
    assert get_blob(server, "signed", repo, b"layer") == (200, b"layer")
    assert get(server, "signed", repo, signature_tag(index)) == (200, signature)


def test_a_tag_that_moves_to_an_unsigned_image_stays_at_the_signed_one(server: Server, stock: Stock, repo: str) -> None:
    signed = stock.image(repo, "v1", b"one")
    sign(stock, repo, signed)
    assert get(server, "signed", repo) == (200, signed)
    moved = stock.image(repo, "v1", b"two")
    assert get(server, "signed", repo) == (200, signed)
    assert get(server, "signed", repo, digest_of(moved))[0] == 404


def test_without_cosign_s_tags_a_signature_is_a_referrer(server: Server, stock: Stock, repo: str) -> None:
    subject = stock.image(repo, "v1", b"layer")
    kind = "application/vnd.cncf.notary.signature"
    signature = stock.manifest(repo, "signature", about(subject, kind, "signed"), b"signed", b"{}")
    entry = described(signature, OCI, artifactType=kind)
    fallback = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    stock.manifest(repo, signature_tag(subject, ""), json.dumps(fallback).encode())
    sign(stock, f"{repo}/other", stock.image(f"{repo}/other", "v1", b"layer"))
    assert get(server, "tagless", f"{repo}/other")[0] == 404
    assert get(server, "tagless", repo) == (200, subject)
    assert [one["digest"] for one in listed(server, f"tagless/{repo}", subject)] == [digest_of(signature)]


# -- referrers


def test_referrers_come_from_an_upstream_that_lists_them(tmp_path: Path) -> None:
    with serving(tmp_path / "upstream") as upstream, mirroring(tmp_path / "mirror", {"/up": [upstream.url]}) as server:
        check_referrers(Peer(upstream.url), server, upstream.stop)


def test_referrers_come_from_an_upstream_that_has_them_under_a_tag(tmp_path: Path) -> None:
    with docker_registry(tmp_path / "upstream") as host:
        peer = Peer(f"http://{host}")
        with mirroring(tmp_path / "mirror", {"/up": [peer.url]}) as server:
            check_referrers(peer, server, None)


def check_referrers(peer: Peer, server: Server, stop: Any) -> None:
    """Listed, filtered, pulled; and still there when the upstream is not."""
    subject, other = image(b"layer"), image(b"other")
    peer.push_image("app", "v1", b"layer")
    peer.push_image("app", "v2", b"other")
    sbom, signature = about(subject, SBOM, "sbom"), about(subject, "text/x-signature", "signature")
    for manifest, text in ((sbom, b"sbom"), (signature, b"signature")):
        peer.push_blob("app", text)
        peer.push_manifest("app", digest_of(manifest), manifest)
    if stop is None:  # what clients do where there is no API
        entries = [described(sbom, OCI, artifactType=SBOM), described(signature, OCI)]
        fallback = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
        peer.push_manifest("app", signature_tag(subject, ""), fallback, OCI_INDEX)
    assert get(server, "up", "app") == (200, subject)
    found = listed(server, "up/app", subject)
    assert {one["digest"] for one in found} == {digest_of(sbom), digest_of(signature)}
    assert [one["digest"] for one in listed(server, "up/app", subject, f"?artifactType={SBOM}")] == [digest_of(sbom)]
    assert get(server, "up", "app", digest_of(sbom)) == (200, sbom)
    assert get_blob(server, "up", "app", b"sbom") == (200, b"sbom")
    assert listed(server, "up/app", other) == []
    if stop is not None:
        stop()
        status, headers, body = server.request("GET", f"/v2/up/app/referrers/{digest_of(subject)}")
        assert (status, json.loads(body)["manifests"]) == (200, found)
        assert headers["warning"].startswith("111 holdfast")
        status, headers, body = server.request("GET", f"/v2/up/app/referrers/{digest_of(b'never heard of')}")
        assert (status, error_of(body)["code"]) == (502, "UNAVAILABLE")


def test_referrers_are_asked_for_once_in_the_check_interval(server: Server, stock: Stock, repo: str) -> None:
    subject = stock.image(repo, "v1", b"layer")
    assert get(server, "fresh", repo)[0] == 200
    for _ in range(3):
        assert listed(server, f"fresh/{repo}", subject) == []
    assert len(stock.asked("GET", f"{repo}/referrers/")) == 1


# -- ahead of clients


def test_the_blobs_of_an_image_that_is_asked_for_come_ahead(server: Server, stock: Stock, repo: str) -> None:
    layers = (os.urandom(100_000), os.urandom(1000))
    stock.image(repo, "v1", *layers)
    assert get(server, "image", repo)[0] == 200
    wait_for("all of it to be given", lambda: all(stock.given[digest_of(one)] == len(one) for one in layers))
    for layer in layers:
        assert get_blob(server, "image", repo, layer) == (200, layer)
        assert len(stock.asked("GET", digest_of(layer))) == 1


def test_of_an_index_the_platforms_that_are_named_come_ahead_and_others_when_asked_for(
    server: Server, stock: Stock, repo: str
) -> None:
    wanted, other = os.urandom(1000), os.urandom(1000)
    amd64, arm64 = stock.image(repo, "amd64", wanted), stock.image(repo, "arm64", other)
    index = stock.manifest(repo, "v1", index_of(("amd64", amd64), ("arm64", arm64)))
    signature = sign(stock, repo, index)
    assert get(server, "all", repo) == (200, index)
    wait_for(
        "the index to be fetched ahead",
        lambda: digest_of(index) in {line["digest"] for line in log_of(server, "fetched ahead")},
    )
    assert stock.given[digest_of(wanted)] == len(wanted)
    assert stock.asked("GET", digest_of(signature)) or stock.asked("GET", signature_tag(index))
    assert stock.asked("", digest_of(arm64)) == []
    assert get(server, "all", repo, digest_of(arm64)) == (200, arm64)
    assert get_blob(server, "all", repo, other) == (200, other)


def test_what_comes_ahead_comes_one_blob_after_the_other(server: Server, stock: Stock, repo: str) -> None:
    first, second, mine = os.urandom(100_000), os.urandom(1000), os.urandom(1000)
    stock.image(repo, "v1", first, second, mine)
    gate = stock.hold(first, 1000)
    assert get(server, "image", repo)[0] == 200
    wait_for("the first to begin", lambda: stock.given[digest_of(first)] == 1000)
    assert get_blob(server, "image", repo, mine) == (200, mine)
    assert stock.given[digest_of(second)] == 0
    gate.set()
    wait_for("the second to come", lambda: stock.given[digest_of(second)] == len(second))


def test_what_was_pushed_is_not_asked_for_upstream(server: Server, stock: Stock, repo: str) -> None:
    Peer(server.url).push_image(f"own/{repo}", "v1", b"ours")
    assert get(server, "own", repo) == (200, image(b"ours"))
    theirs = stock.image(f"{repo}/theirs", "v1", b"theirs")
    assert get(server, "own", f"{repo}/theirs") == (200, theirs)
    wait_for(
        "what was asked for later to be fetched ahead",
        lambda: digest_of(theirs) in {line["digest"] for line in log_of(server, "fetched ahead")},
    )
    assert stock.asked("", digest_of(image(b"ours"))) == []
    assert stock.asked("", f"{repo}/manifests/") == []


# -- both a cache and local


def test_a_push_may_name_what_was_said_to_be_there(server: Server, stock: Stock, repo: str) -> None:
    shared, own = os.urandom(MIB), os.urandom(1000)
    stock.image(repo, "v1", shared)
    assert get(server, "both", repo)[0] == 200
    assert server.request("HEAD", f"/v2/both/{repo}/blobs/{digest_of(shared)}")[0] == 200
    assert stock.given[digest_of(shared)] == 0
    peer = Peer(server.url)
    for blob in (own, b"{}"):
        peer.push_blob(f"both/{repo}", blob)
    pushed = image(shared, own)
    peer.push_manifest(f"both/{repo}", "ours", pushed)
    assert stock.given[digest_of(shared)] == len(shared)
    stock.failing = 503
    try:
        assert get(server, "both", repo, "ours") == (200, pushed)
        assert get_blob(server, "both", repo, shared) == (200, shared)
    finally:
        stock.failing = 0


def test_a_push_that_names_what_the_upstream_has_lost_is_told_so(server: Server, stock: Stock, repo: str) -> None:
    lost = os.urandom(1000)
    stock.image(repo, "v1", lost)
    assert get(server, "both", repo)[0] == 200
    del stock.blobs[f"{repo}/blobs/{digest_of(lost)}"]
    peer = Peer(server.url)
    peer.push_blob(f"both/{repo}", b"{}")
    path = f"/v2/both/{repo}/manifests/ours"
    status, _, body = server.request("PUT", path, image(lost), {"Content-Type": OCI})
    assert (status, error_of(body)["code"]) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert error_of(body)["detail"] == [{"digest": digest_of(lost)}]
    peer.push_blob(f"both/{repo}", lost)
    peer.push_manifest(f"both/{repo}", "ours", image(lost))


def test_a_push_that_names_what_nobody_promised_asks_no_upstream(server: Server, stock: Stock, repo: str) -> None:
    path = f"/v2/both/{repo}/manifests/ours"
    status, _, body = server.request("PUT", path, image(b"never sent"), {"Content-Type": OCI})
    assert (status, error_of(body)["code"]) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert stock.asked("", repo) == []


# -- what upstreams refuse


def test_what_no_upstream_has_is_asked_for_once_in_a_while(server: Server, stock: Stock, repo: str) -> None:
    stock.image(repo, "v1", b"layer")
    nowhere = digest_of(os.urandom(10))
    for kind in ("blobs", "manifests"):
        for _ in range(5):
            assert server.request("GET", f"/v2/up/{repo}/{kind}/{nowhere}")[0] == 404
        assert len(stock.asked("GET", f"{repo}/{kind}/{nowhere}")) == 1


def test_the_other_url_is_asked_where_the_first_gave_wrong_bytes(tmp_path: Path, stock: Stock, repo: str) -> None:
    layer = os.urandom(MIB)
    with Stock().serving() as liar, mirroring(tmp_path, {"/up": [liar.url, stock.url]}) as server:
        for upstream in (liar, stock):
            upstream.image(repo, "v1", layer)
        liar.spoil(repo, layer)
        assert get(server, "up", repo)[0] == 200
        assert Pull(server, f"/v2/up/{repo}/blobs/{digest_of(layer)}").end().broken is not None
        assert get_blob(server, "up", repo, layer) == (200, layer)
        assert len(liar.asked("GET", digest_of(layer))) == 1
        told = log_of(server, "a URL of an upstream gave wrong bytes, and is asked for them last from now on")
        assert [(line["upstream"], line["digest"]) for line in told] == [(liar.host, digest_of(layer))]


def test_a_manifest_of_other_bytes_is_told_of_and_not_asked_for_again(server: Server, stock: Stock, repo: str) -> None:
    wanted = stock.image(repo, "v1", b"layer")
    other = stock.image(repo, "v2", b"another")
    stock.manifests[f"{repo}/manifests/{digest_of(wanted)}"] = other
    stock.liars.add(digest_of(wanted))
    for _ in range(3):
        status, body = get(server, "up", repo, digest_of(wanted))
        assert (status, error_of(body)["code"]) == (502, "UNAVAILABLE")
    assert len(stock.asked("GET", f"{repo}/manifests/{digest_of(wanted)}")) == 1
    told = log_of(server, "an upstream's answer cannot be used; nothing of it is kept")
    reason = next(line["reason"] for line in told if line["digest"] == digest_of(wanted))
    assert digest_of(other) in reason
    assert get(server, "up", repo) == (200, wanted)
