"""What is here arrives at another registry: whole, once, in the right order, and as it is; or not at all, and says why."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast import names
from holdfast.errors import (
    CorruptError,
    UnavailableError,
    UpstreamDeniedError,
    UpstreamThrottledError,
    UpstreamUnavailableError,
    UpstreamWrongError,
)
from tests.sync.here import Here
from tests.sync.hostile import Call, Hostile
from tests.sync.peers import OCI, OCI_INDEX, described, digest_of, image
from tests.sync.receiver import Receiver
from tests.sync.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncworker.jobs import Copied
    from syncworker.pushing.job import PushJob

REPOSITORY, TAG = names.repository("team/app"), names.tag("v1")
LAYER = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(100_000))  # 3.2 MB
SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"


@pytest.fixture
def here() -> Iterator[Here]:
    with Here() as here:
        yield here


@pytest.fixture
def target() -> Iterator[Receiver]:
    with Receiver().serving() as target:
        yield target


def copied(here: Here, job: PushJob, repository: str = REPOSITORY, tag: str = TAG) -> Copied:
    return job.copy(names.repository(repository), names.tag(tag), here.progress)


def index(*children: tuple[bytes, str | None]) -> bytes:
    """Of manifests with their platforms."""
    entries = []
    for data, platform in children:
        system, _, machine = (platform or "").partition("/")
        more = {"platform": {"os": system, "architecture": machine}} if platform else {}
        entries.append(described(data, OCI, **more))
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


def referring(subject: bytes, layer: bytes, kind: str = "application/vnd.example.sbom") -> bytes:
    return image(layer, subject=described(subject, OCI), artifactType=kind)


def two_platforms(here: Here) -> tuple[bytes, bytes, bytes]:
    """An index and its two images."""
    one, other = image(b"amd64"), image(b"arm64")
    for layer in (b"amd64", b"arm64", b"{}"):
        here.blob(REPOSITORY, layer)
    for data in (one, other):
        here.manifest(REPOSITORY, data)
    whole = index((one, "linux/amd64"), (other, "linux/arm64"))
    here.manifest(REPOSITORY, whole, TAG)
    return whole, one, other


def test_an_image_arrives_as_it_is_and_its_tag_last(here: Here, target: Receiver) -> None:
    digest = here.image(REPOSITORY, TAG, LAYER, b"small")
    found = copied(here, here.job(target.url))
    assert (found.is_changed, found.digest, found.skipped_reason) == (True, digest, "")
    assert target.manifests[REPOSITORY, TAG] == (OCI, image(LAYER, b"small"))
    assert target.blobs[REPOSITORY, digest_of(LAYER)] == LAYER
    assert target.order[-1] == TAG
    assert found.size_bytes == here.progress.size_bytes == len(LAYER) + len(b"small") + 2 + len(image(LAYER, b"small"))


def test_what_has_not_changed_costs_one_head(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, b"layer")
    job = here.job(target.url)
    copied(here, job)
    target.methods()
    assert copied(here, job).is_changed is False
    assert target.methods() == ["HEAD"]
    # ... and no more than that when another process goes on.
    assert copied(here, here.job(target.url)).size_bytes == 0
    assert target.methods() == ["HEAD"]


def test_a_second_tag_of_an_image_moves_no_blob(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, b"layer")
    copied(here, here.job(target.url))
    here.image(REPOSITORY, "v2", b"layer")
    target.methods()
    assert copied(here, here.job(target.url), tag="v2").is_changed
    assert target.methods() == ["HEAD", "HEAD", "PUT"]


def test_a_tag_that_was_moved_here_is_moved_there(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, b"old")
    job = here.job(target.url)
    copied(here, job)
    here.image(REPOSITORY, TAG, b"new")
    assert copied(here, job).is_changed
    assert target.manifests[REPOSITORY, TAG][1] == image(b"new")


def test_a_tag_that_moves_while_its_image_is_copied_ends_as_it_is_here(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, b"old")
    here.progress.meanwhile = lambda: here.image(REPOSITORY, TAG, b"new")
    assert copied(here, here.job(target.url)).digest == digests.of(image(b"new"))
    assert target.manifests[REPOSITORY, TAG][1] == image(b"new")


def test_what_another_repository_there_has_is_mounted(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, LAYER)
    here.image("team/other", TAG, LAYER)
    job = here.job(target.url)
    copied(here, job)
    received_bytes = target.received_bytes
    assert received_bytes == len(LAYER)
    # Which of the two has it is known by this process, or by what is stored here.
    copied(here, here.job(target.url), "team/other")
    assert target.received_bytes == received_bytes
    assert target.blobs["team/other", digest_of(LAYER)] == LAYER


def test_only_what_the_filters_select_is_copied(here: Here, target: Receiver) -> None:
    for tag in ("v1.0.0", "v1.1.0-rc1", "latest"):
        here.image("team/app", tag, b"layer")
    here.image("other/app", "v1.0.0", b"layer")
    job = here.job(
        target.url,
        prefix="team/**",
        destination="/copies",
        stripPrefix=True,
        tags={"semver": True, "excludeRegex": "rc"},
    )
    assert list(job.repositories()) == ["team/app"]
    assert list(job.tags(REPOSITORY)) == ["v1.0.0"]
    copied(here, job, tag="v1.0.0")
    assert ("copies/app", "v1.0.0") in target.manifests
    assert copied(here, job, "other/app", "v1.0.0").skipped_reason == "not selected"
    assert copied(here, job, tag="gone").skipped_reason == "deleted meanwhile"


def test_the_url_may_name_a_path_under_which_all_is_kept(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, b"layer")
    copied(here, here.job(f"{target.url}/mirror"))
    assert ("mirror/team/app", TAG) in target.manifests


def test_an_index_arrives_after_its_children(here: Here, target: Receiver) -> None:
    whole, one, other = two_platforms(here)
    found = copied(here, here.job(target.url))
    assert str(found.digest) == digest_of(whole)
    assert target.manifests[REPOSITORY, TAG] == (OCI_INDEX, whole)
    assert [name for name in target.order if name == TAG or name in map(digest_of, (one, other))] == [
        digest_of(one), digest_of(other), TAG,
    ]  # fmt: skip


def test_of_an_index_the_one_platform_that_is_meant_becomes_the_tag(here: Here, target: Receiver) -> None:
    _, one, other = two_platforms(here)
    job = here.job(target.url, platforms=["linux/arm64"])
    copied(here, job)
    assert target.manifests[REPOSITORY, TAG] == (OCI, other)
    assert (REPOSITORY, digest_of(one)) not in target.manifests
    target.methods()
    assert copied(here, job).is_changed is False
    assert target.methods() == ["HEAD"]


def test_a_target_that_wants_all_children_of_an_index_is_said_to_refuse_it(here: Here, target: Receiver) -> None:
    one, other, third = (image(layer) for layer in (b"1", b"2", b"3"))
    for layer in (b"1", b"2", b"3", b"{}"):
        here.blob(REPOSITORY, layer)
    for data in (one, other, third):
        here.manifest(REPOSITORY, data)
    here.manifest(REPOSITORY, index((one, "linux/amd64"), (other, "linux/arm64"), (third, "linux/s390x")), TAG)
    with pytest.raises(UpstreamWrongError, match="MANIFEST_BLOB_UNKNOWN"):
        copied(here, here.job(target.url, platforms=["linux/arm64", "linux/amd64"]))
    assert (REPOSITORY, TAG) not in target.manifests


def test_unsigned_images_are_left_out_where_only_signed_ones_are_meant(here: Here, target: Receiver) -> None:
    digest = here.image(REPOSITORY, TAG, b"layer")
    job = here.job(target.url, entry={"onlySigned": True})
    assert copied(here, job).skipped_reason == "not signed"
    assert target.methods() == []
    here.image(REPOSITORY, f"sha256-{digest.encoded}.sig", b"signature")
    assert copied(here, job).is_changed


def test_a_signature_that_refers_to_its_image_counts_as_one(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, b"layer")
    here.blob(REPOSITORY, b"signature")
    here.manifest(REPOSITORY, referring(image(b"layer"), b"signature", SIGNATURE))
    assert copied(here, here.job(target.url, entry={"onlySigned": True})).is_changed


def test_cosign_tags_come_along_and_later_ones_follow(here: Here, target: Receiver) -> None:
    digest = here.image(REPOSITORY, TAG, b"layer")
    job = here.job(target.url)
    copied(here, job)
    here.image(REPOSITORY, f"sha256-{digest.encoded}.sig", b"signature")
    assert copied(here, job).is_changed
    assert (REPOSITORY, f"sha256-{digest.encoded}.sig") in target.manifests
    target.methods()
    assert copied(here, job).is_changed is False
    assert target.methods() == ["HEAD"]


def test_cosign_tags_stay_where_they_are_not_meant(here: Here, target: Receiver) -> None:
    digest = here.image(REPOSITORY, TAG, b"layer")
    here.image(REPOSITORY, f"sha256-{digest.encoded}.sig", b"signature")
    copied(here, here.job(target.url, entry={"syncLegacyCosignTags": False}))
    assert (REPOSITORY, f"sha256-{digest.encoded}.sig") not in target.manifests


def test_referrers_and_what_refers_to_them_arrive_by_the_api(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, b"layer")
    here.blob(REPOSITORY, b"sbom")
    sbom = referring(image(b"layer"), b"sbom")
    signature = referring(sbom, b"sbom", SIGNATURE)
    job = here.job(target.url)
    copied(here, job)
    for data in (sbom, signature):
        here.manifest(REPOSITORY, data)
    assert copied(here, job).is_changed
    assert {digest_of(sbom), digest_of(signature)} <= {name for _, name in target.manifests}
    # Nobody needs a list that the target keeps itself.
    assert not [name for _, name in target.manifests if name.startswith("sha256-")]
    assert copied(here, here.job(target.url)).is_changed is False


def test_referrers_are_listed_under_the_fallback_tag_where_the_api_is_not_known(here: Here, target: Receiver) -> None:
    target.has_referrers = False
    digest = here.image(REPOSITORY, TAG, b"layer")
    here.blob(REPOSITORY, b"sbom")
    found = []
    job = here.job(target.url)
    for number in range(2):
        found.append(referring(image(b"layer"), b"sbom", f"application/vnd.example.{number}"))
        here.manifest(REPOSITORY, found[-1])
        assert copied(here, job).is_changed
    kind, listed = target.manifests[REPOSITORY, f"sha256-{digest.encoded}"]
    assert kind == OCI_INDEX
    assert [(one["digest"], one["artifactType"]) for one in json.loads(listed)["manifests"]] == [
        (digest_of(data), f"application/vnd.example.{number}") for number, data in enumerate(found)
    ]
    assert copied(here, here.job(target.url)).is_changed is False


def test_a_large_blob_goes_on_where_it_broke_off(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, LAYER)
    target.cuts = [1_000_000, 500_000, 700_000]
    copied(here, here.job(target.url))
    assert target.blobs[REPOSITORY, digest_of(LAYER)] == LAYER
    assert target.received_bytes == len(LAYER)
    ranges = [headers.get("content-range") for headers in target.asked("PATCH")]
    ends = len(LAYER) - 1
    assert ranges == [None, f"1000000-{ends}", f"1500000-{ends}", f"2200000-{ends}"]


def test_a_target_that_cannot_go_on_is_sent_the_blob_anew(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, LAYER)
    target.cuts, target.resumes = [1_000_000], False
    copied(here, here.job(target.url))
    assert target.blobs[REPOSITORY, digest_of(LAYER)] == LAYER
    assert target.received_bytes == len(LAYER) + 1_000_000


def test_a_target_that_always_breaks_off_is_given_up_and_nothing_is_visible(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, LAYER)
    target.cuts, target.resumes = [1_000_000] * 100, False
    with pytest.raises(UpstreamUnavailableError):
        copied(here, here.job(target.url))
    assert 3 <= len(target.asked("PATCH")) <= 4
    assert target.manifests == {}


def test_a_target_that_wants_fewer_requests_is_waited_for(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, b"layer")
    target.throttles = 2
    assert copied(here, here.job(target.url)).is_changed
    assert [seconds for seconds in here.pauses.taken if seconds >= 1.0]


def test_a_target_that_wants_none_for_long_is_left_alone(here: Here) -> None:
    here.image(REPOSITORY, TAG, b"layer")
    with Hostile(lambda call: call.answer(429, Retry_After="3600")) as busy:
        job = here.job(busy.url)
        for _ in range(3):
            with pytest.raises(UpstreamThrottledError) as caught:
                copied(here, job)
            assert caught.value.retry_after_seconds > 3000
        assert len(busy.seen) == 1


def test_a_target_that_says_another_digest_is_not_believed(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, b"layer")
    target.misnames = True
    with pytest.raises(UpstreamWrongError, match="it says sha256:"):
        copied(here, here.job(target.url))


def test_an_upload_that_leads_elsewhere_is_not_followed(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, b"layer")
    with Hostile(lambda call: call.answer(201)) as thief:
        target.sends_to = thief.url
        with pytest.raises(UpstreamWrongError, match="leads to"):
            copied(here, here.job(target.url))
        assert thief.seen == []


def test_a_write_is_not_redirected(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, b"layer")

    def script(call: Call) -> None:
        call.answer(404) if call.method == "HEAD" else call.answer(307, Location=target.url + call.target)

    with Hostile(script) as misleading, pytest.raises(UpstreamWrongError, match="307"):
        copied(here, here.job(misleading.url))
    assert target.methods() == []


def test_a_target_that_refuses_us_is_said_to(here: Here) -> None:
    here.image(REPOSITORY, TAG, b"layer")
    with (
        Hostile(lambda call: call.answer(404 if call.method == "HEAD" else 403)) as closed,
        pytest.raises(UpstreamDeniedError),
    ):
        copied(here, here.job(closed.url))


def test_no_more_connections_are_made_than_the_operator_allows(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, *(bytes([n]) * 300_000 for n in range(8)))
    copied(here, here.job(target.url, entry={"reqConcurrent": 2}))
    assert len(target.connections) <= 2


def test_copying_ends_when_whoever_drives_it_says_so(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, LAYER)
    here.progress.refusal, here.progress.after_bytes = UnavailableError("its time is over"), 1_000_000
    with pytest.raises(UnavailableError, match="its time is over"):
        copied(here, here.job(target.url))
    assert target.manifests == {}
    # What was begun is given up, so that the target need not keep it.
    assert target.uploads == {}


def test_blobs_that_a_mirror_has_not_fetched_yet_are_fetched_first(target: Receiver) -> None:
    with Stock().serving() as stock:
        data = stock.image("team/app", "v1", LAYER)
        content = [{"prefix": "**", "destination": "/up"}]
        with Here([{"urls": [stock.url], "onDemand": True, "content": content}]) as here:
            repository = names.repository("up/team/app")
            fetched = here.sources.ask(repository, lambda upstream, name: upstream.manifest(name, TAG))
            here.manifests.keep(repository, fetched, [TAG])
            assert copied(here, here.job(target.url), repository).digest == digests.of(data)
    assert target.blobs["up/team/app", digest_of(LAYER)] == LAYER


def test_an_image_of_which_a_part_cannot_be_had_is_left_out_and_says_why(target: Receiver) -> None:
    with Stock().serving() as stock:
        stock.image("team/app", "v1", LAYER)
        content = [{"prefix": "**", "destination": "/up"}]
        with Here([{"urls": [stock.url], "onDemand": True, "content": content}]) as here:
            repository = names.repository("up/team/app")
            fetched = here.sources.ask(repository, lambda upstream, name: upstream.manifest(name, TAG))
            here.manifests.keep(repository, fetched, [TAG])
            del stock.blobs[f"team/app/blobs/{digest_of(LAYER)}"]
            found = copied(here, here.job(target.url), repository)
    assert digest_of(LAYER) in found.skipped_reason
    assert target.manifests == {}


def test_a_copy_that_is_damaged_here_never_arrives(here: Here, target: Receiver) -> None:
    here.image(REPOSITORY, TAG, LAYER)
    here.node.blobs[digests.of(LAYER)] = LAYER[:-1] + b"x"
    # Who notices first, the node that reads it or the target that was sent all of it, is all the same.
    with pytest.raises((CorruptError, UpstreamWrongError)):
        copied(here, here.job(target.url))
    assert (REPOSITORY, digest_of(LAYER)) not in target.blobs
    assert target.manifests == {}
