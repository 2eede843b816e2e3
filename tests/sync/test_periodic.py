"""Periodic mirrors: what the content selects is copied whole, again only when it changed, and goes on where it was cut off."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.programs import need
from tests.serving import serving, wait_for
from tests.sync.peers import Peer, digest_of, docker_registry, image
from tests.sync.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.serving import Server

MIB = 1 << 20
SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"
# Each a mirror of its own, with an upstream of its own, below its own name.
MIRRORS: dict[str, dict[str, Any]] = {
    "unchanged": {"content": [{"prefix": "team/**", "destination": "/unchanged"}]},
    "named": {"content": [{"prefix": name, "destination": "/named"} for name in ("team/app", "other/*")]},
    "attached": {"content": [{"prefix": "**", "destination": "/attached"}]},
    "bare": {"content": [{"prefix": "**", "destination": "/bare"}], "syncLegacyCosignTags": False},
    "signed": {"content": [{"prefix": "**", "destination": "/signed"}], "onlySigned": True},
    "platforms": {"content": [{"prefix": "**", "destination": "/platforms"}], "platforms": ["linux/arm64"]},
    "pushed": {"content": [{"prefix": "**", "destination": "/pushed", "allowPush": True}]},
    "broken": {"content": [{"prefix": "**", "destination": "/broken"}]},
}
VERSIONS = {"regex": "^v1", "excludeRegex": "debug$", "semver": True}
CHOSEN = [
    {"prefix": "team/*", "destination": "/copy", "stripPrefix": True, "tags": VERSIONS},
    {"prefix": "db", "destination": "/copy"},
]


def entry(url: str, **keys: Any) -> dict[str, Any]:
    """A polled entry that runs twice a second."""
    return {"urls": [url], "pollInterval": "500ms", "maxRetries": 1, "retryDelay": "100ms", **keys}


@contextlib.contextmanager
def mirroring(root: Path, *entries: dict[str, Any]) -> Iterator[Server]:
    with serving(root, extensions={"sync": {"registries": [*entries]}}) as server:
        yield server


def lines(server: Server, event: str, url: str = "") -> list[dict[str, Any]]:
    """What was logged of this kind, about this upstream's mirror."""
    found = (json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{"))
    return [line for line in found if line.get("event") == event and url in line.get("mirror", "")]


def runs(server: Server, url: str) -> list[dict[str, Any]]:
    return lines(server, "a mirror's run is over", url)


def another_run(server: Server, url: str) -> dict[str, Any]:
    """The end of a run that began after this call."""
    begun = len(lines(server, "a mirror's run began", url))
    wait_for("another run to begin and end", lambda: len(runs(server, url)) > begun)
    return runs(server, url)[begun]


def tags(server: Server, repository: str) -> list[str]:
    status, _, body = server.request("GET", f"/v2/{repository}/tags/list")
    return sorted(json.loads(body)["tags"]) if status == 200 else []


def manifest(server: Server, repository: str, reference: str) -> bytes | None:
    status, _, body = server.request("GET", f"/v2/{repository}/manifests/{reference}")
    return body if status == 200 else None


def has(server: Server, repository: str, *blobs: bytes) -> bool:
    """Whether it has all of these blobs, as they are."""
    answers = [server.request("GET", f"/v2/{repository}/blobs/{digest_of(blob)}") for blob in blobs]
    return [(status, body) for status, _, body in answers] == [(200, blob) for blob in blobs]


def cosign_tag(subject: bytes, suffix: str = "sig") -> str:
    return f"{digest_of(subject).replace(':', '-')}.{suffix}"


@pytest.fixture(scope="module")
def shelves() -> Iterator[dict[str, Shelf]]:
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(Shelf().serving()) for name in MIRRORS}


@dataclass
class Upstream:
    """A real registry with an image of each of these layers; ``stop`` ends it."""

    peer: Peer
    stop: Callable[[], None]
    layers: dict[str, bytes]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    layers = {tag: os.urandom(50_000) for tag in ("v1.0.0", "v1.1.0", "v1.1.0-debug", "latest", "other", "db")}
    with contextlib.ExitStack() as stack:
        peer = Peer(f"http://{stack.enter_context(docker_registry(tmp_path_factory.mktemp('peer') / 'registry'))}")
        for tag in ("v1.0.0", "v1.1.0", "v1.1.0-debug", "latest"):
            peer.push_image("team/app", tag, layers[tag])
        peer.push_image("others/app", "v1.0.0", layers["other"])
        peer.push_image("db", "db", layers["db"])
        yield Upstream(peer, stack.close, layers)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shelves: dict[str, Shelf], upstream: Upstream) -> Iterator[Server]:
    entries = [entry(shelves[name].url, **keys) for name, keys in MIRRORS.items()]
    entries.append(entry(upstream.peer.url, content=CHOSEN))
    with mirroring(tmp_path_factory.mktemp("mirror"), *entries) as server:
        yield server


def test_what_is_selected_is_copied_whole_and_pulled_with_the_upstream_gone(
    tmp_path: Path, server: Server, upstream: Upstream
) -> None:
    skopeo, layers = need("skopeo"), upstream.layers
    ended = wait_for("a run to end", lambda: runs(server, upstream.peer.url))[0]
    assert (ended["images"], ended["changed"], ended["failed"]) == (3, 3, 0)
    upstream.stop()
    assert tags(server, "copy/app") == ["v1.0.0", "v1.1.0"]
    _, _, catalog = server.request("GET", "/v2/_catalog")
    assert [name for name in json.loads(catalog)["repositories"] if "copy" in name] == ["copy/app", "copy/db"]
    for repository, tag in (("copy/app", "v1.0.0"), ("copy/app", "v1.1.0"), ("copy/db", "db")):
        target = tmp_path / tag
        source = f"docker://{server.host}/{repository}:{tag}"
        command = [skopeo, "copy", "--quiet", "--src-tls-verify=false", source, f"dir:{target}"]
        subprocess.run(command, check=True, timeout=60)
        assert (target / digest_of(layers[tag]).partition(":")[2]).read_bytes() == layers[tag]
        assert (target / "manifest.json").read_bytes() == image(layers[tag])
    told = lines(server, "successfully synced image", upstream.peer.url)
    (line,) = [line for line in told if (line["repository"], line["tag"]) == ("team/app", "v1.1.0")]
    assert line["digest"] == digest_of(image(layers["v1.1.0"]))
    assert line["size"] > len(layers["v1.1.0"])


def test_what_has_not_changed_costs_a_head_and_what_has_is_copied_again(
    server: Server, shelves: dict[str, Shelf]
) -> None:
    shelf = shelves["unchanged"]
    shelf.image("team/app", "v1", os.urandom(1000))
    shelf.image("team/app", "v2", os.urandom(1000))
    wait_for("the images", lambda: tags(server, "unchanged/team/app") == ["v1", "v2"])
    another_run(server, shelf.url)
    gets, heads = len(fetched(shelf)), len(shelf.asked("HEAD", "/manifests/v1"))
    ended = [another_run(server, shelf.url) for _ in range(2)]
    assert [(run["images"], run["changed"], run["size"]) for run in ended] == [(2, 0, 0)] * 2
    assert len(fetched(shelf)) == gets
    assert len(shelf.asked("HEAD", "/manifests/v1")) >= heads + 2
    layer = os.urandom(1000)
    moved = shelf.image("team/app", "v2", layer)
    wait_for("the tag to move", lambda: manifest(server, "unchanged/team/app", "v2") == moved)
    assert has(server, "unchanged/team/app", layer)


def fetched(shelf: Shelf) -> list[dict[str, str]]:
    """Requests that move something of an image."""
    return [
        *shelf.asked("GET", "/blobs/"),
        *shelf.asked("GET", "/manifests/v"),
        *shelf.asked("GET", "/manifests/sha256:"),
    ]


def test_a_tag_that_is_gone_upstream_is_kept_and_reported_once(server: Server, shelves: dict[str, Shelf]) -> None:
    shelf, layer = shelves["unchanged"], os.urandom(1000)
    shelf.image("team/gone", "v1", layer)
    shelf.image("team/gone", "v2", layer)
    wait_for("the images", lambda: tags(server, "unchanged/team/gone") == ["v1", "v2"])
    shelf.drop("team/gone", "v1")
    event = "a tag is gone upstream and kept here"
    wait_for("the report", lambda: lines(server, event))
    another_run(server, shelf.url)
    another_run(server, shelf.url)
    assert [(line["repository"], line["tag"]) for line in lines(server, event)] == [("unchanged/team/gone", "v1")]
    assert tags(server, "unchanged/team/gone") == ["v1", "v2"]
    assert has(server, "unchanged/team/gone", layer)


def test_an_upstream_without_a_catalog_is_mirrored_by_its_named_repositories(
    server: Server, shelves: dict[str, Shelf]
) -> None:
    shelf = shelves["named"]
    shelf.has_catalog = False
    for repository in ("team/app", "other/app"):
        shelf.image(repository, "v1", os.urandom(1000))
    wait_for("the named repository", lambda: tags(server, "named/team/app") == ["v1"])
    told = wait_for(
        "the rest to be reported", lambda: lines(server, "a mirror's repositories cannot be listed", shelf.url)
    )
    assert "globs in content stand for nothing" in told[-1]["reason"]
    assert tags(server, "named/other/app") == []


def test_signatures_come_along_by_tag_and_by_reference(server: Server, shelves: dict[str, Shelf]) -> None:
    shelf, layers = shelves["attached"], [os.urandom(1000) for _ in range(3)]
    subject = shelf.image("team/app", "v1", layers[0])
    referring = shelf.refer("team/app", "v1", layers[1], SIGNATURE)
    signature = shelf.image("team/app", cosign_tag(subject), layers[2])
    wait_for("the image", lambda: tags(server, "attached/team/app") == sorted(["v1", cosign_tag(subject)]))
    assert manifest(server, "attached/team/app", cosign_tag(subject)) == signature
    _, _, body = server.request("GET", f"/v2/attached/team/app/referrers/{digest_of(subject)}")
    assert [one["digest"] for one in json.loads(body)["manifests"]] == [digest_of(referring)]
    assert has(server, "attached/team/app", *layers)


def test_an_image_that_is_signed_later_gets_its_signatures_later(server: Server, shelves: dict[str, Shelf]) -> None:
    shelf, layers = shelves["attached"], [os.urandom(1000) for _ in range(3)]
    subject = shelf.image("team/later", "v1", layers[0])
    wait_for("the image", lambda: tags(server, "attached/team/later") == ["v1"])
    signature = shelf.image("team/later", cosign_tag(subject), layers[1])
    wait_for("the tag", lambda: manifest(server, "attached/team/later", cosign_tag(subject)) == signature)
    referring = shelf.refer("team/later", "v1", layers[2], SIGNATURE)
    wait_for("the referrer", lambda: manifest(server, "attached/team/later", digest_of(referring)) == referring, 60)
    assert has(server, "attached/team/later", *layers)


def test_without_sync_legacy_cosign_tags_they_stay_away(server: Server, shelves: dict[str, Shelf]) -> None:
    shelf = shelves["bare"]
    subject = image(b"subject")
    shelf.image("team/app", cosign_tag(subject), os.urandom(1000))
    shelf.image("team/app", "v1", b"subject")
    wait_for("the image", lambda: tags(server, "bare/team/app"))
    another_run(server, shelf.url)
    assert tags(server, "bare/team/app") == ["v1"]


def test_with_only_signed_what_is_not_signed_is_left_out_until_it_is(server: Server, shelves: dict[str, Shelf]) -> None:
    shelf = shelves["signed"]
    by_tag = image(b"by tag")
    shelf.image("team/app", cosign_tag(by_tag), b"its signature")
    shelf.image("team/app", "by-tag", b"by tag")
    shelf.image("team/app", "by-reference", b"by reference")
    shelf.image("team/app", "never", b"never")
    wait_for("the signed image", lambda: "by-tag" in tags(server, "signed/team/app"))
    assert another_run(server, shelf.url)["skipped"] == 2
    assert tags(server, "signed/team/app") == sorted(["by-tag", cosign_tag(by_tag)])
    assert {line["reason"] for line in lines(server, "left out an image", shelf.url)} == {"not signed"}
    shelf.refer("team/app", "by-reference", b"another signature", SIGNATURE)
    shelf.refer("team/app", "never", b"no signature", "application/spdx+json")
    wait_for("the image that is signed by now", lambda: "by-reference" in tags(server, "signed/team/app"))
    assert another_run(server, shelf.url)["skipped"] == 1
    assert not has(server, "signed/team/app", b"never")


def test_only_the_chosen_platforms_of_an_image_are_copied(server: Server, shelves: dict[str, Shelf]) -> None:
    shelf, arm, amd = shelves["platforms"], os.urandom(1000), os.urandom(1000)
    wanted = shelf.index("team/app", "v1", {"linux/amd64": amd, "linux/arm64": arm})
    wait_for("the image", lambda: manifest(server, "platforms/team/app", "v1") == wanted)
    assert manifest(server, "platforms/team/app", digest_of(image(arm))) == image(arm)
    assert has(server, "platforms/team/app", arm)
    another_run(server, shelf.url)
    assert not shelf.asked("", digest_of(amd))
    assert not shelf.asked("", digest_of(image(amd)))


def test_what_was_pushed_here_is_not_moved(server: Server, shelves: dict[str, Shelf]) -> None:
    shelf, mine = shelves["pushed"], os.urandom(1000)
    Peer(server.url).push_image("pushed/team/app", "v1", mine)
    shelf.image("team/app", "v1", os.urandom(1000))
    shelf.image("team/app", "v2", os.urandom(1000))
    wait_for("the image beside it", lambda: tags(server, "pushed/team/app") == ["v1", "v2"])
    another_run(server, shelf.url)
    assert manifest(server, "pushed/team/app", "v1") == image(mine)
    assert {line["reason"] for line in lines(server, "left out an image", shelf.url)} == {"pushed here"}


def test_a_push_that_comes_while_the_tag_is_copied_is_not_undone(server: Server, shelves: dict[str, Shelf]) -> None:
    shelf, mine, layer = shelves["pushed"], os.urandom(1000), os.urandom(MIB)
    gate = shelf.hold(layer, 1000)
    shelf.image("team/race", "v1", layer)
    wait_for("the copy to be under way", lambda: shelf.given[digest_of(layer)] == 1000)
    Peer(server.url).push_image("pushed/team/race", "v1", mine)
    gate.set()
    left_out = "left out an image"
    wait_for(
        "the push to be seen",
        lambda: "team/race" in {line["repository"] for line in lines(server, left_out, shelf.url)},
    )
    assert manifest(server, "pushed/team/race", "v1") == image(mine)
    assert has(server, "pushed/team/race", mine)


def test_a_wrong_blob_is_never_visible_and_the_images_beside_it_are_copied(
    server: Server, shelves: dict[str, Shelf]
) -> None:
    shelf, bad, good = shelves["broken"], os.urandom(1000), os.urandom(1000)
    shelf.image("team/app", "bad", bad)
    shelf.spoil("team/app", bad)
    shelf.image("team/app", "good", good)
    wait_for("the good image", lambda: tags(server, "broken/team/app") == ["good"])
    assert another_run(server, shelf.url)["failed"] == 1
    told = lines(server, "an image could not be copied", shelf.url)
    assert {(line["repository"], line["tag"]) for line in told} == {("team/app", "bad")}
    assert tags(server, "broken/team/app") == ["good"]
    assert manifest(server, "broken/team/app", digest_of(image(bad))) is None


def test_an_upstream_that_is_down_does_not_hold_up_another(server: Server, shelves: dict[str, Shelf]) -> None:
    down, up = shelves["named"], shelves["unchanged"]
    down.failing = 500
    try:
        up.image("team/meanwhile", "v1", os.urandom(1000))
        wait_for("the image of the other", lambda: tags(server, "unchanged/team/meanwhile") == ["v1"])
        wait_for("the failure", lambda: lines(server, "a repository's tags cannot be listed", down.url))
    finally:
        down.failing = 0


def test_a_worker_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    with Shelf().serving() as shelf:
        layers = [os.urandom(MIB) for _ in range(6)]
        for number, layer in enumerate(layers):
            shelf.image("team/app", f"v{number}", layer)
        shelf.image("team/app", "v3", layers[3], b"beside it")
        gate = shelf.hold(layers[3], MIB // 2)
        with mirroring(tmp_path, entry(shelf.url, content=[{"prefix": "**"}], pollInterval="1h")) as server:
            wait_for("the run to be in the middle", lambda: shelf.given[digest_of(layers[3])] == MIB // 2)
            beside = digest_of(b"beside it")
            wait_for(
                "the one beside it", lambda: beside in {line["digest"] for line in lines(server, "fetched a blob")}
            )
            os.kill(server.child("syncworker"), signal.SIGKILL)
            wait_for("the worker to ask again", lambda: len(shelf.asked("GET", digest_of(layers[3]))) == 2)
            gate.set()
            ended = wait_for("the run to end", lambda: runs(server, shelf.url))[0]
            assert (ended["images"], ended["failed"]) == (6, 0)
            assert tags(server, "team/app") == [f"v{number}" for number in range(6)]
            assert has(server, "team/app", *layers)
        for blob in (*layers[:3], *layers[4:], b"beside it", b"{}"):
            assert len(shelf.asked("GET", f"/blobs/{digest_of(blob)}")) == 1
        # Only the layer under way is asked for again, from about where it was cut off.
        start = shelf.asked("GET", digest_of(layers[3]))[1].get("range", "bytes=0-")
        assert int(start.removeprefix("bytes=").removesuffix("-")) > 0
        assert len(shelf.asked("HEAD", "/manifests/v0")) == 1
