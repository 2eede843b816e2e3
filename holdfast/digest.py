"""Digests: the names of immutable bytes.

A :class:`Digest` exists only in valid form. Two doors make one: :func:`parse` for grammar-valid digests that are merely
referenced, :func:`parse_computable` for digests whose bytes we are asked to check or store (image-spec, descriptor.md,
"Digests" and "Registered algorithms"). Strings end here.

Never here: I/O, and no guess about digests that break the grammar.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import blake3

from holdfast.errors import DigestInvalidError

if TYPE_CHECKING:
    from collections.abc import Callable

# descriptor.md: digest ::= algorithm ":" encoded; encoded may be long, but nothing registered is longer than 128.
_GRAMMAR: Final = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+", re.ASCII)
_MAX_LENGTH: Final = 256
# Three hex digits of a digest. Trees on disk, keys in the metadata and layouts are made for this number: it never changes.
PARTITIONS: Final = 4096
_HEX: Final = re.compile(r"[0-9a-f]+", re.ASCII)


class Hasher(Protocol):
    """What ``hashlib`` objects have in common and what we use of it."""

    def update(self, data: bytes | bytearray | memoryview, /) -> object: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A registered algorithm: how long its hex form is, and what computes it."""

    name: str
    hex_length: int
    new: Callable[[], Hasher]


# descriptor.md, "Registered algorithms". blake3's one-thread form is used: parallelism belongs to the pools above.
ALGORITHMS: Final[dict[str, Algorithm]] = {
    a.name: a
    for a in (
        Algorithm("sha256", 64, hashlib.sha256),
        Algorithm("sha512", 128, hashlib.sha512),
        Algorithm("blake3", 64, blake3.blake3),
    )
}
CANONICAL: Final = ALGORITHMS["sha256"]


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """``algorithm:encoded``. Made by the functions of this module only."""

    algorithm: str
    encoded: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"

    @property
    def partition(self) -> int:
        """0..4095: the first 12 bits of the sha256 digest, or of the sha256 of the text for other algorithms."""
        first = self.encoded if self.algorithm == "sha256" else hashlib.sha256(str(self).encode()).hexdigest()
        return int(first[:3], 16)


def parse(text: str) -> Digest:
    """A digest that is merely referenced: any grammar-valid algorithm passes, registered ones must have their length.

    Raises:
        DigestInvalidError: against the grammar, or a registered algorithm with the wrong length or alphabet.
    """
    if len(text) > _MAX_LENGTH or not _GRAMMAR.fullmatch(text):
        raise DigestInvalidError("the digest does not have the form algorithm:encoded", {"digest": text[:_MAX_LENGTH]})
    name, encoded = text.split(":", 1)
    algorithm = ALGORITHMS.get(name)
    if algorithm is not None and (len(encoded) != algorithm.hex_length or not _HEX.fullmatch(encoded)):
        raise DigestInvalidError(f"a {name} digest has {algorithm.hex_length} lower-case hex digits", {"digest": text})
    return Digest(name, encoded)


def parse_computable(text: str) -> Digest:
    """A digest whose bytes are to be checked here.

    Raises:
        DigestInvalidError: as :func:`parse`, and for algorithms that are not computed here.
    """
    digest = parse(text)
    if digest.algorithm not in ALGORITHMS:
        known = ", ".join(ALGORITHMS)
        raise DigestInvalidError(f"digest algorithm not supported; use one of {known}", {"digest": text})
    return digest


def algorithm(name: str) -> Algorithm:
    """The registered algorithm of that name.

    Raises:
        DigestInvalidError: not one that is computed here.
    """
    found = ALGORITHMS.get(name)
    if found is None:
        raise DigestInvalidError(
            f"digest algorithm not supported; use one of {', '.join(ALGORITHMS)}", {"algorithm": name[:64]}
        )
    return found


def of(data: bytes | memoryview, name: str = "sha256") -> Digest:
    """The digest of bytes at hand."""
    hasher = algorithm(name).new()
    hasher.update(data)
    return Digest(name, hasher.hexdigest())
