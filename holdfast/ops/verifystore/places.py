"""Where the directories of a storage node are, and the metadata that say what it should hold, if they are at hand.

Promises: metadata on this machine are read from a copy, so that nothing beside them is written.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import config
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, MetadataUnavailableError
from holdfast.meta.layouts import LayoutBook
from holdfast.meta.sqlite import SqliteStore
from holdfast.replicas.access import new_id, open_metadata
from storagenode.disk import identity
from storagenode.disk.tree import Tree

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable

    from holdfast.config import Settings
    from holdfast.meta.store import Store

_FILE = "holdfast.db"


@dataclass(frozen=True, slots=True)
class Place:
    """``trees``: the main directory, then further disks. ``store`` None: nobody says what should be here, because of ``why``.
    ``is_ours``: whether what is linked in a partition should be here.
    """

    node_id: str
    trees: tuple[Tree, ...]
    store: Store | None
    why: str
    is_ours: Callable[[int], bool]


def find(target: Path, held: contextlib.ExitStack) -> Place:
    """``target``: a node's directory, a registry's, or a configuration. ``held`` closes what is opened. Raises ConfigError."""
    if not target.exists():
        raise ConfigError(f"there is no {target}: name the directory of a storage node, or its configuration")
    if target.is_file():
        return _configured(config.load(target), held)
    root = target.absolute()
    if (root / "node.json").exists():
        return _place(root, [], None, "only the node's own directory was named: name the configuration", held)
    if (root / "node" / "node.json").exists():
        return _place(root / "node", [], root / "meta" / _FILE, "", held)
    raise ConfigError(f"{root} holds no storage node: there is neither node.json nor node/node.json in it")


def _configured(settings: Settings, held: contextlib.ExitStack) -> Place:
    storage, cluster = settings.storage, settings.cluster
    if cluster is None or cluster.etcd is None:
        root = Path(storage.root_directory).absolute()
        rooms = [Path(store.root_directory).absolute() / "node" for store in storage.sub_paths.values()]
        return _place(root / "node", rooms, root / "meta" / _FILE, "", held)
    place = _place(Path(cluster.node.data_directory(storage.root_directory)).absolute(), [], None, "", held)
    try:
        store = open_metadata(cluster, SystemClock())
        held.callback(store.close)
        layouts = LayoutBook(store, new_id, SystemClock()).live().layouts
    except MetadataUnavailableError as error:
        return Place(place.node_id, place.trees, None, error.message, place.is_ours)

    def is_ours(partition: int) -> bool:
        return layouts is not None and place.node_id in layouts.write_owners(partition)

    return Place(place.node_id, place.trees, store, "", is_ours)


def _place(main: Path, rooms: list[Path], database: Path | None, why: str, held: contextlib.ExitStack) -> Place:
    trees = [Tree(str(main)), *(Tree(str(room)) for room in rooms)]
    known = [identity.seen(tree) for tree in trees]
    owner = known[0]
    if owner is None:
        raise ConfigError(f"{main} holds no storage node: there is no node.json in it")
    for tree, there in zip(trees, known, strict=True):
        if there is None or there.node_id != owner.node_id:
            raise ConfigError(f"{tree.root} does not hold a disk of the storage node {owner.node_id}; is it mounted?")
        if Path(tree.root, "objects.json").exists():
            raise ConfigError(f"the blobs of {tree.root} are in an object store, which this command does not read")
    if not rooms and not owner.room and Path(trees[0].rooms_file).exists() and database is not None:
        why = "the node has further disks, and only the configuration tells where: name that"
    store = _copied(database, held) if database is not None and database.exists() and not why else None
    return Place(owner.node_id, tuple(trees), store, why or ("" if store else "there are none"), lambda _: True)


def _copied(database: Path, held: contextlib.ExitStack) -> Store:
    folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-")))
    for suffix in ("", "-wal"):
        source = database.with_name(database.name + suffix)
        if source.exists():
            shutil.copyfile(source, folder / source.name)
    store = SqliteStore(folder / database.name, SystemClock())
    held.callback(store.close)
    return store
