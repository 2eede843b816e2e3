"""What lies in a directory is read strictly: nothing outside it, nothing that is not what its name says."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.errors import CorruptError, MissingError, RequestInvalidError, TooLargeError
from holdfast.names import repository
from holdfast.ops.moving.folder import Folder
from holdfast.ops.moving.layouts import tag_of
from holdfast.ops.moving.recognized import directory
from holdfast.ops.moving.trees import tree
from tests.clients import images
from tests.sync.peers import OCI, OCI_INDEX, described, digest_of, image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "top" / "inner").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"secret")
    made = Folder(tmp_path / "top")
    yield made
    made.close()


def test_links_are_not_followed_wherever_they_stand(folder: Folder, tmp_path: Path) -> None:
    (folder.path / "file").symlink_to(tmp_path / "secret")
    (folder.path / "outside").symlink_to(tmp_path)
    for at in (("file",), ("outside", "secret")):
        with pytest.raises(RequestInvalidError, match="not followed"):
            folder.whole(100, *at)
    assert folder.directories() == ["inner"]
    assert folder.links() == ["file", "outside"]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../secret", "a\0b"])
def test_names_that_lead_elsewhere_are_no_names(folder: Folder, name: str) -> None:
    with pytest.raises(RequestInvalidError):
        folder.whole(100, name)
    with pytest.raises(RequestInvalidError):
        folder.whole(100, name, "secret")


def test_pipes_and_directories_are_no_files_and_do_not_hold_us(folder: Folder) -> None:
    os.mkfifo(folder.path / "pipe")
    for name in ("pipe", "inner"):
        with pytest.raises(RequestInvalidError):
            folder.whole(100, name)


def test_large_files_are_not_taken_whole(folder: Folder) -> None:
    (folder.path / "large").write_bytes(b"x" * 101)
    with pytest.raises(TooLargeError):
        folder.whole(100, "large")
    with pytest.raises(MissingError):
        folder.whole(100, "absent")


def link(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)


def distribution(root: Path, repository: str, **tagged: bytes) -> Path:
    """A root directory as distribution keeps it, with these manifests by tag."""
    top = root / "docker" / "registry" / "v2"
    manifests = top / "repositories" / repository / "_manifests"
    for tag, data in tagged.items():
        hexdigest = digest_of(data).removeprefix("sha256:")
        link(manifests / "tags" / tag / "current" / "link", f"sha256:{hexdigest}")
        link(manifests / "revisions" / "sha256" / hexdigest / "link", f"sha256:{hexdigest}")
        (top / "blobs" / "sha256" / hexdigest[:2] / hexdigest).mkdir(parents=True)
        (top / "blobs" / "sha256" / hexdigest[:2] / hexdigest / "data").write_bytes(data)
    return manifests


def test_schema_1_and_broken_links_are_told_of_and_the_rest_is_read(tmp_path: Path) -> None:
    old, new = b'{"schemaVersion": 1, "signatures": []}', image(b"layer")
    manifests = distribution(tmp_path, "team/app", old=old, new=new)
    link(manifests / "tags" / "empty" / "current" / "link", "")
    link(manifests / "tags" / "elsewhere" / "current" / "link", "sha256:../../../../etc/passwd")
    for path in (tmp_path, tmp_path / "docker" / "registry" / "v2"):
        source, _ = directory(path, "")
        assert list(source.repositories()) == ["team/app"]
        contents = source.contents(repository("team/app"))
        assert {tag: str(digest) for tag, digest in contents.tags.items()} == {"new": digest_of(new)}
        assert [str(digest) for digest in contents.roots] == [digest_of(new)]
        empty, elsewhere = (note for note in contents.notes if "holds no digest" in note)
        assert ("tags/elsewhere/" in empty, "tags/empty/" in elsewhere) == (True, True)
        assert any(digest_of(old) in note and "(old)" in note and "schema 1" in note for note in contents.notes)
        source.close()


def test_deleted_manifests_of_distribution_stay_away(tmp_path: Path) -> None:
    data = image(b"layer")
    manifests = distribution(tmp_path, "app", gone=data)
    (manifests / "revisions" / "sha256" / digest_of(data).removeprefix("sha256:") / "link").unlink()
    (manifests / "tags" / "gone" / "current" / "link").unlink()
    source, _ = directory(tmp_path, "")
    assert source.contents(repository("app")).roots == ()
    source.close()


def test_damage_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    made = images.write(tmp_path / "made", images.Shape("made", layers=1))
    source, _ = directory(made.layout, "")
    name, layer = next(iter(source.repositories())), made.layers[0]
    digest = digests.parse_computable(layer.digest)
    assert name == "made"
    assert source.has_blob(name, digest, layer.size_bytes)
    with pytest.raises(CorruptError):
        source.has_blob(name, digest, layer.size_bytes + 1)
    manifest = made.layout / "blobs" / "sha256" / made.digest.removeprefix("sha256:")
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with pytest.raises(CorruptError):
        source.manifest(name, digests.parse_computable(made.digest))
    source.close()


def test_children_come_before_indexes_and_subjects_before_what_refers_to_them(tmp_path: Path) -> None:
    subject = image(b"subject")
    referrer = image(b"referrer", subject=described(subject, OCI))
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [described(referrer, OCI)]}).encode()
    distribution(tmp_path, "app", index=index, referrer=referrer, subject=subject)
    source, _ = directory(tmp_path, "")
    name = repository("app")
    with ThreadPoolExecutor(1) as spread:
        found = tree(source, name, source.contents(name).roots, spread)
    before = {str(digest): [str(one) for one in others] for digest, others in found.before().items()}
    assert before == {
        digest_of(subject): [],
        digest_of(referrer): [digest_of(subject)],
        digest_of(index): [digest_of(referrer)],
    }
    source.close()


@pytest.mark.parametrize(
    ("text", "tag"), [("v1", "v1"), ("docker.io/library/busybox:1.36", "1.36"), ("host:5000/app:v2", "v2")]
)
def test_names_in_layouts_are_tags_or_end_in_one(text: str, tag: str) -> None:
    assert tag_of(text) == tag


def test_entries_that_cannot_be_taken_are_noted_and_the_others_are_read(tmp_path: Path) -> None:
    made = images.write(tmp_path / "made", images.Shape("made", layers=1))
    index = json.loads((made.layout / "index.json").read_text())
    (good,) = index["manifests"]
    index["manifests"] += [
        {**good, "annotations": {"org.opencontainers.image.ref.name": "no tag at all"}},
        {**good, "digest": "sha256:../../x"},
        {**good, "mediaType": "application/vnd.docker.distribution.manifest.v1+json"},
        "not even a descriptor",
    ]
    (made.layout / "index.json").write_text(json.dumps(index))
    source, _ = directory(made.layout, "named/otherwise")
    contents = source.contents(repository("named/otherwise"))
    assert {tag: str(digest) for tag, digest in contents.tags.items()} == {"v1": made.digest}
    assert len(contents.notes) == 4
    source.close()


def test_directory_that_is_nothing_of_the_kind_says_what_would_be(tmp_path: Path) -> None:
    with pytest.raises(RequestInvalidError, match="neither an OCI layout"):
        directory(tmp_path, "")
    (tmp_path / "oci-layout").write_text("{}")
    (tmp_path / "index.json").write_text("[]")
    source, _ = directory(tmp_path, "app")
    with pytest.raises(RequestInvalidError, match="not an image index"):
        source.contents(repository("app"))
    source.close()
