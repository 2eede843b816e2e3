"""Links of blobs that clients ask about are renewed, so that a collector does not take what a push relies on.

docker asks for each layer whether it is there, and names it in a manifest minutes later. A link that no manifest needs yet, and
that is nearly as old as the collector's grace, would go in between (ARCHITECTURE 3b: HEAD renews).

Promises: written only when the last renewal is older than a quarter of the grace, so at most four times in it, whoever asks how
often. A link that is deleted meanwhile is not brought back. A renewal that cannot be written is no reason to say that the blob is
not there.
"""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from holdfast.errors import LayoutMovedError, UnavailableError
from holdfast.patterns.routes import route_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.clock import Clock
    from holdfast.meta.links import Fence, Link
    from holdfast.meta.repos import Repositories
    from holdfast.names import Repository

_log: Final = logging.getLogger("holdfast.gateway")

_SHARE: Final = 0.25


class Renewal:
    """``grace_seconds``: after which a collector takes a link that nothing needs; ``of_routes``: for repositories below them."""

    def __init__(
        self,
        repos: Repositories,
        clock: Clock,
        grace_seconds: float,
        of_routes: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._repos = repos
        self._clock = clock
        self._graces = {"": grace_seconds, **of_routes}

    def fence(self, repo: Repository, link: Link) -> Fence | None:
        """To be taken before a node confirms the copy; None: the link is young enough."""
        after_seconds = _SHARE * self._graces[route_of(repo, self._graces)]
        # A wall clock that jumped back makes it look younger than new: renewed as well.
        if 0 <= self._clock.wall() - link.renewed_seconds < after_seconds:
            return None
        return self._repos.fence(link.digest)

    def renew(self, repo: Repository, link: Link, fence: Fence) -> bool:
        """After a node has confirmed a copy. False: the link is gone, and is not brought back.

        Raises:
            SweepMovedError: a sweep began meanwhile, so look at the copies again.
        """
        try:
            return self._repos.renew_link(repo, link.digest, fence)
        except (UnavailableError, LayoutMovedError) as error:
            _log.warning("a link was not renewed", extra={"digest": str(link.digest), "reason": error.message})
            return True
