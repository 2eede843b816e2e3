"""What is fetched for an image, in which order; a naive copy is the judge."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import manifest as manifests
from holdfast.digest import Digest
from holdfast.manifest import OCI_INDEX, OCI_MANIFEST
from holdfast.mirrors.plan import (
    Depth,
    FetchBlob,
    FetchManifest,
    FetchReferrers,
    Instruction,
    Record,
    Stored,
    Wanted,
    plan,
)
from holdfast.mirrors.selection import attached_tags
from holdfast.patterns.platforms import parse
from tests.unit.mirrors.images import FOREIGN, blob, child, digest_of, image, index

AMD = image(blob("base"), blob("amd"), config="amd config")
ARM = image(blob("base"), blob("arm"), config="arm config")
BOTH = index(child(AMD, "linux/amd64"), child(ARM, "linux/arm64"))
COPY = Wanted(Depth.COPY, referrers=False)


def held(*data: bytes) -> dict[Digest, bytes]:
    return {digest_of(each): each for each in data}


def fetch(data: bytes) -> FetchManifest:
    return FetchManifest(digest_of(data), len(data))


def get(name: str) -> FetchBlob:
    return FetchBlob(digest_of(name), len(name))


def record(data: bytes) -> Record:
    return Record(digest_of(data), OCI_INDEX if data == BOTH else OCI_MANIFEST)


def planned(root: bytes, wanted: Wanted, *data: bytes) -> list[Instruction]:
    return [*plan(digest_of(root), wanted, Stored(held(*data)))]


def test_nothing_is_known_before_the_manifest_is_here() -> None:
    assert planned(BOTH, Wanted()) == [FetchManifest(digest_of(BOTH))]


def test_a_client_that_asks_for_an_index_gets_an_index_and_nothing_more() -> None:
    """zot copies every platform first; users wait for it (zot 3846)."""
    assert planned(BOTH, Wanted(referrers=False), BOTH) == [record(BOTH)]


def test_a_client_that_asks_for_an_image_gets_its_manifest_and_nothing_more() -> None:
    assert planned(AMD, Wanted(referrers=False), AMD) == [record(AMD)]


def test_blobs_are_fetched_ahead_of_a_client_after_the_manifest_it_waits_for() -> None:
    steps = planned(AMD, Wanted(Depth.IMAGE, referrers=False), AMD)
    assert steps == [record(AMD), get("amd config"), get("base"), get("amd")]


def test_an_index_is_not_fetched_ahead_unless_all_is() -> None:
    assert planned(BOTH, Wanted(Depth.IMAGE, referrers=False), BOTH) == [record(BOTH)]
    steps = planned(BOTH, Wanted(Depth.ALL, referrers=False), BOTH)
    assert steps == [record(BOTH), fetch(AMD), fetch(ARM)]


def test_the_platform_that_a_client_asked_for_is_the_only_one_fetched() -> None:
    wanted = Wanted(Depth.IMAGE, platform=parse("linux/arm64"), platforms=(parse("linux/amd64"),), referrers=False)
    assert planned(BOTH, wanted, BOTH) == [record(BOTH), fetch(ARM)]
    steps = planned(BOTH, wanted, BOTH, ARM)
    assert steps == [record(BOTH), record(ARM), get("arm config"), get("base"), get("arm")]


def test_a_copy_records_children_before_their_index_and_shared_layers_once() -> None:
    steps = planned(BOTH, COPY, BOTH, AMD, ARM)
    amd = [get("amd config"), get("base"), get("amd"), record(AMD)]
    assert steps == [*amd, get("arm config"), get("arm"), record(ARM), record(BOTH)]


def test_a_copy_of_some_platforms_leaves_the_others_out() -> None:
    wanted = Wanted(Depth.COPY, platforms=(parse("linux/amd64"),), referrers=False)
    assert planned(BOTH, wanted, BOTH) == [fetch(AMD)]
    assert planned(BOTH, wanted, BOTH, AMD)[-1] == record(BOTH)


def test_layers_that_no_registry_gives_are_not_asked_for() -> None:
    data = image(blob("foreign", FOREIGN), blob("elsewhere", urls=["https://elsewhere"]), blob("own"))
    assert planned(data, COPY, data) == [get("config"), get("own"), record(data)]


def test_a_blob_that_an_index_lists_is_fetched_as_a_blob() -> None:
    """Old BuildKit caches."""
    data = index(blob("cache"))
    assert planned(data, COPY, data) == [get("cache"), Record(digest_of(data), OCI_INDEX)]
    assert planned(data, Wanted(referrers=False, platform=parse("linux/amd64")), data) == [
        Record(digest_of(data), OCI_INDEX)
    ]


def test_what_is_stored_is_not_fetched_and_what_is_recorded_not_recorded() -> None:
    stored = Stored(held(AMD), {digest_of("base"), digest_of("amd")}, {digest_of(AMD)})
    assert plan(digest_of(AMD), COPY, stored) == (get("amd config"),)
    everything = Stored(held(AMD), {digest_of(name) for name in ("amd config", "base", "amd")}, {digest_of(AMD)})
    assert plan(digest_of(AMD), COPY, everything) == ()


def test_referrers_come_last_and_only_when_every_manifest_is_here() -> None:
    wanted = Wanted(Depth.COPY)
    assert not any(isinstance(step, FetchReferrers) for step in planned(BOTH, wanted, BOTH, AMD))
    steps = planned(BOTH, wanted, BOTH, AMD, ARM)
    last = [FetchReferrers(digest_of(data), attached_tags(digest_of(data))) for data in (AMD, ARM, BOTH)]
    assert steps[-3:] == last


def test_cosign_s_tags_are_asked_for_only_when_wanted_and_for_images_alone() -> None:
    attached = image(blob("signature"), subject={**child(AMD)})
    assert planned(attached, Wanted(), attached)[-1] == FetchReferrers(digest_of(attached))
    assert planned(AMD, Wanted(cosign_tags=False), AMD)[-1] == FetchReferrers(digest_of(AMD))
    assert planned(AMD, Wanted(referrers=False), AMD) == [record(AMD)]


layer = st.builds(blob, st.sampled_from("abcdef"), st.sampled_from([FOREIGN, "application/x"]))
PLATFORMS = ("linux/amd64", "linux/arm64", "windows/amd64")


@st.composite
def upstreams(draw: st.DrawFn) -> tuple[bytes, dict[Digest, bytes]]:
    """A root and everything below it: images, indexes of images, and indexes of indexes."""
    made = [
        image(*draw(st.lists(layer, max_size=3, unique_by=str)), config=f"c{n}") for n in range(draw(st.integers(1, 4)))
    ]
    everything = held(*made)
    for _ in range(draw(st.integers(0, 3))):
        picked = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique=True))
        entries = []
        for data in picked:
            is_index = b'"manifests"' in data
            entry = child(data, None if is_index else draw(st.sampled_from(PLATFORMS)))
            entries.append(entry | {"mediaType": OCI_INDEX} if is_index else entry)
        made.append(index(*entries))
        everything |= held(made[-1])
    return made[-1], everything


def carried_out(root: Digest, wanted: Wanted, upstream: dict[Digest, bytes]) -> list[Instruction]:
    """A runner: every plan in full, until one fetches no manifest."""
    done: list[Instruction] = []
    here, blobs, recorded = dict[Digest, bytes](), set[Digest](), set[Digest]()
    while True:
        steps = plan(root, wanted, Stored(here, blobs, recorded))
        for step in steps:
            if isinstance(step, FetchManifest):
                here[step.digest] = upstream[step.digest]
            elif isinstance(step, FetchBlob):
                blobs.add(step.digest)
            elif isinstance(step, Record):
                recorded.add(step.digest)
        done += [step for step in steps if not isinstance(step, FetchReferrers)]
        if not any(isinstance(step, FetchManifest) for step in steps):
            return done + [step for step in steps if isinstance(step, FetchReferrers)]


def judge(root: Digest, upstream: dict[Digest, bytes], platforms: tuple[str, ...]) -> tuple[set[Digest], set[Digest]]:
    """The manifests and blobs of a whole copy, by walking the JSON."""
    seen, blobs, pending = set[Digest](), set[Digest](), [root]
    while pending:
        current = pending.pop()
        seen.add(current)
        body = json.loads(upstream[current])
        for entry in body.get("manifests", ()):
            platform = entry.get("platform")
            if not platforms or platform is None or f"{platform['os']}/{platform['architecture']}" in platforms:
                pending += [digest for digest in upstream if str(digest) == entry["digest"]]
        layers = [entry for entry in body.get("layers", ()) if entry["mediaType"] != FOREIGN]
        names = {entry["digest"] for entry in [*layers, *filter(None, [body.get("config")])]}
        blobs |= {ref.digest for ref in manifests.parse(upstream[current], None).references if str(ref.digest) in names}
    return seen, blobs


@given(upstreams(), st.sets(st.sampled_from(PLATFORMS)))
def test_a_copy_is_whole_and_names_everything_once(
    case: tuple[bytes, dict[Digest, bytes]], platforms: set[str]
) -> None:
    root, upstream = digest_of(case[0]), case[1]
    done = carried_out(root, Wanted(Depth.COPY, tuple(map(parse, sorted(platforms)))), upstream)
    seen, blobs = judge(root, upstream, tuple(platforms))
    for kind, expected in ((FetchManifest, seen), (Record, seen), (FetchBlob, blobs)):
        found = [step.digest for step in done if isinstance(step, kind)]
        assert sorted(found) == sorted(expected)
    referred = [step.subject for step in done if isinstance(step, FetchReferrers)]
    assert sorted(referred) == sorted(seen)


@given(upstreams())
def test_a_copy_never_names_what_is_not_there(case: tuple[bytes, dict[Digest, bytes]]) -> None:
    """Promise 2: at every moment, what a recorded manifest references is stored or recorded."""
    stored = set[Digest]()
    for step in carried_out(digest_of(case[0]), COPY, case[1]):
        if isinstance(step, Record):
            for reference in manifests.parse(case[1][step.digest], None).references:
                assert reference.digest in stored or reference.may_be_absent
            stored.add(step.digest)
        elif isinstance(step, FetchBlob):
            stored.add(step.digest)


@given(upstreams(), st.sampled_from(Depth))
def test_a_plan_that_is_carried_out_leaves_nothing_to_do(case: tuple[bytes, dict[Digest, bytes]], depth: Depth) -> None:
    root, upstream = digest_of(case[0]), case[1]
    done = carried_out(root, Wanted(depth, referrers=False), upstream)
    here = {step.digest: upstream[step.digest] for step in done if isinstance(step, FetchManifest)}
    blobs = {step.digest for step in done if isinstance(step, FetchBlob)}
    recorded = {step.digest for step in done if isinstance(step, Record)}
    assert plan(root, Wanted(depth, referrers=False), Stored(here, blobs, recorded)) == ()


@pytest.mark.parametrize("depth", Depth)
def test_the_words_of_prefetch_are_depths(depth: Depth) -> None:
    assert Depth(depth.value) is depth
    assert {Depth("none"), Depth("image"), Depth("all")} == {Depth.MANIFESTS, Depth.IMAGE, Depth.ALL}
