"""A layout as bytes, for the metadata store.

    byte 0                  form, 1
    numbers                 version, replicas, write_quorum, zone_strict
    zones                   count, then each as length and text, sorted
    roles                   count, then each as id (length and text), index of the zone, weight; sorted by id
    table                   4096 rows of owners in order, each owner as few bits as the number of nodes wants, padded with zero bits
    last 8 bytes            blake2b of all before

Numbers are unsigned LEB128: seven bits a byte, low ones first, the top bit set on all bytes but the last.

Promises
  * One layout has one form in bytes, and bytes that are decoded encode to the same bytes again.
  * Damaged bytes, and bytes that say something invalid, are CorruptError; never another layout.
Never here: compression. Its output differs between library versions, and a layout for 1,000 nodes is small enough.
"""

from __future__ import annotations

import hashlib
from typing import Final

from holdfast.digest import PARTITIONS
from holdfast.errors import CorruptError, LayoutInvalidError
from holdfast.placement.layout import Layout, NodeRole, Rules

_FORM: Final = b"\x01"
_SUM_BYTES: Final = 8
# 2**63 - 1 in sevens; a longer number is damage.
_MAX_NUMBER_BYTES: Final = 9


def encode(layout: Layout) -> bytes:
    """The bytes of a layout."""
    rules = layout.rules
    zones = sorted({role.zone for role in layout.roles})
    parts = [_FORM]
    parts += [_number(value) for value in (layout.version, rules.replicas, rules.write_quorum, rules.zone_strict)]
    parts += [_number(len(zones)), *(_text(zone) for zone in zones), _number(len(layout.roles))]
    numbers = {zone: number for number, zone in enumerate(zones)}
    for role in layout.roles:
        parts += [_text(role.node_id), _number(numbers[role.zone]), _number(role.weight)]
    parts.append(_pack([owner for row in layout.table for owner in row], _bits(len(layout.roles))))
    data = b"".join(parts)
    return data + _sum(data)


def decode(data: bytes) -> Layout:
    """The layout that :func:`encode` wrote.

    Raises:
        CorruptError: damaged, of a form that is not known here, or not a valid layout.
    """
    body, checksum = data[:-_SUM_BYTES], data[-_SUM_BYTES:]
    if _sum(body) != checksum:
        raise CorruptError("a stored layout is damaged; take it from a backup of the metadata")
    if body[:1] != _FORM:
        raise CorruptError("a stored layout has an unknown form; was it written by a newer version?")
    try:
        layout = _read(_Reader(body))
    except (LayoutInvalidError, ValueError, IndexError) as cause:
        raise CorruptError(f"a stored layout is not valid: {cause}") from cause
    if encode(layout) != data:
        raise CorruptError("a stored layout is not in the form that this program writes")
    return layout


class _Reader:
    """A place in the bytes that moves on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = len(_FORM)

    def number(self) -> int:
        value = 0
        for position in range(_MAX_NUMBER_BYTES):
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << 7 * position
            if byte < 0x80:
                return value
        raise ValueError("a number does not end")

    def text(self) -> str:
        length = self.number()
        self._at += length
        return self._data[self._at - length : self._at].decode("ascii")

    def rest(self) -> bytes:
        return self._data[self._at :]


def _read(reader: _Reader) -> Layout:
    version = reader.number()
    rules = Rules(reader.number(), reader.number(), reader.number() != 0)
    zones = [reader.text() for _ in range(reader.number())]
    roles = tuple(NodeRole(reader.text(), zones[reader.number()], reader.number()) for _ in range(reader.number()))
    copies = min(rules.replicas, len(roles))
    owners = _unpack(reader.rest(), PARTITIONS * copies, _bits(len(roles)))
    table = tuple(tuple(owners[first : first + copies]) for first in range(0, len(owners), copies or 1))
    return Layout(version, rules, roles, table)


def _number(value: int) -> bytes:
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def _text(value: str) -> bytes:
    return _number(len(value)) + value.encode("ascii")


def _bits(nodes: int) -> int:
    """Bits for an index; one node still takes one, so that the table is never empty."""
    return max(1, (nodes - 1).bit_length())


def _pack(values: list[int], bits: int) -> bytes:
    text = "".join(f"{value:0{bits}b}" for value in values)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def _unpack(data: bytes, count: int, bits: int) -> list[int]:
    text = f"{int.from_bytes(data, 'big'):0{len(data) * 8}b}"
    return [int(text[first : first + bits], 2) for first in range(0, count * bits, bits)]


def _sum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_SUM_BYTES).digest()
