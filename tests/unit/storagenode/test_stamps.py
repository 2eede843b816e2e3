"""Stamps: nothing that happened since a listing may be overlooked, however little is remembered."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import digest as digests
from storagenode.disk.stamps import Stamps

DIGESTS = [digests.of(bytes([number])) for number in range(6)]


def test_what_nobody_touched_carries_the_floor_of_this_boot():
    stamps = Stamps("boot")
    assert stamps.current(DIGESTS[0]) == stamps.current(DIGESTS[1])
    assert stamps.current(DIGESTS[0]) != Stamps("another").current(DIGESTS[0])
    assert not stamps.is_durable(DIGESTS[0])


def test_past_the_limit_everything_is_forgotten_and_every_listing_is_stale():
    stamps = Stamps("boot", limit=3)
    listed = {digest: stamps.current(digest) for digest in DIGESTS}
    for digest in DIGESTS[:3]:
        listed[digest] = stamps.touch(digest)
    stamps.touch(DIGESTS[3])
    assert all(stamps.current(digest) != listed[digest] for digest in DIGESTS)
    assert not stamps.is_durable(DIGESTS[0])
    assert stamps.is_durable(DIGESTS[3])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["touch", "list", "forget"]), st.integers(0, 5)), max_size=40), st.integers(1, 4)
)
def test_a_stamp_never_comes_back_after_a_touch(steps, limit):
    stamps = Stamps("boot", limit)
    stale: dict[int, set[str]] = {number: set() for number in range(6)}
    for step, number in steps:
        current = stamps.current(DIGESTS[number])
        if step == "touch":
            stale[number].add(current)
            assert stamps.touch(DIGESTS[number]) not in stale[number]
        elif step == "forget" and stamps.is_durable(DIGESTS[number]):
            stamps.forget(DIGESTS[number])  # the copy is gone: a new one is touched before anybody sees it
            stale[number].add(current)
            stamps.touch(DIGESTS[number])
        assert stamps.current(DIGESTS[number]) not in stale[number]
