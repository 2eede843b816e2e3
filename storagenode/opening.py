"""The store of one directory of a node, and what it needs done now and then: on the disk itself, or in an object store.

A directory whose blobs are in an object store says so (``objects.json``), so that it is never taken for an empty one, nor an empty
place in the object store for what was stored before.
"""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import ConfigError
from holdfast.rpc.host import host_id
from storagenode.disk import identity
from storagenode.disk.doubts import Doubts
from storagenode.disk.leftovers import Leftovers
from storagenode.disk.proofs import Proofs
from storagenode.disk.space import Space
from storagenode.disk.stamps import Stamps
from storagenode.disk.store import DiskStore
from storagenode.disk.trash import Trash
from storagenode.disk.tree import FORMAT_VERSION, PARTITIONS
from storagenode.objects import owner
from storagenode.objects.orphans import Orphans
from storagenode.objects.owner import Tenure
from storagenode.objects.sorting import Scratch
from storagenode.objects.store import ObjectStore
from storagenode.objects.tidying import ObjectTrash, ObjectWaste
from storagenode.objects.witnessbook import BucketBook

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.meta.witness import Book
    from storagenode.disk.fsio import Files
    from storagenode.disk.identity import Identity
    from storagenode.disk.tree import Tree
    from storagenode.objects.bucket import Bucket
    from storagenode.tidying import Waste


@dataclass(frozen=True, slots=True)
class Opened:
    """``disk``: what the directory has, which is all of the ``store`` or what is on its way there. ``space``: of the directory.
    ``stopping`` ends what ``trash`` is at, where that may take long. ``take`` is to be called before anything is stored, once the
    node is known to be the only one of its name: a place in an object store is taken away from whoever has it. ``book``: where
    the witness is remembered besides, beside blobs that the directory's own fate does not touch.
    """

    store: DiskStore | ObjectStore
    disk: DiskStore
    space: Space
    trash: Waste
    leftovers: Leftovers
    stopping: threading.Event
    take: Callable[[], None] = lambda: None
    book: Book | None = None


def node_id_of(tree: Tree, bucket: Bucket | None, cluster_id: str) -> Callable[[], str] | None:
    """What a new directory is to be called: as the place in the object store, whose local directory was lost.

    Raises ConfigError, UnavailableError.
    """
    if bucket is None or identity.seen(tree) is not None:
        return None
    there = owner.seen(bucket)
    if there is None or there.cluster_id != cluster_id:
        return None
    return lambda: there.node_id


def open_store(
    tree: Tree, reserve_bytes: int, bucket: Bucket | None, whose: Identity, files: Files, clock: Clock
) -> Opened:
    """``tree`` is locked and prepared. Takes nothing from anybody. Raises ConfigError, UnavailableError."""
    space = Space(tree.root, reserve_bytes)
    boot = secrets.token_hex(8)
    stamps, proofs = Stamps(boot), Proofs(clock)
    disk = DiskStore(tree, files, space, stamps, proofs, Doubts(clock))
    leftovers = Leftovers(tree, files, clock, disk.staged)
    if bucket is None:
        _require_no_objects(tree)
        return Opened(disk, disk, space, Trash(tree, files, clock), leftovers, threading.Event())
    _require_its_objects(tree, bucket)
    tenure = Tenure(bucket, whose, boot, _lock_of(tree))
    tenure.require_free()

    def take() -> None:
        tenure.take()
        identity.write_record(tree, files, _note(tree), {"format": FORMAT_VERSION})

    store = ObjectStore(bucket, disk, stamps, proofs, tenure, clock)
    stopping = threading.Event()
    trash = ObjectTrash(bucket, store, tenure, clock, stopping)
    waste = ObjectWaste(trash, Orphans(bucket, store.under_way, tenure, Scratch(tree.root), clock, stopping))
    return Opened(store, disk, space, waste, leftovers, stopping, take, BucketBook(bucket, tenure))


def _lock_of(tree: Tree) -> str:
    """Which lock this process holds. No two that live hold the same: the number of an open file is nobody else's."""
    machine, file = host_id(), Path(tree.lock).stat()
    return f"{machine}:{file.st_dev:x}:{file.st_ino:x}" if machine else ""


def _note(tree: Tree) -> str:
    return f"{tree.root}/objects.json"


def _require_no_objects(tree: Tree) -> None:
    if Path(_note(tree)).exists():
        raise ConfigError(
            f"the blobs of {tree.root} are in an object store, and no storageDriver is configured for it; configure it again."
            " Nothing is served without it, because all blobs would look lost"
        )


def _require_its_objects(tree: Tree, bucket: Bucket) -> None:
    try:
        json.loads(Path(_note(tree)).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if any(any(Path(tree.partition(number)).iterdir()) for number in range(PARTITIONS)):
            raise ConfigError(
                f"{tree.root} holds blobs, and the object store of storageDriver would hide them;"
                " use another rootDirectory, and copy the images over"
            ) from None
        return
    except ValueError as error:
        raise ConfigError(f"{_note(tree)} is damaged; restore it from a copy") from error
    if owner.seen(bucket) is None:
        raise ConfigError(
            f"the blobs of {tree.root} are in an object store, and nothing is where storageDriver says; is that the right"
            f" bucket and rootdirectory? If all is to begin anew, remove {_note(tree)}"
        )
