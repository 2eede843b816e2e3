"""Since when names have been seen: as a dictionary would say it, in less memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.clock import ManualClock
from storagenode.disk.ages import Ages

NAMES = st.one_of(
    st.integers(0, 30).map(lambda number: f"{number:016x}-sha256-{number:064x}"),
    st.sampled_from(["", "short", "0123456789ABCDEF-by hand", "lost\udcff", "0x0000000000000f-", " 000000000000001"]),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sets(NAMES), max_size=6), NAMES)
def test_names_are_as_old_as_the_first_of_the_looks_in_a_row_that_saw_them(looks, asked):
    clock = ManualClock()
    ages, known = Ages(clock), {}
    for names in looks:
        clock.advance(10)
        ages.look(names)
        known = {name: known.get(name, clock.monotonic()) for name in names}
    clock.advance(10)
    assert {name: ages.since(name) for name in known} == known
    assert ages.since(asked) == known.get(asked, clock.monotonic())
    assert len(ages) == len(known)


def test_a_name_takes_16_bytes():
    ages = Ages(ManualClock())
    ages.look(f"{number:016x}" for number in range(1000))
    assert sum(len(kept) * kept.itemsize for kept in (ages._keys, ages._since)) == 16_000
