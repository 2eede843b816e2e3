"""Which repositories are caches, which are our own, and which are both.

Promises: a local repository is never asked for upstream. A push into a cache is refused, so that what is served under an
upstream's name is what the upstream has; ``allowPush`` lifts that. Without it, mirrors that may fill any name at the root
(no destination, no literal prefix) leave repositories both: else nothing could be pushed at all.

Never: says who may push; access control does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.mirrors.routes import Routes
    from holdfast.mirrors.ways import Limits
    from holdfast.names import Repository


class Kind(Enum):
    """What a repository is."""

    LOCAL = "local: pushed to, never asked for upstream"
    CACHE = "cache: filled from upstream, never pushed to"
    BOTH = "both: pushed to, and filled from upstream"


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules over a table of routes."""

    routes: Routes

    def kind(self, name: Repository) -> Kind:
        sources = self.routes.sources(name)
        if not sources:
            return Kind.LOCAL
        # The most specific way decides.
        way = sources[0].way
        allowed = not way.renaming.literal if way.allow_push is None else way.allow_push
        return Kind.BOTH if allowed else Kind.CACHE

    def limits(self, name: Repository) -> Limits | None:
        """What bounds the cache that a repository is; None: nothing does."""
        sources = self.routes.sources(name)
        limits = sources[0].way.limits if sources else None
        return limits if limits is not None and limits.bounds_anything else None

    def push_refusal(self, name: Repository) -> str | None:
        """Why nobody may push here, and what to do; None when pushes are fine."""
        if self.kind(name) is not Kind.CACHE:
            return None
        return (
            f"{name} mirrors another registry and takes no pushes: push under another name,"
            ' or have the operator write "allowPush": true for it'
        )
