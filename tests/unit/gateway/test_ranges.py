from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.ranges import MAX_RANGES, Span, choose, content_range, still_valid
from holdfast.errors import RangeInvalidError, RequestInvalidError


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        (None, []),
        ("bytes=500-1499", [(500, 1499)]),
        ("bytes=500-", [(500, 2047)]),
        ("bytes=-500", [(1548, 2047)]),
        ("bytes=2000-5000", [(2000, 2047)]),
        ("bytes=-5000", [(0, 2047)]),
        ("bytes=0-0,-1", [(0, 0), (2047, 2047)]),
        ("bytes= 0-1 , 4-5", [(0, 1), (4, 5)]),
        ("bytes=0-1,,4-5", [(0, 1), (4, 5)]),
        ("bytes=0-1,9000-", [(0, 1)]),
        ("BYTES=0-1", [(0, 1)]),
        ("items=0-1", []),
        ("bytes=a-b", []),
        ("bytes=-", []),
        ("bytes=1-2-3", []),
        ("bytes", []),
        ("bytes=0-2047,0-2047", []),  # more than the whole: the whole
        ("bytes=" + ",".join("0-0" for _ in range(MAX_RANGES + 1)), []),
    ],
)
def test_ranges_of_a_blob_of_2048_bytes(header: str | None, spans: list[tuple[int, int]]) -> None:
    assert [(s.first, s.last) for s in choose(header, 2048)] == spans


@pytest.mark.parametrize("header", ["bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0", "bytes=9999-,8888-"])
def test_no_byte_of_it_is_416(header: str) -> None:
    with pytest.raises(RangeInvalidError) as caught:
        choose(header, 2048)
    assert caught.value.size_bytes == 2048


def test_an_empty_blob_satisfies_no_range() -> None:
    with pytest.raises(RangeInvalidError):
        choose("bytes=0-1", 0)


def test_one_byte_of_one() -> None:
    assert choose("bytes=0-1", 1) == (Span(0, 0),)
    assert Span(0, 0).of(1) == "bytes 0-0/1"


def test_if_range_holds_for_the_strong_tag_only() -> None:
    assert still_valid(None, '"d"')
    assert still_valid('"d"', '"d"')
    assert not still_valid('W/"d"', '"d"')
    assert not still_valid("Sat, 21 Nov 2026 00:00:00 GMT", '"d"')


def test_the_chunk_range_of_an_upload() -> None:
    assert content_range(None) is None
    assert content_range("0-1023") == (0, 1023)
    assert content_range("bytes 5-9/10") == (5, 9)
    for bad in ("", "5", "9-5", "a-b", "-5", "1-2-3", "0-99999999999999999999", "٣-٤"):
        with pytest.raises(RequestInvalidError):
            content_range(bad)


@given(st.text(max_size=200), st.integers(0, 10_000))
def test_any_header_gives_spans_inside_the_blob_or_416(header: str, size: int) -> None:
    try:
        spans = choose(header, size)
    except RangeInvalidError:
        return
    assert all(0 <= s.first <= s.last < size for s in spans)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=6), st.integers(1, 200))
def test_spans_agree_with_slicing(pairs: list[tuple[int, int]], size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    header = "bytes=" + ",".join(f"{a}-{a + b}" for a, b in pairs)
    wanted = [data[a : a + b + 1] for a, b in pairs if a < size]
    if not wanted:
        with pytest.raises(RangeInvalidError):
            choose(header, size)
        return
    spans = choose(header, size)
    if spans:
        assert [data[s.first : s.last + 1] for s in spans] == wanted
    else:
        assert sum(len(w) for w in wanted) > size
