"""Keys: what goes in comes out, and the order is what listings and merges rely on."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import digest as digests
from holdfast.errors import CorruptError
from holdfast.meta import keys
from holdfast.names import repository, tag

REPOSITORIES = st.from_regex(
    r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z0-9]{1,4}([._-][a-z0-9]{1,3})?){0,3}", fullmatch=True
).map(repository)
TAGS = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,12}", fullmatch=True).map(tag)
DIGESTS = st.one_of(
    st.binary(max_size=8).map(digests.of),
    st.binary(max_size=8).map(lambda data: digests.of(data, "sha512")),
    st.text(string.ascii_letters + "=_-", min_size=1, max_size=9).map(lambda text: digests.parse(f"x+y.z:{text}")),
)


def within(key_range, key):
    start, end = key_range
    return start <= key < end


@given(REPOSITORIES, TAGS, DIGESTS, DIGESTS)
def test_what_a_key_was_made_of_can_be_read_from_it(repo, name, one, other):
    assert keys.repository_in(keys.repository(repo)) == repo
    assert keys.tag_in(keys.tag(repo, name)) == name
    assert keys.holder_in(keys.holder(one, repo)) == repo
    assert keys.last_digest_in(keys.ref(repo, one, other)) == other
    assert keys.last_digest_in(keys.referrer(repo, one, other)) == other
    assert keys.last_digest_in(keys.link(repo, one)) == one
    assert keys.last_digest_in(keys.manifest(repo, one)) == one


@given(REPOSITORIES, REPOSITORIES, TAGS, DIGESTS, DIGESTS, DIGESTS)
def test_a_range_holds_the_keys_of_its_owner_only(repo, other_repo, name, one, two, child):
    assert within(keys.tags_after(repo, ""), keys.tag(other_repo, name)) == (repo == other_repo)
    assert within(keys.parents_of(repo, one), keys.ref(other_repo, two, child)) == ((repo, one) == (other_repo, two))
    assert within(keys.holders_of(one), keys.holder(two, repo)) == (one == two)
    assert within(keys.referrers_of(repo, one), keys.referrer(other_repo, two, child)) == (
        (repo, one) == (other_repo, two)
    )


@given(st.lists(TAGS, unique=True), TAGS)
def test_tags_after_are_those_that_sort_after(names, after):
    repo = repository("a")
    found = sorted(keys.tag(repo, name) for name in names if within(keys.tags_after(repo, after), keys.tag(repo, name)))
    assert [keys.tag_in(key) for key in found] == sorted(name for name in names if name > after)


@given(st.text(max_size=20), REPOSITORIES)
def test_any_text_may_stand_for_the_last_one_seen(after, repo):
    start, end = keys.repositories_after(after)
    assert start.startswith(b"repo/")
    assert end == b"repo0"
    assert within((start, end), keys.repository(repo)) == (repo.encode() > after.encode())


@given(st.lists(DIGESTS, unique=True))
def test_holders_sort_as_storage_nodes_list_their_copies(found):
    by_key = sorted(found, key=lambda digest: keys.holder(digest, repository("a")))
    # "//" sorts below every character of a digest, so no digest overtakes one that it begins with.
    assert by_key == sorted(found, key=lambda digest: (digest.partition, str(digest)))


def test_the_tree_is_spelled_as_drawn():
    repo, one = repository("library/alpine"), digests.of(b"")
    text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert keys.repository(repo) == b"repo/library/alpine"
    assert keys.removals(repo) == b"removals/library/alpine"
    assert keys.manifest(repo, one) == f"manifest/library/alpine//{text}".encode()
    assert keys.tag(repo, tag("v1")) == b"tag/library/alpine//v1"
    assert keys.link(repo, one) == f"link/library/alpine//{text}".encode()
    assert keys.holder(one, repo) == f"holder/e3b/{text}//library/alpine".encode()
    assert keys.ref(repo, one, one) == f"ref/library/alpine//{text}//{text}".encode()
    assert keys.referrer(repo, one, one) == f"referrer/library/alpine//{text}//{text}".encode()
    assert keys.sweep(0xE3B) == b"sweep/e3b"
    assert keys.pulled(one, repo) == f"pulled/e3b/{text}//library/alpine".encode()


def test_a_pull_time_lies_where_its_link_does():
    repo, one = repository("library/alpine"), digests.of(b"")
    holder, pulled = keys.holder(one, repo), keys.pulled(one, repo)
    assert keys.place_in(holder) == keys.place_in(pulled)
    assert (keys.held_in(pulled), keys.holder_in(pulled)) == (one, repo)
    assert keys.before_name(holder) == keys.before_name(keys.holder(one, repository("other")))
    with pytest.raises(CorruptError):
        keys.held_in(b"holder/e3b/nothing//library/alpine")


@pytest.mark.parametrize("partition", [-1, 4096])
def test_there_are_4096_partitions(partition):
    with pytest.raises(ValueError, match="partition"):
        keys.sweep(partition)


def test_a_key_that_does_not_end_with_a_digest_is_corrupt():
    with pytest.raises(CorruptError):
        keys.last_digest_in(b"ref/a//b//c")
