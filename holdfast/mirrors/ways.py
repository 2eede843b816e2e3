"""One way by which repositories come here or go from here: a ``content`` entry of an upstream, compiled.

Invariants: ``registry`` and ``content`` are indexes in the configuration. A registry without content is one way, on demand,
for any repository under its own name; with polling alone it is none (zot's meaning).

Never: knows of the other ways; ``routes`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.config.sync import NOTHING, PUSH, SyncContent
from holdfast.mirrors.namespaces import DOCKER_HUB, OFFICIAL, namespace, namespace_of
from holdfast.mirrors.selection import TagRule, is_attached, is_cosign
from holdfast.names import Repository
from holdfast.patterns import platforms as platform_texts
from holdfast.patterns.renaming import IDENTITY, Renaming

if TYPE_CHECKING:
    from holdfast.config.sync import Sync, SyncRegistry
    from holdfast.patterns.platforms import Platform

# zot's, also for a syncTimeout of zero.
_PATIENCE_SECONDS: Final = 3 * 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a cache is kept. ``budget`` names what shares ``size_bytes``; None: no limit."""

    budget: str
    size_bytes: int | None = None
    max_age_seconds: float | None = None

    @property
    def bounds_anything(self) -> bool:
        return self.size_bytes is not None or self.max_age_seconds is not None


@dataclass(frozen=True, slots=True)
class Way:
    """Between an upstream's repositories and ours. ``renaming`` leads from the source to where it is mirrored.

    ``patience_seconds``: for one image that is fetched ahead, or by a periodic mirror.
    """

    registry: int
    content: int | None
    renaming: Renaming
    namespaces: frozenset[str]
    on_demand: bool
    polled: bool
    allow_push: bool | None
    docker_mirror: bool
    tags: TagRule
    platforms: tuple[Platform, ...]
    limits: Limits
    prefetch: str = NOTHING
    only_signed: bool = False
    cosign_tags: bool = True
    patience_seconds: float = _PATIENCE_SECONDS

    @property
    def is_docker_hub(self) -> bool:
        return DOCKER_HUB in self.namespaces

    def official(self, upstream: Repository) -> Repository:
        """The whole name of a repository that the upstream knows by a short one as well."""
        return Repository(f"{OFFICIAL}/{upstream}") if self.is_docker_hub and "/" not in upstream else upstream

    def upstream_of(self, name: str) -> Repository | None:
        """The upstream's repository that a name here stands for; None when none does by this way."""
        found = self.renaming.backward(name)
        return None if found is None else self.official(found)

    def selects(self, tag: str) -> bool:
        """Whether a tag is mirrored. One that belongs to a digest comes with it, whatever the filters say of names."""
        if is_attached(tag):
            return self.cosign_tags or not is_cosign(tag)
        return self.tags.selects(tag)


def pulled(sync: Sync | None) -> tuple[Way, ...]:
    """The ways from upstreams to here, in the configuration's order."""
    return _ways(sync, push=False)


def pushed(sync: Sync | None) -> tuple[Way, ...]:
    """The ways from here to other registries, in the configuration's order."""
    return _ways(sync, push=True)


def _ways(sync: Sync | None, *, push: bool) -> tuple[Way, ...]:
    if sync is None or not sync.enable:
        return ()
    return tuple(
        way
        for number, registry in enumerate(sync.registries)
        if (registry.direction == PUSH) is push
        for way in _of(number, registry)
    )


def _of(number: int, registry: SyncRegistry) -> list[Way]:
    if not registry.content:
        return [_way(number, registry, None, SyncContent(prefix=IDENTITY.prefix))] if registry.on_demand else []
    return [
        _way(number, registry, index, content)
        for index, content in enumerate(registry.content)
        if content.prefix.strip("/")
    ]


def _way(number: int, registry: SyncRegistry, index: int | None, content: SyncContent) -> Way:
    named = [*map(namespace, registry.namespaces)] or [*map(namespace_of, registry.urls)]
    chosen = registry.platforms if content.platforms is None else content.platforms
    return Way(
        registry=number,
        content=index,
        renaming=Renaming(content.prefix, content.destination, content.strip_prefix),
        namespaces=frozenset(filter(None, named)),
        on_demand=registry.on_demand,
        polled=bool(registry.poll_interval) and index is not None,
        allow_push=registry.allow_push if content.allow_push is None else content.allow_push,
        docker_mirror=registry.docker_mirror,
        tags=TagRule.of(content.tags),
        platforms=tuple(map(platform_texts.parse, chosen)),
        limits=_limits(number, registry, index, content),
        prefetch=registry.prefetch if content.prefetch is None else content.prefetch,
        only_signed=registry.only_signed,
        cosign_tags=registry.sync_legacy_cosign_tags,
        patience_seconds=registry.sync_timeout.seconds or _PATIENCE_SECONDS,
    )


def _limits(number: int, registry: SyncRegistry, index: int | None, content: SyncContent) -> Limits:
    budget, size_bytes = f"registries[{number}]", registry.cache_size
    if content.cache_size is not None:
        budget, size_bytes = f"{budget}.content[{index}]", content.cache_size
    age = content.cache_max_age or registry.cache_max_age
    return Limits(budget, size_bytes, age.seconds if age else None)
