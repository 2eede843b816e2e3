"""In which order an import brings images: one after the other, each with its tags before the next one begins."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast import digest as digests
from holdfast.errors import UpstreamDeniedError, UpstreamWrongError
from holdfast.manifest import OCI_INDEX, OCI_MANIFEST, parse
from holdfast.names import repository, tag
from holdfast.ops.moving.copying import Copying, Ends
from holdfast.ops.moving.outcomes import Outcome
from holdfast.ops.moving.sources import Contents
from syncworker.upstream.values import Descriptor, Fetched

REPO = repository("team/app")


def described(data, media_type):
    return {"mediaType": media_type, "digest": str(digests.of(data)), "size": len(data)}


class Shelf:
    """A source of indexes of two images each, ``v0`` and so on, and a target that writes down what it is sent."""

    def __init__(self, count):
        self.manifests, self.tags = {}, {}
        self.told, self.there = [], {}
        self.fails = {}
        for number in range(count):
            children = [self._image(f"{number} {platform}") for platform in ("amd64", "arm64")]
            self.tags[tag(f"v{number}")] = self._add({"mediaType": OCI_INDEX, "manifests": children})

    def _image(self, name):
        config = described(name.encode(), "application/vnd.oci.image.config.v1+json")
        digest = self._add({"mediaType": OCI_MANIFEST, "config": config, "layers": []})
        return described(self.manifests[digest].data, OCI_MANIFEST)

    def _add(self, content):
        data = json.dumps({"schemaVersion": 2, **content}).encode()
        digest = digests.of(data)
        self.manifests[digest] = Fetched(data, digest, parse(data, None))
        return digest

    # The source.
    def contents(self, _repository):
        return Contents(self.tags)

    def manifest(self, _repository, digest):
        return self.manifests[digest]

    def referrers(self, _repository, _digest):
        return ()

    # The target.
    def head(self, _repository, reference):
        digest = self.there.get(str(reference))
        return None if digest is None else Descriptor(OCI_MANIFEST, digest, 1)

    def put_manifest(self, _repository, reference, data, _media_type, digest):
        if str(reference) in self.fails:
            raise self.fails[str(reference)]
        for child in self.manifests[digest].manifest.references:
            assert not child.is_manifest or str(child.digest) in self.there, "an index came before its images"
        assert reference == digest or str(digest) in self.there, "a tag came before its manifest"
        assert digests.of(data) == digest
        self.there[str(reference)] = digest
        self.told.append(str(reference))

    def copied(self, width, *, move_tags=False):
        class Bodies:
            bring = there = forget = staticmethod(lambda *_: None)

        class Meter:
            expect = moved = there = stop = staticmethod(lambda *_: None)

        outcome = Outcome(REPO, REPO)
        with ThreadPoolExecutor(width) as spread:
            copying = Copying(Ends(self, self), Bodies(), Meter(), spread, width, move_tags=move_tags)  # type: ignore[arg-type]
            copying.copy(REPO, REPO, outcome)
        return outcome


def test_an_image_has_its_tag_before_the_next_one_begins():
    shelf = Shelf(5)
    outcome = shelf.copied(1)
    assert (outcome.new_tags, outcome.new_manifests, outcome.failures) == (5, 15, [])
    kinds = ["tag" if name in shelf.tags else "manifest" for name in shelf.told]
    assert kinds == ["manifest", "manifest", "manifest", "tag"] * 5
    assert [name for name in shelf.told if name in shelf.tags] == list(shelf.tags)


def test_several_at_once_leave_no_more_than_so_many_images_without_their_tags():
    width, shelf = 4, Shelf(30)
    shelf.copied(width)
    untagged = 0
    for name in shelf.told:
        untagged += -3 if name in shelf.tags else 1
        assert untagged <= 3 * width + width
    assert untagged == 0


def test_a_second_run_sets_the_tags_that_the_first_one_could_not():
    shelf = Shelf(3)
    shelf.fails["v1"] = UpstreamWrongError("no")
    assert [what for what, _ in shelf.copied(2).failures] == ["v1"]
    del shelf.fails["v1"]
    outcome = shelf.copied(2)
    assert (outcome.new_tags, outcome.new_manifests, outcome.failures) == (1, 0, [])


def test_an_image_that_cannot_be_stored_is_told_with_its_tag_and_the_others_come():
    shelf = Shelf(3)
    broken = shelf.tags["v1"]
    shelf.fails[str(broken)] = UpstreamWrongError("no")
    outcome = shelf.copied(2)
    assert outcome.failures == [(str(broken), "no"), ("v1", f"its manifest {broken} is not there")]
    assert set(shelf.tags) & set(shelf.told) == {"v0", "v2"}


def test_who_may_not_set_a_tag_is_told_once():
    shelf = Shelf(3)
    shelf.fails["v0"] = UpstreamDeniedError("not yours")
    assert shelf.copied(1).failures == [(REPO, "not yours")]


@pytest.mark.parametrize("move_tags", [True, False])
def test_a_tag_that_names_something_else_moves_only_if_it_is_said(move_tags):
    shelf = Shelf(2)
    shelf.there["v0"] = digests.of(b"other")
    outcome = shelf.copied(1, move_tags=move_tags)
    assert [what for what, _ in outcome.failures] == ([] if move_tags else ["v0"])
    assert (shelf.there["v0"] == shelf.tags["v0"]) is move_tags
