"""A gateway's mirroring where nothing is mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gateway.mirroring import Mirroring
from holdfast.clock import SystemClock
from holdfast.mirrors.policy import Policy
from holdfast.mirrors.routes import Routes

if TYPE_CHECKING:
    from holdfast.meta.repos import Repositories


def no_mirrors(repos: Repositories) -> Mirroring:
    """Asks nobody: there is no worker that it could call."""
    nobody = cast("Any", None)
    return Mirroring(Policy(Routes()), repos, nobody, nobody, SystemClock(), lambda _warning: None)
