"""What can be configured but is not there yet.

Promises: ``FEATURES`` is the one list; a feature that arrives has its ``available`` turned to True (or its row deleted), and
nothing else changes. A block switched off by ``"enable": false`` is not configured; a scalar is configured when the file
gives it and it is neither false, zero nor empty.

Invariants: every path leads to a setting that exists (a test walks them).

Never: decides what to do. ``serve`` refuses to start over a feature that protects or misleads, and warns of every other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from holdfast.config.section import Section, Switched

if TYPE_CHECKING:
    from holdfast.config.settings import Settings


class Effect(Enum):
    """What leaving a configured feature out would do."""

    PROTECTS = "would leave open what is meant to be closed"
    MISLEADS = "would put data elsewhere than told"
    ADDS = "would only do less"


@dataclass(frozen=True, slots=True)
class Feature:
    """``path``: the JSON path of the setting, ``*`` for any name in a map and any item of a list."""

    path: str
    name: str
    effect: Effect
    arrives: str
    available: bool = False

    @property
    def refuses(self) -> bool:
        """Whether to start without it would be worse than not to start."""
        return self.effect is not Effect.ADDS

    @property
    def remedy(self) -> str:
        consequence = f"without it the registry {self.effect.value}" if self.refuses else "it is ignored until then"
        return f"it comes with {self.arrives}; {consequence}; remove the setting, or wait"


_ACCESS: Final = "access control"
_HEALTH: Final = "storage health"
_SYNC: Final = "the sync worker"
_LATER: Final = "a later version"
_NOT_PLANNED: Final = "no version planned so far"

FEATURES: Final[tuple[Feature, ...]] = (
    Feature("storage.cacheDriver", "a remote cache", Effect.MISLEADS, _NOT_PLANNED),
    Feature("storage.remoteCache", "a remote cache", Effect.MISLEADS, _NOT_PLANNED),
    Feature("storage.redirectBlobURL", "redirects to an object store", Effect.MISLEADS, _NOT_PLANNED),
    Feature("storage.subPaths.*.cacheDriver", "a remote cache", Effect.MISLEADS, _NOT_PLANNED),
    Feature("storage.subPaths.*.remoteCache", "a remote cache", Effect.MISLEADS, _NOT_PLANNED),
    Feature("storage.subPaths.*.redirectBlobURL", "redirects to an object store", Effect.MISLEADS, _NOT_PLANNED),
    # zot's scale-out: members that share one store. Here nodes hold copies and etcd the names, which cluster.etcd configures.
    Feature("cluster.members", "a cluster by a list of members", Effect.MISLEADS, _NOT_PLANNED),
    Feature("cluster.hashKey", "a cluster by a list of members", Effect.MISLEADS, _NOT_PLANNED),
    Feature("cluster.tls", "TLS between members", Effect.PROTECTS, _NOT_PLANNED),
    Feature("scheduler.numWorkers", "the scheduler", Effect.ADDS, _HEALTH),
    Feature("extensions.search", "search", Effect.ADDS, _LATER),
    Feature("extensions.ui", "the pages", Effect.ADDS, _LATER),
    Feature("extensions.mgmt", "mgmt", Effect.ADDS, _LATER),
    Feature("extensions.lint", "refusing manifests that lack something", Effect.ADDS, _LATER),
    Feature("extensions.trust", "checking signatures", Effect.ADDS, _LATER),
    Feature("extensions.events", "telling others", Effect.ADDS, _LATER),
)


def unavailable(settings: Settings, features: tuple[Feature, ...] = FEATURES) -> list[Feature]:
    """The features that this configuration asks for and this version lacks, in the table's order."""
    return [
        feature for feature in features if not feature.available and any(_configured(settings, feature.path.split(".")))
    ]


def _configured(node: Any, steps: list[str]) -> Iterator[bool]:
    """One answer for each place that the path leads to in what the file gave."""
    if not steps:
        yield not isinstance(node, Switched) or node.enable if isinstance(node, Section) else bool(node)
    elif isinstance(node, Section):
        name = next(name for name in type(node).model_fields if node.spelling(name) == steps[0])
        if name in node.model_fields_set:
            yield from _configured(getattr(node, name), steps[1:])
    elif isinstance(node, Mapping | tuple):
        for value in node.values() if isinstance(node, Mapping) else node:
            yield from _configured(value, steps[1:])
