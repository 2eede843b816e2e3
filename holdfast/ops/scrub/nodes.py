"""Which storage nodes a registry has that could read their copies: those of a cluster, or the one of this machine."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, HoldfastError, NodeUnknownError, UnavailableError
from holdfast.meta.lost import LostBook
from holdfast.meta.members import Intent, Members
from holdfast.meta.repos import Repositories
from holdfast.meta.scrubs import Scrubs
from holdfast.ops import console
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.registry import chosen, is_cluster, metadata
from holdfast.ops.starting import report_refusal
from holdfast.replicas.access import new_id
from storagenode.disk import identity
from storagenode.disk.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from holdfast.config import Settings
    from holdfast.meta.store import Store


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A registry, as far as scrubbing goes. ``addresses``: of its nodes, by id; ``alive``: those that run."""

    store: Store
    scrubs: Scrubs
    lost: LostBook
    repos: Repositories
    addresses: Mapping[str, str]
    alive: Callable[[], frozenset[str]]

    def chosen(self, wanted: Iterable[str]) -> list[str]:
        """Ids of the nodes that were named, by id, its beginning, or address. Raises NodeUnknownError."""
        names = [self._find(name) for name in wanted]
        return names or sorted(self.addresses)

    def _find(self, wanted: str) -> str:
        exact = [name for name, address in self.addresses.items() if wanted in {name, address}]
        found = exact or [name for name in self.addresses if wanted and name.startswith(wanted)]
        if len(found) != 1:
            raise NodeUnknownError(
                f"{'several storage nodes are' if found else 'no storage node is'} called {wanted};"
                f" there are {console.listed(sorted(self.addresses))}"
            )
        return found[0]

    def require_alive(self, names: Iterable[str]) -> None:
        """Raises UnavailableError."""
        away = sorted(set(names) - self.alive())
        if away:
            raise UnavailableError(
                f"{console.listed(away)} is not running, so nobody would read its copies; start it, or name other nodes."
                " `holdfast verify-store` checks the directory of one that is stopped"
            )


@contextlib.contextmanager
def reached(path: Path | None) -> Iterator[Scrubbed]:
    """For the length of a command."""
    with contextlib.ExitStack() as stack:
        try:
            settings = chosen(path)
            store = stack.enter_context(contextlib.closing(metadata(settings)))
            addresses, alive = _cluster(store) if is_cluster(settings) else _machine(settings)
        except ConfigError as error:
            report_refusal(error)
            raise typer.Exit(EXIT_CONFIG) from None
        except HoldfastError as error:
            raise console.refuse([error.message]) from error
        repos = Repositories(store, new_id, SystemClock())
        try:
            yield Scrubbed(store, Scrubs(store, new_id), LostBook(store, new_id), repos, addresses, alive)
        except HoldfastError as error:
            raise console.refuse([error.message]) from error


def _cluster(store: Store) -> tuple[dict[str, str], Callable[[], frozenset[str]]]:
    members = Members(store, new_id, SystemClock())
    present = {one.node_id: one.address for one in members.all() if one.orders.intent is not Intent.REMOVED}
    return present, lambda: frozenset(members.alive())


def _machine(settings: Settings) -> tuple[dict[str, str], Callable[[], frozenset[str]]]:
    root = Path(settings.storage.root_directory).absolute()
    known = identity.seen(Tree(str(root / "node")))
    if known is None:
        raise ConfigError(f"there is no storage node in {root} yet: start it by `holdfast serve`")
    node_id = known.node_id
    return {node_id: ""}, lambda: frozenset({node_id}) if _runs(root) else frozenset()


def _runs(root: Path) -> bool:
    """Whether the process whose number the lock holds lives; a lock is never taken from here."""
    try:
        os.kill(int((root / "lock").read_text()), 0)
    except (OSError, ValueError) as error:
        return isinstance(error, PermissionError)
    return True
