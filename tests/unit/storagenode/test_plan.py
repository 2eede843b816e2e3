"""Plans for one partition, from inventories alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import digest as digests
from storagenode.cluster.plan import Copy, plan

X, Y = sorted((digests.of(b"x"), digests.of(b"y")), key=str)


def test_nothing_is_to_do_where_all_owners_hold_the_same():
    assert plan("a", ["a", "b"], ["a", "b"], {"a": {X: 1}, "b": {X: 1}}).is_empty


def test_the_first_holder_sends_and_who_lacks_a_copy_fetches_from_it():
    inventories = {"a": {X: 1}, "b": {X: 1}, "c": {}}
    for me, sends, fetches in (
        ("a", (Copy(X, 1, "c"),), ()),
        ("b", (), ()),
        ("c", (), (Copy(X, 1, "a"),)),
    ):
        found = plan(me, ["a", "b", "c"], ["a", "b", "c"], inventories)
        assert (found.sends, found.fetches, found.drops) == (sends, fetches, ())


def test_nothing_is_sent_to_an_owner_that_did_not_say_what_it_holds():
    assert plan("a", ["a", "b"], ["a", "b"], {"a": {X: 1}}).is_empty


def test_a_handoff_sends_what_no_owner_has_and_means_to_drop_it():
    found = plan("h", ["a"], ["a"], {"a": {}, "h": {X: 1}})
    assert (found.sends, found.drops) == ((Copy(X, 1, "a"),), (X,))


def test_an_owner_by_an_older_layout_keeps_its_copy_and_passes_it_on():
    found = plan("old", ["new"], ["new", "old"], {"old": {X: 1}, "new": {}})
    assert (found.sends, found.drops) == ((Copy(X, 1, "new"),), ())


def test_copies_of_different_sizes_are_looked_at_before_anything_else_is_done_with_them():
    inventories = {"a": {X: 1, Y: 5}, "b": {X: 2, Y: 5}, "c": {}}
    holder = plan("a", ["a", "b", "c"], ["a", "b", "c"], inventories)
    assert (holder.doubts, holder.sends, holder.unclear) == ((Copy(X, 1, "b"),), (Copy(Y, 5, "c"),), 1)
    other = plan("c", ["a", "b", "c"], ["a", "b", "c"], inventories)
    assert (other.doubts, other.fetches, other.unclear) == ((), (Copy(Y, 5, "a"),), 1)
    handoff = plan("h", ["a", "b"], ["a", "b"], {"a": {X: 1}, "b": {X: 1}, "h": {X: 2}})
    assert handoff.drops == ()


NAMES = "abcdef"
BLOBS = [digests.of(bytes([number])) for number in range(4)]
inventory = st.dictionaries(st.sampled_from(BLOBS), st.integers(1, 2))


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(NAMES), inventory, min_size=1),
    st.lists(st.sampled_from(NAMES), unique=True, max_size=3),
    st.lists(st.sampled_from(NAMES), unique=True, max_size=3),
    st.data(),
)
def test_every_plan_is_possible_and_safe(inventories, owners, older, data):
    keepers = list(dict.fromkeys([*owners, *older]))
    plans = {me: plan(me, owners, keepers, inventories) for me in inventories}
    me = data.draw(st.sampled_from(sorted(inventories)))
    mine, found = inventories[me], plans[me]
    for copy in found.sends:
        assert mine[copy.digest] == copy.size_bytes
        assert copy.node_id in owners
        assert copy.digest not in inventories[copy.node_id]
    for copy in found.fetches:
        assert me in owners
        assert copy.digest not in mine
        assert inventories[copy.node_id][copy.digest] == copy.size_bytes
    assert all(digest in mine and me not in keepers for digest in found.drops)
    # Taken together the plans leave no owner without a copy of what anybody holds, and nobody sends twice.
    sent = [(copy.digest, copy.node_id) for one in plans.values() for copy in one.sends]
    assert len(sent) == len(set(sent))
    for digest in {digest for held in inventories.values() for digest in held}:
        if len({held[digest] for held in inventories.values() if digest in held}) > 1:
            assert digest not in {sent_digest for sent_digest, _ in sent}
            continue
        lacking = {name for name in owners if name in inventories and digest not in inventories[name]}
        assert {name for sent_digest, name in sent if sent_digest == digest} == lacking
