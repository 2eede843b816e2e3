"""Layouts become live one after the other, older ones go when everybody has synced, dirty marks outlive who did not see them."""

from __future__ import annotations

import pytest

from holdfast.errors import CorruptError, LayoutInvalidError, LayoutMovedError
from holdfast.meta import keys
from holdfast.meta.layouts import NO_LAYOUT, LayoutBook
from holdfast.meta.store import Delete
from tests.fakes.memory_store import MemoryStore
from tests.fakes.views import layout_of
from tests.unit.meta.world import new_ids

ONE, TWO, THREE = (
    layout_of(number, *names) for number, names in ((1, ("a", "b", "c")), (2, ("b", "c", "d")), (3, ("c", "d", "e")))
)


@pytest.fixture
def book(store, harness):
    return LayoutBook(store, new_ids(), harness.clock)


def versions(live) -> list[int]:
    return [layout.version for layout in live.layouts.live]


def test_before_the_first_layout_there_is_none(book):
    assert book.live() == NO_LAYOUT
    assert book.history() == []
    assert book.waited_for(NO_LAYOUT, ()) == set()
    assert not book.retire(NO_LAYOUT, ())


def test_a_published_layout_is_live_beside_the_one_before(book, store, harness):
    first = book.publish(ONE, NO_LAYOUT)
    second = book.publish(TWO, first)
    other_process = LayoutBook(store, new_ids(), harness.clock)
    assert other_process.live() == book.live() == second
    assert versions(second) == [1, 2]
    assert second.layouts.newest == TWO
    assert [past.layout for past in other_process.history()] == [ONE, TWO]


def test_a_layout_that_was_planned_on_an_older_one_is_refused(book):
    first = book.publish(ONE, NO_LAYOUT)
    book.publish(TWO, first)
    for layout, planned_on in ((TWO, first), (THREE, first), (ONE, NO_LAYOUT)):
        with pytest.raises(LayoutMovedError):
            book.publish(layout, planned_on)
    assert versions(book.live()) == [1, 2]


def test_a_version_that_is_not_higher_is_refused_before_anybody_can_see_it(book):
    live = book.publish(TWO, NO_LAYOUT)
    with pytest.raises(LayoutInvalidError):
        book.publish(ONE, live)
    assert book.live() == live


class Interrupted(MemoryStore):
    """Somebody does something right after the next transaction that succeeds."""

    after = None

    def txn(self, *args):
        result = super().txn(*args)
        if result.succeeded and self.after is not None:
            after, self.after = self.after, None
            after()
        return result


def test_what_publishing_returns_cannot_be_used_to_undo_what_came_right_after_it(harness):
    store = Interrupted(harness.clock)
    book, other = LayoutBook(store, new_ids(), harness.clock), LayoutBook(store, new_ids(), harness.clock)
    first = book.publish(ONE, NO_LAYOUT)
    store.after = lambda: other.publish(THREE, other.live())
    second = book.publish(TWO, first)
    for name in "abcde":
        book.report_synced(2, name)
    book.retire(second, ())
    assert book.live().layouts.newest.version == 3


def test_an_older_layout_is_retired_when_every_node_that_is_named_has_synced_with_the_newest(book):
    live = book.publish(TWO, book.publish(ONE, NO_LAYOUT))
    for name in "abc":
        book.report_synced(2, name)
    book.report_synced(1, "d")  # with an older one, which says nothing
    assert book.waited_for(live, ()) == {"d"}
    assert not book.retire(live, ())
    book.report_synced(2, "d")
    assert book.retire(live, ())
    assert versions(book.live()) == [2]
    assert book.live().revision > live.revision
    assert not book.retire(book.live(), ())
    assert book.waited_for(book.live(), ()) == set()


def test_a_removed_node_is_not_waited_for(book):
    live = book.publish(TWO, book.publish(ONE, NO_LAYOUT))
    for name in "bcd":
        book.report_synced(2, name)
    assert not book.retire(live, ())
    assert book.retire(live, {"a"})


def test_layouts_are_not_retired_by_somebody_who_does_not_know_the_newest(book):
    live = book.publish(TWO, book.publish(ONE, NO_LAYOUT))
    for name in "abcd":
        book.report_synced(2, name)
    book.publish(THREE, live)
    with pytest.raises(LayoutMovedError):
        book.retire(live, ())
    assert versions(book.live()) == [1, 2, 3]
    assert book.waited_for(book.live(), ()) == set("abcde")


def test_reports_are_kept_by_version(book):
    book.report_synced(1, "a")
    book.report_synced(2, "b")
    book.report_synced(2, "b")
    assert (book.synced_with(1), book.synced_with(2), book.synced_with(3)) == ({"a"}, {"b"}, set())


def test_dirty_marks_come_in_the_order_of_partitions(book):
    for partition, version in ((0xFFF, 1), (0x00A, 2), (0x00A, 1)):
        book.mark_dirty(partition, version)
    assert [(mark.partition, mark.version) for mark in book.dirty()] == [(0x00A, 1), (0x00A, 2), (0xFFF, 1)]


def test_a_mark_that_was_set_again_is_not_cleared_by_who_saw_it_before(book):
    book.mark_dirty(5, 1)
    (seen,) = book.dirty()
    book.mark_dirty(5, 1)
    assert not book.clear_dirty(seen)
    (again,) = book.dirty()
    assert book.clear_dirty(again)
    assert book.dirty() == []
    assert not book.clear_dirty(again)


def test_marks_of_one_partition_become_one_that_nobody_clears_who_saw_only_the_last(book):
    for version in (1, 2, 3):
        book.mark_dirty(5, version)
    marks = book.dirty()
    assert book.join_dirty(marks)
    ((partition, version),) = [(mark.partition, mark.version) for mark in book.dirty()]
    assert (partition, version) == (5, 3)
    assert not book.clear_dirty(marks[-1])


@pytest.mark.parametrize("which", [1, 2])
def test_marks_are_not_joined_when_one_of_them_was_set_again(book, which):
    for version in (1, 2):
        book.mark_dirty(5, version)
    marks = book.dirty()
    book.mark_dirty(5, which)
    assert not book.join_dirty(marks)
    assert len(book.dirty()) == 2


def test_a_mark_that_may_have_been_set_is_set(harness):
    store = MemoryStore(harness.clock)
    book = LayoutBook(store, new_ids(), harness.clock)
    for fault in ("after", "before"):
        store.fail_txn(1, fault)
        book.mark_dirty(5, 1)
        (mark,) = book.dirty()
        book.clear_dirty(mark)


def test_a_live_version_that_is_nowhere_is_corrupt(book, store, harness):
    book.publish(ONE, NO_LAYOUT)
    store.txn([], [Delete(keys.layout_version(1))])
    with pytest.raises(CorruptError):
        LayoutBook(store, new_ids(), harness.clock).live()
