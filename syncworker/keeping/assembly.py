"""What keeps caches, made of the same parts as the worker around it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.evictions import Evictions
from holdfast.meta.holdings import Holdings
from holdfast.meta.tasks import ask_for_keeping
from holdfast.meta.turns import Turns
from holdfast.mirrors.policy import Policy
from holdfast.mirrors.routes import Routes
from holdfast.replicas.removing import ReplicaRemover
from syncworker.keeping.freeing import Freeing
from syncworker.keeping.growth import Growth
from syncworker.keeping.keeper import Keeper
from syncworker.keeping.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.config.sync import Sync
    from holdfast.meta.repos import Repositories
    from holdfast.meta.store import Store
    from holdfast.mirrors.keeping import LimitsOf
    from holdfast.replicas.directory import NodeDirectory
    from holdfast.replicas.write import ReplicaWriter

_NAMES: Final = 20_000


def limits_of(sync: Sync) -> LimitsOf:
    """What bounds a repository, remembered for many of them."""
    return functools.lru_cache(_NAMES)(Policy(Routes.of(sync)).limits)


def is_needed(sync: Sync) -> bool:
    """Whether any cache is bounded."""
    return any(way.limits.bounds_anything for way in Routes.of(sync).ways)


def growth(sync: Sync, store: Store, new_id: Callable[[], bytes]) -> Growth:
    return Growth(limits_of(sync), lambda: ask_for_keeping(store, new_id))


def loop(
    sync: Sync,
    store: Store,
    repos: Repositories,
    nodes: NodeDirectory,
    writer: ReplicaWriter,
    clock: Clock,
    new_id: Callable[[], bytes],
    worker: str,
) -> Loop:
    """Not started."""
    freeing = Freeing(repos, ReplicaRemover(nodes, writer.misplaced), clock)
    keeper = Keeper(Holdings(store), Evictions(store, new_id), freeing, limits_of(sync), clock)
    return Loop(store, Turns(store, new_id, worker, keys.KEEP_TASK), keeper, clock)
