"""Which upstreams may fill a repository, and asking them one after the other.

Promises: an upstream is asked under its own name for the repository, with its own credentials, and only if the configuration says
that it fills this repository: on demand, or in the view of ``every`` by its periodic runs as well. A tag that the configuration
leaves out is asked for nowhere. The error that is raised in the end is the one that leaves most open, so that "missing" means that
all were asked and none has it.

Never: stores anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from holdfast.errors import UpstreamError, UpstreamMissingError
from syncworker.upstream.upstream import severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from holdfast.mirrors.freshness import Rules
    from holdfast.mirrors.routes import Routes
    from holdfast.mirrors.routes import Source as Route
    from holdfast.mirrors.ways import Way
    from holdfast.names import Repository, Tag
    from syncworker.upstream.upstream import Line, Upstream

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Source:
    """An upstream, the repository's name there, and what the configuration says of it."""

    upstream: Upstream
    name: Repository
    way: Way


class Sources:
    """``upstreams`` and ``rules`` by the number of their entry in the configuration. Shared by threads."""

    def __init__(
        self, routes: Routes, upstreams: Mapping[int, Upstream], rules: Mapping[int, Rules], *, every: bool = False
    ) -> None:
        self._routes = routes
        self._upstreams = upstreams
        self._rules = rules
        self._filling = routes.sources if every else routes.asked

    def every(self) -> Sources:
        """The same upstreams, those among them that fill a repository by periodic runs only. Not to be closed for itself."""
        return Sources(self._routes, self._upstreams, self._rules, every=True)

    def rules_of(self, repository: Repository) -> Rules | None:
        """Of the upstream that is asked first; None: nobody is asked for this repository."""
        found = self._routes.asked(repository)
        return self._rules[found[0].way.registry] if found else None

    def ways(self, repository: Repository) -> tuple[Way, ...]:
        """What the configuration says of those that are asked, in their order."""
        return tuple(route.way for route in self._routes.asked(repository))

    def selects(self, repository: Repository, tag: Tag) -> bool:
        """Whether any of them is asked for this tag."""
        return any(way.selects(tag) for way in self.ways(repository))

    def ask(self, repository: Repository, question: Callable[[Upstream, Repository], Result | None]) -> Result:
        """The first answer. An answer of None counts as "missing".

        Raises:
            UpstreamMissingError: none has it, or none is asked for this repository.
            UpstreamError: some could not be asked, or none gave an answer that can be used.
        """
        routes = self._filling(repository)
        return self._first(repository, routes, lambda source: question(source.upstream, source.name))

    def ask_each(self, repository: Repository, question: Callable[[Source], Result | None]) -> Result:
        """As ``ask``, for questions that depend on what the configuration says."""
        return self._first(repository, self._filling(repository), question)

    def ask_for_tag(self, repository: Repository, tag: Tag, question: Callable[[Source], Result | None]) -> Result:
        """As ``ask_each``, of those alone whose filters select the tag."""
        routes = [route for route in self._routes.asked(repository) if route.way.selects(tag)]
        return self._first(repository, routes, question)

    def _first(
        self, repository: Repository, routes: Iterable[Route], question: Callable[[Source], Result | None]
    ) -> Result:
        worst: UpstreamError = UpstreamMissingError("no upstream of this repository has it", {"name": repository})
        for route in routes:
            try:
                answer = question(Source(self._upstreams[route.way.registry], route.repository, route.way))
            except UpstreamError as error:
                if severity(error) >= severity(worst):
                    worst = error
            else:
                if answer is not None:
                    return answer
        raise worst

    def lines(self) -> Iterator[Line]:
        """Every URL of every upstream, in the configuration's order."""
        for number in sorted(self._upstreams):
            yield from self._upstreams[number].lines

    def close(self) -> None:
        for upstream in self._upstreams.values():
            upstream.close()
