"""What registries are filled with before it is moved, and all that one has, read as any client would.

``fill`` works on any registry: two tags that share a layer, an index, an image elsewhere with the same layer, a referrer (listed by
the fallback tag too, where there is no API), and an image without a tag.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncworker.upstream.values import ACCEPT
from tests.sync.peers import OCI, OCI_INDEX, Peer, described, digest_of, image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Larger than what goes in one request.
LAYER_BYTES = (1 << 20) + 4096


def bytes_of(seed: str, size_bytes: int = LAYER_BYTES) -> bytes:
    """The same for the same seed, and not to be guessed from its parts."""
    return hashlib.shake_128(seed.encode()).digest(size_bytes)


@dataclass
class Stock:
    """What was pushed that no list of tags tells of: digests by repository."""

    untagged: dict[str, set[str]] = field(default_factory=dict)
    referrer: str = ""
    subject: str = ""
    layers: list[str] = field(default_factory=list)


def fill(peer: Peer, *, has_referrers: bool) -> Stock:
    shared, one, two = bytes_of("shared"), bytes_of("one"), bytes_of("two", 70_000)
    stock = Stock(layers=[digest_of(layer) for layer in (shared, one, two)])
    v1 = peer.push_image("team/app", "v1", shared, one)
    v2 = peer.push_image("team/app", "v2", shared, two)
    peer.push_image("team/app/tools", "latest", shared)
    children = [described_manifest(peer, "team/app", tag) for tag in ("v1", "v2")]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()
    peer.push_manifest("team/app", "multi", index, OCI_INDEX)
    stock.subject, stock.untagged = v1, {"team/app": {v1, v2}}
    attached = image(bytes_of("sbom", 100), subject=described_manifest(peer, "team/app", "v1"), artifactType="x/sbom")
    for blob in (bytes_of("sbom", 100), b"{}"):
        peer.push_blob("team/app", blob)
    stock.referrer = peer.push_manifest("team/app", digest_of(attached), attached)
    if not has_referrers:
        entry = described(attached, OCI, artifactType="x/sbom")
        listed = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
        peer.push_manifest("team/app", v1.replace(":", "-"), listed, OCI_INDEX)
    lonely = image(bytes_of("lonely", 300))
    peer.push_blob("team/app", bytes_of("lonely", 300))
    stock.untagged["team/app"].add(peer.push_manifest("team/app", digest_of(lonely), lonely))
    return stock


def described_manifest(peer: Peer, repository: str, reference: str) -> dict[str, Any]:
    status, headers, data = peer.request("GET", f"/v2/{repository}/manifests/{reference}", Accept=ACCEPT)
    assert status == 200, data
    return described(data, headers["Content-Type"])


def names_of(peer: Peer, *repositories: str) -> dict[str, str]:
    """``repository:tag`` and its digest, of all tags."""
    found = {}
    for repository in repositories or json.loads(peer.request("GET", "/v2/_catalog")[2])["repositories"]:
        for tag in json.loads(peer.request("GET", f"/v2/{repository}/tags/list")[2]).get("tags") or ():
            _, headers, _ = peer.request("HEAD", f"/v2/{repository}/manifests/{tag}", Accept=ACCEPT)
            found[f"{repository}:{tag}"] = headers["Docker-Content-Digest"]
    return found


def everything_below(peer: Peer, repository: str, reference: str) -> Iterator[str]:
    """The digests of a manifest and of all below it, each read and compared with its bytes."""
    status, _, data = peer.request("GET", f"/v2/{repository}/manifests/{reference}", Accept=ACCEPT)
    assert status == 200, f"{repository}@{reference}: {status} {data!r}"
    yield digest_of(data)
    manifest = json.loads(data)
    for child in manifest.get("manifests", ()):
        yield from everything_below(peer, repository, child["digest"])
    for blob in (*manifest.get("layers", ()), *([manifest["config"]] if "config" in manifest else ())):
        status, _, data = peer.request("GET", f"/v2/{repository}/blobs/{blob['digest']}")
        assert (status, digest_of(data)) == (200, blob["digest"])
        yield blob["digest"]


def contents_of(peer: Peer, *repositories: str) -> dict[str, frozenset[str]]:
    """Of each ``repository:tag`` the digests of all that belongs to it; the first is what it names."""
    return {
        name: frozenset((digest, *everything_below(peer, name.rpartition(":")[0], digest)))
        for name, digest in names_of(peer, *repositories).items()
    }


def referrers_of(peer: Peer, repository: str, subject: str) -> set[str]:
    status, _, data = peer.request("GET", f"/v2/{repository}/referrers/{subject}")
    assert status == 200
    return {one["digest"] for one in json.loads(data)["manifests"]}


def attach(layout: Path, subject: str) -> str:
    """A referrer in an OCI layout, as zot keeps it: without a name in index.json."""
    index = json.loads((layout / "index.json").read_text())
    top = next(one for one in index["manifests"] if one["digest"] == subject)
    kept = {key: top[key] for key in ("mediaType", "digest", "size")}
    data = image(b"a statement", subject=kept, artifactType="x/statement")
    for blob in (b"a statement", b"{}", data):
        (layout / "blobs" / "sha256" / digest_of(blob).removeprefix("sha256:")).write_bytes(blob)
    index["manifests"].append(described(data, OCI, artifactType="x/statement"))
    (layout / "index.json").write_text(json.dumps(index))
    return digest_of(data)
