"""What is wrong with a node's disks: every copy hashed, every name looked at, everything that does not belong there named.

Promises: nothing is written, not even a time of access that matters; memory grows with what is wrong, and with what one partition
holds. The directory is kept from its node meanwhile, by the lock that the node would take.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.digest import PARTITIONS
from holdfast.errors import ConfigError
from storagenode.disk.examining import examine
from storagenode.disk.tree import Tree, parse_blob_name

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Iterable, Iterator

    from holdfast.digest import Digest

# A file is written beside its former self, and a disk that is mounted here brings a folder of its own.
_RECORDS: Final = ("node.json", "witness.json", "rooms.json", "scrub.json")
_FILES: Final = (*_RECORDS, *(f"{name}.new" for name in _RECORDS), "lock", "lost+found")
_FOLDERS: Final = ("blobs", "staging", "trash", "quarantine")
# Made by nodes that keep copies of the metadata.
_MAY_BE: Final = ("backups",)


@dataclass(slots=True)
class Disk:
    """A directory, and what was found in it. ``stray``: paths below it of what does not belong there; ``absent``: of what should be
    there and is not. ``aside``: how many files lie in quarantine, trash and staging.
    """

    tree: Tree
    copies: int = 0
    size_bytes: int = 0
    wrong: dict[Digest, str] = field(default_factory=dict)
    stray: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    aside: dict[str, int] = field(default_factory=dict)

    @property
    def is_well(self) -> bool:
        return not (self.wrong or self.stray or self.absent)


def hold(tree: Tree, held: contextlib.ExitStack) -> None:
    """Keep its node away. Raises ConfigError: it is running."""
    try:
        descriptor = os.open(tree.lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError(
            f"a storage node is running on {tree.root}; stop it, or have it look itself by `holdfast scrub`"
        ) from error


def look_around(disk: Disk) -> None:
    """Everything but the copies. Raises OSError."""
    root = Path(disk.tree.root)
    present = _names(root)
    disk.stray += sorted(present.difference(_FILES, _FOLDERS, _MAY_BE))
    disk.absent += [name for name in _FOLDERS if name not in present]
    for name in set(_FOLDERS[1:]) & present:
        disk.aside[name] = sum(not entry.endswith(".json") for entry in _names(root / name))
    if "blobs" in present:
        expected = {f"{number:03x}" for number in range(PARTITIONS)}
        found = _names(root / "blobs")
        disk.stray += [f"blobs/{name}" for name in sorted(found - expected)]
        disk.absent += [f"blobs/{name}" for name in sorted(expected - found)]


def partitions(disks: Iterable[Disk], moved: Callable[[int], None]) -> Iterator[set[Digest]]:
    """One after the other: the digests that have a good copy on any disk. ``moved`` is told of bytes. Raises UnavailableError."""
    disks = list(disks)
    for number in range(PARTITIONS):
        good: set[Digest] = set()
        for disk in disks:
            good.update(_partition(disk, number, moved))
        yield good


def _partition(disk: Disk, number: int, moved: Callable[[int], None]) -> Iterator[Digest]:
    try:
        names = sorted(_names(Path(disk.tree.partition(number))))
    except (FileNotFoundError, NotADirectoryError):
        return  # looked at before
    for name in names:
        digest = parse_blob_name(name)
        if digest is None or digest.partition != number:
            disk.stray.append(f"blobs/{number:03x}/{name}")
            continue
        read = examine(disk.tree.blob(digest), digest, moved)
        if read is None:
            continue
        disk.copies += 1
        disk.size_bytes += read.size_bytes
        if read.fault:
            disk.wrong[digest] = read.fault
        else:
            yield digest


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}
