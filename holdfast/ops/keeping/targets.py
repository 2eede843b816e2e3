"""Where metadata is restored to: the file of one machine, or a cluster's etcd.

Promises: ``check`` changes nothing, and says why it cannot be done where it cannot; ``restore`` is all or nothing as others see it.
"""

from __future__ import annotations

import contextlib
import fcntl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, MetadataUnavailableError
from holdfast.meta import keys
from holdfast.meta.copying import Copying, require_nobody
from holdfast.meta.keeping.restoring import name_of, restored
from holdfast.meta.sqlite import SqliteStore
from holdfast.ops.keeping.unpacking import unpacked
from holdfast.ops.registry import database
from holdfast.ops.starting import hold_directory, make_directory, require_cluster
from holdfast.replicas.access import open_metadata
from storagenode.disk.identity import seen
from storagenode.disk.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from holdfast.config import Settings
    from holdfast.meta.etcd import EtcdStore
    from holdfast.meta.keeping.file import Backup
    from holdfast.meta.store import Store


class Target(Protocol):
    """For the length of a command."""

    def check(self, backup: Backup, *, replace: bool) -> str:
        """What is there, in a sentence. Raises ConfigError: it cannot be restored there."""
        ...

    def restore(self, backup: Backup, moved: Callable[[int], None], *, replace: bool) -> None:
        """After ``check``. Raises ConfigError, UnavailableError, OutcomeUnknownError: the same again completes it."""
        ...


@dataclass(slots=True)
class SqliteTarget:
    """``path`` may not be there yet. The server's directory is held meanwhile."""

    path: Path

    @classmethod
    @contextlib.contextmanager
    def opened(cls, settings: Settings) -> Iterator[Self]:
        """Raises ConfigError: a server or a node runs on it."""
        path = database(settings)
        root = path.parent.parent
        with contextlib.ExitStack() as held:
            if root.exists():
                held.enter_context(hold_directory(root))
                held.enter_context(_held_node(root / "node"))
            yield cls(path)

    def check(self, backup: Backup, *, replace: bool) -> str:
        node = seen(Tree(str(self.path.parent.parent / "node")))
        if node is not None and node.cluster_id != backup.header.cluster_id:
            raise ConfigError(
                f"the bytes in {self.path.parent.parent / 'node'} are those of registry {node.cluster_id}, and the backup is of"
                f" {backup.header.cluster_id}: it names other bytes"
            )
        if not self.path.exists():
            return f"{self.path} is not there yet"
        try:
            with contextlib.closing(SqliteStore(self.path, SystemClock())) as store:
                return _standing(store, str(self.path), replace=replace)
        except MetadataUnavailableError as error:
            raise ConfigError(
                f"{error.message}. If {self.path} is damaged, move it away with {self.path.name}-wal and {self.path.name}-shm, and"
                " restore again"
            ) from error

    def restore(self, backup: Backup, moved: Callable[[int], None], *, replace: bool) -> None:  # noqa: ARG002 - held since ``check``
        make_directory(self.path.parent)
        with contextlib.closing(SqliteStore(self.path, SystemClock())) as store:
            store.replace(_counted(restored(backup), moved), backup.header.revision)


@dataclass(slots=True)
class EtcdTarget:
    """``store`` is the cluster's."""

    store: EtcdStore

    @classmethod
    @contextlib.contextmanager
    def opened(cls, settings: Settings) -> Iterator[Self]:
        with contextlib.closing(open_metadata(require_cluster(settings), SystemClock())) as store:
            yield cls(store)

    def check(self, backup: Backup, *, replace: bool) -> str:
        copying = self.store.get(keys.CLUSTER_COPYING)
        if copying is not None and copying.value == name_of(backup):
            return "a restore of this backup broke off, and goes on"
        standing = _standing(self.store, "the cluster's etcd", replace=replace)
        if replace:
            require_nobody(self.store)
        return standing

    def restore(self, backup: Backup, moved: Callable[[int], None], *, replace: bool) -> None:
        # Side by side with what is there, in the order of keys, again and again: that wants a store on both sides.
        with unpacked(backup) as source:
            Copying(source, self.store, name_of(backup), replaces=replace).run(moved)


def _standing(store: Store, where: str, *, replace: bool) -> str:
    there = store.range(*keys.EVERYTHING, 3, keys_only=True).entries
    if not there:
        return f"{where} is empty"
    if not replace:
        names = ", ".join(entry.key.decode(errors="replace") for entry in there)
        raise ConfigError(
            f"{where} is not empty (it holds {names}); back it up, and add --replace if the backup shall take its place"
        )
    found = store.get(keys.CLUSTER_ID)
    return f"{where} holds registry {found.value.decode() if found else 'unknown'}, which is replaced"


def _counted(pairs: Iterator[tuple[bytes, bytes]], moved: Callable[[int], None]) -> Iterator[tuple[bytes, bytes]]:
    for number, pair in enumerate(pairs, 1):
        yield pair
        if number % 1000 == 0:
            moved(number)


@contextlib.contextmanager
def _held_node(directory: Path) -> Iterator[None]:
    """Keep nodes away, also one whose server has died before it. Raises ConfigError: one runs."""
    lock = directory / "lock"
    if not lock.exists():
        yield
        return
    with lock.open("r+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"a storage node runs on {directory}; stop it") from error
        yield
