"""Which upstreams may fill a repository, and asking them one after the other.

Promises: an upstream is asked under its own name for the repository, with its own credentials, and only if the configuration says
that it fills this repository: on demand, or in the view of ``every`` by its periodic runs as well. The error that is raised in the
end is the one that leaves most open, so that "missing" means that all were asked and none has it.

Never: stores anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from holdfast.errors import UpstreamError, UpstreamMissingError
from syncworker.upstream.upstream import severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.mirrors.freshness import Rules
    from holdfast.mirrors.routes import Routes
    from holdfast.names import Repository
    from syncworker.upstream.upstream import Upstream

Result = TypeVar("Result")


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

    def ask(self, repository: Repository, question: Callable[[Upstream, Repository], Result | None]) -> Result:
        """The first answer. An answer of None counts as "missing".

        Raises:
            UpstreamMissingError: none has it, or none is asked for this repository.
            UpstreamError: some could not be asked, or none gave an answer that can be used.
        """
        worst: UpstreamError = UpstreamMissingError("no upstream of this repository has it", {"name": repository})
        for source in self._filling(repository):
            try:
                answer = question(self._upstreams[source.way.registry], source.repository)
            except UpstreamError as error:
                if severity(error) >= severity(worst):
                    worst = error
            else:
                if answer is not None:
                    return answer
        raise worst

    def close(self) -> None:
        for upstream in self._upstreams.values():
            upstream.close()
