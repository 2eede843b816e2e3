"""The rules of repositories, one test each."""

from __future__ import annotations

import dataclasses

import pytest

from holdfast import digest as digests
from holdfast.errors import (
    BlobUnknownError,
    ManifestInvalidError,
    ManifestUnknownError,
    MetadataUnavailableError,
    OutcomeUnknownError,
    RemovalsMovedError,
    RepositoryUnknownError,
    StillReferencedError,
    SweepMovedError,
    TagMovedError,
    TooManyTagsError,
)
from holdfast.manifest import DOCKER_MANIFEST, MAX_REFERENCES, Reference
from holdfast.meta import keys
from holdfast.meta.store import MAX_OPS, Delete, Put
from holdfast.names import Repository, tag
from tests.unit.meta.world import OTHER, REPO, V1, V2, blob, faults, image, index, keys_below, link, push, world

A, B = blob("a"), blob("b")


def many(count):
    return [blob(f"layer {number}") for number in range(count)]


# Links


def test_a_link_is_kept_in_both_directions_and_makes_the_repository():
    store, repos = world()
    assert not repos.exists(REPO)
    link(repos, A)
    assert repos.link(REPO, A).size_bytes == 10
    assert repos.holders(A, 10) == [REPO]
    assert repos.exists(REPO)
    assert faults(store) == []


def test_links_tells_those_that_are_there():
    _, repos = world()
    link(repos, A)
    assert set(repos.links(REPO, [A, B])) == {A}
    assert repos.link(REPO, B) is None


def test_a_link_is_of_one_repository_only():
    _, repos = world()
    link(repos, A, repo=OTHER)
    assert repos.link(REPO, A) is None


def test_holders_are_limited_and_sorted():
    _, repos = world()
    for name in ("c", "a", "b"):
        link(repos, A, repo=Repository(name))
    assert repos.holders(A, 2) == ["a", "b"]


def test_a_link_under_an_old_fence_is_refused():
    _, repos = world()
    fence = repos.fence(A)
    assert repos.begin_sweep([A]) == [A]
    with pytest.raises(SweepMovedError):
        repos.add_link(REPO, A, 10, fence)
    assert repos.link(REPO, A) is None
    repos.add_link(REPO, A, 10, repos.fence(A))


def test_a_fence_protects_its_own_partition_only():
    _, repos = world()
    assert A.partition != B.partition
    with pytest.raises(ValueError, match="partition"):
        repos.add_link(REPO, A, 10, repos.fence(B))


def test_fences_agree_with_fence():
    _, repos = world()
    repos.begin_sweep([A])
    assert repos.fences([A, B]) == {A: repos.fence(A), B: repos.fence(B)}


def test_linking_again_renews_the_link():
    store, repos = world()
    link(repos, A)
    before = repos.link(REPO, A)
    store._clock.advance(60)
    repos._links._clock.advance(60)
    link(repos, A)
    assert repos.link(REPO, A).renewed_seconds == before.renewed_seconds + 60


def test_two_first_links_at_once_are_both_kept():
    store, repos = world()
    store.before_txn(lambda: link(repos, B))
    link(repos, A)
    assert set(repos.links(REPO, [A, B])) == {A, B}


def test_a_mount_takes_the_size_from_its_source():
    store, repos = world()
    repos.add_link(OTHER, A, 77, repos.fence(A))
    assert repos.mount(OTHER, REPO, A, repos.fence(A)).size_bytes == 77
    assert repos.link(REPO, A).size_bytes == 77
    assert repos.holders(A, 10) == [REPO, OTHER]
    assert faults(store) == []


def test_a_mount_of_what_the_source_does_not_link_is_unknown():
    _, repos = world()
    with pytest.raises(BlobUnknownError):
        repos.mount(OTHER, REPO, A, repos.fence(A))


def test_a_mount_whose_source_goes_meanwhile_is_unknown():
    store, repos = world()
    link(repos, A, repo=OTHER)
    store.before_txn(lambda: repos.delete_blob(OTHER, A))
    with pytest.raises(BlobUnknownError):
        repos.mount(OTHER, REPO, A, repos.fence(A))
    assert not repos.exists(REPO)


def test_a_mount_goes_on_when_its_source_is_merely_renewed():
    store, repos = world()
    link(repos, A, repo=OTHER)
    store.before_txn(lambda: link(repos, A, repo=OTHER))
    repos.mount(OTHER, REPO, A, repos.fence(A))
    assert repos.link(REPO, A)


# Manifests and tags


def test_a_pushed_manifest_is_read_by_digest_and_by_tag():
    store, repos = world()
    record = push(repos, image("m", A, B), V1, V2)
    assert repos.manifest(REPO, record.digest) == record
    assert repos.manifest_by_tag(REPO, V1) == repos.manifest_by_tag(REPO, V2) == record
    assert repos.manifests(REPO, [record.digest, A]) == {record.digest: record}
    assert record.references == (Reference(A, 10), Reference(B, 10))
    assert (record.media_type, record.size_bytes) == (image("m").media_type, 100)
    assert repos.link(REPO, record.digest).size_bytes == 100
    assert faults(store) == []


def test_a_digest_of_another_algorithm_is_tagged_as_it_is():
    _, repos = world()
    new = dataclasses.replace(image("m"), digest=digests.of(b"m", "sha512"))
    push(repos, new, V1)
    assert repos.manifest_by_tag(REPO, V1).digest == new.digest


@pytest.mark.parametrize("repo_exists", [True, False])
def test_only_a_repository_that_is_not_there_is_an_unknown_name(repo_exists):
    _, repos = world()
    if repo_exists:
        link(repos, B)
    error = ManifestUnknownError if repo_exists else RepositoryUnknownError
    for call in (
        lambda: repos.manifest(REPO, A),
        lambda: repos.manifest_by_tag(REPO, V1),
        lambda: repos.delete_manifest(REPO, A),
        lambda: repos.delete_tag(REPO, V1),
    ):
        with pytest.raises(error):
            call()
    with pytest.raises(BlobUnknownError if repo_exists else RepositoryUnknownError):
        repos.delete_blob(REPO, A)


def test_pushing_the_same_digest_keeps_its_incarnation_and_its_tags():
    _, repos = world()
    first = push(repos, image("m", A), V1)
    again = push(repos, dataclasses.replace(image("m", A), media_type=DOCKER_MANIFEST), V2)
    assert again.incarnation == first.incarnation
    assert again.operation_id != first.operation_id
    assert repos.manifest_by_tag(REPO, V1) == repos.manifest_by_tag(REPO, V2) == again
    assert again.media_type == DOCKER_MANIFEST


def test_a_manifest_that_was_pushed_stays_pushed_when_it_is_mirrored_and_the_other_way_round():
    _, repos = world()
    mirrored = dataclasses.replace(image("m"), origin="upstream")
    assert push(repos, mirrored).origin == "upstream"
    assert push(repos, image("m")).origin == "pushed"
    assert push(repos, mirrored).origin == "pushed"


def test_a_push_that_meets_a_push_of_the_same_digest_goes_through():
    store, repos = world()
    link(repos, A)
    store.before_txn(lambda: push(repos, image("m", A), V1))
    push(repos, image("m", A), V2)
    assert repos.manifest_by_tag(REPO, V1) == repos.manifest_by_tag(REPO, V2)


def test_moving_a_tag_leaves_the_old_manifest_pullable():
    _, repos = world()
    old, new = push(repos, image("old"), V1), push(repos, image("new"), V1)
    assert repos.manifest_by_tag(REPO, V1) == new
    assert repos.manifest(REPO, old.digest) == old


def test_a_removal_after_the_reference_check_refuses_the_push():
    _, repos = world()
    link(repos, A, B)
    removals = repos.removals(REPO)
    repos.delete_blob(REPO, B)
    with pytest.raises(RemovalsMovedError):
        repos.put_manifest(REPO, image("m", A), [V1], repos.fence(blob("m")), removals)
    with pytest.raises(ManifestUnknownError):
        repos.manifest_by_tag(REPO, V1)


def test_pushes_do_not_disturb_each_other():
    _, repos = world()
    removals = repos.removals(REPO)
    push(repos, image("one", A), V1)
    repos.put_manifest(REPO, image("two"), [V2], repos.fence(blob("two")), removals)
    assert repos.removals(REPO) == removals == 0


def test_a_sweep_after_the_fence_refuses_the_push():
    _, repos = world()
    fence = repos.fence(blob("m"))
    repos.begin_sweep([blob("m")])
    with pytest.raises(SweepMovedError):
        repos.put_manifest(REPO, image("m"), [V1], fence, repos.removals(REPO))


@pytest.mark.parametrize("count", [0, 1, 100, 122, 123, 124, 500])
def test_any_number_of_layers_is_pushed_and_deleted_without_a_trace(count):
    store, repos = world()
    layers = many(count)
    record = push(repos, image("m", *layers, subject=A), V1)
    assert faults(store) == []
    repos.delete_manifest(REPO, record.digest)
    assert keys_below(store, b"ref/") == keys_below(store, b"tag/") == keys_below(store, b"manifest/") == []
    assert keys_below(store, b"referrer/") == []
    for layer in layers[:3]:
        repos.delete_blob(REPO, layer)


def test_a_layer_that_is_referenced_twice_is_no_mistake():
    store, repos = world()
    push(repos, image("m", A, A))
    assert faults(store) == []
    repos.delete_manifest(REPO, blob("m"))


def test_ten_thousand_references_are_taken_and_one_more_is_not():
    store, repos = world()
    layers = many(MAX_REFERENCES + 1)
    push(repos, image("m", *layers[:-1]))
    assert len(repos.manifest(REPO, blob("m")).references) == MAX_REFERENCES
    with pytest.raises(ManifestInvalidError):
        push(repos, image("n", *layers))
    before = store.transactions
    repos.put_manifest(REPO, image("m", *layers[:-1]), [V1], repos.fence(blob("m")), repos.removals(REPO))
    assert store.transactions == before + 1  # its refs stand already


def test_references_too_long_for_one_record_are_the_manifests_fault():
    _, repos = world()
    children = [digests.parse("unknown+algorithm:" + f"{number:0>230}") for number in range(MAX_REFERENCES)]
    with pytest.raises(ManifestInvalidError):
        repos.put_manifest(REPO, image("m", *children), [], repos.fence(blob("m")), 0)


def test_a_hundred_tags_at_once_are_taken_and_more_are_not():
    _, repos = world()
    tags = [tag(f"t{number}") for number in range(101)]
    push(repos, image("m", A), *tags[:100])
    assert repos.tags(REPO, "", 1000)[0] == sorted(tags[:100])
    with pytest.raises(TooManyTagsError):
        push(repos, image("m", A), *tags)


def test_a_push_that_lost_its_early_refs_cannot_commit():
    store, repos = world()
    layers = many(200)
    link(repos, *layers)
    link(repos, B)
    fence, removals = repos.fence(blob("m")), repos.removals(REPO)

    def lose_refs():
        # The refs are written, the record is not: whoever asks whether layers[0] is referenced finds a dead parent.
        store.before_txn(lambda: repos._removals._clean_refs(REPO, keys.manifest(REPO, blob("m")), _refs(layers)))

    store.before_txn(lose_refs)
    with pytest.raises(RemovalsMovedError):
        repos.put_manifest(REPO, image("m", *layers), [V1], fence, removals)
    assert faults(store) == []


def _refs(layers):
    return [Delete(keys.ref(REPO, layer, blob("m"))) for layer in layers]


# Referrers


def test_referrers_are_listed_though_their_subject_was_never_pushed():
    _, repos = world()
    one, two = push(repos, image("one", subject=A)), push(repos, image("two", subject=A))
    push(repos, image("three", subject=B))
    assert repos.referrers(REPO, A) == sorted([one.digest, two.digest])
    assert repos.manifest(REPO, one.digest).subject == A
    repos.delete_manifest(REPO, one.digest)
    assert repos.referrers(REPO, A) == [two.digest]


def test_a_subject_does_not_keep_its_manifest():
    _, repos = world()
    subject = push(repos, image("subject")).digest
    referrer = push(repos, image("referrer", subject=subject)).digest
    repos.delete_manifest(REPO, subject)
    assert repos.referrers(REPO, subject) == [referrer]


# Deleting


def test_a_deleted_manifest_is_gone_with_its_tags_and_its_link_and_leaves_its_blobs():
    store, repos = world()
    record = push(repos, image("m", A), V1, V2)
    before = repos.removals(REPO)
    repos.delete_manifest(REPO, record.digest)
    for missing in (lambda: repos.manifest(REPO, record.digest), lambda: repos.manifest_by_tag(REPO, V1)):
        with pytest.raises(ManifestUnknownError):
            missing()
    assert repos.tags(REPO, "", 10) == ([], False)
    assert repos.link(REPO, record.digest) is None
    assert repos.holders(record.digest, 1) == []
    assert repos.link(REPO, A)
    assert repos.removals(REPO) > before
    assert keys_below(store, b"tag/") == []


def test_tags_of_a_dead_incarnation_stay_dead_when_the_manifest_is_pushed_again():
    store, repos = world()
    first = push(repos, image("m"), V1)
    left_behind = store.get(keys.tag(REPO, V1)).value
    repos.delete_manifest(REPO, first.digest)
    store.txn([], [Put(keys.tag(REPO, V1), left_behind)])  # as if it had not been cleaned
    again = push(repos, image("m"), V2)
    assert again.incarnation != first.incarnation
    with pytest.raises(ManifestUnknownError):
        repos.manifest_by_tag(REPO, V1)
    with pytest.raises(ManifestUnknownError):
        repos.delete_tag(REPO, V1)
    assert repos.tags(REPO, "", 10) == ([V2], False)
    push(repos, image("m"), V1)
    assert repos.manifest_by_tag(REPO, V1).digest == first.digest


def test_a_tag_that_moves_while_it_is_read_is_never_absent():
    store, repos = world()
    old = push(repos, image("old"), V1)
    new = image("new")
    reads = iter([None, lambda: (push(repos, new, V1), repos.delete_manifest(REPO, old.digest))])
    get = store.get

    def get_and_interrupt(key):
        interrupt = next(reads, None)
        if interrupt:
            interrupt()
        return get(key)

    store.get = get_and_interrupt
    assert repos.manifest_by_tag(REPO, V1).digest == new.digest


def test_a_child_of_a_live_index_is_not_deleted_and_the_index_is_named():
    store, repos = world()
    child = push(repos, image("child", A))
    parent = push(repos, index("parent", child.digest))
    for refused in (lambda: repos.delete_manifest(REPO, child.digest), lambda: repos.delete_blob(REPO, A)):
        with pytest.raises(StillReferencedError) as caught:
            refused()
        assert caught.value.detail["referenced_by"]
    assert faults(store) == []
    repos.delete_manifest(REPO, parent.digest)
    repos.delete_manifest(REPO, child.digest)
    repos.delete_blob(REPO, A)


def test_another_repository_does_not_keep_a_blob():
    _, repos = world()
    push(repos, image("m", A), repo=OTHER)
    link(repos, A)
    repos.delete_blob(REPO, A)
    assert repos.link(OTHER, A)


def test_a_manifest_is_not_deleted_as_a_blob():
    _, repos = world()
    record = push(repos, image("m"))
    with pytest.raises(StillReferencedError):
        repos.delete_blob(REPO, record.digest)
    assert repos.link(REPO, record.digest)


def test_a_parent_that_is_pushed_meanwhile_is_noticed():
    store, repos = world()
    link(repos, A)
    store.before_txn(lambda: push(repos, image("m", A)))
    with pytest.raises(StillReferencedError):
        repos.delete_blob(REPO, A)
    assert faults(store) == []


def test_a_digest_that_becomes_a_manifest_meanwhile_is_not_deleted_as_a_blob():
    store, repos = world()
    link(repos, A)
    store.before_txn(lambda: push(repos, image("a"), V1))
    with pytest.raises(StillReferencedError):
        repos.delete_blob(REPO, A)
    assert faults(store) == []


def test_deleting_a_manifest_that_was_deleted_and_pushed_again_meanwhile_takes_the_new_one_with_its_tags():
    store, repos = world()
    record = push(repos, image("m"), V1)
    store.before_txn(lambda: (repos.delete_manifest(REPO, record.digest), push(repos, image("m"), V2)))
    repos.delete_manifest(REPO, record.digest)
    assert keys_below(store, b"tag/") == keys_below(store, b"manifest/") == []


def test_a_repository_that_vanishes_meanwhile_is_made_again():
    store, repos = world()
    link(repos, A)
    store.before_txn(lambda: store.txn([], [Delete(keys.repository(REPO))]))
    link(repos, B)
    assert repos.exists(REPO)
    store.before_txn(lambda: store.txn([], [Delete(keys.repository(REPO))]))
    push(repos, image("m"))
    assert repos.exists(REPO)


def test_leftover_refs_do_not_keep_a_blob_however_many_they_are():
    store, repos = world()
    link(repos, A)
    for number in range(200):
        store.txn([], [Put(keys.ref(REPO, A, blob(f"dead {number}")), b"")])
    repos.delete_blob(REPO, A)
    assert repos.link(REPO, A) is None


def test_deleting_a_manifest_survives_a_store_that_goes_away_before_the_cleaning():
    store, repos = world()
    record = push(repos, image("m", *many(200)), V1)
    store.fail_txn(2, "down")
    repos.delete_manifest(REPO, record.digest)
    assert keys_below(store, b"tag/")
    assert keys_below(store, b"ref/")
    assert repos.tags(REPO, "", 10) == ([], False)
    repos.delete_blob(REPO, many(1)[0])


def test_cleaning_leaves_a_tag_that_has_moved_meanwhile():
    store, repos = world()
    record = push(repos, image("m"), V1, V2)
    # The first transaction deletes the record, the second would clean both tags.
    store.before_txn(lambda: store.before_txn(lambda: push(repos, image("n"), V2)))
    repos.delete_manifest(REPO, record.digest)
    assert repos.manifest_by_tag(REPO, V2).digest == blob("n")
    assert keys_below(store, b"tag/") == [keys.tag(REPO, V2)]


def test_deleting_a_tag_leaves_the_manifest_and_its_other_tags():
    _, repos = world()
    record = push(repos, image("m"), V1, V2)
    repos.delete_tag(REPO, V1)
    assert repos.tags(REPO, "", 10) == ([V2], False)
    assert repos.manifest(REPO, record.digest)
    with pytest.raises(ManifestUnknownError):
        repos.delete_tag(REPO, V1)


def test_a_repository_without_tags_is_still_there_and_goes_with_the_last_that_it_links():
    _, repos = world()
    push(repos, image("m", blob("layer")), V1)
    repos.delete_manifest(REPO, blob("m"))
    assert repos.exists(REPO)
    assert repos.repositories("", 10) == ([REPO], False)
    repos.delete_blob(REPO, blob("layer"))
    assert not repos.exists(REPO)
    assert repos.repositories("", 10) == ([], False)


def test_a_repository_that_is_pushed_into_while_it_goes_stays():
    store, repos = world()
    link(repos, blob("last"))
    repos.delete_blob(REPO, blob("last"))
    link(repos, blob("again"))
    store.before_txn(lambda: store.before_txn(lambda: link(repos, blob("new"))))
    repos.delete_blob(REPO, blob("again"))
    assert repos.exists(REPO)
    assert repos.link(REPO, blob("new")) is not None


# Listing


@pytest.mark.parametrize(
    ("after", "limit", "names", "more"),
    [
        ("", 10, ["A", "a", "b", "c"], False),
        ("", 4, ["A", "a", "b", "c"], False),
        ("", 3, ["A", "a", "b"], True),
        ("a", 1, ["b"], True),
        ("aa", 10, ["b", "c"], False),
        ("c", 10, [], False),
        ("~/\ud800", 10, [], False),
        ("", 0, [], False),
    ],
)
def test_tags_come_in_byte_order_page_by_page(after, limit, names, more):
    _, repos = world()
    push(repos, image("m"), *map(tag, ["b", "a", "c", "A"]))
    push(repos, image("m"), tag("elsewhere"), repo=OTHER)
    assert repos.tags(REPO, after, limit) == (names, more)


def test_more_is_not_said_about_dead_tags():
    store, repos = world()
    push(repos, image("m"), tag("a"))
    dead = store.get(keys.tag(REPO, tag("a"))).value
    repos.delete_manifest(REPO, blob("m"))
    push(repos, image("n"), tag("b"))
    store.txn([], [Put(keys.tag(REPO, tag(name)), dead) for name in ("a", "c", "d")])
    assert repos.tags(REPO, "", 1) == (["b"], False)


def test_a_page_of_tags_costs_what_the_page_holds():
    store, repos = world()
    for first in range(0, 2000, 100):
        push(repos, image("m"), *(tag(f"t{number:05d}") for number in range(first, first + 100)))
    costs = []
    for call in (lambda: repos.tags(REPO, "t01000", 10), lambda: push(repos, image("m"), V1)):
        before = store.reads
        call()
        costs.append(store.reads - before)
    assert max(costs) <= 4


def test_repositories_come_in_byte_order_page_by_page():
    _, repos = world()
    for name in ("b", "a/b", "a", "a-b"):
        link(repos, A, repo=Repository(name))
    assert repos.repositories("", 3) == (["a", "a-b", "a/b"], True)
    assert repos.repositories("a/b", 3) == (["b"], False)
    assert repos.repositories("", 0) == ([], False)


# Sweeps


def test_a_sweep_begins_with_what_nothing_links():
    _, repos = world()
    link(repos, A)
    before = repos.fence(A)
    assert repos.begin_sweep([A]) == []
    assert repos.fence(A) == before
    repos.delete_blob(REPO, A)
    assert repos.begin_sweep([A]) == [A]
    assert repos.fence(A).revision > before.revision


def test_a_sweep_leaves_out_what_is_linked_meanwhile():
    store, repos = world()
    store.before_txn(lambda: link(repos, A))
    assert repos.begin_sweep([A]) == []


def test_a_sweep_takes_any_number_of_digests_of_any_partitions():
    _, repos = world()
    wanted = [digests.parse(f"sha256:{number % 7:03x}{number:061x}") for number in range(MAX_OPS + 10)]
    link(repos, wanted[5])
    before = [repos.fence(digest) for digest in wanted[:7]]
    assert repos.begin_sweep(wanted) == wanted[:5] + wanted[6:]
    assert all(repos.fence(digest).revision > fence.revision for digest, fence in zip(wanted, before, strict=False))


def test_what_nobody_links_costs_one_round_trip_however_much_it_is():
    store, repos = world()
    before = store.transactions, store.reads
    assert repos.begin_sweep([blob(str(number)) for number in range(MAX_OPS)]) != []
    assert (store.transactions - before[0], store.reads - before[1]) == (1, 0)


def test_what_is_held_is_told_and_nothing_is_changed_by_asking():
    _, repos = world()
    wanted = [blob(str(number)) for number in range(20)]
    link(repos, wanted[3], wanted[17])
    fences = [repos.fence(digest) for digest in wanted]
    assert repos.held(wanted) == [wanted[3], wanted[17]]
    assert repos.held([]) == []
    assert [repos.fence(digest) for digest in wanted] == fences


# Ambiguous answers

MUTATIONS = {
    "add_link": lambda repos: link(repos, blob("new")),
    "mount": lambda repos: repos.mount(OTHER, REPO, A, repos.fence(A)),
    "put_manifest": lambda repos: push(repos, image("new"), V2),
    "put_manifest again": lambda repos: push(repos, image("m", A), V2),
    "delete_tag": lambda repos: repos.delete_tag(REPO, V1),
    "delete_manifest": lambda repos: repos.delete_manifest(REPO, blob("m")),
    "delete_blob": lambda repos: repos.delete_blob(REPO, B),
    "begin_sweep": lambda repos: repos.begin_sweep([blob("free")]),
}


def prepared():
    store, repos = world()
    push(repos, image("m", A), V1)
    link(repos, B)
    link(repos, A, repo=OTHER)
    return store, repos


@pytest.mark.parametrize("fault", ["before", "after"])
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_lost_answer_is_settled_and_the_state_is_as_without_it(name, fault):
    plain_store, plain = prepared()
    MUTATIONS[name](plain)
    store, repos = prepared()
    store.fail_txn(1, fault)
    MUTATIONS[name](repos)
    assert keys_below(store, b"") == keys_below(plain_store, b"")
    assert faults(store) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_two_lost_answers_are_an_unknown_outcome_or_a_settled_one(name):
    store, repos = prepared()
    store.fail_txn(1, "before")
    store.fail_txn(2, "before")
    with pytest.raises(OutcomeUnknownError):
        MUTATIONS[name](repos)
    assert faults(store) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_store_that_is_down_is_unavailable_and_unchanged(name):
    store, repos = prepared()
    before = keys_below(store, b"")
    store.fail_txn(1, "down")
    with pytest.raises(MetadataUnavailableError):
        MUTATIONS[name](repos)
    assert keys_below(store, b"") == before


def test_a_store_that_goes_down_after_a_lost_answer_leaves_the_outcome_unknown():
    store, repos = prepared()
    store.fail_txn(1, "after")
    store.fail_txn(2, "down")
    with pytest.raises(OutcomeUnknownError):
        push(repos, image("new"), V2)


def test_a_change_that_was_overwritten_before_it_could_be_recognised_is_an_unknown_outcome():
    store, repos = prepared()
    store.fail_txn(1, "after")
    # The first transaction happens and its answer is lost; before it is tried again, another push writes the same record.
    store.before_txn(lambda: store.before_txn(lambda: push(repos, image("new"), V1)))
    with pytest.raises(OutcomeUnknownError):
        repos.put_manifest(REPO, image("new"), [V2], repos.fence(blob("new")), repos.removals(REPO))


def test_an_operation_id_is_in_every_primary_record():
    store, repos = prepared()
    repos.delete_blob(REPO, B)
    for key in (b"manifest/", b"tag/", b"link/", b"removals/", b"repo/"):
        for name in keys_below(store, key):
            assert len(store.get(name).value) > 16


def test_a_digest_is_referenced_while_a_live_manifest_of_the_same_repository_names_it():
    _, repos = world()
    child = blob("a layer")
    link(repos, child)
    link(repos, child, repo=OTHER)
    assert repos.reference(REPO, child) is None
    new = image("an image", child)
    push(repos, new, V1)
    assert repos.reference(REPO, child).size_bytes == 10
    assert repos.reference(OTHER, child) is None
    repos.delete_manifest(REPO, new.digest)
    assert repos.reference(REPO, child) is None


def test_a_tag_with_a_revision_is_moved_only_if_nobody_has_set_it_since():
    _, repos = world()
    push(repos, image("one"), V1)
    seen = repos.tag_revision(REPO, V1)
    push(repos, image("two"), V1)
    mine = image("three")
    with pytest.raises(TagMovedError):
        repos.put_manifest(REPO, mine, {V1: seen}, repos.fence(mine.digest), repos.removals(REPO))
    assert repos.manifest_by_tag(REPO, V1).digest == image("two").digest
    repos.put_manifest(REPO, mine, {V1: repos.tag_revision(REPO, V1)}, repos.fence(mine.digest), repos.removals(REPO))
    assert repos.manifest_by_tag(REPO, V1).digest == mine.digest


def test_a_tag_that_nobody_had_set_is_not_taken_from_who_sets_it_meanwhile():
    _, repos = world()
    mine = image("mine")
    seen = repos.tag_revision(REPO, V1)
    push(repos, image("pushed"), V1)
    assert seen == 0
    with pytest.raises(TagMovedError):
        repos.put_manifest(REPO, mine, {V1: seen}, repos.fence(mine.digest), repos.removals(REPO))
