"""Layouts as bytes: what goes in comes out, and nothing else does."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import CorruptError
from holdfast.placement import encoding
from holdfast.placement.layout import Layout, NodeRole, Rules
from tests.unit.placement.cases import layout

SMALL = layout("R=3 a/A*300 b/B c/B d/C", 130)
BYTES = encoding.encode(SMALL)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)


def resealed(data: bytes) -> bytes:
    return data + hashlib.blake2b(data, digest_size=8).digest()


@st.composite
def layouts(draw):
    """Any valid layout with one zone, which leaves owners free."""
    ids = sorted(draw(st.sets(NAMES, min_size=1, max_size=9)))
    zone = draw(NAMES)
    roles = tuple(NodeRole(node, zone, draw(st.integers(1, 2**32 - 1))) for node in ids)
    replicas = draw(st.integers(1, 5))
    rows = draw(st.lists(st.permutations(range(len(ids))), min_size=1, max_size=5))
    table = tuple(tuple(rows[number % len(rows)][:replicas]) for number in range(4096))
    quorum = draw(st.integers(1, replicas))
    return Layout(
        draw(st.integers(1, 2**40)), Rules(replicas, quorum, quorum == 1 and draw(st.booleans())), roles, table
    )


@given(layouts())
def test_a_layout_comes_back_as_it_was(one):
    assert encoding.decode(encoding.encode(one)) == one


def test_zones_come_back_as_they_were():
    assert encoding.decode(BYTES) == SMALL
    assert encoding.decode(BYTES).zones() == {"a": "A", "b": "B", "c": "B", "d": "C"}


def test_bytes_of_form_1_stay_readable():
    one = Layout(1, Rules(1, 1), (NodeRole("a", "z", 1),), ((0,),) * 4096)
    head = bytes.fromhex("01 01 01 01 00 01 01 7a 01 01 61 00 01")
    assert encoding.encode(one) == resealed(head + bytes(512))


@given(st.integers(0, len(BYTES) - 1), st.integers(1, 255))
def test_a_changed_byte_is_corrupt(position, difference):
    damaged = bytearray(BYTES)
    damaged[position] ^= difference
    with pytest.raises(CorruptError):
        encoding.decode(bytes(damaged))


@given(st.integers(0, len(BYTES) - 1))
def test_missing_bytes_are_corrupt(length):
    with pytest.raises(CorruptError):
        encoding.decode(BYTES[:length])


@given(st.integers(1, len(BYTES) - 9), st.integers(1, 255))
def test_wrong_bytes_with_a_right_checksum_are_corrupt_or_say_another_layout_properly(position, difference):
    wrong = bytearray(BYTES[:-8])
    wrong[position] ^= difference
    sealed = resealed(bytes(wrong))
    try:
        found = encoding.decode(sealed)
    except CorruptError:
        return
    assert encoding.encode(found) == sealed


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (resealed(b"\x02" + BYTES[1:-8]), "newer version"),
        (resealed(BYTES[:-8] + b"\0"), "not in the form"),
        (resealed(b"\x01" + b"\x80" * 20), "does not end"),
        (resealed(b"\x01"), "not valid"),
        (resealed(b"\x01\x01\x01\x01\x00\x00\x00"), "not valid"),
    ],
)
def test_what_this_program_would_not_write_is_corrupt(data, reason):
    with pytest.raises(CorruptError, match=reason):
        encoding.decode(data)
