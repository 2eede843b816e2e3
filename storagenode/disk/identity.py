"""Who a data directory belongs to: one process at a time, one node for ever, one cluster.

``prepare`` makes a new directory durable before anything is stored in it: a blob whose partition directory a power cut takes away
would be lost although it had been fsynced. node.json comes last, so a directory without it is made again from the start.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import ConfigError
from storagenode.disk.fsio import FILE_MODE, Files
from storagenode.disk.tree import FORMAT_VERSION, PARTITIONS, Tree

if TYPE_CHECKING:
    from collections.abc import Callable

_LOCK_STEP_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Identity:
    """What node.json says. ``directory``: which one it lies in, among all of this machine; a copy of it has another.

    ``room``: its name, if it is a further disk of that node and not the main one.
    """

    node_id: str
    cluster_id: str
    directory: str = ""
    room: str = ""


def lock(tree: Tree, wait_seconds: float = 0.0) -> int:
    """Own the directory until the descriptor is closed, or the process ends.

    ``wait_seconds`` is for a former process that is on its way out: its supervisor was killed, and there is a new one already.

    Raises:
        ConfigError: another process owns it.
    """
    Path(tree.root).mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(tree.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    deadline = time.monotonic() + wait_seconds
    while not _locked(descriptor):
        if time.monotonic() >= deadline:
            os.close(descriptor)
            raise ConfigError(
                f"another storage node is running on {tree.root}; stop it, or give this one a directory of its own"
            )
        time.sleep(_LOCK_STEP_SECONDS)
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def prepare(tree: Tree, files: Files, cluster_id: str, new_id: Callable[[], str] | None = None) -> Identity:
    """Make the tree where it is missing and say whose it is.

    Raises:
        ConfigError: the directory belongs to another cluster, is of a newer format, or its node.json is damaged.
    """
    there = seen(tree)
    if there is not None and there.room:
        raise ConfigError(
            f"{tree.root} is a further disk of the storage node {there.node_id}, no main directory;"
            " name it in storage.subPaths of that one, or use an empty directory"
        )
    known = make(tree, files, Identity((new_id or _new_id)(), cluster_id))
    if known.cluster_id != cluster_id:
        raise ConfigError(
            f"{tree.root} belongs to cluster {known.cluster_id!r}, not {cluster_id!r};"
            " configure that cluster, or use an empty directory"
        )
    return replace(known, directory=_place(tree))


def make(tree: Tree, files: Files, new: Identity) -> Identity:
    """Make the tree where it is missing, as ``new``'s unless it is somebody's; whose it is. Raises ConfigError."""
    _make_directories(tree, files)
    known = seen(tree)
    if known is None:
        known = new
        _write(tree, files, known)
    return known


def _place(tree: Tree) -> str:
    """Equal for two processes of this machine only if they want the same lock, which one of them has at a time."""
    found = os.stat(tree.root)
    return f"{found.st_dev:x}:{found.st_ino:x}"


def _new_id() -> str:
    return f"n{secrets.token_hex(6)}"


def _make_directories(tree: Tree, files: Files) -> None:
    for path in (tree.blobs, tree.staging, tree.trash, tree.quarantine):
        files.make_directory(path)
    there = set(os.listdir(tree.blobs))
    missing = [number for number in range(PARTITIONS) if f"{number:03x}" not in there]
    for number in missing:
        files.make_directory(tree.partition(number))
    if missing or not Path(tree.node_file).exists():
        files.sync_directory(tree.blobs)
        files.sync_directory(str(Path(tree.root).parent))
        # The root itself is fsynced once node.json is in it.


def seen(tree: Tree) -> Identity | None:
    """Whose it is, without touching it; None: nobody's. Raises ConfigError: damaged, or of a newer format."""
    try:
        text = Path(tree.node_file).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        record = json.loads(text)
        version = int(record["format"])
        identity = Identity(str(record["node_id"]), str(record["cluster_id"]), room=str(record.get("room", "")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{tree.node_file} is damaged; restore it from a copy, or use an empty directory") from error
    if version > FORMAT_VERSION:
        raise ConfigError(f"{tree.root} was written by a newer version (format {version}); upgrade this node")
    return identity


def _write(tree: Tree, files: Files, identity: Identity) -> None:
    record = {"format": FORMAT_VERSION, "node_id": identity.node_id, "cluster_id": identity.cluster_id}
    if identity.room:
        record["room"] = identity.room
    write_record(tree, files, tree.node_file, record)


def write_record(tree: Tree, files: Files, path: str, record: dict[str, Any]) -> None:
    """In place of what the file said before, durably; a process that dies here leaves it as it was."""
    temporary = f"{path}.new"
    files.unlink(temporary)
    descriptor = files.create(temporary)
    try:
        files.write(descriptor, json.dumps(record).encode(), 0)
        files.sync(descriptor)
    finally:
        os.close(descriptor)
    files.rename(temporary, path)
    files.sync_directory(tree.root)
