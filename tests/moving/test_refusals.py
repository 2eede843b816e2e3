"""What cannot be moved is told with its reason, and the rest goes on; what may not be changed stays as it is."""

from __future__ import annotations

import base64
import json
import ssl
from typing import TYPE_CHECKING

import pytest

from tests.certificates import Authority
from tests.clients import images
from tests.fakes.registry import FakeRegistry
from tests.moving import stock
from tests.moving.commands import done, run
from tests.serving import free_port
from tests.sync.peers import OCI, OCI_INDEX, described, digest_of, image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clients.images import Image
    from tests.serving import Server
    from tests.sync.peers import Peer


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as made:
        yield made


def small(path: Path, name: str = "small") -> Image:
    return images.write(path, images.Shape(name, layers=1))


def put(layout: Path, data: bytes) -> bytes:
    """Into an OCI layout, as a blob."""
    (layout / "blobs" / "sha256" / digest_of(data).removeprefix("sha256:")).write_bytes(data)
    return data


def name(layout: Path, tag: str, data: bytes, media_type: str = OCI) -> None:
    """Into the index of an OCI layout."""
    index = json.loads((layout / "index.json").read_text())
    index["manifests"].append(
        described(put(layout, data), media_type, annotations={"org.opencontainers.image.ref.name": tag})
    )
    (layout / "index.json").write_text(json.dumps(index))


def test_images_that_lack_something_are_listed_and_the_others_arrive(
    registry: Server, here: Peer, tmp_path: Path
) -> None:
    made = small(tmp_path / "layout")
    put(made.layout, b"{}")
    name(made.layout, "no-layer", image(b"nobody has it"))
    gone = image(b"not even the manifest is there")
    sparse = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [described(gone, OCI)]}
    name(made.layout, "sparse", json.dumps(sparse).encode(), OCI_INDEX)
    told = run("import", made.layout, "--to", registry.url, "--name", "lacking", "--json")
    assert told.code == 1
    failures = {failure["what"]: failure["why"] for failure in told.of("lacking")["failures"]}
    assert failures[digest_of(image(b"nobody has it"))] == (
        f"the source does not have the blob {digest_of(b'nobody has it')}"
    )
    assert failures[digest_of(gone)] == f"the source does not have the manifest {digest_of(gone)}"
    assert {"no-layer", "sparse"} < set(failures)
    assert stock.names_of(here, "lacking") == {"lacking:v1": made.digest}
    shown = run("import", made.layout, "--to", registry.url, "--name", "lacking")
    assert f"lacking: failed: {digest_of(gone)}: the source does not have the manifest" in shown.out


def test_foreign_layer_that_is_elsewhere_is_noted_and_its_image_arrives(
    registry: Server, here: Peer, tmp_path: Path
) -> None:
    made = small(tmp_path / "layout")
    foreign = {
        **described(b"windows", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        "urls": ["https://example.invalid/layer"],
    }
    data = json.dumps({**json.loads(image()), "layers": [foreign]}).encode()
    put(made.layout, b"{}")
    name(made.layout, "windows", data)
    told = done("import", made.layout, "--to", registry.url, "--name", "foreign", "--json")
    assert told.of("foreign")["notes"] == [
        f"{digest_of(b'windows')} is a foreign layer that the source does not have; clients get it from its own URLs"
    ]
    assert stock.names_of(here, "foreign")["foreign:windows"] == digest_of(data)


def test_tag_that_names_something_else_stays_unless_it_may_be_moved(
    registry: Server, here: Peer, tmp_path: Path
) -> None:
    made = small(tmp_path / "layout")
    standing = here.push_image("taken", "v1", b"what they have")
    words = ("import", made.layout, "--to", registry.url, "--name", "taken", "--json")
    told = run(*words)
    assert told.code == 1
    (failure,) = told.of("taken")["failures"]
    assert failure["what"] == "v1"
    assert "--move-tags" in failure["why"]
    assert stock.names_of(here, "taken") == {"taken:v1": standing}
    done(*words, "--move-tags")
    assert stock.names_of(here, "taken") == {"taken:v1": made.digest}


def test_dry_run_shows_what_there_is_and_asks_the_target_nothing(fake: FakeRegistry, tmp_path: Path) -> None:
    for repository in ("team/app", "team/tools", "other/app"):
        small(tmp_path / "zot" / repository, repository)
    words = ("import", tmp_path / "zot", "--to", fake.url, "--dry-run", "--prefix", "old", "-r", "team/*")
    told = done(*words)
    assert "old/team/tools" in told.out
    assert "other/app" not in told.out
    assert "2 repositories to import; nothing was changed" in told.out
    assert fake.seen == []
    assert done(*words, "--json").of("team/app")["blobs"] == {"found": 2, "stored": 0, "linked": 0}


def test_registry_without_a_catalog_wants_its_repositories_named(fake: FakeRegistry, tmp_path: Path) -> None:
    made = small(tmp_path / "layout")
    with FakeRegistry() as source:
        done("import", made.layout, "--to", source.url, "--name", "team/app")
        source.refuse = {}
        source.offers_lists = False
        told = run("import", source.url, "--to", fake.url)
        assert told.code == 2
        assert "--repository" in told.err
        told = run("export", "**", tmp_path / "out", "--from", source.url)
        assert told.code == 2
        source.offers_lists = True
        done("import", source.url, "--to", fake.url, "-r", "team/app")
    assert fake.manifests["team/app", "v1"]
    assert ("GET", "/v2/_catalog") not in {(method, path) for method, path, _ in source.seen[-8:]}


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_logins_come_from_standard_input_or_from_dockers_file(kind: str, tmp_path: Path) -> None:
    made = small(tmp_path / "layout")
    with FakeRegistry(login=kind) as target:
        words = ("import", made.layout, "--to", target.url, "--name", "app", "--json")
        login = ("--user", "alice", "--password-stdin")
        assert done(*words, *login, stdin="s3cret\n").of("app")["tags"]["set"] == 1
        (tmp_path / "config.json").write_text(
            json.dumps({"auths": {f"127.0.0.1:{target.port}": {"auth": base64.b64encode(b"alice:s3cret").decode()}}})
        )
        assert done(*words, DOCKER_CONFIG=str(tmp_path)).of("app")["tags"]["found"] == 1
        refused = run(*words, *login, stdin="wr0ng\n")
        assert refused.code == 1
        (failure,) = refused.of("app")["failures"]
        assert failure["what"] == "app"
        assert "wr0ng" not in refused.out + refused.err


def test_both_ends_take_their_passwords_in_order(tmp_path: Path) -> None:
    made = small(tmp_path / "layout")
    login = ("--user", "alice", "--password-stdin")
    with FakeRegistry(login="basic") as source, FakeRegistry(login="basic") as target:
        done("import", made.layout, "--to", source.url, "--name", "app", *login, stdin="s3cret\n")
        words = ("import", source.url, "--to", target.url, *login, "--source-user", "alice")
        assert run(*words, stdin="s3cret\nwr0ng\n").code == 2
        done(*words, stdin="s3cret\ns3cret\n")
        assert target.manifests["app", "v1"] == source.manifests["app", "v1"]


@pytest.mark.parametrize("words", [("--rate", "much"), ("-r", "a[b"), ("--to", "http://a b")])
def test_what_makes_no_sense_is_refused_before_anything_is_done(words: tuple[str, str], tmp_path: Path) -> None:
    told = run("import", small(tmp_path / "layout").layout, *words)
    assert told.code == 2
    assert told.err.startswith("holdfast: ")


def test_registry_that_is_not_there_ends_the_run_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.ops.moving.reaching._RETRIES", 0)
    for number in range(9):
        small(tmp_path / "zot" / f"app{number}", f"app{number}")
    told = run("import", tmp_path / "zot", "--to", f"127.0.0.1:{free_port()}", "-j", "1")
    assert told.code == 2
    assert "the same command goes on from here" in told.err
    assert run("export", "app", tmp_path / "out", "--from", f"127.0.0.1:{free_port()}").code == 2


def test_digests_that_change_on_the_way_are_refused(fake: FakeRegistry, tmp_path: Path) -> None:
    made = small(tmp_path / "layout")
    done("import", made.layout, "--to", fake.url, "--name", "app")
    layer = made.layers[0].digest
    fake.blobs[layer] = b"x" + fake.blobs[layer][1:]
    told = run("export", "app", tmp_path / "out", "--from", fake.url, "--json")
    assert told.code == 1
    assert layer in {failure["what"] for failure in told.of("app")["failures"]}
    assert not (tmp_path / "out" / "app" / "index.json").exists()
    with FakeRegistry() as other:
        assert run("import", fake.url, "--to", other.url).code == 1
        assert layer not in other.blobs
        assert not other.manifests


def test_certificates_are_checked_by_what_is_named_for_each_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.ops.moving.reaching._RETRIES", 0)
    made, authority = small(tmp_path / "layout"), Authority(tmp_path / "authority")
    files = authority.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ca.crt").write_bytes(authority.file.read_bytes())
    with FakeRegistry(tls=context) as target:
        words = ("import", made.layout, "--to", target.url, "--name", "app")
        assert run(*words).code == 1
        assert target.manifests == {}
        done(*words, "--cert-dir", tmp_path / "certs")
        assert ("app", "v1") in target.manifests
        assert run("export", "app", tmp_path / "refused", "--from", target.url).code != 0
        done("export", "app", tmp_path / "out", "--from", target.url, "--insecure")
    assert (tmp_path / "out" / "app" / "index.json").exists()


def test_layout_that_cannot_be_added_to_is_told_of_and_the_others_are_exported(
    fake: FakeRegistry, tmp_path: Path
) -> None:
    for repository in ("one", "two"):
        done("import", small(tmp_path / repository, repository).layout, "--to", fake.url, "--name", repository)
    (tmp_path / "out" / "one").mkdir(parents=True)
    (tmp_path / "out" / "one" / "index.json").write_text("somebody's notes")
    told = run("export", "one", "two", tmp_path / "out", "--from", fake.url, "--json")
    assert told.code == 1
    assert [failure["what"] for failure in told.of("one")["failures"]] == ["one"]
    assert (tmp_path / "out" / "one" / "index.json").read_text() == "somebody's notes"
    assert (tmp_path / "out" / "two" / "index.json").exists()
