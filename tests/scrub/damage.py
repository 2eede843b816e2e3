"""A thousand small blobs, and fifty of them damaged in every way that a disk knows."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import digest as digests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.digest import Digest
    from storagenode.disk.tree import Tree

BLOBS = 1000
DAMAGED = 50


@dataclass(frozen=True)
class Kept:
    data: bytes
    digest: Digest


def blobs(count: int = BLOBS) -> list[Kept]:
    """Small ones of different sizes, the same at every run."""
    chance = random.Random(6)
    made = [chance.randbytes(chance.randrange(100, 3000)) for _ in range(count)]
    return [Kept(data, digests.of(data)) for data in made]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    overwrite(path, bytes(data))


def overwrite(path: Path, data: bytes) -> None:
    """In place, as rot does it: the file stays the same one."""
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def make_unreadable(path: Path) -> None:
    """A directory in its place is what root cannot read either."""
    path.unlink()
    path.mkdir()


WAYS: Sequence[Callable[[Path], None]] = (flip, cut, empty, Path.unlink, make_unreadable)


@dataclass(frozen=True)
class Damaged:
    """By what was done to them."""

    swapped: Sequence[Digest]
    flipped: Sequence[Digest]
    cut: Sequence[Digest]
    emptied: Sequence[Digest]
    deleted: Sequence[Digest]
    unreadable: Sequence[Digest]

    @property
    def all(self) -> set[Digest]:
        return {*self.swapped, *self.flipped, *self.cut, *self.emptied, *self.deleted, *self.unreadable}

    @property
    def wrong(self) -> set[Digest]:
        """Those of which something is left."""
        return self.all.difference(self.deleted)


def damage(tree: Tree, kept: Sequence[Kept]) -> Damaged:
    """Fifty of them, by each way in turn, and two at a time swapped."""
    hurt = [one.digest for one in kept[:DAMAGED]]
    swapped, others = hurt[:10], hurt[10:]
    for one, other in zip(map(tree.blob, swapped[::2]), map(tree.blob, swapped[1::2]), strict=True):
        of_one, of_other = Path(one).read_bytes(), Path(other).read_bytes()
        overwrite(Path(one), of_other)
        overwrite(Path(other), of_one)
    by_way = [others[number :: len(WAYS)] for number in range(len(WAYS))]
    for way, digests_of_way in zip(WAYS, by_way, strict=True):
        for digest in digests_of_way:
            way(Path(tree.blob(digest)))
    return Damaged(swapped, *by_way)
