"""Who may be asked for a repository, under which name; and where a repository of an upstream is kept here.

Promises: ``sources`` and ``place`` are each other's inverse: where ``place`` puts an upstream's repository, ``sources`` leads
back to it. Sources come longest prefix first (the literal components of the name here), then in the configuration's order.
Within one upstream the first content entry that matches decides where ``place`` puts a repository (zot's rule).

Invariants: a repository that matches ``localRepositories`` has no source, and nothing is placed there. ``nginx`` and
``library/nginx`` of Docker Hub are two names of one repository; ``place`` gives the one as the upstream says it.

Never: says what exists; it is a table of names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.mirrors import ways as configured
from holdfast.mirrors.namespaces import OFFICIAL, namespace
from holdfast.patterns.globs import Glob

if TYPE_CHECKING:
    from holdfast.config.sync import Sync
    from holdfast.mirrors.ways import Way
    from holdfast.names import Repository


@dataclass(frozen=True, slots=True)
class Source:
    """An upstream's repository that may fill one of ours."""

    way: Way
    repository: Repository


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an upstream's repository is kept here, by which way."""

    way: Way
    repository: Repository


@dataclass(frozen=True, slots=True)
class Routes:
    """The table. ``ways`` lead from upstreams to here."""

    ways: tuple[Way, ...] = ()
    local: tuple[Glob, ...] = ()

    @classmethod
    def of(cls, sync: Sync | None) -> Routes:
        """The table of a configuration that ``config.load`` has accepted."""
        return cls(configured.pulled(sync), tuple(map(Glob, sync.local_repositories)) if sync else ())

    def is_local(self, name: str) -> bool:
        """Whether no upstream is ever asked for this repository, whatever the ways."""
        return any(glob.matches(name) for glob in self.local)

    def sources(self, name: str) -> tuple[Source, ...]:
        """All that may fill a repository, periodically or on demand."""
        if self.is_local(name):
            return ()
        found: dict[tuple[int, Repository], Source] = {}
        for way in sorted(self.ways, key=lambda way: -len(way.renaming.literal)):
            upstream = way.upstream_of(name)
            if upstream is not None:
                # Two entries of one upstream may lead to the same repository; the first one's filters count.
                found.setdefault((way.registry, upstream), Source(way, upstream))
        return tuple(found.values())

    def asked(self, name: str) -> tuple[Source, ...]:
        """Whom to ask, in this order, when a client misses something in a repository."""
        return tuple(source for source in self.sources(name) if source.way.on_demand)

    def place(self, registry: int, upstream: str) -> Placed | None:
        """Where a repository of an upstream is kept; None when it is not mirrored."""
        for way in self.ways:
            if way.registry == registry and (name := way.renaming.forward(upstream)) is not None:
                return None if self.is_local(name) else Placed(way, name)
        return None

    def named_by(self, ns: str, name: Repository) -> Repository | None:
        """The repository here that a client means by an upstream's host and name; None when that host is not mirrored.

        A client that already puts the destination in front (a mirror URL with a path) means the repository as it says.
        """
        wanted = namespace(ns)
        ways = [way for way in self.ways if wanted in way.namespaces]
        if any(way.renaming.destination.strip("/") and way.upstream_of(name) is not None for way in ways):
            return None if self.is_local(name) else name
        found = [
            placed for way in self._first_of_each(ways) if (placed := self.place(way.registry, way.official(name)))
        ]
        best = max(found, key=lambda placed: len(placed.way.renaming.source_literal), default=None)
        return best.repository if best else None

    def docker_name(self, name: Repository) -> Repository | None:
        """Where a root-level name of docker's ``registry-mirrors`` is kept: to be asked for only when ``name`` is not here.

        None when the name is mirrored or local itself. Without ``dockerMirror`` names below ``library/`` alone are meant: any
        other could be one of ours, and nobody else should learn of it.
        """
        if self.is_local(name) or self.sources(name):
            return None
        for way in self._first_of_each([way for way in self.ways if way.is_docker_hub and way.on_demand]):
            if way.docker_mirror or name.startswith(f"{OFFICIAL}/"):
                placed = self.place(way.registry, way.official(name))
                if placed is not None:
                    return placed.repository
        return None

    def named_repositories(self, registry: int) -> tuple[Repository, ...]:
        """The repositories that an upstream's prefixes name outright, for upstreams without a catalog."""
        named = [way.renaming.source for way in self.ways if way.registry == registry]
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def needs_catalog(self, registry: int) -> bool:
        """Whether some prefix is a glob, so that the upstream must tell what it has."""
        return any(way.renaming.source is None for way in self.ways if way.registry == registry)

    @staticmethod
    def _first_of_each(ways: list[Way]) -> list[Way]:
        return list({way.registry: way for way in reversed(ways)}.values())[::-1]
