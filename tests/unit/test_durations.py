"""Durations are Go's, byte sizes are what docker and disk vendors write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.durations import Duration, parse_bytes, parse_duration, seconds

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("1h30m", 5400 * SECOND),
        ("250ms", SECOND // 4),
        ("-1s", -SECOND),
        ("+5s", 5 * SECOND),
        ("1.5h", 5400 * SECOND),
        (".5s", SECOND // 2),
        ("5.s", 5 * SECOND),
        ("3us", 3000),
        ("3\u00b5s", 3000),
        ("3\u03bcs", 3000),
        ("1ns", 1),
        ("0.9ns", 0),
        ("720h", 720 * 3600 * SECOND),
        ("1m1m", 120 * SECOND),
        (42, 42),
        (-1, -1),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str | int, nanoseconds: int) -> None:
    assert parse_duration(text) == Duration(nanoseconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1", "10", "s", ".s", "1d", "1 s", "1h 30m", "1H", "--1s", "1s-", "1.2.3s", "1e3s", "0x1s"),
        *("\u0661s", "9999999h", "9" * 5000 + "s"),
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


def test_a_boolean_is_neither_duration_nor_size() -> None:
    with pytest.raises(ValueError):
        parse_duration(True)
    with pytest.raises(ValueError):
        parse_bytes(True)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1500, "1.5us"),
        (250_000_000, "250ms"),
        (SECOND, "1s"),
        (5400 * SECOND, "1h30m0s"),
        (-90 * SECOND, "-1m30s"),
        (1_010_000_000, "1.01s"),
    ],
)
def test_a_duration_is_written_as_go_writes_it(nanoseconds: int, text: str) -> None:
    assert str(Duration(nanoseconds)) == text


@given(st.integers(-(2**63), 2**63 - 1))
def test_what_is_written_reads_back_the_same(nanoseconds: int) -> None:
    assert parse_duration(str(Duration(nanoseconds))) == Duration(nanoseconds)


@given(st.text())
def test_a_parser_raises_nothing_but_value_error(text: str) -> None:
    for parse in (parse_duration, parse_bytes):
        try:
            parse(text)
        except ValueError:
            continue


def test_durations_compare_by_length_and_are_false_at_zero() -> None:
    assert seconds(1) < seconds(1.5)
    assert seconds(1.5).seconds == 1.5
    assert not Duration(0)
    with pytest.raises(ValueError):
        Duration(2**63)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        (4096, 4096),
        ("4096", 4096),
        ("64MiB", 64 << 20),
        ("1g", 1 << 30),
        ("1G", 1 << 30),
        ("1Gi", 1 << 30),
        ("2GB", 2 * 10**9),
        ("1.5 GiB", 3 << 29),
        ("7b", 7),
        ("1p", 1 << 50),
    ],
)
def test_a_byte_size_is_a_number_with_a_unit(text: str | int, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "-1", -1, "1x", "MiB", "1 000", "1e3", "1,5g", 2**63, "9" * 5000, "\u0661"])
def test_anything_else_is_no_byte_size(text: str | int) -> None:
    with pytest.raises(ValueError):
        parse_bytes(text)
