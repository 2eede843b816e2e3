"""What goes from a cache, in which order; a naive keeper is the judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.mirrors import keeping
from holdfast.mirrors.keeping import Eviction, Held
from holdfast.mirrors.ways import Limits
from holdfast.names import Repository
from tests.unit.mirrors.images import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable


def held(where: str, what: str, size: int, pulled: float, **keys: bool | int) -> Held:
    return Held(Repository(where), digest_of(what), size, pulled, **keys)  # type: ignore[arg-type]


def within(size: int | None = None, age: float | None = None) -> Callable[[Repository], Limits | None]:
    """Everything below ``cache`` has one budget, everything below ``other`` another; the rest has none."""

    def limits(name: Repository) -> Limits | None:
        first = name.split("/")[0]
        return Limits(first, size, age) if first in {"cache", "other"} else None

    return limits


def evict(
    items: list[Held], limits_of: Callable[[Repository], Limits | None], now: float, most: int = keeping.MOST
) -> Eviction:
    """In the order in which the metadata holds links: those of one digest beside each other."""
    ordered = sorted(items, key=lambda item: item.digest)
    return keeping.evict(lambda: iter(ordered), limits_of, now, most)


def gone(eviction: Eviction) -> list[tuple[str, str]]:
    letters = {digest_of(letter): letter for letter in "abcdef"}
    return [(item.repository, letters[item.digest]) for item in eviction.going]


def test_what_nobody_pulled_for_longest_goes_first_and_no_more_than_needed() -> None:
    items = [held("cache/x", "a", 10, 1), held("cache/x", "b", 10, 3), held("cache/y", "c", 10, 2)]
    assert gone(evict(items, within(30), 9)) == []
    assert gone(evict(items, within(29), 9)) == [("cache/x", "a")]
    assert gone(evict(items, within(19), 9)) == [("cache/x", "a"), ("cache/y", "c")]
    assert evict(items, within(0), 9).freed_bytes == 30


def test_what_is_pushed_never_goes_and_takes_no_room() -> None:
    items = [held("cache/x", "a", 100, 0, is_pushed=True), held("cache/x", "b", 10, 1)]
    assert gone(evict(items, within(10, age=5), 6)) == []
    assert gone(evict(items, within(9, age=5), 6)) == [("cache/x", "b")]


def test_a_blob_of_two_images_takes_room_once() -> None:
    """Docker Hub's base layers are in most images; counted for each they would fill any budget."""
    items = [held("cache/x", "a", 10, 1, links=2), held("cache/y", "a", 10, 2, links=2), held("cache/x", "b", 5, 3)]
    assert gone(evict(items, within(15), 9)) == []
    eviction = evict(items, within(14), 9)
    assert (eviction.going, eviction.freed_bytes) == ((items[0], items[1]), 10)
    assert eviction.used_bytes == {"cache": 15}


def test_a_shared_blob_is_as_recent_as_its_latest_pull() -> None:
    items = [held("cache/x", "a", 10, 1), held("cache/y", "a", 10, 8), held("cache/x", "b", 10, 5)]
    assert gone(evict(items, within(10), 9)) == [("cache/x", "b")]


def test_bytes_are_free_only_when_nobody_else_holds_them() -> None:
    """distribution deletes a blob that another repository still links (2367)."""
    items = [held("cache/x", "a", 10, 1, links=2), held("other/x", "a", 10, 9, links=2)]
    alone = evict([items[0]], within(0), 9)
    assert (alone.going, alone.freed_bytes) == ((items[0],), 0)
    assert evict(items, within(0), 9).freed_bytes == 10


def test_budgets_are_apart() -> None:
    items = [held("cache/x", "a", 10, 1), held("other/x", "b", 10, 2), held("private/x", "c", 10, 0)]
    assert gone(evict(items, within(10), 9)) == []


def test_what_is_old_goes_although_there_is_room() -> None:
    items = [held("cache/x", "a", 10, 1), held("cache/x", "b", 10, 2)]
    assert gone(evict(items, within(None, age=7), 9)) == [("cache/x", "a")]


def test_what_is_old_makes_room_first() -> None:
    items = [held("cache/x", "a", 10, 1), held("cache/x", "b", 10, 2)]
    assert gone(evict(items, within(10, age=7), 9)) == [("cache/x", "a")]


def test_an_old_link_goes_and_the_recent_one_of_the_same_blob_stays() -> None:
    items = [held("cache/x", "a", 10, 1, links=2), held("cache/y", "a", 10, 8, links=2)]
    eviction = evict(items, within(10, age=5), 9)
    assert (eviction.going, eviction.freed_bytes) == ((items[0],), 0)


def test_empty_blobs_are_not_thrown_away_for_nothing() -> None:
    items = [held("cache/x", "a", 0, 1), held("cache/x", "b", 10, 2)]
    assert gone(evict(items, within(5), 9)) == [("cache/x", "b")]


def test_only_so_much_goes_at_once_the_oldest_of_it_first() -> None:
    items = [held("cache/x", letter, 10, age) for age, letter in enumerate("fdbace")]
    first = evict(items, within(10), 9, most=2)
    assert gone(first) == [("cache/x", "f"), ("cache/x", "d")]
    assert first.more
    rest = [item for item in items if item not in first.going]
    assert not evict(rest, within(10), 9, most=3).more
    assert [what for _, what in gone(evict(items, within(age=3), 9, most=4))] == ["f", "d", "b", "a"]
    assert evict(items, within(age=3), 9, most=4).more


def test_nothing_is_read_twice_where_nothing_has_to_go() -> None:
    reads = []

    def items() -> list[Held]:
        reads.append(1)
        return [held("cache/x", "a", 10, 1)]

    keeping.evict(items, within(10), 9)
    assert reads == [1]


@pytest.mark.parametrize("keys", [{"links": 0}, {"size": -1}])
def test_an_impossible_link_is_refused(keys: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least the link"):
        held("cache/x", "a", keys.get("size", 1), 0, links=keys.get("links", 1))


SIZES = {letter: size for size, letter in enumerate("abcdef")}
places = st.sampled_from(["cache/x", "cache/y", "other/x", "private/x"])
links = st.lists(
    st.tuples(places, st.sampled_from("abcdef"), st.integers(0, 20), st.booleans()),
    max_size=12,
    unique_by=lambda row: row[:2],
)


def linked(rows: list[tuple[str, str, int, bool]]) -> list[Held]:
    count = {letter: sum(row[1] == letter for row in rows) for letter in SIZES}
    return [
        held(where, what, SIZES[what], pulled, is_pushed=pushed, links=count[what])
        for where, what, pulled, pushed in rows
    ]


def used(items: list[Held], budget: str) -> int:
    counted = {
        item.digest: item.size_bytes for item in items if item.repository.startswith(budget) and not item.is_pushed
    }
    return sum(counted.values())


@given(links, st.integers(0, 15), st.one_of(st.none(), st.integers(0, 20)))
def test_what_stays_is_what_the_judge_keeps(rows: list[tuple[str, str, int, bool]], size: int, age: int | None) -> None:
    """The judge throws one digest away at a time and counts anew; ties are the digest's."""
    items = linked(rows)
    stays = [item for item in items if item.is_pushed or item.repository.startswith("private")]
    for budget in ("cache", "other"):
        mine = [item for item in items if item.repository.startswith(budget) and not item.is_pushed]
        mine = [item for item in mine if age is None or 20 - item.last_pull_seconds <= age]
        while used(mine, budget) > size:
            big = {item.digest for item in mine if item.size_bytes}
            oldest = min(big, key=lambda d: (max(i.last_pull_seconds for i in mine if i.digest == d), d))
            mine = [item for item in mine if item.digest != oldest]
        stays += mine
    eviction = evict(items, within(size, age), 20)
    assert set(eviction.going) == set(items) - set(stays)
    assert len(set(eviction.going)) == len(eviction.going)
    gone_for_good = {
        item.digest: item.size_bytes for item in items if item.digest not in {kept.digest for kept in stays}
    }
    assert eviction.freed_bytes == sum(gone_for_good.values())


@given(links, st.integers(0, 15), st.one_of(st.none(), st.integers(0, 20)), st.integers(1, 4))
def test_in_parts_the_same_goes_in_the_end(
    rows: list[tuple[str, str, int, bool]], size: int, age: int | None, most: int
) -> None:
    items = linked(rows)
    whole, going, more = evict(items, within(size, age), 20), [], True
    while more:
        part = evict([item for item in items if item not in going], within(size, age), 20, most)
        going += part.going
        more = part.more
    assert set(going) == set(whole.going)


@given(links, st.integers(0, 15), st.randoms())
def test_the_order_of_the_input_does_not_count(
    rows: list[tuple[str, str, int, bool]], size: int, random: object
) -> None:
    items = linked(rows)
    shuffled = [*items]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert evict(shuffled, within(size), 20) == evict(items, within(size), 20)
