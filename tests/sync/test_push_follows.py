"""What is pushed to one Holdfast is at another soon after, by its sync worker, without anybody asking."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.serving import serving, wait_for
from tests.sync.peers import OCI, Peer, described, digest_of, image
from tests.sync.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.serving import Server

SBOM = "application/vnd.example.sbom"


def pushing(url: str, **more: Any) -> dict[str, Any]:
    content = [{"prefix": "team/**", "destination": "/copies"}]
    entry = {"urls": [url], "direction": "push", "content": content, "maxRetries": 1, "retryDelay": "100ms", **more}
    return {"sync": {"registries": [entry]}}


def digest_at(server: Server, repository: str, tag: str) -> str | None:
    return server.request("HEAD", f"/v2/{repository}/manifests/{tag}")[1].get("docker-content-digest")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "target") as server:
        yield server


def test_a_push_is_followed_by_its_copy_and_so_is_what_belongs_to_it_later(target: Server, tmp_path: Path) -> None:
    with serving(tmp_path / "here", extensions=pushing(target.url)) as server:
        peer = Peer(server.url)
        digest = peer.push_image("team/app", "v1", b"layer")
        peer.push_image("other/app", "v1", b"layer")
        wait_for("the copy", lambda: digest_at(target, "copies/team/app", "v1") == digest)
        peer.push_blob("team/app", b"sbom")
        sbom = image(b"sbom", config=b"{}", subject=described(image(b"layer"), OCI), artifactType=SBOM)
        peer.push_manifest("team/app", digest_of(sbom), sbom)

        def listed() -> list[str]:
            _, _, body = target.request("GET", f"/v2/copies/team/app/referrers/{digest}")
            return [one["digest"] for one in json.loads(body)["manifests"]]

        wait_for("what refers to it", lambda: listed() == [digest_of(sbom)])
        moved = peer.push_image("team/app", "v1", b"another layer")
        wait_for("the tag to move there, too", lambda: digest_at(target, "copies/team/app", "v1") == moved)
    _, _, catalog = target.request("GET", "/v2/_catalog")
    assert json.loads(catalog)["repositories"] == ["copies/team/app"]


def test_what_the_target_would_not_take_at_first_arrives_by_a_run(tmp_path: Path) -> None:
    with Receiver().serving() as target:
        # Every image that is tried in vain leaves the target alone for a second.
        with serving(tmp_path, extensions=pushing(target.url, pollInterval="2s")) as server:
            target.throttles = 4
            digest = Peer(server.url).push_image("team/app", "v1", b"layer")
            wait_for("the copy", lambda: ("copies/team/app", "v1") in target.manifests, 60)
        assert digest_of(target.manifests["copies/team/app", "v1"][1]) == digest
