"""The further disks of a node ("rooms"): which there are, and that none of them is missing, another's, or forgotten.

    <main directory>/rooms.json    the name of each room and the route it was for last
    <room>/node.json               the node's id and the room's name

Promises
    * A room is locked like a data directory, so that two processes never share one.
    * A room that this node has had and that is not found is an error, never an empty room: its blobs would look lost. So is one
      that the configuration does not name any more.
    * A room is made first and noted then: a process that dies in between leaves one that says itself whose it is.

Never: makes or changes anything before all rooms were looked at. No file names a path: the directories may be moved.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import ConfigError
from storagenode.disk import identity
from storagenode.disk.identity import Identity
from storagenode.disk.tree import FORMAT_VERSION, Tree

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Mapping, Sequence

    from storagenode.disk.fsio import Files
    from storagenode.options import RoomOptions


def take(
    main: Tree,
    owner: Identity,
    rooms: Sequence[RoomOptions],
    files: Files,
    held: contextlib.ExitStack,
    wait_seconds: float = 0.0,
) -> list[Tree]:
    """Lock and prepare the rooms, in their order; ``held`` keeps the locks.

    Raises:
        ConfigError: one is missing, another's, in use, or no longer configured.
    """
    noted = _noted(main)
    trees = [Tree(str(room.directory.absolute())) for room in rooms]
    found = [identity.seen(tree) for tree in trees]
    for tree, there in zip(trees, found, strict=True):
        if there is not None:
            _require_own(tree, there, owner)
    names = [there.room for there in found if there is not None]
    _require_all(noted, names, rooms)
    if len(set(names)) < len(names):
        raise ConfigError(
            "two directories of storage.subPaths are the same, or copies of each other; give each its own"
        )
    now = {}
    for room, tree in zip(rooms, trees, strict=True):
        held.callback(os.close, identity.lock(tree, wait_seconds))
        made = identity.make(tree, files, Identity(owner.node_id, owner.cluster_id, room=f"r{secrets.token_hex(6)}"))
        now[made.room] = room.route
    if now != noted:
        record = {"format": FORMAT_VERSION, "rooms": now}
        identity.write_record(main, files, main.rooms_file, record)
    return trees


def _require_own(tree: Tree, there: Identity, owner: Identity) -> None:
    if not there.room:
        raise ConfigError(f"{tree.root} is the main directory of a storage node; use an empty directory")
    if (there.node_id, there.cluster_id) != (owner.node_id, owner.cluster_id):
        raise ConfigError(
            f"{tree.root} belongs to the storage node {there.node_id} of cluster {there.cluster_id!r},"
            f" not to {owner.node_id} of {owner.cluster_id!r}; use an empty directory, or the data that belong to it"
        )


def _require_all(noted: Mapping[str, str], names: Sequence[str], rooms: Sequence[RoomOptions]) -> None:
    directories = {room.route: room.directory for room in rooms}
    for name, route in noted.items():
        if name in names:
            continue
        if route in directories:
            raise ConfigError(
                f"{directories[route]} does not hold what was stored there for {route}; is its disk mounted?"
                " Nothing is served without it, because its blobs would look lost"
            )
        raise ConfigError(
            f"blobs were stored in a directory of their own for {route}, and storage.subPaths does not name it any more;"
            f" name it again, or move its blobs into another store and take {name} out of rooms.json"
        )


def _noted(main: Tree) -> dict[str, str]:
    try:
        text = Path(main.rooms_file).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        record = json.loads(text)
        version, rooms = int(record["format"]), {str(name): str(route) for name, route in record["rooms"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{main.rooms_file} is damaged; restore it from a copy") from error
    if version > FORMAT_VERSION:
        raise ConfigError(f"{main.rooms_file} was written by a newer version (format {version}); upgrade this node")
    return rooms
